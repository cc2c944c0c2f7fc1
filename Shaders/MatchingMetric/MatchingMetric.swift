public import VkdynCore

/// What bipartite matching compares tokens by: the sum of a row's heads, or the row itself, brought to length 1.
/// `sum[r, c] = Σₕ source[r, sourceOffset + h·width + c]`, `result[r, c] = sum[r, c] · 1/√(Σ_c sum[r, c]²)`.
///
/// | buffer | shape                                                        | type |
/// |--------|--------------------------------------------------------------|------|
/// | rows   | one `RowCount`                                               | u32  |
/// | source | [rows, sourceStride], headCount heads from sourceOffset on   | f32  |
/// | result | [rows, width]                                                | f32  |
///
/// No units. ToMe takes the keys' mean over heads of `width` channels each; a mean's factor cancels when the row is
/// brought to length 1, so the sum serves. tomesd takes the block's input: one head as wide as the row.
/// Reduction order: heads are added in ascending order from +0; squares by `Reduction`'s 64 strided lanes and tree.
/// Edge cases: rows beyond the count are not touched. A row whose squares sum to 0 stays zero, where a division would
/// give 0/0: zero is alike to everything by 0, so that it is matched last among rows that have anything in common, and
/// ties between its scores go to the lowest index; NaN would leave its rank to the sort. Squares that underflow
/// altogether count as such a sum. A row whose squares overflow becomes zero where it is finite. A row with a NaN is
/// NaN.
/// Source: Bolya et al., arXiv 2210.09461, section 3; Bolya and Hoffman, arXiv 2303.17604.
/// Error: with one head at most 3 + (width/64 + 7)/2 ulp while no square is denormal; with more, as many times
/// 2⁻²⁴ · Σₕ|source| more in each sum.
public enum MatchingMetric: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<MatchingMetric>) -> Cost {
        let p = call.parameters
        let (rows, width, heads) = (Int(p.rowCapacity), Int(p.width), Int(p.headCount))
        return Cost(operations: rows * width * (heads + 3), bytes: rows * width * (heads + 1) * 4)
    }

    public static func variants(_ call: KernelCall<MatchingMetric>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let isQuads =
            p.width % 4 == 0 && p.sourceStride % 4 == 0 && p.sourceOffset % 4 == 0
            && Int(p.rowCapacity) * Int(p.sourceStride) / 4 <= traits.maximumTexels
        guard isQuads else { return ["lanes"] }
        return traits.kind == .cpu ? ["quads", "lanes"] : ["lanes", "quads"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<MatchingMetric>) {
        let p = call.parameters
        let width = Int(p.width)
        var sums = [Float](repeating: 0, count: width)
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let start = row * Int(p.sourceStride) + Int(p.sourceOffset)
            for i in 0..<width {
                var sum: Float = 0
                for head in 0..<Int(p.headCount) { sum += b.source[start + head * width + i] }
                sums[i] = sum
            }
            let norm = Reduction.sum(count: width) { sums[$0] * sums[$0] }
            let factor = norm == 0 ? 0 : Functions.inverseSquareRoot(norm)
            for i in 0..<width { b.result[row * width + i] = sums[i] * factor }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 301)
        var cases: [KernelCase] = []
        let shapes: [(rows: Int, capacity: Int, width: Int, heads: Int, offset: Int, extra: Int)] = [
            (0, 0, 8, 1, 0, 0), (1, 1, 1, 1, 0, 0), (1, 1, 4, 1, 0, 0), (2, 2, 63, 3, 5, 2), (3, 3, 64, 12, 768, 768),
            (1, 1, 65, 1, 0, 0), (4, 4, 60, 2, 4, 8), (5, 5, 132, 1, 0, 0), (2, 2, 320, 1, 0, 0), (7, 7, 1280, 1, 0, 0),
            (197, 197, 64, 3, 192, 192), (2, 2, 7, 5, 1, 0), (3, 8, 36, 2, 0, 4), (0, 5, 36, 2, 0, 4),
            (9, 5, 36, 2, 0, 4), (65, 65, 8, 1, 0, 0), (2, 2, 64, 0, 0, 64),
        ]
        for shape in shapes {
            cases.append(
                makeCase(
                    "rows \(shape.rows) of \(shape.capacity), heads \(shape.heads) of \(shape.width), offset "
                        + "\(shape.offset)", rows: shape.rows, capacity: shape.capacity, width: shape.width,
                    heads: shape.heads, offset: shape.offset, extra: shape.extra, random: &random))
        }
        for width in [68, 67] {
            cases.append(
                makeCase(
                    "special values, width \(width)", rows: 8, capacity: 8, width: width, heads: 1, offset: 0, extra: 0,
                    random: &random
                ) { source, stride in
                    // Zero of both signs, cancelled below; NaN; infinity; overflow; underflow; denormal squares.
                    for i in 0..<stride { source[i] = i % 2 == 0 ? 0 : -0.0 }
                    source[stride + 3] = .nan
                    source[2 * stride + 1] = .infinity
                    for i in 3 * stride..<4 * stride { source[i] *= 1e30 }
                    for i in 4 * stride..<5 * stride { source[i] *= 1e-30 }
                    for i in 5 * stride..<6 * stride { source[i] *= 1e-20 }
                    for i in 6 * stride..<7 * stride { source[i] = 0 }
                    source[6 * stride + width - 1] = -3
                })
        }
        cases.append(
            makeCase(
                "heads that cancel", rows: 2, capacity: 2, width: 8, heads: 2, offset: 0, extra: 0, random: &random
            ) { source, stride in
                for i in 0..<8 { source[8 + i] = -source[i] }
            })
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...70, standard: 4096), ShapeAxis("width", 0...330, multiple: 4, standard: 320),
            ShapeAxis("heads", 0...6, standard: 1), .flag("ragged"),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let width = shape["width"] + shape["ragged"]
        let extra = Int.random(in: 0...8, using: &random)
        return makeCase(
            "\(shape), extra \(extra)", rows: shape["rows"], capacity: shape["rows"], width: width,
            heads: shape["heads"], offset: extra, extra: extra, random: &random)
    }

    /// - Parameters:
    ///   - extra: elements of a row after the last head.
    ///   - change: puts special values into the source, given its stride.
    private static func makeCase(
        _ label: String, rows: Int, capacity: Int, width: Int, heads: Int, offset: Int, extra: Int,
        random: inout CaseGenerator, change: (inout [Float], Int) -> Void = { _, _ in }
    ) -> KernelCase {
        let stride = offset + heads * width + extra
        var source = random.floats(capacity * stride, scale: 3)
        for row in 0..<capacity {
            // Rows beyond the count, and what lies before and after the heads, is for nobody.
            let used = row < rows ? offset..<offset + heads * width : 0..<0
            for i in 0..<stride where !used.contains(i) { source[row * stride + i] = .nan }
        }
        change(&source, stride)
        return makeCase(
            label,
            Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))), source: .floats(source),
                result: .unwritten(capacity * width)),
            Parameters(
                rowCapacity: UInt32(capacity), width: UInt32(width), headCount: UInt32(heads),
                sourceStride: UInt32(stride), sourceOffset: UInt32(offset)))
    }
}
