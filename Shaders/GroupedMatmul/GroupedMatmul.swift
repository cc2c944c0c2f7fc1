public import VkdynCore

/// Matrix product of rows that are grouped by expert, each expert with a matrix of its own:
/// for each position p of a tile of expert e,
/// `result[p, n] = activation(bias[e, n] + Σₖ source[sourceRows[p] / divisor, k] · weights[slots[e], k, n])`.
///
/// | buffer     | shape                                                | type                 |
/// |------------|------------------------------------------------------|----------------------|
/// | tileCount  | one `RowCount`, of tiles                             | u32                  |
/// | tiles      | [tileCapacity] `ExpertTile`, as `ExpertTiles` gives them | u32              |
/// | sourceRows | [positionCount], optional; without it a position reads its own row | u32    |
/// | slots      | [experts], optional; without it expert e has the slot e | u32               |
/// | source     | [rowCount, depth]                                    | f32                  |
/// | weights    | [slots], each packed as `PackedLayout` states        | f32, f16, bf16, int8 |
/// | scales     | [slots, ⌈depth/groupSize⌉, 4⌈columns/4⌉], optional   | f32, f16             |
/// | bias       | [experts, columns], optional                         | f32                  |
/// | result     | columns values from resultOffset + p · resultStride on | f32                |
///
/// A tile is up to tileRows consecutive positions of one expert; the device decides how many tiles there are, and the
/// weights of experts without a tile are not read. The divisor is k where source rows are assignments `row · k + slot`,
/// as `GroupExperts` gives them, else 1. A slot is the place of an expert's matrix and scales where not all experts lie
/// in memory, or not in order. resultStride and resultOffset count elements: experts' columns that one view cannot hold
/// come in pieces, each a call of its own. Scales are those of `Matmul`, and so is every bit: a position's row is
/// what `Matmul` gives for that row and that expert's matrix, whoever shares its tile.
/// Reduction order: as in `Matmul`.
/// Edge cases: tiles beyond the count, tiles of an expert whose slot is 0xFFFFFFFF, and positions of no tile, are
/// neither read nor touched; positions beyond positionCount are skipped; a source row beyond the source reads its last
/// one (memory-safe, but a mistake).
/// Source: Gale et al., MegaBlocks, arXiv 2211.15841; experts that come and go, Eliseev and Mazur, arXiv 2312.17238.
/// Error: as in `Matmul`.
public enum GroupedMatmul: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        parameters.rowCount == 0
            ? WorkExtent(0) : WorkExtent((Int(parameters.columns) + 3) / 4, Int(parameters.tileCapacity), rowAxis: .y)
    }

    /// Of all positions, and of as many experts as there are tiles at most.
    public static func cost(_ call: KernelCall<GroupedMatmul>) -> Cost {
        let p = call.parameters
        let (positions, depth, columns) = (Int(p.positionCount), Int(p.depth), Int(p.columns))
        return Cost(
            operations: 2 * positions * depth * columns,
            bytes: 4 * positions * (depth + columns)
                + min(positions, Int(p.tileCapacity)) * depth * columns * call.elements.weights.byteCount)
    }

    public static func variants(_ call: KernelCall<GroupedMatmul>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        guard p.depth % 4 == 0, call.elements.scales == nil || p.groupSize % 4 == 0 else { return ["general"] }
        // Rows of a tile to expect: a tile for every expert, and then full ones.
        let rows = (Int(p.positionCount) + Int(p.tileCapacity) - 1) / max(Int(p.tileCapacity), 1)
        return RegisterTile.ordered(
            rows: min(rows, Int(p.tileRows)), quads: (Int(p.columns) + 3) / 4, batches: Int(p.tileCapacity),
            names: interface.variants.map(\.name), kind: traits.kind) + ["general"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<GroupedMatmul>) {
        switch call.flavour {
        case .separate: product(b, call, SeparateArithmetic.self)
        case .fused: product(b, call, FusedArithmetic.self)
        }
    }

    private static func product<A: Arithmetic>(_ b: Views, _ call: KernelCall<GroupedMatmul>, _: A.Type) {
        let p = call.parameters
        let (depth, columns) = (Int(p.depth), Int(p.columns))
        let layout = PackedLayout(depth: depth, columns: columns, elementType: call.elements.weights)
        let activation = Activation(rawValue: call.constants.activation) ?? .none
        let groupCount = call.elements.scales == nil ? 0 : (depth + Int(p.groupSize) - 1) / Int(p.groupSize)
        for tile in b.tiles.prefix(min(Int(b.tileCount.pointee.count), Int(p.tileCapacity))) {
            let expert = Int(tile.expert)
            let slot = b.slots.isEmpty ? tile.expert : b.slots[expert]
            if slot == .max { continue }
            let first = Int(tile.first)
            let positions = first..<max(first, min(first + Int(min(tile.count, p.tileRows)), Int(p.positionCount)))
            let scale = { (group: Int, column: Int) in
                b.scales[(Int(slot) * groupCount + group) * layout.paddedColumns + column]
            }
            let sums = PackedProduct.sums(
                rows: positions.map { position in
                    let row = b.sourceRows.isEmpty ? position : Int(b.sourceRows[position] / p.divisor)
                    return b.source.baseAddress! + min(row, Int(p.rowCount) - 1) * depth
                },
                weights: b.weights, firstElement: Int(slot) * layout.elementCount, layout: layout,
                groupSize: Int(p.groupSize), scale: groupCount == 0 ? nil : scale, A.self)
            for (index, position) in positions.enumerated() {
                let place = Int(p.resultOffset) + position * Int(p.resultStride)
                for column in 0..<columns {
                    var value = sums[index * layout.paddedColumns + column]
                    if !b.bias.isEmpty { value += b.bias[expert * columns + column] }
                    b.result[place + column] = activation(value)
                }
            }
        }
    }
}
