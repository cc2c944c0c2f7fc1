import VkdynCore

extension Attention {
    public static var shapes: ShapeSpace { ShapeSpace([]) }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        fixedCases[Int.random(in: 0..<fixedCases.count, using: &random)]
    }

    private static let fixedCases = cases

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 16)
        var cases: [KernelCase] = []
        func add(_ case: Case) { cases.append(`case`.make(&random)) }
        add(Case("no rows", positions: [], heads: 2, kvHeads: 1, headSize: 32, cache: 64))
        add(Case("first token", positions: [0], heads: 1, kvHeads: 1, headSize: 32, cache: 64))
        for position in [62, 63, 64, 65, 127, 128, 300] {
            add(Case("position \(position)", positions: [position], heads: 2, kvHeads: 2, headSize: 64, cache: 320))
        }
        for (headSize, heads, kvHeads) in [
            (36, 3, 1), (64, 12, 12), (64, 7, 1), (64, 8, 2), (68, 4, 1), (128, 4, 2), (132, 2, 1), (256, 4, 4),
        ] {
            add(
                Case(
                    "head size \(headSize)", positions: [70, 3, 129], heads: heads, kvHeads: kvHeads, headSize: headSize,
                    cache: 192, extra: 4))
        }
        add(Case("prefill", positions: Array(0..<67), heads: 2, kvHeads: 1, headSize: 32, cache: 128, extra: 8))
        add(Case("decode", positions: [1099], heads: 8, kvHeads: 2, headSize: 64, cache: 1152))
        add(Case("long window", positions: [700, 1099], heads: 2, kvHeads: 1, headSize: 32, cache: 1152, window: 600))
        add(Case("verify 5", positions: Array(190..<195), heads: 4, kvHeads: 4, headSize: 64, cache: 256))
        add(Case("encoder", positions: Array(repeating: 76, count: 77), heads: 3, kvHeads: 3, headSize: 64, cache: 128))
        for window in [1, 5, 63, 64, 65, 100] {
            add(
                Case(
                    "window \(window)", positions: [0, 4, 5, 63, 64, 99, 100, 128, 191], heads: 2, kvHeads: 1,
                    headSize: 32, cache: 192, window: window))
        }
        add(
            Case(
                "awkward stride", positions: [10, 80, 81], heads: 3, kvHeads: 3, headSize: 36, cache: 128, extra: 3))
        add(Case("3 of 9", positions: [5, 66, 130], capacity: 9, heads: 2, kvHeads: 2, headSize: 64, cache: 192))
        add(Case("0 of 4", positions: [], capacity: 4, heads: 2, kvHeads: 2, headSize: 64, cache: 64))
        add(
            Case(
                "9 over a capacity of 3", positions: [7, 8, 9], count: 9, heads: 2, kvHeads: 2, headSize: 64, cache: 64))
        // A tree below position 60 or 130: paths that share and part, in slots out of order.
        add(
            Case(
                "ancestors from 60", positions: [60, 61, 61, 62, 63, 66], heads: 4, kvHeads: 2, headSize: 64, cache: 128,
                base: 60, maxDepth: 8))
        add(
            Case(
                "ancestors from 130", positions: [130, 131, 131], capacity: 5, heads: 3, kvHeads: 3, headSize: 128,
                cache: 192, base: 130, maxDepth: 2))
        add(
            Case(
                "ancestors, window 6", positions: [60, 64, 66], heads: 2, kvHeads: 2, headSize: 32, cache: 128,
                window: 6, base: 60, maxDepth: 7))
        for special in Special.allCases {
            add(
                Case(
                    "\(special)", positions: [3, 69, 130], heads: 2, kvHeads: 1, headSize: 32, cache: 192,
                    special: special))
        }
        return cases
    }

    /// What a case puts into the caches beside random numbers.
    private enum Special: CaseIterable {
        /// A key with a NaN, in the second block.
        case keyNaN
        /// Every key of the first block gives −∞: it weighs nothing beside the second.
        case firstBlockNegative
        /// Every key gives −∞.
        case allNegative
        /// One score of +∞.
        case keyInfinity
        /// Values with NaN and infinities.
        case values
        /// All scores equal.
        case ties
        /// Scores so far apart that all weights but one underflow.
        case farApart
    }

    private struct Case {
        var label: String
        var positions: [Int]
        var count: Int
        var capacity: Int
        var heads: Int
        var kvHeads: Int
        var headSize: Int
        var cache: Int
        var window: Int
        var extra: Int
        var base: Int?
        var maxDepth: Int
        var special: Special?

        init(
            _ label: String, positions: [Int], count: Int? = nil, capacity: Int? = nil, heads: Int, kvHeads: Int,
            headSize: Int, cache: Int, window: Int = 0, extra: Int = 0, base: Int? = nil, maxDepth: Int = 0,
            special: Special? = nil
        ) {
            self.label = label
            self.positions = positions
            self.count = count ?? positions.count
            self.capacity = capacity ?? positions.count
            self.heads = heads
            self.kvHeads = kvHeads
            self.headSize = headSize
            self.cache = cache
            self.window = window
            self.extra = extra
            self.base = base
            self.maxDepth = maxDepth
            self.special = special
        }

        func make(_ random: inout CaseGenerator) -> KernelCase {
            let sourceStride = heads * headSize + extra
            // Rows beyond the positions given, and what lies between the rows, hold NaN.
            var source = [Float](repeating: .nan, count: capacity * sourceStride)
            for row in positions.indices {
                let values = random.floats(heads * headSize, scale: 2)
                source.replaceSubrange(row * sourceStride..<row * sourceStride + values.count, with: values)
            }
            let (slotLists, ancestors) = paths()
            // Only slots that some row attends are written; the rest of the caches holds NaN.
            var isWritten = [Bool](repeating: false, count: cache)
            for (row, slots) in slotLists.enumerated() {
                let lower = window == 0 ? 0 : max(0, positions[row] + 1 - window)
                for slot in slots[lower...] { isWritten[slot] = true }
            }
            var keys = [Float](repeating: .nan, count: kvHeads * cache * headSize)
            var values = keys
            for head in 0..<kvHeads {
                for slot in 0..<cache where isWritten[slot] {
                    let (key, value) = entry(slot, &random)
                    for d in 0..<headSize {
                        let index = KVAppend.keyIndex(
                            head: head, slot: slot, dimension: d, headSize: headSize, cacheCapacity: cache)
                        keys[index] = key[d]
                        values[(head * cache + slot) * headSize + d] = value[d]
                    }
                }
            }
            if special != nil {
                // A first dimension of a sign that the special keys rely on.
                for row in positions.indices { for h in 0..<heads { source[row * sourceStride + h * headSize] = 1 } }
            }
            let padded = (0..<capacity).map { $0 < positions.count ? UInt32(positions[$0]) : UInt32.max }
            return makeCase(
                "\(label), rows \(count) of \(capacity), heads \(heads)/\(kvHeads), head size \(headSize)",
                Contents(
                    rows: .structure(RowCount(count: UInt32(count), capacity: UInt32(capacity))),
                    positions: .words(padded), source: .floats(source), keyCache: .floats(keys),
                    valueCache: .floats(values), ancestors: ancestors.map { .words($0) },
                    result: .unwritten(capacity * heads * headSize)),
                Parameters(
                    rowCapacity: UInt32(capacity), headCount: UInt32(heads), kvHeadCount: UInt32(kvHeads),
                    headSize: UInt32(headSize), sourceStride: UInt32(sourceStride), cacheCapacity: UInt32(cache),
                    scale: special == .farApart ? 40 : 0.35, window: UInt32(window), maxDepth: UInt32(maxDepth)))
        }

        /// Each row's slots in ascending position, and the ancestors buffer that gives them.
        private func paths() -> (slots: [[Int]], ancestors: [UInt32]?) {
            guard let base else { return (positions.map { Array(0...$0) }, nil) }
            var words = [UInt32(base)] + [UInt32](repeating: .max, count: capacity * maxDepth)
            let slots = positions.enumerated().map { row, position -> [Int] in
                var path = Array(0..<base)
                for depth in 0...position - base {
                    // Even and odd rows part at depth 1; the slots descend from the end of the cache.
                    let slot = cache - 1 - (depth == 0 ? 0 : 2 * depth + row % 2)
                    words[1 + row * maxDepth + depth] = UInt32(slot)
                    path.append(slot)
                }
                return path
            }
            return (slots, words)
        }

        private func entry(_ slot: Int, _ random: inout CaseGenerator) -> (key: [Float], value: [Float]) {
            var key = random.floats(headSize, scale: 2)
            var value = random.floats(headSize)
            switch special {
            case .keyNaN: if slot == 68 { key[7] = .nan }
            case .firstBlockNegative: if slot < 64 { key[0] = -.infinity }
            case .allNegative: key[0] = -.infinity
            case .keyInfinity: if slot == 65 { key[0] = .infinity }
            case .values:
                if slot == 2 { value[3] = .nan }
                if slot == 66 { value[4] = .infinity }
                if slot == 67 { value[4] = -.infinity }
                if slot == 129 { value[5] = -.infinity }
            case .ties: key = [Float](repeating: 0, count: headSize)
            case .farApart, nil: break
            }
            return (key, value)
        }
    }
}
