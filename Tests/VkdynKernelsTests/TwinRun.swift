import VkdynCore

/// One case of a kernel run on its twin: memory before and after, by binding.
struct TwinRun<K: Kernel> {
    let before: [BufferContents?]
    let after: [BufferContents?]
    let parameters: K.Parameters
    let constants: K.Constants
    let label: String

    init(_ kernel: K.Type, _ kernelCase: KernelCase, flavour: Flavour = .separate) {
        var memory: [TwinMemory?] = []
        for contents in kernelCase.contents {
            guard let contents else {
                memory.append(nil)
                continue
            }
            let base = UnsafeMutableRawPointer.allocate(byteCount: max(contents.bytes.count, 16), alignment: 16)
            contents.bytes.withUnsafeBytes { base.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(base), byteCount: $0.count) }
            memory.append(TwinMemory(base: base, byteCount: contents.bytes.count, elementType: contents.elementType))
        }
        defer { for buffer in memory { buffer?.base.deallocate() } }
        before = kernelCase.contents
        parameters = K.Parameters(words: kernelCase.parameters)
        constants = K.Constants(words: kernelCase.constants)
        label = kernelCase.label
        let call = KernelCall<K>(
            parameters: parameters, constants: constants,
            elements: K.Elements(values: kernelCase.contents.map { $0?.elementType }), flavour: flavour)
        K.twin(K.Views(memory), call)
        after = memory.map { buffer in
            buffer.map {
                BufferContents(
                    elementType: $0.elementType,
                    bytes: Array(UnsafeRawBufferPointer(start: $0.base, count: $0.byteCount)))
            }
        }
    }

    /// The rows that the run treats: the count, cut to the capacity, which are a case's first binding.
    var rowCount: Int {
        let words = before[0]!.words
        return min(Int(words[0]), Int(words[1]))
    }

    /// All runs of a kernel's cases.
    static func all(flavour: Flavour = .separate) -> [TwinRun] { K.cases.map { TwinRun(K.self, $0, flavour: flavour) } }
}

extension BufferContents {
    var words: [UInt32] { bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt32.self)) } }

    /// Elements widened exactly.
    var floats: [Float] {
        switch elementType {
        case .f16: bytes.withUnsafeBytes { $0.bindMemory(to: UInt16.self).map(Narrow.widenF16) }
        case .bf16: bytes.withUnsafeBytes { $0.bindMemory(to: UInt16.self).map(Narrow.widenBF16) }
        case .i8: bytes.map { Float(Int8(bitPattern: $0)) }
        default: bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        }
    }
}

/// The distance from one f32 to the next at an exact value, denormals included.
func ulp(_ exact: Double) -> Double {
    let exponent = exact.isZero || !exact.isFinite ? -126 : max(Int(exact.exponent), -126)
    return Double(sign: .plus, exponent: exponent - 23, significand: 1)
}

/// Whether a value is within `bound` of an exact one; NaN equals NaN, infinities themselves, and an exact value beyond
/// f32's range may be infinite.
func agrees(_ value: Float, _ exact: Double, bound: Double) -> Bool {
    if exact.isNaN || value.isNaN { return exact.isNaN && value.isNaN }
    if exact.isInfinite || value.isInfinite {
        return Double(value) == exact || (abs(exact) > 3.4e38 && value.isInfinite && (value < 0) == (exact < 0))
    }
    return abs(Double(value) - exact) <= bound
}
