public import VkdynCore

/// Writes rows back to their places:
/// `result[(r / rowsPerGroup) · groupStride + indices[r], i] = factors[r] · source[r, i]`, or, with the constant `add`,
/// that much more than before. Mixture-of-Depths is `x + r · f(x)` for the chosen tokens.
///
/// | buffer  | shape                         | type |
/// |---------|-------------------------------|------|
/// | rows    | one `RowCount`                | u32  |
/// | indices | [rows], different places      | u32  |
/// | source  | [rows, width]                 | f32  |
/// | factors | [rows], optional; else none is multiplied | f32 |
/// | result  | [resultRows, width], in place | f32  |
///
/// Groups are sequences whose rows lie groupStride apart, where indices count within a sequence, as `TopK` gives them;
/// with a groupStride of 0 there are none. No two rows may have the same place.
/// No reduction: the product is rounded, then the sum.
/// Edge cases: a row whose place would not be below resultRows, as of the index 0xFFFFFFFF, is not written. Rows beyond
/// the count are neither read nor written; all other rows of the result stay as they are.
/// Source: Raposo et al., arXiv 2404.02258, equation 1.
/// Error: half an ulp of the product, and half an ulp of the sum.
public enum ScatterRows: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        Elementwise.work(rowCapacity: parameters.rowCapacity, width: parameters.width)
    }

    public static func cost(_ call: KernelCall<ScatterRows>) -> Cost {
        let count = Int(call.parameters.rowCapacity) * Int(call.parameters.width)
        return Cost(
            operations: count * ((call.elements.factors == nil ? 0 : 1) + (call.constants.add ? 1 : 0)),
            bytes: (call.constants.add ? 12 : 8) * count + 8 * Int(call.parameters.rowCapacity))
    }

    public static func variants(_ call: KernelCall<ScatterRows>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let texels = Int(p.rowCapacity) * Int(p.width) / 4
        guard p.width % 4 == 0, texels <= traits.maximumTexels else { return ["scalars"] }
        let few = p.rowCapacity >= 8 ? ["quads8_rows4", "quads8"] : ["quads8", "quads8_rows4"]
        return traits.kind == .cpu ? few + ["quads64", "scalars"] : ["scalars", "quads64"] + few
    }

    public static func twin(_ b: Views, _ call: KernelCall<ScatterRows>) {
        let p = call.parameters
        let width = Int(p.width)
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let index = Int(b.indices[row])
            let to = row / Int(p.rowsPerGroup) * Int(p.groupStride) + index
            guard index < p.resultRows, to < p.resultRows else { continue }
            for i in 0..<width {
                var value = b.source[row * width + i]
                if !b.factors.isEmpty { value = value * b.factors[row] }
                if call.constants.add { value = b.result[to * width + i] + value }
                b.result[to * width + i] = value
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 126)
        var cases = Elementwise.shapes.enumerated().map { index, shape in
            makeCase(
                rows: shape.rows, capacity: shape.capacity, width: shape.width, resultRows: shape.capacity + 3,
                adds: index % 2 == 0, hasFactors: index % 3 != 0, random: &random, isSpecial: shape.isSpecial)
        }
        for width in [8, 9] {
            for adds in [false, true] {
                cases.append(
                    makeCase(
                        rows: 12, capacity: 12, width: width, resultRows: 60, rowsPerGroup: 4, groupStride: 20,
                        adds: adds, hasFactors: adds, random: &random))
            }
        }
        cases.append(
            makeCase(
                rows: 3, capacity: 3, width: 8, resultRows: 0, adds: true, hasFactors: true, random: &random))
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...60, standard: 512), ShapeAxis("width", 1...600, standard: 768),
            ShapeAxis("others", 0...60, standard: 3584), .flag("add"), .flag("factors"),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let capacity = random.capacity(for: shape["rows"])
        return makeCase(
            rows: shape["rows"], capacity: capacity, width: shape["width"], resultRows: capacity + shape["others"],
            adds: shape.has("add"), hasFactors: shape.has("factors"),
            random: &random)
    }

    /// Every fifth row of a case has no place.
    private static func makeCase(
        rows: Int, capacity: Int, width: Int, resultRows: Int, rowsPerGroup: Int? = nil, groupStride: Int = 0,
        adds: Bool, hasFactors: Bool, random: inout CaseGenerator, isSpecial: Bool = false
    ) -> KernelCase {
        var source = random.floats(capacity * width, scale: 4)
        var result = random.floats(resultRows * width, scale: 4)
        if isSpecial {
            for (index, value) in Elementwise.specialValues.enumerated() {
                source[index * 5 % source.count] = value
                result[index * 3 % result.count] = value
            }
        }
        for i in min(rows, capacity) * width..<capacity * width { source[i] = .nan }
        let perGroup = rowsPerGroup ?? max(capacity, 1)
        let places = groupStride == 0 ? resultRows : groupStride
        var indices: [UInt32] = []
        var free: [Int] = []
        for row in 0..<capacity {
            if row % perGroup == 0 { free = Array(0..<places).shuffled(using: &random) }
            indices.append(row % 5 == 4 || row >= rows ? .max : UInt32(free.popLast() ?? places))
        }
        return makeCase(
            "rows \(rows) of \(capacity) to \(resultRows), width \(width)"
                + (rowsPerGroup.map { ", groups of \($0)" } ?? "") + (adds ? ", added" : "")
                + (hasFactors ? ", factors" : "") + (isSpecial ? ", special values" : ""),
            Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))), indices: .words(indices),
                source: .floats(source), factors: hasFactors ? .floats(random.floats(capacity, scale: 2)) : nil,
                result: .floats(result)),
            Parameters(
                rowCapacity: UInt32(capacity), width: UInt32(width), resultRows: UInt32(resultRows),
                rowsPerGroup: UInt32(perGroup), groupStride: UInt32(groupStride)),
            Constants(add: adds))
    }
}
