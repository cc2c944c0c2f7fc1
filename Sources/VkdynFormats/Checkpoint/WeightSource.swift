public import VkdynCore

/// Where a model's weights come from: a checkpoint's files, or a seed.
public protocol WeightSource: Sendable {
    /// Bytes of all weights, for progress.
    var byteCount: Int { get }

    /// The blocks of fp8 matrices that share a scale; nil where the model has none.
    var weightBlock: WeightBlock? { get }

    /// Whether there is a tensor of this name.
    func contains(_ name: String) -> Bool

    /// The tensor of this name; throws when there is none, when it does not have exactly this shape, or when its
    /// elements are stored as none of `types`.
    func tensor(_ name: String, shape: [Int], types: [ElementType]) throws(FormatError) -> TensorView
}

extension WeightSource {
    public var weightBlock: WeightBlock? { nil }

    /// A tensor of floating-point numbers; one in fp8 comes with the scales of its blocks.
    public func tensor(_ name: String, shape: [Int]) throws(FormatError) -> TensorView {
        let view = try tensor(name, shape: shape, types: [.f32, .f16, .bf16, .f8e4m3])
        return view.elementType == .f8e4m3 ? try scaled(view) : view
    }
}

/// Weights that follow from a seed, in f32: what a fresh model has before its training, so that an architecture can be
/// timed with no checkpoint. A tensor's numbers depend on the seed, its name and its shape alone.
///
/// Matrices, tables and tokens are uniform with a standard deviation of 0.02; vectors named `bias` are 0, other vectors
/// 1, layer scales 0.1.
public struct SeededWeights: WeightSource {
    public let seed: UInt64
    public let byteCount: Int

    /// - Parameter byteCount: bytes of the model that will be loaded, for progress.
    public init(seed: UInt64, byteCount: Int) {
        self.seed = seed
        self.byteCount = byteCount
    }

    public func contains(_ name: String) -> Bool { true }

    public func tensor(_ name: String, shape: [Int], types: [ElementType]) throws(FormatError) -> TensorView {
        let count = shape.reduce(1, *)
        let file = try MappedFile(named: "weights of seed \(seed)", byteCount: count * 4) { bytes in
            let values = bytes.bindMemory(to: Float.self)
            switch (shape.count, name.split(separator: ".").last) {
            case (1, "bias"): values.update(repeating: 0)
            case (1, "gamma"): values.update(repeating: 0.1)
            case (1, _): values.update(repeating: 1)
            default:
                var random = CaseGenerator(seed: seed ^ Self.hash(name))
                // √3 · 0.02: the standard deviation of a uniform number below 1 is 1/√3.
                for index in values.indices { values[index] = random.float(scale: 0.03464102) }
            }
        }
        return TensorView(name: name, elementType: .f32, shape: shape, file: file, range: 0..<count * 4)
    }

    /// FNV-1a.
    private static func hash(_ name: String) -> UInt64 {
        name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
