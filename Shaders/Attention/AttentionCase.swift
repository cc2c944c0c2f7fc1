import VkdynCore

extension Attention {
    /// What a case puts into the caches beside random numbers.
    enum Special: CaseIterable {
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
        /// The values are the 65,536 values of f16, by slot and dimension.
        case everyHalf
    }

    /// How a case's bias lies, and what it holds.
    enum BiasKind: CaseIterable {
        /// A number for every sequence, head, row and key.
        case full
        /// The same with keys outermost.
        case byKey
        /// 0 or −∞. Row 1 of four is masked throughout, row 2 in its first block; key 3 of five in all rows, and its
        /// slot holds NaN.
        case mask
        /// By the distance of key and row: row r, or position p, reads element P − p + j of its head.
        case relative
        /// Logarithms of sizes, by key.
        case sizes
        /// A NaN and a +∞ among numbers.
        case special
    }

    /// The description of a call. Whatever nobody may read is NaN.
    struct Case {
        var label: String
        /// Nil when rows have no positions.
        var positions: [Int]?
        /// Rows that are given, of which `count` count.
        var rows: Int
        /// Keys of each sequence, or of all; nil when positions alone decide.
        var keys: [Int]?
        var count: Int
        var capacity: Int
        var sequenceRows = 0
        var heads: Int
        var kvHeads: Int
        var headSize: Int
        var valueSize: Int
        var cache: Int
        var type = ElementType.f32
        var window = 0
        var extra = 0
        var base: Int?
        var maxDepth = 0
        var hasKeyCounts = false
        var keyCountStride: Int?
        var bias: BiasKind?
        var special: Special?

        init(
            _ label: String, positions: [Int]? = nil, rows: Int? = nil, keys: [Int]? = nil, heads: Int, kvHeads: Int,
            headSize: Int, cache: Int, _ change: (inout Case) -> Void = { _ in }
        ) {
            (self.label, self.positions, self.keys) = (label, positions, keys)
            self.rows = positions?.count ?? rows ?? 0
            (count, capacity) = (self.rows, self.rows)
            (self.heads, self.kvHeads, self.cache) = (heads, kvHeads, cache)
            (self.headSize, valueSize) = (headSize, headSize)
            change(&self)
        }

        private var rowCount: Int { min(rows, count, capacity) }
        private var ownRows: Int { sequenceRows == 0 ? capacity : sequenceRows }
        private var sequences: Int { sequenceRows == 0 ? 1 : (capacity + sequenceRows - 1) / sequenceRows }

        private func sequence(_ row: Int) -> Int { sequenceRows == 0 ? 0 : row / sequenceRows }

        private func keyCount(_ sequence: Int) -> Int {
            guard let keys else { return cache }
            return keys.count == 1 ? keys[0] : keys[sequence % keys.count]
        }

        private func range(_ row: Int) -> Range<Int> {
            let keyCount = keyCount(sequence(row))
            guard let positions else { return 0..<keyCount }
            let stop = min(positions[row] + 1, keyCount)
            return min(stop, window == 0 ? 0 : max(0, positions[row] + 1 - window))..<stop
        }

        /// The slot of a row's position; the rows of a tree part at depth 1, and descend from the end of the cache.
        private func slot(_ row: Int, _ position: Int) -> Int {
            guard let base, position >= base else { return position }
            let depth = position - base
            return cache - 1 - (depth == 0 ? 0 : 2 * depth + row % 2)
        }

        func make(_ random: inout CaseGenerator) -> KernelCase {
            let sourceStride = heads * headSize + extra
            var source = [Float](repeating: .nan, count: capacity * sourceStride)
            for row in 0..<rowCount {
                var values = random.floats(heads * headSize, scale: 2)
                // A first dimension of a sign that the special keys rely on.
                if special != nil { for h in 0..<heads { values[h * headSize] = 1 } }
                source.replaceSubrange(row * sourceStride..<row * sourceStride + values.count, with: values)
            }
            let isWritten = writtenSlots
            let (keys, values) = caches(isWritten, &random)
            let (layout, biases) = biasValues(&random)
            let parameters = Parameters(
                rowCapacity: capacity, sequenceRows: sequenceRows, headCount: heads, kvHeadCount: kvHeads,
                headSize: headSize, valueSize: valueSize, sourceStride: sourceStride, cacheCapacity: cache,
                scale: special == .farApart ? 40 : 0.35, keyCount: hasKeyCounts ? 0xFFFFFF : keyCount(0),
                keyCountStride: countStride, window: window, maxDepth: maxDepth, bias: layout)
            return Attention.makeCase(
                "\(label), rows \(count) of \(capacity), \(sequences) sequences, heads \(heads)/\(kvHeads), head size "
                    + "\(headSize)/\(valueSize), cache \(cache) \(type.rawValue)"
                    + (window > 0 ? ", window \(window)" : "") + (bias.map { ", bias \($0)" } ?? ""),
                Contents(
                    rows: .structure(RowCount(count: UInt32(count), capacity: UInt32(capacity))),
                    positions: positions.map { positions in
                        .words((0..<capacity).map { $0 < positions.count ? UInt32(positions[$0]) : UInt32.max })
                    }, source: .floats(source), keyCache: .floats(keys, as: type),
                    valueCache: .floats(values, as: type), bias: biases.map { .floats($0) },
                    keyCounts: hasKeyCounts ? .words(countWords) : nil, ancestors: ancestors.map { .words($0) },
                    result: .unwritten(capacity * heads * valueSize)),
                parameters, cost: cost(isWritten))
        }

