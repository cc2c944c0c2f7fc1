public import VkdynCore

/// How fast a device copies, for `vkdyn bench` to compare with: `result[i] = source[i]`.
///
/// | buffer | shape          | type |
/// |--------|----------------|------|
/// | source | [quadCount, 4] | 32-bit words |
/// | result | [quadCount, 4] | 32-bit words |
///
/// Words are copied as they are, NaN included. Nothing is reduced. No quads write nothing. Exact.
public enum CopyCeiling: Kernel {
    /// Quads that one workgroup copies.
    static let segment = 4096

    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent((Int(parameters.quadCount) + segment - 1) / segment)
    }

    public static func cost(_ call: KernelCall<CopyCeiling>) -> Cost {
        Cost(operations: 0, bytes: 32 * Int(call.parameters.quadCount))
    }

    public static func variants(_ call: KernelCall<CopyCeiling>, _ traits: DeviceTraits) -> [String] {
        let lanes = traits.kind == .cpu ? [8, 64] : [64, 8]
        return ["texels", "storage"].flatMap { kind in lanes.map { "\(kind)_lanes\($0)" } }
    }

    public static func twin(_ b: Views, _ call: KernelCall<CopyCeiling>) {
        for index in 0..<4 * Int(call.parameters.quadCount) { b.result[index] = b.source[index] }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 32)
        return [0, 1, 7, 8, 9, 31, 32, 33, 255, 256, 257, 4095, 4096, 4097, 9000].map { makeCase(quads: $0, &random) }
    }

    public static var shapes: ShapeSpace { ShapeSpace([ShapeAxis("quads", 0...20_000, standard: 1 << 20)]) }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(quads: shape["quads"], &random)
    }

    private static func makeCase(quads: Int, _ random: inout CaseGenerator) -> KernelCase {
        let words = (0..<4 * quads).map { _ in UInt32(truncatingIfNeeded: random.next()) }
        return makeCase(
            "\(quads) quads", Contents(source: .words(words), result: .unwritten(4 * quads, as: .u32)),
            Parameters(quadCount: UInt32(quads)))
    }
}
