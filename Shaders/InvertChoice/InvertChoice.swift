public import VkdynCore

/// Where each token's row lies in the lists of the experts that chose it:
/// `positions[r, e] = ((r / sequenceRows) · expertCount + e) · k + j` where `indices[r / sequenceRows, e, j]` is
/// `r % sequenceRows`, 0xFFFFFFFF where there is no such j.
///
/// | buffer    | shape                          | type |
/// |-----------|--------------------------------|------|
/// | rows      | one `RowCount`, of tokens      | u32  |
/// | indices   | [sequences, expertCount, k]    | u32  |
/// | positions | [rows, expertCount]            | u32  |
///
/// The lists are what `TopK.columns` gives by ascending index, in tokens of the sequence; 0xFFFFFFFF, at a list's end,
/// is no token. `CombineExperts` then takes expertCount slots a row, in ascending expert, without its experts bound;
/// its weights are the scores [rows, expertCount].
/// Nothing is reduced. Rows beyond the count are not touched. Each sequence has its own lists, the last one too where
/// it has fewer rows.
/// Source: expert choice, Zhou et al., arXiv 2202.09368. Exact.
public enum InvertChoice: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity) * Int(parameters.expertCount))
    }

    public static func cost(_ call: KernelCall<InvertChoice>) -> Cost {
        let p = call.parameters
        let sequences = (Int(p.rowCapacity) + Int(p.sequenceRows) - 1) / Int(p.sequenceRows)
        return Cost(
            operations: 0, bytes: 4 * Int(p.expertCount) * (Int(p.rowCapacity) + sequences * Int(p.k)))
    }

    public static func variants(_ call: KernelCall<InvertChoice>, _ traits: DeviceTraits) -> [String] {
        traits.kind == .cpu ? ["lanes8", "lanes64"] : ["lanes64", "lanes8"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<InvertChoice>) {
        let p = call.parameters
        let (experts, k, sequenceRows) = (Int(p.expertCount), Int(p.k), Int(p.sequenceRows))
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            for expert in 0..<experts {
                let start = (row / sequenceRows * experts + expert) * k
                let place = (start..<start + k).first { b.indices[$0] == UInt32(row % sequenceRows) }
                b.positions[row * experts + expert] = place.map { UInt32($0) } ?? .max
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 128)
        return [
            (0, 0, 4, 3, 2), (0, 5, 4, 3, 2), (1, 1, 1, 1, 1), (8, 8, 8, 8, 1), (24, 24, 8, 5, 8), (21, 21, 8, 5, 3),
            (9, 20, 10, 7, 4), (30, 20, 10, 7, 4), (6, 6, 3, 4, 5), (130, 130, 65, 9, 20),
        ].map { (rows, capacity, sequenceRows, experts, k) in
            makeCase(
                rows: rows, capacity: capacity, sequenceRows: sequenceRows, experts: experts, k: k, random: &random)
        }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...100, standard: 512), ShapeAxis("sequenceRows", 1...60, standard: 512),
            ShapeAxis("experts", 1...20, standard: 8), ShapeAxis("k", 1...30, standard: 128),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            rows: shape["rows"], capacity: random.capacity(for: shape["rows"]), sequenceRows: shape["sequenceRows"],
            experts: shape["experts"], k: shape["k"], random: &random)
    }

    private static func makeCase(
        rows: Int, capacity: Int, sequenceRows: Int, experts: Int, k: Int, random: inout CaseGenerator
    ) -> KernelCase {
        let sequences = (capacity + sequenceRows - 1) / sequenceRows
        var indices: [UInt32] = []
        for _ in 0..<sequences * experts {
            let chosen = (0..<UInt32(sequenceRows)).shuffled(using: &random).prefix(k).sorted()
            indices += chosen + Array(repeating: .max, count: k - chosen.count)
        }
        return makeCase(
            "rows \(rows) of \(capacity), sequences of \(sequenceRows), experts \(experts), k \(k)",
            Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))), indices: .words(indices),
                positions: .unwritten(capacity * experts, as: .u32)),
            Parameters(
                rowCapacity: UInt32(capacity), expertCount: UInt32(experts), sequenceRows: UInt32(sequenceRows),
                k: UInt32(k)))
    }
}
