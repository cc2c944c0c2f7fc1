public import VkdynCore

/// Matrix product of rows that are grouped by expert, each expert with a matrix of its own:
/// for each position p of a tile of expert e,
/// `result[p, n] = activation(bias[e, n] + Σₖ source[sourceRows[p], k] · weights[e, k, n])`.
///
/// | buffer     | shape                                                | type                 |
/// |------------|------------------------------------------------------|----------------------|
/// | tileCount  | one `RowCount`, of tiles                             | u32                  |
/// | tiles      | [tileCapacity] `ExpertTile`, as `ExpertTiles` gives them | u32              |
/// | sourceRows | [positionCount], optional; without it a position reads its own row | u32    |
/// | source     | [rowCount, depth]                                    | f32                  |
/// | weights    | [experts], each packed as `PackedLayout` states      | f32, f16, bf16, int8 |
/// | scales     | [experts, ⌈depth/groupSize⌉, 4⌈columns/4⌉], optional | f32, f16             |
/// | bias       | [experts, columns], optional                         | f32                  |
/// | result     | [positionCount, columns]                             | f32                  |
///
/// A tile is up to tileRows consecutive positions of one expert; the device decides how many tiles there are, and the
/// weights of experts without a tile are not read. Scales are those of `Matmul`, and so is every bit: a position's row is
/// what `Matmul` gives for that row and that expert's matrix, whoever shares its tile.
/// Reduction order: as in `Matmul`.
/// Edge cases: tiles beyond the count, and positions of no tile, are neither read nor touched; positions beyond
/// positionCount are skipped; a source row beyond the source reads its last one (memory-safe, but a mistake).
/// Source: Gale et al., MegaBlocks, arXiv 2211.15841.
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
            let first = Int(tile.first)
            let positions = first..<max(first, min(first + Int(min(tile.count, p.tileRows)), Int(p.positionCount)))
            let scale = { (group: Int, column: Int) in
                b.scales[(expert * groupCount + group) * layout.paddedColumns + column]
            }
            let sums = PackedProduct.sums(
                rows: positions.map { position in
                    let row = b.sourceRows.isEmpty ? position : Int(b.sourceRows[position])
                    return b.source.baseAddress! + min(row, Int(p.rowCount) - 1) * depth
                },
                weights: b.weights, firstElement: expert * layout.elementCount, layout: layout,
                groupSize: Int(p.groupSize), scale: groupCount == 0 ? nil : scale, A.self)
            for (index, position) in positions.enumerated() {
                for column in 0..<columns {
                    var value = sums[index * layout.paddedColumns + column]
                    if !b.bias.isEmpty { value += b.bias[expert * columns + column] }
                    b.result[position * columns + column] = activation(value)
                }
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 131)
        var cases: [KernelCase] = []
        for type in [ElementType.f32, .f16, .bf16, .i8] {
            cases.append(makeCase(counts: [3, 0, 1, 17], depth: 36, columns: 45, type, tileRows: 8, &random))
            cases.append(makeCase(counts: [0, 1, 0, 1, 0], depth: 300, columns: 33, type, tileRows: 16, &random))
        }
        cases.append(makeCase(counts: [0, 0], depth: 8, columns: 4, .f32, tileRows: 4, &random))
        cases.append(makeCase(counts: [1], depth: 1, columns: 1, .f32, tileRows: 1, &random))
        cases.append(makeCase(counts: [2, 5], depth: 0, columns: 9, .f32, tileRows: 3, &random))
        cases.append(makeCase(counts: [2, 5], depth: 67, columns: 31, .f16, tileRows: 3, &random))
        cases.append(makeCase(counts: [40, 2, 33], depth: 260, columns: 70, .f32, tileRows: 16, &random))
        cases.append(
            makeCase(counts: [4, 9], depth: 520, columns: 20, .i8, tileRows: 5, groupSize: 64, &random))
        cases.append(
            makeCase(
                counts: [4, 0, 9], depth: 20, columns: 37, .f32, tileRows: 5, activation: .silu, hasBias: true, &random))
        // Positions without an indirection, and a count of tiles beyond their capacity.
        cases.append(
            makeCase(counts: [4, 3], depth: 20, columns: 12, .f32, tileRows: 2, hasSourceRows: false, &random))
        cases.append(
            makeCase(counts: [4, 3], depth: 20, columns: 12, .f32, tileRows: 2, missingTiles: 2, &random))
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace(
            [
                // Rows, each of which goes to k experts.
                ShapeAxis("rows", 0...60, standard: 32), ShapeAxis("columns", 1...150, standard: 3072),
                ShapeAxis("depth", 0...600, multiple: 4, standard: 768), ShapeAxis("experts", 1...9, standard: 8),
                ShapeAxis("k", 1...3, standard: 2), ShapeAxis("tile_rows", 1...20, standard: 16),
                Activation.axis(standard: .none), .flag("bias"),
            ], storage: [.f32, .f16, .bf16, .i8])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, experts) = (shape["rows"], shape["experts"])
        var counts = [Int](repeating: 0, count: experts)
        for _ in 0..<rows {
            for expert in (0..<experts).shuffled(using: &random).prefix(shape["k"]) { counts[expert] += 1 }
        }
        return makeCase(
            counts: counts, rowCount: rows, depth: shape["depth"], columns: shape["columns"], shape.storage,
            tileRows: shape["tile_rows"], activation: Activation(shape), hasBias: shape.has("bias"), &random)
    }

    /// - Parameters:
    ///   - counts: positions of each expert.
    ///   - rowCount: rows of the source; as many as positions when not given.
    ///   - groupSize: of int8 weights; 0 for one scale a column.
    ///   - missingTiles: tiles for which the table has no room, by which the count is too large.
    private static func makeCase(
        counts: [Int], rowCount: Int? = nil, depth: Int, columns: Int, _ type: ElementType, tileRows: Int,
        groupSize: Int = 0, activation: Activation = .none, hasBias: Bool = false, hasSourceRows: Bool = true,
        missingTiles: Int = 0, _ random: inout CaseGenerator
    ) -> KernelCase {
        let positions = counts.reduce(0, +)
        let rows = hasSourceRows ? max(rowCount ?? positions, 1) : positions
        var tiles: [ExpertTile] = []
        var first = 0
        for (expert, count) in counts.enumerated() {
            for start in stride(from: 0, to: count, by: tileRows) {
                tiles.append(
                    ExpertTile(
                        expert: UInt32(expert), first: UInt32(first + start),
                        count: UInt32(min(tileRows, count - start))))
            }
            first += count
        }
        let tileCount = tiles.count
        tiles.removeLast(missingTiles)
        let capacity = missingTiles > 0 ? tiles.count
            : ExpertTiles.capacity(positions: positions, experts: counts.count, tileRows: tileRows)
        // Tiles beyond the count lead nowhere.
        tiles += [ExpertTile](repeating: ExpertTile(expert: .max, first: .max, count: .max), count: capacity - tiles.count + 1)
        let layout = PackedLayout(depth: depth, columns: columns, elementType: type)
        let group = groupSize == 0 ? max(depth, 1) : groupSize
        let sourceRows = (0..<positions).map { _ in UInt32.random(in: 0..<UInt32(rows), using: &random) }
        return makeCase(
            "positions \(counts), \(rows) rows, columns \(columns), depth \(depth), \(type.rawValue), tiles of "
                + "\(tileRows), group \(group), \(activation)" + (hasBias ? ", bias" : ""),
            Contents(
                tileCount: .structure(RowCount(count: UInt32(tileCount), capacity: UInt32(capacity))),
                tiles: .structures(tiles), sourceRows: hasSourceRows ? .words(sourceRows) : nil,
                source: .floats(random.floats(rows * depth)), weights: packedWeights(layout, counts.count, &random),
                scales: type == .i8 ? packedScales(layout, counts.count, groupSize: group, &random) : nil,
                bias: hasBias ? .floats(random.floats(counts.count * columns)) : nil,
                result: .unwritten(positions * columns)),
            Parameters(
                tileCapacity: UInt32(capacity), tileRows: UInt32(tileRows), positionCount: UInt32(positions),
                rowCount: UInt32(rows), depth: UInt32(depth), columns: UInt32(columns), groupSize: UInt32(group)),
            Constants(activation: activation.rawValue, largeGroups: type == .i8 && group > dotProductChunk))
    }
}
