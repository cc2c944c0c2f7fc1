public import VkdynCore

/// Sum of two tensors: `result[r, i] = left[r, i] + right[r, i]`.
///
/// | buffer | shape          | type |
/// |--------|----------------|------|
/// | rows   | one `RowCount` | u32  |
/// | left   | [rows, width]  | f32  |
/// | right  | [rows, width]  | f32  |
/// | result | [rows, width]  | f32  |
///
/// No units. No reduction.
/// Edge cases: rows beyond the count are not touched; NaN and infinity follow IEEE 754; +0 + −0 is +0.
/// Source: residual connections, He et al., arXiv 1512.03385.
/// Error: at most half an ulp.
public enum Add: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        Elementwise.work(rowCapacity: parameters.rowCapacity, width: parameters.width)
    }

    public static func cost(_ call: KernelCall<Add>) -> Cost {
        let count = Int(call.parameters.rowCapacity) * Int(call.parameters.width)
        return Cost(operations: count, bytes: 3 * count * 4)
    }

    public static func variants(_ call: KernelCall<Add>, _ traits: DeviceTraits) -> [String] {
        Elementwise.variants(
            isQuadWidth: call.parameters.width % 4 == 0, rows: Int(call.parameters.rowCapacity), traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<Add>) {
        let rows = min(Int(b.rows.pointee.count), Int(call.parameters.rowCapacity))
        for i in 0..<rows * Int(call.parameters.width) { b.result[i] = b.left[i] + b.right[i] }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 18)
        return Elementwise.shapes.map { makeCase($0, &random) }
    }

    public static var shapes: ShapeSpace { ShapeSpace(Elementwise.axes) }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(Elementwise.Shape(shape, &random), &random)
    }

    private static func makeCase(_ shape: Elementwise.Shape, _ random: inout CaseGenerator) -> KernelCase {
        var left = shape.source(width: shape.width, random: &random)
        let right = shape.source(width: shape.width, random: &random)
        if shape.isSpecial { for i in 0..<6 { left[i] = Elementwise.specialValues[i] } }
        return makeCase(
            shape.label,
            Contents(
                rows: shape.rowContents, left: .floats(left), right: .floats(right),
                result: .unwritten(shape.capacity * shape.width)),
            Parameters(rowCapacity: UInt32(shape.capacity), width: UInt32(shape.width)))
    }
}
