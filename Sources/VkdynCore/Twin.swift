/// Memory of one buffer as a twin sees it.
public struct TwinMemory {
    public let base: UnsafeMutableRawPointer
    public let byteCount: Int
    public let elementType: ElementType

    public init(base: UnsafeMutableRawPointer, byteCount: Int, elementType: ElementType) {
        self.base = base
        self.byteCount = byteCount
        self.elementType = elementType
    }

    /// An absent optional buffer is empty.
    public static func array<T>(_ memory: TwinMemory?) -> UnsafeBufferPointer<T> {
        UnsafeBufferPointer(mutableArray(memory))
    }

    public static func mutableArray<T>(_ memory: TwinMemory?) -> UnsafeMutableBufferPointer<T> {
        guard let memory else { return UnsafeMutableBufferPointer(start: nil, count: 0) }
        let count = memory.byteCount / MemoryLayout<T>.stride
        return UnsafeMutableBufferPointer(start: memory.base.bindMemory(to: T.self, capacity: count), count: count)
    }

    public static func pointer<T: DeviceStructure>(_ memory: TwinMemory?) -> UnsafePointer<T> {
        UnsafePointer(mutablePointer(memory))
    }

    public static func mutablePointer<T: DeviceStructure>(_ memory: TwinMemory?) -> UnsafeMutablePointer<T> {
        guard let memory, memory.byteCount >= MemoryLayout<T>.size else {
            preconditionFailure("a buffer is smaller than \(T.self)")
        }
        return memory.base.bindMemory(to: T.self, capacity: 1)
    }

    public static func texels(_ memory: TwinMemory?) -> TexelView { TexelView(memory) }
}

/// Read access to a buffer of f32, f16, bf16 or int8 elements, widened exactly; what a texel view of it gives a shader.
public struct TexelView {
    private let memory: TwinMemory?

    public init(_ memory: TwinMemory?) { self.memory = memory }

    /// Elements, not texels.
    public var count: Int { memory.map { $0.byteCount / $0.elementType.byteCount } ?? 0 }

    public subscript(index: Int) -> Float {
        guard let memory else { preconditionFailure("an absent buffer is read") }
        precondition(index >= 0 && index < count, "texel element \(index) of \(count)")
        return Self.widen(memory.base, index, memory.elementType)
    }

    /// Widens `range` into `destination`, element by element.
    public func widen(_ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) {
        guard let memory else { preconditionFailure("an absent buffer is read") }
        precondition(range.lowerBound >= 0 && range.upperBound <= count && range.count <= destination.count)
        switch memory.elementType {
        case .f32:
            let source = memory.base.assumingMemoryBound(to: Float.self)
            for (offset, index) in range.enumerated() { destination[offset] = source[index] }
        default:
            for (offset, index) in range.enumerated() {
                destination[offset] = Self.widen(memory.base, index, memory.elementType)
            }
        }
    }

    private static func widen(_ base: UnsafeMutableRawPointer, _ index: Int, _ type: ElementType) -> Float {
        switch type {
        case .f32:
            return base.load(fromByteOffset: index * 4, as: Float.self)
        case .f16:
            return Narrow.widenF16(base.load(fromByteOffset: index * 2, as: UInt16.self))
        case .bf16:
            return Narrow.widenBF16(base.load(fromByteOffset: index * 2, as: UInt16.self))
        case .i8:
            return Float(base.load(fromByteOffset: index, as: Int8.self))
        default:
            preconditionFailure("\(type) is not read as floats")
        }
    }
}