        /// Of the entries that the rows attend, and the slots that hold something.
        private func cost(_ isWritten: [Bool]) -> Cost {
            let entries = (0..<rowCount).reduce(0) { $0 + range($1).count } * heads
            let cached = isWritten.count { $0 } * kvHeads * (headSize + valueSize)
            return Cost(
                operations: entries * (2 * (headSize + valueSize) + 24),
                bytes: rowCount * heads * (headSize + valueSize) * 4 + cached * type.byteCount)
        }

        private var countStride: Int { keyCountStride ?? (hasKeyCounts && (keys?.count ?? 1) > 1 ? 1 : 0) }

        private var countWords: [UInt32] {
            var words = [UInt32](repeating: .max, count: (sequences - 1) * countStride + 1)
            for sequence in 0..<sequences { words[sequence * countStride] = UInt32(keyCount(sequence)) }
            return words
        }

        private var ancestors: [UInt32]? {
            guard let base, let positions else { return nil }
            var words = [UInt32](repeating: UInt32(base), count: sequences)
            words += [UInt32](repeating: .max, count: capacity * maxDepth)
            for row in 0..<rowCount {
                for depth in 0...positions[row] - base {
                    words[sequences + row * maxDepth + depth] = UInt32(slot(row, base + depth))
                }
            }
            return words
        }

        // MARK: Caches

        /// Slots that some row attends, [sequences, cache].
        private var writtenSlots: [Bool] {
            var isWritten = [Bool](repeating: false, count: sequences * cache)
            for row in 0..<rowCount {
                for position in range(row) where !(bias == .mask && position % 5 == 3) {
                    isWritten[sequence(row) * cache + slot(row, position)] = true
                }
            }
            return isWritten
        }

        private func caches(
            _ isWritten: [Bool], _ random: inout CaseGenerator
        ) -> (keys: [Float], values: [Float]) {
            var keys = [Float](repeating: .nan, count: sequences * kvHeads * cache * headSize)
            var values = [Float](repeating: .nan, count: sequences * kvHeads * cache * valueSize)
            for plane in 0..<sequences * kvHeads {
                let rareSlot = random.isAdversarial ? Int.random(in: 0..<cache, using: &random) : 0
                for slot in 0..<cache where isWritten[plane / kvHeads * cache + slot] {
                    let (key, value) = entry(slot, mayBeRare: slot == rareSlot, &random)
                    for d in 0..<headSize {
                        let index = KVAppend.keyIndex(
                            head: plane, slot: slot, dimension: d, headSize: headSize, cacheCapacity: cache)
                        keys[index] = key[d]
                    }
                    for d in 0..<valueSize { values[(plane * cache + slot) * valueSize + d] = value[d] }
                }
            }
            return (keys, values)
        }

        private func entry(
            _ slot: Int, mayBeRare: Bool, _ random: inout CaseGenerator
        ) -> (key: [Float], value: [Float]) {
            var key = random.floats(headSize, scale: 2, mayBeRare: mayBeRare)
            var value = random.floats(valueSize, mayBeRare: mayBeRare)
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
            case .everyHalf: value = (0..<valueSize).map { Narrow.widenF16(UInt16(slot * valueSize + $0)) }
            case .farApart, nil: break
            }
            return (key, value)
        }

        // MARK: Bias

        private var biasLayout: BiasLayout {
            let keyCount = (0..<rowCount).map { range($0).upperBound }.max() ?? 0
            switch bias {
            case nil: return BiasLayout()
            case .full, .mask, .special:
                return BiasLayout(
                    offset: 3, sequenceStride: heads * ownRows * keyCount, headStride: ownRows * keyCount,
                    rowStride: keyCount)
            case .byKey:
                return BiasLayout(
                    sequenceStride: keyCount * ownRows * heads, headStride: 1, rowStride: heads,
                    keyStride: ownRows * heads)
            case .relative:
                let farthest = max(positions?.max() ?? 0, ownRows)
                return BiasLayout(
                    offset: farthest, headStride: farthest + keyCount + 1, rowStride: positions == nil ? -1 : 0,
                    positionStride: positions == nil ? 0 : -1)
            case .sizes: return BiasLayout(sequenceStride: keyCount)
            }
        }

        /// The layout, and the elements that it leads to; the others are NaN.
        private func biasValues(_ random: inout CaseGenerator) -> (BiasLayout, [Float]?) {
            let layout = biasLayout
            guard let bias else { return (layout, nil) }
            var values: [Int: Float] = [:]
            for row in 0..<rowCount {
                let (own, position) = (row - sequence(row) * sequenceRows, positions?[row] ?? 0)
                for head in 0..<heads {
                    let start =
                        layout.offset + sequence(row) * layout.sequenceStride + head * layout.headStride
                        + own * layout.rowStride + position * layout.positionStride
                    for j in range(row) {
                        let index = start + j * layout.keyStride
                        if values[index] == nil { values[index] = number(bias, row, j, &random) }
                    }
                }
            }
            var elements = [Float](repeating: .nan, count: max((values.keys.max() ?? 0) + 1, 1))
            for (index, value) in values { elements[index] = value }
            return (layout, elements)
        }

        private func number(_ kind: BiasKind, _ row: Int, _ j: Int, _ random: inout CaseGenerator) -> Float {
            let number = random.floats(1, scale: 3, mayBeRare: j == row)[0]
            switch kind {
            case .full, .byKey, .relative: return number
            case .sizes: return Functions.logarithm(Float(1 + j % 7))
            case .special: return row == 1 && j == 1 ? .nan : row == 2 && j == 70 ? .infinity : number
            case .mask:
                let isMasked = j % 5 == 3 || row % 4 == 1 || (row % 4 == 2 && j < 64) || number < 0
                return isMasked ? -.infinity : 0
            }
        }
    }
}
