/// One input of a kernel, for tests, `verify` and benchmarks alike.
public struct KernelCase: Sendable {
    public let label: String
    public let contents: [BufferContents?]
    public let parameters: [UInt32]
    public let constants: [UInt32]
    /// What this call takes at least, where its contents decide that (how far rows attend, how many are routed) and the
    /// kernel's `cost` knows the capacity alone.
    public let cost: Cost?
}

extension Kernel {
    /// - Parameters:
    ///   - label: what is special about the case, as in `rows 17, columns 5, depth 257`.
    ///   - rows: for a kernel with counted rows, the count lies in the contents themselves.
    ///   - cost: nil where the kernel's own `cost` is true of this call.
    public static func makeCase(
        _ label: String, _ contents: Contents, _ parameters: Parameters,
        _ constants: Constants = Constants(), cost: Cost? = nil
    ) -> KernelCase {
        KernelCase(
            label: label, contents: contents.values, parameters: parameters.words, constants: constants.words,
            cost: cost)
    }
}

/// The bytes of a buffer before a kernel runs.
public struct BufferContents: Sendable {
    public let elementType: ElementType
    public let bytes: [UInt8]

    public var count: Int { bytes.count / elementType.byteCount }

    public init(elementType: ElementType, bytes: [UInt8]) {
        precondition(bytes.count % elementType.byteCount == 0)
        self.elementType = elementType
        self.bytes = bytes
    }

    /// Floats, narrowed to the storage type.
    public static func floats(_ values: [Float], as type: ElementType = .f32) -> BufferContents {
        switch type {
        case .f16:
            BufferContents(elementType: type, bytes: values.map(Narrow.toF16).withUnsafeBytes { Array($0) })
        case .bf16:
            BufferContents(elementType: type, bytes: values.map(Narrow.toBF16).withUnsafeBytes { Array($0) })
        default:
            BufferContents(elementType: .f32, bytes: values.withUnsafeBytes { Array($0) })
        }
    }

    public static func words(_ values: [UInt32]) -> BufferContents {
        BufferContents(elementType: .u32, bytes: values.withUnsafeBytes { Array($0) })
    }

    public static func structure<S: DeviceStructure>(_ value: S) -> BufferContents {
        BufferContents(elementType: .u32, bytes: withUnsafeBytes(of: value) { Array($0) })
    }

    public static func structures<S: DeviceStructure>(_ values: [S]) -> BufferContents {
        BufferContents(elementType: .u32, bytes: values.withUnsafeBytes { Array($0) })
    }

    /// Memory that nobody wrote: a quiet NaN with a telling payload in every word.
    public static func unwritten(_ count: Int, as type: ElementType = .f32) -> BufferContents {
        let pattern: [UInt8] = [0xAD, 0xDE, 0xFA, 0x7F]
        return BufferContents(
            elementType: type, bytes: (0..<count * type.byteCount).map { pattern[$0 % 4] })
    }
}

/// A small seeded generator for cases (SplitMix64, by Steele, Lea and Flood): the same inputs everywhere.
public struct CaseGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Floats with mantissas of full length, of both signs, below `scale` in magnitude.
    public mutating func floats(_ count: Int, scale: Float = 1) -> [Float] {
        (0..<count).map { _ in
            let unit = Float(Int32(truncatingIfNeeded: next() >> 40) - (1 << 23)) * Float(sign: .plus, exponent: -23, significand: 1)
            return unit * scale
        }
    }
}
