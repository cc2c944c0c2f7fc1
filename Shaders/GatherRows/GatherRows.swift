public import VkdynCore

/// Rows by a list of indices: `result[r, i] = source[(r / rowsPerGroup) · groupStride + indices[r] / divisor, i]`.
///
/// | buffer  | shape               | type |
/// |---------|---------------------|------|
/// | rows    | one `RowCount`      | u32  |
/// | indices | [rows]              | u32  |
/// | source  | [sourceRows, width] | f32  |
/// | result  | [rows, width]       | f32  |
///
/// The divisor is k where indices are assignments `row · k + slot`, as `GroupExperts` gives them, else 1. Groups are
/// sequences whose rows lie groupStride apart, where indices count within a sequence, as `TopK` gives them; with a
/// groupStride of 0 there are none.
/// No reduction. Bits pass unchanged, except that a NaN may become another.
/// Edge cases: a result row whose source row would not be below sourceRows, as of the index 0xFFFFFFFF, is not touched,
/// nor are rows beyond the count.
/// Source: none. Exact.
public enum GatherRows: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        Elementwise.work(rowCapacity: parameters.rowCapacity, width: parameters.width)
    }

    public static func cost(_ call: KernelCall<GatherRows>) -> Cost {
        let count = Int(call.parameters.rowCapacity) * Int(call.parameters.width)
        return Cost(operations: 0, bytes: 8 * count + 4 * Int(call.parameters.rowCapacity))
    }

    public static func variants(_ call: KernelCall<GatherRows>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let texels = Int(p.sourceRows) * Int(p.width) / 4
        guard p.width % 4 == 0, texels > 0, texels <= traits.maximumTexels else { return ["scalars"] }
        let few = p.rowCapacity >= 8 ? ["quads8_rows4", "quads8"] : ["quads8", "quads8_rows4"]
        return traits.kind == .cpu ? few + ["quads64", "scalars"] : ["scalars", "quads64"] + few
    }

    public static func twin(_ b: Views, _ call: KernelCall<GatherRows>) {
        let p = call.parameters
        let width = Int(p.width)
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let index = Int(b.indices[row] / p.divisor)
            let from = row / Int(p.rowsPerGroup) * Int(p.groupStride) + index
            guard index < p.sourceRows, from < p.sourceRows else { continue }
            for i in 0..<width { b.result[row * width + i] = b.source[from * width + i] }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 125)
        var cases = Elementwise.shapes.map { shape in
            makeCase(
                rows: shape.rows, capacity: shape.capacity, width: shape.width, sourceRows: shape.capacity + 3,
                random: &random, isSpecial: shape.isSpecial)
        }
        cases.append(makeCase(rows: 40, capacity: 40, width: 36, sourceRows: 10, divisor: 4, random: &random))
        cases.append(makeCase(rows: 7, capacity: 9, width: 35, sourceRows: 10, divisor: 2, random: &random))
        for width in [8, 9] {
            cases.append(
                makeCase(
                    rows: 12, capacity: 12, width: width, sourceRows: 60, rowsPerGroup: 4, groupStride: 20,
                    random: &random))
        }
        cases.append(makeCase(rows: 3, capacity: 3, width: 8, sourceRows: 0, random: &random))
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...60, standard: 1024), ShapeAxis("width", 1...600, standard: 768),
            ShapeAxis("sourceRows", 1...60, standard: 512), ShapeAxis("divisor", 1...8, standard: 2),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            rows: shape["rows"], capacity: random.capacity(for: shape["rows"]), width: shape["width"],
            sourceRows: shape["sourceRows"], divisor: shape["divisor"], random: &random)
    }

    /// Every fifth row of a case has no source.
    private static func makeCase(
        rows: Int, capacity: Int, width: Int, sourceRows: Int, divisor: Int = 1, rowsPerGroup: Int? = nil,
        groupStride: Int = 0, random: inout CaseGenerator, isSpecial: Bool = false
    ) -> KernelCase {
        var source = random.floats(sourceRows * width, scale: 4)
        if isSpecial {
            for (index, value) in Elementwise.specialValues.enumerated() { source[index * 5 % source.count] = value }
        }
        let indexCount = max((groupStride == 0 ? sourceRows : groupStride) * divisor, 1)
        let indices = (0..<capacity).map { row in
            row % 5 == 4 || row >= rows ? .max : UInt32(Int.random(in: 0..<indexCount, using: &random))
        }
        return makeCase(
            "rows \(rows) of \(capacity) from \(sourceRows), width \(width), divisor \(divisor)"
                + (rowsPerGroup.map { ", groups of \($0)" } ?? ""),
            Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))), indices: .words(indices),
                source: .floats(source), result: .unwritten(capacity * width)),
            Parameters(
                rowCapacity: UInt32(capacity), width: UInt32(width), sourceRows: UInt32(sourceRows),
                divisor: UInt32(divisor), rowsPerGroup: UInt32(rowsPerGroup ?? max(capacity, 1)),
                groupStride: UInt32(groupStride)))
    }
}
