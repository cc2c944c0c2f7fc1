public import VkdynCore

/// Rotary position embedding in place: for each of the first headCount heads of a row at position p, and each
/// d < rotarySize/2, with x = data[r, head, d] and y = data[r, head, d + rotarySize/2],
/// `x′ = x · cosine[p, d] − y · sine[p, d]` and `y′ = y · cosine[p, d] + x · sine[p, d]`.
///
/// | buffer    | shape                                       | type |
/// |-----------|---------------------------------------------|------|
/// | rows      | one `RowCount`                              | u32  |
/// | positions | [rows]                                      | u32  |
/// | cosine    | [positions, rotarySize/2]                   | f32  |
/// | sine      | [positions, rotarySize/2]                   | f32  |
/// | data      | [rows, stride], head h from h · headSize on | f32  |
///
/// Positions are logical, in tokens; the tables hold the cosine and sine of angles in radians, made on the host. The
/// pairs are Hugging Face's Llama's. rotarySize is even and at most headSize; what lies beyond it in a head is left
/// alone, as are heads from headCount on.
/// Reduction order: the two products of a pair are rounded, then subtracted or added.
/// Edge cases: rows beyond the count are neither read nor touched. Positions must lie inside the tables. NaN and
/// infinity follow IEEE 754 and stay inside their pair.
/// Source: Su et al., RoFormer, arXiv 2104.09864.
/// Error: at most 2⁻²⁴ · (|x·cosine| + |y·sine| + |x′|), likewise for y′.
public enum Rotary: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<Rotary>) -> Cost {
        let p = call.parameters
        let rows = Int(p.rowCapacity)
        let count = rows * Int(p.headCount) * Int(p.rotarySize)
        return Cost(operations: 3 * count, bytes: (2 * count + rows * Int(p.rotarySize)) * 4)
    }

    public static func variants(_ call: KernelCall<Rotary>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let isQuads = p.rotarySize % 8 == 0 && p.headSize % 4 == 0 && p.stride % 4 == 0
        return isQuads ? ["quads", "pairs"] : ["pairs"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<Rotary>) {
        let p = call.parameters
        let pairCount = Int(p.rotarySize) / 2
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let angles = Int(b.positions[row]) * pairCount
            for head in 0..<Int(p.headCount) {
                let start = row * Int(p.stride) + head * Int(p.headSize)
                for d in 0..<pairCount {
                    let (x, y) = (b.data[start + d], b.data[start + pairCount + d])
                    let (c, s) = (b.cosine[angles + d], b.sine[angles + d])
                    b.data[start + d] = x * c - y * s
                    b.data[start + pairCount + d] = y * c + x * s
                }
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 14)
        let shapes: [CaseShape] = [
            (0, 0, 2, 8, 8, 16), (1, 1, 1, 2, 2, 2), (1, 1, 1, 8, 8, 8), (2, 2, 3, 10, 6, 35), (1, 1, 12, 64, 64, 2304),
            (5, 5, 5, 64, 32, 400), (3, 8, 2, 32, 32, 72), (0, 4, 2, 16, 16, 32), (9, 4, 3, 16, 8, 49), (33, 33, 2, 16, 16, 40),
        ]
        return shapes.map { makeCase($0, hasSpecialValues: true, &random) }
    }

    /// In elements; `extra` ones follow the heads of a row.
    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...40, standard: 512), ShapeAxis("heads", 1...8, standard: 12),
            ShapeAxis("head_size", 2...128, multiple: 2, standard: 64),
            ShapeAxis("rotary_size", 2...128, multiple: 2, standard: 64), ShapeAxis("extra", 0...64, standard: 0),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, heads, headSize) = (shape["rows"], shape["heads"], shape["head_size"])
        return makeCase(
            (
                rows, random.capacity(for: rows), heads, headSize, min(shape["rotary_size"], headSize),
                heads * headSize + shape["extra"]
            ), hasSpecialValues: false, &random)
    }

    private typealias CaseShape = (rows: Int, capacity: Int, heads: Int, headSize: Int, rotarySize: Int, stride: Int)

    private static func makeCase(
        _ shape: CaseShape, hasSpecialValues: Bool, _ random: inout CaseGenerator
    ) -> KernelCase {
        let rowCount = min(shape.rows, shape.capacity)
        let positionCount = 40
        let angles = random.floats(positionCount * shape.rotarySize / 2)
        // Rows of a table may be odd in length; whole texels all the same.
        let padding = [Float](repeating: .nan, count: (4 - angles.count % 4) % 4)
        var data = random.floats(shape.capacity * shape.stride)
        for i in rowCount * shape.stride..<data.count { data[i] = .nan }
        if hasSpecialValues, rowCount > 1 {
            data[1] = .infinity
            data[shape.stride] = .nan
            data[shape.stride + 1] = -0.0
        }
        let positions = (0..<shape.capacity).map { row in
            row < rowCount ? UInt32(random.next() % UInt64(positionCount)) : UInt32.max
        }
        return makeCase(
            "rows \(shape.rows) of \(shape.capacity), heads \(shape.heads) of \(shape.headSize), rotary "
                + "\(shape.rotarySize), stride \(shape.stride)",
            Contents(
                rows: .structure(RowCount(count: UInt32(shape.rows), capacity: UInt32(shape.capacity))),
                positions: .words(positions), cosine: .floats(angles + padding),
                sine: .floats(random.floats(angles.count) + padding), data: .floats(data)),
            Parameters(
                rowCapacity: UInt32(shape.capacity), headCount: UInt32(shape.heads),
                headSize: UInt32(shape.headSize), rotarySize: UInt32(shape.rotarySize),
                stride: UInt32(shape.stride)))
    }
}
