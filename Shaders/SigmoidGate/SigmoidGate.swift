public import VkdynCore

/// Rows by the sigmoid of a gate each: `result[r, i] = source[r, i] · sigmoid(gate[r])`.
///
/// | buffer | shape          | type |
/// |--------|----------------|------|
/// | rows   | one `RowCount` | u32  |
/// | gate   | [rows]         | f32  |
/// | source | [rows, width]  | f32  |
/// | result | [rows, width]  | f32  |
///
/// `sigmoid(x) = reciprocal(1 + exponential(−x))`, with the bits of `Route`'s. No units. No reduction.
/// Edge cases: rows beyond the count are neither read nor touched; a gate of +∞ leaves its row as it is, one of −∞ makes
/// it zeros, and of infinities NaN; NaN follows IEEE 754.
/// Source: the shared expert of Qwen2-MoE, Yang et al., arXiv 2407.10671, section 2.2.2.
/// Error: at most 5 ulp while e⁻ˣ is finite.
public enum SigmoidGate: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        Elementwise.work(rowCapacity: parameters.rowCapacity, width: parameters.width)
    }

    public static func cost(_ call: KernelCall<SigmoidGate>) -> Cost {
        let (rows, width) = (Int(call.parameters.rowCapacity), Int(call.parameters.width))
        return Cost(operations: rows * (width + 40), bytes: rows * (2 * width + 1) * 4)
    }

    public static func variants(_ call: KernelCall<SigmoidGate>, _ traits: DeviceTraits) -> [String] {
        Elementwise.variants(
            isQuadWidth: call.parameters.width % 4 == 0, rows: Int(call.parameters.rowCapacity), traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<SigmoidGate>) {
        let width = Int(call.parameters.width)
        for row in 0..<min(Int(b.rows.pointee.count), Int(call.parameters.rowCapacity)) {
            let factor = Functions.reciprocal(1 + Functions.exponential(-b.gate[row]))
            for i in 0..<width { b.result[row * width + i] = b.source[row * width + i] * factor }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 137)
        return Elementwise.shapes.map { makeCase($0, &random) }
            // Every special value as a gate.
            + [8, 7].map { width in
                let rows = Elementwise.specialValues.count
                return makeCase(
                    Elementwise.Shape(rows: rows, capacity: rows, width: width, isSpecial: true), &random)
            }
    }

    public static var shapes: ShapeSpace { ShapeSpace(Elementwise.axes) }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(Elementwise.Shape(shape, &random), &random)
    }

    private static func makeCase(_ shape: Elementwise.Shape, _ random: inout CaseGenerator) -> KernelCase {
        let source = shape.source(width: shape.width, random: &random)
        var gate = shape.source(width: 1, random: &random)
        if shape.isSpecial {
            for row in gate.indices { gate[row] = Elementwise.specialValues[row % Elementwise.specialValues.count] }
        }
        return makeCase(
            shape.label,
            Contents(
                rows: shape.rowContents, gate: .floats(gate), source: .floats(source),
                result: .unwritten(shape.capacity * shape.width)),
            Parameters(rowCapacity: UInt32(shape.capacity), width: UInt32(shape.width)))
    }
}
