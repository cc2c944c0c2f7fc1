import VkdynCore

/// A call of a kernel's twin over memory of its own.
final class TwinCall<K: Kernel> {
    private let memory: [TwinMemory?]
    private let call: KernelCall<K>

    init(contents: [BufferContents?], parameters: [UInt32], constants: [UInt32]) {
        memory = contents.map { contents in
            guard let contents else { return nil }
            let base = UnsafeMutableRawPointer.allocate(byteCount: max(contents.bytes.count, 4), alignment: 16)
            base.copyMemory(from: contents.bytes, byteCount: contents.bytes.count)
            return TwinMemory(base: base, byteCount: contents.bytes.count, elementType: contents.elementType)
        }
        call = KernelCall(
            parameters: K.Parameters(words: parameters), constants: K.Constants(words: constants),
            elements: K.Elements(values: contents.map { $0?.elementType }), flavour: .separate)
    }

    convenience init(_ contents: K.Contents, _ parameters: K.Parameters, _ constants: K.Constants = .init()) {
        self.init(contents: contents.values, parameters: parameters.words, constants: constants.words)
    }

    convenience init(_ kernelCase: KernelCase) {
        self.init(
            contents: kernelCase.contents, parameters: kernelCase.parameters, constants: kernelCase.constants)
    }

    deinit { for buffer in memory { buffer?.base.deallocate() } }

    @discardableResult
    func run() -> Self {
        K.twin(K.Views(memory), call)
        return self
    }

    /// The buffer of a binding, as 32-bit words.
    func words(_ name: String) -> [UInt32] { elements(name) }

    func floats(_ name: String) -> [Float] { elements(name) }

    func structure<S: DeviceStructure>(_ name: String, as: S.Type = S.self) -> S { (elements(name) as [S])[0] }

    private func elements<T>(_ name: String) -> [T] {
        let index = K.interface.bindings.firstIndex { $0.name == name }!
        return Array(TwinMemory.array(memory[index]) as UnsafeBufferPointer<T>)
    }
}

/// Pearson's χ² of counts against probabilities.
func chiSquare(_ counts: [Int], _ probabilities: [Double]) -> Double {
    let total = Double(counts.reduce(0, +))
    return zip(counts, probabilities).reduce(0) { sum, pair in
        let expected = total * pair.1
        guard expected > 0 else { return sum + (pair.0 == 0 ? 0 : .infinity) }
        return sum + (Double(pair.0) - expected) * (Double(pair.0) - expected) / expected
    }
}

/// The value that χ² exceeds with probability 1/1000, for 1 to 9 degrees of freedom.
let chiSquareLimits = [10.83, 13.82, 16.27, 18.47, 20.52, 22.46, 24.32, 26.12, 27.88]
