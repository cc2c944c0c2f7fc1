public import VkdynCore

/// The gate of a SwiGLU feed-forward block: `result[r, i] = silu(source[r, i]) · source[r, width + i]`.
///
/// | buffer | shape                                       | type |
/// |--------|---------------------------------------------|------|
/// | rows   | one `RowCount`                              | u32  |
/// | source | [rows, 2·width], the gate, then the product | f32  |
/// | result | [rows, width]                               | f32  |
///
/// `silu(x) = x · reciprocal(1 + exponential(−x))`. No units. No reduction.
/// Edge cases: rows beyond the count are not touched; NaN gives NaN; a gate of −∞ gives NaN, the product of −∞ and 0.
/// Source: Shazeer, arXiv 2002.05202.
/// Error: at most 4 ulp while e⁻ˣ is finite.
public enum SiluGate: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        Elementwise.work(rowCapacity: parameters.rowCapacity, width: parameters.width)
    }

    public static func cost(_ call: KernelCall<SiluGate>) -> Cost {
        let count = Int(call.parameters.rowCapacity) * Int(call.parameters.width)
        return Cost(operations: 40 * count, bytes: 3 * count * 4)
    }

    public static func variants(_ call: KernelCall<SiluGate>, _ traits: DeviceTraits) -> [String] {
        Elementwise.variants(
            isQuadWidth: call.parameters.width % 4 == 0, rows: Int(call.parameters.rowCapacity), traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<SiluGate>) {
        let width = Int(call.parameters.width)
        for row in 0..<min(Int(b.rows.pointee.count), Int(call.parameters.rowCapacity)) {
            for i in 0..<width {
                let gate = row * 2 * width + i
                b.result[row * width + i] = Activation.silu(b.source[gate]) * b.source[gate + width]
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 17)
        return Elementwise.shapes.map { makeCase($0, &random) }
    }

    public static var shapes: ShapeSpace { ShapeSpace(Elementwise.axes) }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(Elementwise.Shape(shape, &random), &random)
    }

    private static func makeCase(_ shape: Elementwise.Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            shape.label,
            Contents(
                rows: shape.rowContents, source: .floats(shape.source(width: 2 * shape.width, random: &random)),
                result: .unwritten(shape.capacity * shape.width)),
            Parameters(rowCapacity: UInt32(shape.capacity), width: UInt32(shape.width)))
    }
}
