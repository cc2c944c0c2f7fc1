public import VkdynCore

/// The two parts of every head side by side:
/// `result[r, h] = [source[r, firstOffset + h·firstSize …], source[r, secondOffset + h·secondSize …]]`.
///
/// | buffer | shape                                    | type |
/// |--------|------------------------------------------|------|
/// | rows   | one `RowCount`                           | u32  |
/// | source | [rows, stride]                           | f32  |
/// | result | [rows, headCount, firstSize + secondSize] | f32 |
///
/// Sizes, offsets and the stride count elements. Queries whose rotated parts lie together, as `Rotary` wants them, become
/// those that `Attention` reads. No reduction. Bits pass unchanged, except that a NaN may become another.
/// Edge cases: rows beyond the count are neither read nor touched; a part may be empty.
/// Source: decoupled rotary queries, DeepSeek-AI, arXiv 2405.04434, section 2.1.3. Exact.
public enum JoinHeads: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        Elementwise.work(rowCapacity: parameters.rowCapacity, width: parameters.width)
    }

    public static func cost(_ call: KernelCall<JoinHeads>) -> Cost {
        Cost(operations: 0, bytes: 8 * Int(call.parameters.rowCapacity) * Int(call.parameters.width))
    }

    public static func variants(_ call: KernelCall<JoinHeads>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let wholeTexels = [p.firstSize, p.secondSize, p.stride, p.firstOffset, p.secondOffset].allSatisfy { $0 % 4 == 0 }
        return Elementwise.variants(isQuadWidth: wholeTexels, rows: Int(p.rowCapacity), traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<JoinHeads>) {
        let p = call.parameters
        let (first, second) = (Int(p.firstSize), Int(p.secondSize))
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            for head in 0..<Int(p.headCount) {
                let from = row * Int(p.stride)
                let to = (row * Int(p.headCount) + head) * (first + second)
                for i in 0..<first { b.result[to + i] = b.source[from + Int(p.firstOffset) + head * first + i] }
                for i in 0..<second {
                    b.result[to + first + i] = b.source[from + Int(p.secondOffset) + head * second + i]
                }
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 139)
        return [
            (0, 0, 2, 4, 4, 0), (0, 3, 2, 4, 4, 0), (1, 1, 1, 1, 1, 0), (1, 1, 1, 0, 4, 4), (1, 1, 3, 8, 0, 0),
            (5, 5, 4, 16, 8, 8), (3, 8, 2, 128, 64, 64), (9, 4, 2, 12, 20, 4), (1, 1, 16, 128, 64, 64),
            (33, 33, 3, 5, 7, 2), (2, 2, 128, 8, 4, 12), (4, 4, 2, 6, 6, 1),
        ].map { makeCase($0, &random) }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...40, standard: 64), ShapeAxis("heads", 1...20, standard: 128),
            ShapeAxis("first", 0...140, standard: 128), ShapeAxis("second", 0...80, standard: 64),
            ShapeAxis("extra", 0...70, standard: 64),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let rows = shape["rows"]
        return makeCase(
            (rows, random.capacity(for: rows), shape["heads"], shape["first"], shape["second"], shape["extra"]),
            &random)
    }

    private typealias CaseShape = (rows: Int, capacity: Int, heads: Int, first: Int, second: Int, extra: Int)

    /// Second parts, `extra` columns that nobody reads, first parts.
    private static func makeCase(_ shape: CaseShape, _ random: inout CaseGenerator) -> KernelCase {
        let (first, second) = (shape.heads * shape.first, shape.heads * shape.second)
        let stride = first + second + shape.extra
        var source = [Float](repeating: .nan, count: shape.capacity * stride)
        for row in 0..<min(shape.rows, shape.capacity) {
            source.replaceSubrange(row * stride..<row * stride + second, with: random.floats(second))
            source.replaceSubrange((row + 1) * stride - first..<(row + 1) * stride, with: random.floats(first))
        }
        return makeCase(
            "rows \(shape.rows) of \(shape.capacity), \(shape.heads) heads of \(shape.first) and \(shape.second), "
                + "stride \(stride)",
            Contents(
                rows: .structure(RowCount(count: UInt32(shape.rows), capacity: UInt32(shape.capacity))),
                source: .floats(source), result: .unwritten(shape.capacity * (first + second))),
            Parameters(
                rowCapacity: UInt32(shape.capacity), headCount: UInt32(shape.heads), firstSize: UInt32(shape.first),
                secondSize: UInt32(shape.second), stride: UInt32(stride),
                firstOffset: UInt32(second + shape.extra), secondOffset: 0))
    }
}

extension JoinHeads.Parameters {
    /// Columns of the result.
    var width: UInt32 { headCount * (firstSize + secondSize) }
}
