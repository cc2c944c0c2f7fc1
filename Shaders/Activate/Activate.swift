public import VkdynCore

/// An elementwise nonlinearity: `result[r, i] = activation(source[r, i])`.
///
/// | buffer | shape          | type |
/// |--------|----------------|------|
/// | rows   | one `RowCount` | u32  |
/// | source | [rows, width]  | f32  |
/// | result | [rows, width]  | f32  |
///
/// The constant `activation` is the raw value of an `Activation`; an unknown one copies. No units. No reduction.
/// Edge cases: rows beyond the count are not touched; NaN gives NaN; ReLU maps −0 to −0; GELU and SiLU of −∞ are NaN,
/// the product of −∞ and 0.
/// Source: ReLU, Nair and Hinton, ICML 2010; GELU, arXiv 1606.08415; SiLU, arXiv 1702.03118.
/// Error: ReLU exact; the others at most 4 ulp of the larger of the result and 2⁻²⁴ · |x|, as the tests measure.
public enum Activate: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        Elementwise.work(rowCapacity: parameters.rowCapacity, width: parameters.width)
    }

    public static func cost(_ call: KernelCall<Activate>) -> Cost {
        let count = Int(call.parameters.rowCapacity) * Int(call.parameters.width)
        let operations = call.constants.activation <= Activation.relu.rawValue ? 1 : 40
        return Cost(operations: operations * count, bytes: 2 * count * 4)
    }

    public static func variants(_ call: KernelCall<Activate>, _ traits: DeviceTraits) -> [String] {
        Elementwise.variants(
            isQuadWidth: call.parameters.width % 4 == 0, rows: Int(call.parameters.rowCapacity), traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<Activate>) {
        let rows = min(Int(b.rows.pointee.count), Int(call.parameters.rowCapacity))
        let activation = Activation(rawValue: call.constants.activation) ?? .none
        for i in 0..<rows * Int(call.parameters.width) { b.result[i] = activation(b.source[i]) }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 19)
        var cases: [KernelCase] = []
        for (index, shape) in Elementwise.shapes.enumerated() {
            for activation in Activation.allCases
            where shape.isSpecial || activation == Activation.allCases[index % Activation.allCases.count] {
                cases.append(makeCase(shape, activation, &random))
            }
        }
        return cases
    }

    public static var shapes: ShapeSpace { ShapeSpace(Elementwise.axes + [Activation.axis(standard: .geluTanh)]) }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(Elementwise.Shape(shape, &random), Activation(shape), &random)
    }

    private static func makeCase(
        _ shape: Elementwise.Shape, _ activation: Activation, _ random: inout CaseGenerator
    ) -> KernelCase {
        makeCase(
            "\(shape.label), \(activation)",
            Contents(
                rows: shape.rowContents, source: .floats(shape.source(width: shape.width, random: &random)),
                result: .unwritten(shape.capacity * shape.width)),
            Parameters(rowCapacity: UInt32(shape.capacity), width: UInt32(shape.width)),
            Constants(activation: activation.rawValue))
    }
}
