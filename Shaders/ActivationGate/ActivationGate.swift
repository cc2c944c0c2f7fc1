public import VkdynCore

/// The gate of a gated feed-forward block (SwiGLU, GEGLU and their kin):
/// `result[r, i] = activation(source[r, i]) · source[r, width + i]`.
///
/// | buffer | shape                                       | type |
/// |--------|---------------------------------------------|------|
/// | rows   | one `RowCount`                              | u32  |
/// | source | [rows, 2·width], the gate, then the product | f32  |
/// | result | [rows, width]                               | f32  |
///
/// The constant `activation` is the raw value of an `Activation`; an unknown one is none. No units. No reduction.
/// Edge cases: rows beyond the count are not touched; NaN gives NaN; a gate of −∞ gives NaN with the activations that
/// give it there, the product of −∞ and 0.
/// Source: Shazeer, arXiv 2002.05202.
/// Error: that of the activation as `Activate` states it, times the product, and half an ulp.
public enum ActivationGate: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        Elementwise.work(rowCapacity: parameters.rowCapacity, width: parameters.width)
    }

    public static func cost(_ call: KernelCall<ActivationGate>) -> Cost {
        let count = Int(call.parameters.rowCapacity) * Int(call.parameters.width)
        return Cost(operations: 40 * count, bytes: 3 * count * 4)
    }

    public static func variants(_ call: KernelCall<ActivationGate>, _ traits: DeviceTraits) -> [String] {
        Elementwise.variants(
            isQuadWidth: call.parameters.width % 4 == 0, rows: Int(call.parameters.rowCapacity), traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<ActivationGate>) {
        let width = Int(call.parameters.width)
        let activation = Activation(rawValue: call.constants.activation) ?? .none
        for row in 0..<min(Int(b.rows.pointee.count), Int(call.parameters.rowCapacity)) {
            for i in 0..<width {
                let gate = row * 2 * width + i
                b.result[row * width + i] = activation(b.source[gate]) * b.source[gate + width]
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 17)
        var cases: [KernelCase] = []
        for (index, shape) in Elementwise.shapes.enumerated() {
            for activation in Activation.allCases
            where shape.isSpecial || activation == Activation.allCases[index % Activation.allCases.count] {
                cases.append(makeCase(shape, activation, &random))
            }
        }
        return cases
    }

    public static var shapes: ShapeSpace { ShapeSpace(Elementwise.axes + [Activation.axis(standard: .silu)]) }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(Elementwise.Shape(shape, &random), Activation(shape), &random)
    }

    private static func makeCase(
        _ shape: Elementwise.Shape, _ activation: Activation, _ random: inout CaseGenerator
    ) -> KernelCase {
        makeCase(
            "\(shape.label), \(activation)",
            Contents(
                rows: shape.rowContents, source: .floats(shape.source(width: 2 * shape.width, random: &random)),
                result: .unwritten(shape.capacity * shape.width)),
            Parameters(rowCapacity: UInt32(shape.capacity), width: UInt32(shape.width)),
            Constants(activation: activation.rawValue))
    }
}
