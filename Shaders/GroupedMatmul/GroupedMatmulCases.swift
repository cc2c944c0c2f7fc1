public import VkdynCore

extension GroupedMatmul {
    public static var shapes: ShapeSpace {
        ShapeSpace(
            [
                // Rows, each of which goes to k experts.
                ShapeAxis("rows", 0...60, standard: 32), ShapeAxis("columns", 1...150, standard: 3072),
                ShapeAxis("depth", 0...600, multiple: 4, standard: 768), ShapeAxis("experts", 1...9, standard: 8),
                ShapeAxis("k", 1...3, standard: 2), ShapeAxis("tile_rows", 1...20, standard: 16),
                Activation.axis(standard: .none), .flag("bias"),
                // Elements of a row of the result around the columns.
                ShapeAxis("margin", 0...20, standard: 0),
                ShapeAxis("slots", 0...2, standard: 0, maximum: 2, isConstant: true),
            ], storage: [.f32, .f16, .bf16, .i8])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, experts, k) = (shape["rows"], shape["experts"], shape["k"])
        var counts = [Int](repeating: 0, count: experts)
        for _ in 0..<rows {
            for expert in (0..<experts).shuffled(using: &random).prefix(k) { counts[expert] += 1 }
        }
        var options = Options(
            counts: counts, depth: shape["depth"], columns: shape["columns"], shape.storage,
            tileRows: shape["tile_rows"])
        options.rowCount = rows
        options.divisor = k
        options.activation = Activation(shape)
        options.hasBias = shape.has("bias")
        options.slots = Slots(rawValue: shape["slots"]) ?? .none
        options.resultOffset = Int.random(in: 0...shape["margin"], using: &random)
        options.resultMargin = shape["margin"]
        return makeCase(options, &random)
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 131)
        var cases: [KernelCase] = []
        func add(_ options: Options, _ change: (inout Options) -> Void = { _ in }) {
            var options = options
            change(&options)
            cases.append(makeCase(options, &random))
        }
        for type in [ElementType.f32, .f16, .bf16, .i8] {
            add(Options(counts: [3, 0, 1, 17], depth: 36, columns: 45, type, tileRows: 8))
            add(Options(counts: [0, 1, 0, 1, 0], depth: 300, columns: 33, type, tileRows: 16))
        }
        add(Options(counts: [0, 0], depth: 8, columns: 4, .f32, tileRows: 4))
        add(Options(counts: [1], depth: 1, columns: 1, .f32, tileRows: 1))
        add(Options(counts: [2, 5], depth: 0, columns: 9, .f32, tileRows: 3))
        add(Options(counts: [2, 5], depth: 67, columns: 31, .f16, tileRows: 3))
        add(Options(counts: [40, 2, 33], depth: 260, columns: 70, .f32, tileRows: 16))
        add(Options(counts: [4, 9], depth: 520, columns: 20, .i8, tileRows: 5)) { $0.groupSize = 64 }
        add(Options(counts: [4, 0, 9], depth: 20, columns: 37, .f32, tileRows: 5)) {
            $0.activation = .silu
            $0.hasBias = true
        }
        // Positions without an indirection, and a count of tiles beyond their capacity.
        add(Options(counts: [4, 3], depth: 20, columns: 12, .f32, tileRows: 2)) { $0.hasSourceRows = false }
        add(Options(counts: [4, 3], depth: 20, columns: 12, .f32, tileRows: 2)) { $0.missingTiles = 2 }
        // Assignments in place of rows.
        add(Options(counts: [4, 3, 6], depth: 20, columns: 12, .f32, tileRows: 4)) {
            $0.rowCount = 7
            $0.divisor = 3
        }
        // Columns at an offset, as a piece of a wider result; some of the experts, in an order of their own.
        for (slots, type, depth, groupSize) in [
            (Slots.permuted, ElementType.f32, 36, 0), (.missing, .f32, 35, 0), (.permuted, .i8, 132, 64),
            (.missing, .i8, 132, 0), (.missing, .bf16, 68, 0),
        ] {
            add(Options(counts: [5, 1, 0, 9, 2, 3], depth: depth, columns: 38, type, tileRows: 4)) {
                $0.slots = slots
                $0.groupSize = groupSize
                $0.hasBias = true
                ($0.resultOffset, $0.resultMargin) = (7, 20)
            }
        }
        // No expert is there at all.
        add(Options(counts: [5], depth: 20, columns: 9, .f16, tileRows: 2)) { $0.slots = .missing }
        return cases
    }

    /// Where the experts' matrices lie.
    private enum Slots: Int {
        /// In order.
        case none
        /// In another order, with a slot that is nobody's between them.
        case permuted
        /// The same for every other expert; the rest, the first among them, are not there.
        case missing
    }

    private struct Options {
        /// Positions of each expert.
        var counts: [Int]
        var depth: Int
        var columns: Int
        var type: ElementType
        var tileRows: Int
        /// Rows of the source; as many as positions when not given.
        var rowCount: Int?
        var divisor = 1
        /// Of int8 weights; 0 for one scale a column.
        var groupSize = 0
        var activation = Activation.none
        var hasBias = false
        var hasSourceRows = true
        /// Tiles for which the table has no room, by which the count is too large.
        var missingTiles = 0
        var slots = Slots.none
        var resultOffset = 0
        /// Elements from one row's last column to the next one's first.
        var resultMargin = 0

        init(counts: [Int], depth: Int, columns: Int, _ type: ElementType, tileRows: Int) {
            (self.counts, self.depth, self.columns, self.type, self.tileRows) = (counts, depth, columns, type, tileRows)
        }
    }

    private static func makeCase(_ o: Options, _ random: inout CaseGenerator) -> KernelCase {
        let (positions, expertCount) = (o.counts.reduce(0, +), o.counts.count)
        let rows = o.hasSourceRows ? max(o.rowCount ?? positions, 1) : positions
        var tiles: [ExpertTile] = []
        var first = 0
        for (expert, count) in o.counts.enumerated() {
            for start in stride(from: 0, to: count, by: o.tileRows) {
                tiles.append(
                    ExpertTile(
                        expert: UInt32(expert), first: UInt32(first + start),
                        count: UInt32(min(o.tileRows, count - start))))
            }
            first += count
        }
        let tileCount = tiles.count
        tiles.removeLast(o.missingTiles)
        let capacity = o.missingTiles > 0 ? tiles.count
            : ExpertTiles.capacity(positions: positions, experts: expertCount, tileRows: o.tileRows)
        // Tiles beyond the count lead nowhere.
        tiles += [ExpertTile](
            repeating: ExpertTile(expert: .max, first: .max, count: .max), count: capacity - tiles.count + 1)
        let slots = slots(o, &random)
        let layout = PackedLayout(depth: o.depth, columns: o.columns, elementType: o.type)
        let group = o.groupSize == 0 ? max(o.depth, 1) : o.groupSize
        let sourceRows = (0..<positions).map { _ in UInt32.random(in: 0..<UInt32(rows * o.divisor), using: &random) }
        let (resultStride, resultOffset) = (o.columns + o.resultMargin, o.resultOffset)
        let slotCount = slots.map { $0.count + 1 } ?? expertCount
        // A slot that is nobody's is not written.
        func perSlot(_ count: Int, _ type: ElementType, _ make: () -> BufferContents) -> BufferContents {
            var bytes: [UInt8] = []
            for slot in 0..<slotCount {
                let isUsed = slots?.contains(UInt32(slot)) ?? true
                bytes += (isUsed ? make() : .unwritten(count, as: type)).bytes
            }
            return BufferContents(elementType: type, bytes: bytes)
        }
        let weights = perSlot(layout.elementCount, o.type) { packedWeights(layout, 1, &random) }
        let scaleCount = (o.depth + group - 1) / group * layout.paddedColumns
        let scales = o.type != .i8
            ? nil : perSlot(scaleCount, .f32) { packedScales(layout, 1, groupSize: group, &random) }
        return makeCase(
            "positions \(o.counts), \(rows) rows, columns \(o.columns) of \(resultStride), depth \(o.depth), "
                + "\(o.type.rawValue), tiles of \(o.tileRows), group \(group), \(o.activation)"
                + (o.hasBias ? ", bias" : "") + (o.divisor > 1 ? ", divisor \(o.divisor)" : "")
                + (slots.map { ", slots \($0.map { Int32(bitPattern: $0) })" } ?? ""),
            Contents(
                tileCount: .structure(RowCount(count: UInt32(tileCount), capacity: UInt32(capacity))),
                tiles: .structures(tiles), sourceRows: o.hasSourceRows ? .words(sourceRows) : nil,
                slots: slots.map { .words($0) }, source: .floats(random.floats(rows * o.depth)), weights: weights,
                scales: scales, bias: o.hasBias ? .floats(random.floats(expertCount * o.columns)) : nil,
                result: .unwritten(positions * resultStride + resultOffset)),
            Parameters(
                tileCapacity: UInt32(capacity), tileRows: UInt32(o.tileRows), positionCount: UInt32(positions),
                rowCount: UInt32(rows), divisor: UInt32(o.divisor), depth: UInt32(o.depth),
                columns: UInt32(o.columns), resultStride: UInt32(resultStride), resultOffset: UInt32(resultOffset),
                groupSize: UInt32(group)),
            Constants(activation: o.activation.rawValue, largeGroups: o.type == .i8 && group > dotProductChunk))
    }

    /// Of each expert, among one slot more than there are experts.
    private static func slots(_ o: Options, _ random: inout CaseGenerator) -> [UInt32]? {
        if o.slots == .none { return nil }
        let order = (0...UInt32(o.counts.count)).shuffled(using: &random)
        return o.counts.indices.map { o.slots == .missing && $0 % 2 == 0 ? .max : order[$0] }
    }
}
