public import VkdynCore

/// Natural logarithm: `result[r, i] = ln source[r, i]`.
///
/// | buffer | shape          | type |
/// |--------|----------------|------|
/// | rows   | one `RowCount` | u32  |
/// | source | [rows, width]  | f32  |
/// | result | [rows, width]  | f32  |
///
/// Proportional attention adds the logarithms of the keys' sizes, in patches, to its scores: a row is an image, its
/// width the tokens. No reduction.
/// Edge cases: rows beyond the count are not touched; ±0 gives −∞, a negative number NaN, +∞ itself.
/// Source: proportional attention, Bolya et al., arXiv 2210.09461, equation 1.
/// Error: at most 0.81 ulp.
public enum Logarithm: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        Elementwise.work(rowCapacity: parameters.rowCapacity, width: parameters.width)
    }

    public static func cost(_ call: KernelCall<Logarithm>) -> Cost {
        let count = Int(call.parameters.rowCapacity) * Int(call.parameters.width)
        // A logarithm counts as thirty operations, as its polynomial and scaling do.
        return Cost(operations: 30 * count, bytes: 2 * count * 4)
    }

    public static func variants(_ call: KernelCall<Logarithm>, _ traits: DeviceTraits) -> [String] {
        Elementwise.variants(
            isQuadWidth: call.parameters.width % 4 == 0, rows: Int(call.parameters.rowCapacity), traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<Logarithm>) {
        let rows = min(Int(b.rows.pointee.count), Int(call.parameters.rowCapacity))
        for i in 0..<rows * Int(call.parameters.width) { b.result[i] = Functions.logarithm(b.source[i]) }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 309)
        return Elementwise.shapes.map { shape in
            makeCase(
                shape.label, shape.rowContents, shape.source(width: shape.width, random: &random), shape.capacity,
                shape.width)
        }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([ShapeAxis("rows", 0...40, standard: 8), ShapeAxis("width", 0...300, standard: 4096)])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, width) = (shape["rows"], shape["width"])
        // Sizes, whole numbers mostly, and all kinds of other floats.
        let source = (0..<rows * width).map { index in
            index % 3 == 0
                ? Float(bitPattern: .random(in: 0 ... .max, using: &random))
                : Float(Int.random(in: 1...300, using: &random))
        }
        return makeCase(
            "\(shape)", .structure(RowCount(count: UInt32(rows), capacity: UInt32(rows))), source, rows, width)
    }

    private static func makeCase(
        _ label: String, _ rows: BufferContents, _ source: [Float], _ capacity: Int, _ width: Int
    ) -> KernelCase {
        makeCase(
            label, Contents(rows: rows, source: .floats(source), result: .unwritten(capacity * width)),
            Parameters(rowCapacity: UInt32(capacity), width: UInt32(width)))
    }
}
