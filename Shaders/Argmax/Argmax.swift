public import VkdynCore

/// The most likely token of each row: `result[r] = argmaxₜ logits[r, t]`.
///
/// | buffer | shape          | type |
/// |--------|----------------|------|
/// | rows   | one `RowCount` | u32  |
/// | logits | [rows, width]  | f32  |
/// | result | [rows]         | u32  |
///
/// A maximum of integer keys, exact in any order: strided lanes, then a tree of pairs (key, index).
/// NaN ranks lowest, −0 equals +0, the lowest index wins a tie; a row of NaN, or an empty one, gives 0. Rows beyond
/// the count are not touched.
/// Source: none. Exact.
public enum Argmax: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<Argmax>) -> Cost {
        let elements = Int(call.parameters.rowCapacity) * Int(call.parameters.width)
        return Cost(operations: elements, bytes: 4 * elements + 4 * Int(call.parameters.rowCapacity))
    }

    public static func variants(_ call: KernelCall<Argmax>, _ traits: DeviceTraits) -> [String] {
        RowVariants.names(
            width: call.parameters.width, rowCapacity: call.parameters.rowCapacity, traits: traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<Argmax>) {
        let width = Int(call.parameters.width)
        for row in 0..<min(Int(b.rows.pointee.count), Int(call.parameters.rowCapacity)) {
            let keys = (0..<width).map { Choice.key(b.logits[row * width + $0]) }
            b.result[row] = Choice.index(ofLargest: keys)
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 103)
        var cases = RowCases.shapes.map { shape in
            makeCase(
                "rows \(shape.rows) of \(shape.capacity), width \(shape.width)", rows: shape.rows,
                capacity: shape.capacity, width: shape.width,
                logits: RowCases.logits(shape.capacity * shape.width, &random))
        }
        cases.append(makeCase("width 0", rows: 2, capacity: 2, width: 0, logits: []))
        cases.append(makeCase("capacity 0", rows: 0, capacity: 0, width: 8, logits: []))
        for width in [5, 516] {
            let special = RowCases.special(width: width, &random)
            cases.append(
                makeCase(
                    "special rows, width \(width)", rows: special.count, capacity: special.count, width: width,
                    logits: special.flatMap(\.row)))
        }
        cases.append(
            makeCase(
                "a vocabulary of 151936", rows: 1, capacity: 1, width: 151_936,
                logits: RowCases.logits(151_936, &random)))
        return cases
    }

    public static var shapes: ShapeSpace { ShapeSpace(RowCases.axes) }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, width) = (shape["rows"], shape["width"])
        let capacity = random.capacity(for: rows)
        return makeCase(
            "rows \(rows) of \(capacity), width \(width)", rows: rows, capacity: capacity, width: width,
            logits: RowCases.logits(capacity * width, &random))
    }

    private static func makeCase(
        _ label: String, rows: Int, capacity: Int, width: Int, logits: [Float]
    ) -> KernelCase {
        makeCase(
            label, Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))),
                logits: .floats(logits), result: .unwritten(capacity, as: .u32)),
            Parameters(rowCapacity: UInt32(capacity), width: UInt32(width)))
    }
}
