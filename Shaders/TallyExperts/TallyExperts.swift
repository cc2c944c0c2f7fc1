public import VkdynCore

/// Keeps account of one pass of one expert layer: which experts each position of the sequence chose, and how much the
/// layer had to do. One dispatch a layer and pass; the host reads log and tally once, at the end of a generation.
///
/// | buffer    | shape                                            | type |
/// |-----------|--------------------------------------------------|------|
/// | rows      | one `RowCount`                                   | u32  |
/// | positions | [rows], in the sequence                          | u32  |
/// | experts   | [rows, k]                                        | u32  |
/// | offsets   | [expertCount + 1], as `GroupExperts` gives them  | u32  |
/// | log       | [logCapacity, layerCount, k]                     | u32  |
/// | tally     | [layerCount, 4]                                  | u32  |
///
/// log[positions[r], layer] is row r's experts as they are. To tally[layer] the call adds 1 (passes), the rows, the
/// assignments that stay (offsets[expertCount]) and the experts that have any, modulo 2³².
/// A position that is computed again, after a draft was rejected, has the experts of the last time. The positions of
/// one pass are all different.
/// Reduction order: integers alone, exact in any order.
/// Edge cases: with no rows nothing is read or touched. A position of logCapacity or more is not logged, but counted.
/// Source: experts touched as the cost of a pass, MoE-Infinity, arXiv 2401.14361. Exact.
public enum TallyExperts: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(1) }

    public static func cost(_ call: KernelCall<TallyExperts>) -> Cost {
        let p = call.parameters
        return Cost(operations: 0, bytes: 4 * Int(p.rowCapacity) * (1 + 2 * Int(p.k)) + 4 * Int(p.expertCount) + 36)
    }

    public static func variants(_ call: KernelCall<TallyExperts>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        // lavapipe ends an invocation's loops after 65,535 rounds altogether.
        if Int(p.rowCapacity) * Int(p.k) + Int(p.expertCount) > 400_000 { return ["lanes64"] }
        return traits.kind == .cpu ? ["lanes8", "lanes64"] : ["lanes64", "lanes8"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<TallyExperts>) {
        let p = call.parameters
        let (k, layer, expertCount) = (Int(p.k), Int(p.layer), Int(p.expertCount))
        let rowCount = min(Int(b.rows.pointee.count), Int(p.rowCapacity))
        if rowCount == 0 { return }
        for row in 0..<rowCount where b.positions[row] < p.logCapacity {
            let place = (Int(b.positions[row]) * Int(p.layerCount) + layer) * k
            for slot in 0..<k { b.log[place + slot] = b.experts[row * k + slot] }
        }
        let touched = (0..<expertCount).count { b.offsets[$0 + 1] > b.offsets[$0] }
        let added = [1, UInt32(rowCount), b.offsets[expertCount], UInt32(touched)]
        for (index, count) in added.enumerated() { b.tally[layer * 4 + index] &+= count }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 142)
        let shapes: [(rows: Int, capacity: Int, k: Int, experts: Int, layers: Int, log: Int)] = [
            (0, 0, 2, 8, 1, 4), (0, 3, 2, 8, 2, 4), (1, 1, 1, 1, 1, 1), (1, 1, 8, 256, 3, 40), (5, 5, 2, 8, 4, 9),
            (3, 8, 2, 8, 2, 12), (9, 4, 2, 8, 2, 12), (7, 7, 8, 63, 5, 7), (8, 8, 8, 64, 2, 20), (9, 9, 6, 65, 2, 20),
            (64, 64, 1, 7, 1, 70), (65, 65, 1, 9, 1, 40), (6, 6, 2, 8, 2, 0), (5, 5, 0, 8, 2, 9),
            (300, 300, 8, 300, 2, 310),
        ]
        return shapes.map {
            makeCase(
                rows: $0.rows, capacity: $0.capacity, k: $0.k, experts: $0.experts, layers: $0.layers,
                logCapacity: $0.log, &random)
        }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...120, standard: 512), ShapeAxis("k", 1...8, standard: 8),
            ShapeAxis("experts", 1...300, standard: 128), ShapeAxis("layers", 1...6, standard: 24),
            ShapeAxis("log", 0...150, standard: 1024),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            rows: shape["rows"], capacity: random.capacity(for: shape["rows"]), k: shape["k"],
            experts: shape["experts"], layers: shape["layers"], logCapacity: shape["log"], &random)
    }

    /// Positions are different ones in no order, some beyond the log; counts already in the tally are near overflow.
    private static func makeCase(
        rows: Int, capacity: Int, k: Int, experts: Int, layers: Int, logCapacity: Int, _ random: inout CaseGenerator
    ) -> KernelCase {
        let rowCount = min(rows, capacity)
        let places = (0..<UInt32(max(capacity, logCapacity) + 3)).shuffled(using: &random)
        let positions = (0..<capacity).map { $0 < rowCount ? places[$0] : 0x7FFA_DEAD }
        var counts = [UInt32](repeating: 0, count: experts)
        let chosen = (0..<capacity * k).map { place -> UInt32 in
            if place >= rowCount * k { return 0x7FFA_DEAD }
            // One in nine is no assignment.
            if place % 9 == 8 { return .max }
            // The lower ones more often, so that some have none.
            let expert = Int.random(in: 0..<Int.random(in: 1...experts, using: &random), using: &random)
            counts[expert] += 1
            return UInt32(expert)
        }
        var offsets: [UInt32] = [0]
        for count in counts { offsets.append(offsets[offsets.count - 1] + count) }
        let tally = (0..<layers * 4).map { _ in UInt32.random(in: 0...1, using: &random) &- 1 }
        return makeCase(
            "rows \(rows) of \(capacity), \(k) of \(experts) experts, \(layers) layers, log of \(logCapacity)",
            Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))),
                positions: .words(positions), experts: .words(chosen), offsets: .words(offsets),
                log: .unwritten(logCapacity * layers * k, as: .u32), tally: .words(tally)),
            Parameters(
                rowCapacity: UInt32(capacity), k: UInt32(k), expertCount: UInt32(experts),
                layer: UInt32.random(in: 0..<UInt32(layers), using: &random), layerCount: UInt32(layers),
                logCapacity: UInt32(logCapacity)))
    }
}
