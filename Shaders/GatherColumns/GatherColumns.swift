public import VkdynCore

/// Elements of rows by a list of columns a row: `result[r, j] = source[r, indices[r, j]]`.
///
/// | buffer  | shape          | type |
/// |---------|----------------|------|
/// | rows    | one `RowCount` | u32  |
/// | indices | [rows, k]      | u32  |
/// | source  | [rows, width]  | u32  |
/// | result  | [rows, k]      | u32  |
///
/// With the positions of all experts as the source, and the chosen experts as indices, the result is what
/// `CombineExperts` asks for: the rows of the chosen ones among those that were all computed.
/// No reduction. Words pass unchanged.
/// Edge cases: an index of width or more, as that of no assignment is (0xFFFFFFFF), gives 0xFFFFFFFF. Rows beyond the
/// count are neither read nor touched.
/// Source: none. Exact.
public enum GatherColumns: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<GatherColumns>) -> Cost {
        Cost(operations: 0, bytes: 12 * Int(call.parameters.rowCapacity) * Int(call.parameters.k))
    }

    public static func variants(_ call: KernelCall<GatherColumns>, _ traits: DeviceTraits) -> [String] {
        // lavapipe ends an invocation's loops after 65,535 rounds, of which 64 lanes for 16 rows take half as many.
        if call.parameters.k > 65_536 { return ["lanes64_rows16"] }
        return traits.kind == .cpu ? ["lanes8_rows4", "lanes64_rows16"] : ["lanes64_rows16", "lanes8_rows4"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<GatherColumns>) {
        let p = call.parameters
        let (width, k) = (Int(p.width), Int(p.k))
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            for j in 0..<k {
                let index = Int(b.indices[row * k + j])
                b.result[row * k + j] = index < width ? b.source[row * width + index] : .max
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 141)
        let shapes: [(rows: Int, capacity: Int, width: Int, k: Int)] = [
            (0, 0, 8, 2), (0, 3, 8, 2), (1, 1, 1, 1), (1, 1, 8, 0), (2, 2, 0, 3), (3, 8, 8, 2), (9, 4, 8, 2),
            (5, 5, 8, 3), (15, 15, 64, 6), (16, 16, 128, 8), (17, 17, 256, 8), (33, 40, 60, 1), (3, 3, 300, 300),
        ]
        return shapes.map { makeCase(rows: $0.rows, capacity: $0.capacity, width: $0.width, k: $0.k, &random) }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...80, standard: 512), ShapeAxis("width", 0...300, standard: 128),
            ShapeAxis("k", 0...20, standard: 8),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            rows: shape["rows"], capacity: random.capacity(for: shape["rows"]), width: shape["width"], k: shape["k"],
            &random)
    }

    /// One index in eight is beyond the row, by one or by far. Rows beyond the count hold a pattern that is no index.
    private static func makeCase(
        rows: Int, capacity: Int, width: Int, k: Int, _ random: inout CaseGenerator
    ) -> KernelCase {
        let indices = (0..<capacity * k).map { place -> UInt32 in
            if place >= rows * k { return 0x7FFA_DEAD }
            if width == 0 || place % 8 == 5 { return place % 16 == 5 ? UInt32(width) : .max }
            return UInt32.random(in: 0..<UInt32(width), using: &random)
        }
        let source = (0..<capacity * width).map { place in
            place < rows * width ? UInt32.random(in: 0 ... .max, using: &random) : 0x7FFA_DEAD
        }
        return makeCase(
            "rows \(rows) of \(capacity), \(k) of \(width)",
            Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))), indices: .words(indices),
                source: .words(source), result: .unwritten(capacity * k, as: .u32)),
            Parameters(rowCapacity: UInt32(capacity), width: UInt32(width), k: UInt32(k)))
    }
}
