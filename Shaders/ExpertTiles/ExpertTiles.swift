public import VkdynCore

/// The tiles of a grouped product: each expert's positions in pieces of at most `tileRows`, so that one indirect
/// dispatch over `tileCount` covers all experts, and its workgroups read which rows and which weights are theirs.
///
/// | buffer    | shape                                     | type |
/// |-----------|-------------------------------------------|------|
/// | offsets   | [expertCount + 1], as `GroupExperts` gives them | u32 |
/// | tiles     | [tileCapacity] `ExpertTile`               | u32  |
/// | tileCount | one `RowCount`                            | u32  |
///
/// Tiles go by ascending (expert, first position); those from the count on are not touched. An expert without positions
/// has none. `ExpertTiles.capacity` is always enough; with less, the count is cut and the overflow flag set.
/// Reduction order: integers alone, exact in any order.
/// Source: Gale et al., arXiv 2211.15841, section 5. Exact.
public enum ExpertTiles: Kernel {
    /// The most tiles that so many positions of so many experts can have.
    public static func capacity(positions: Int, experts: Int, tileRows: Int) -> Int {
        // Each expert that has positions has one tile that may not be full.
        let partial = min(positions, experts)
        return partial + (positions - partial) / tileRows
    }

    public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(1) }

    public static func cost(_ call: KernelCall<ExpertTiles>) -> Cost {
        Cost(operations: 0, bytes: 4 * Int(call.parameters.expertCount) + 12 * Int(call.parameters.tileCapacity))
    }

    public static func variants(_ call: KernelCall<ExpertTiles>, _ traits: DeviceTraits) -> [String] {
        traits.kind == .cpu ? ["lanes8", "lanes64"] : ["lanes64", "lanes8"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<ExpertTiles>) {
        let p = call.parameters
        let (tileRows, tileCapacity) = (Int(p.tileRows), Int(p.tileCapacity))
        var tile = 0
        for expert in 0..<Int(p.expertCount) {
            let end = Int(b.offsets[expert + 1])
            for first in stride(from: Int(b.offsets[expert]), to: end, by: tileRows) {
                if tile < tileCapacity {
                    b.tiles[tile] = ExpertTile(
                        expert: UInt32(expert), first: UInt32(first), count: UInt32(min(end - first, tileRows)))
                }
                tile += 1
            }
        }
        b.tileCount.pointee = RowCount(
            count: UInt32(min(tile, tileCapacity)), capacity: p.tileCapacity, overflow: tile > tileCapacity ? 1 : 0)
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 124)
        var cases = [
            makeCase(counts: [], tileRows: 4), makeCase(counts: [0], tileRows: 4), makeCase(counts: [1], tileRows: 1),
            makeCase(counts: [8, 0, 9, 7, 0, 0, 16, 1], tileRows: 8),
            makeCase(counts: [8, 0, 9, 7, 0, 0, 16, 1], tileRows: 8, tileCapacity: 4),
            makeCase(counts: [8, 0, 9], tileRows: 8, tileCapacity: 0),
            makeCase(counts: Array(repeating: 0, count: 70), tileRows: 8),
            makeCase(counts: [0, 1000, 0], tileRows: 3),
        ]
        for experts in [63, 64, 65, 256] {
            let counts = (0..<experts).map { _ in max(Int.random(in: -20...40, using: &random), 0) }
            cases.append(makeCase(counts: counts, tileRows: [1, 5, 16][experts % 3]))
        }
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("positions", 0...600, standard: 4096), ShapeAxis("experts", 1...300, standard: 128),
            ShapeAxis("tileRows", 1...40, standard: 16),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        var counts = [Int](repeating: 0, count: shape["experts"])
        for _ in 0..<shape["positions"] { counts[Int.random(in: 0..<counts.count, using: &random)] += 1 }
        return makeCase(counts: counts, tileRows: shape["tileRows"])
    }

    private static func makeCase(counts: [Int], tileRows: Int, tileCapacity: Int? = nil) -> KernelCase {
        var offsets: [UInt32] = [0]
        for count in counts { offsets.append(offsets[offsets.count - 1] + UInt32(count)) }
        let positions = counts.reduce(0, +)
        let tileCapacity = tileCapacity ?? capacity(positions: positions, experts: counts.count, tileRows: tileRows)
        return makeCase(
            "\(positions) positions of \(counts.count) experts, tiles of \(tileRows), at most \(tileCapacity)",
            Contents(
                offsets: .words(offsets), tiles: .unwritten(3 * tileCapacity, as: .u32),
                tileCount: .unwritten(3, as: .u32)),
            Parameters(
                expertCount: UInt32(counts.count), tileRows: UInt32(tileRows), tileCapacity: UInt32(tileCapacity)))
    }
}
