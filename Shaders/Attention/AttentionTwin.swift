import VkdynCore

/// The definition of `Attention`, in one flavour.
final class AttentionTwin<A: Arithmetic> {
    private let b: Attention.Views
    private let p: Attention.Parameters
    private let headSize: Int
    private let valueSize: Int
    private let capacity: Int
    private let isBatch: Bool
    private let hasAncestors: Bool
    private let rowCount: Int
    // One sequence's keys and values of one head, [slots, headSize] and [slots, valueSize], widened.
    private let keys: UnsafeMutableBufferPointer<Float>
    private let values: UnsafeMutableBufferPointer<Float>
    // Of one block.
    private var slots = [Int](repeating: 0, count: Attention.block)
    private var scores = [Float](repeating: 0, count: Attention.block)
    // Of one row and head.
    private let query: UnsafeMutableBufferPointer<Float>
    private let blocks: AttentionBlocks<A>

    init(_ b: Attention.Views, _ call: KernelCall<Attention>) {
        self.b = b
        p = call.parameters
        headSize = Int(p.headSize)
        valueSize = Int(p.valueSize)
        capacity = Int(p.cacheCapacity)
        isBatch = p.sequenceRows > 0
        hasAncestors = !b.ancestors.isEmpty
        rowCount = min(Int(b.rows.pointee.count), Int(p.rowCapacity))
        keys = .allocate(capacity: capacity * headSize)
        values = .allocate(capacity: capacity * valueSize)
        query = .allocate(capacity: headSize)
        blocks = AttentionBlocks(valueSize: valueSize)
    }

    deinit { for floats in [keys, values, query] { floats.deallocate() } }

    func run() {
        let (headCount, kvHeadCount) = (Int(p.headCount), Int(p.kvHeadCount))
        for sequence in 0..<p.sequenceCount {
            let first = sequence * Int(p.sequenceRows)
            let rows = first..<max(first, isBatch ? min(rowCount, first + Int(p.sequenceRows)) : rowCount)
            for kvHead in 0..<kvHeadCount {
                widenCaches(sequence, kvHead, rows)
                for row in rows {
                    for head in kvHead * (headCount / kvHeadCount)..<(kvHead + 1) * (headCount / kvHeadCount) {
                        attend(sequence, row, head)
                    }
                }
            }
        }
    }

    // MARK: What a row attends

    private func position(_ row: Int) -> Int { b.positions.isEmpty ? 0 : Int(b.positions[row]) }

    private func range(_ sequence: Int, _ row: Int) -> Range<Int> {
        let keyCount = Int(b.keyCounts.isEmpty ? p.keyCount : b.keyCounts[sequence * Int(p.keyCountStride)])
        if b.positions.isEmpty { return 0..<keyCount }
        let position = position(row)
        let stop = min(position + 1, keyCount)
        let lower = p.window == 0 ? 0 : max(0, position + 1 - Int(p.window))
        return min(lower, stop)..<stop
    }

    private func slot(_ sequence: Int, _ row: Int, _ position: Int) -> Int {
        var slot = position
        if hasAncestors {
            let (base, depth) = (Int(b.ancestors[sequence]), Int(p.maxDepth))
            if position >= base {
                slot = Int(b.ancestors[p.sequenceCount + row * depth + min(position - base, depth - 1)])
            }
        }
        return min(slot, capacity - 1)
    }

    /// The bias for one position, or nil when there is none.
    private func bias(_ sequence: Int, _ head: Int, _ row: Int, _ j: Int) -> Float? {
        guard b.bias.count > 0 else { return nil }
        func word(_ value: Int) -> UInt32 { UInt32(truncatingIfNeeded: value) }
        let sequenceRow = row - sequence * Int(p.sequenceRows)
        let fixed = p.biasOffset &+ word(sequence) &* p.biasSequenceStride &+ word(head) &* p.biasHeadStride
        let rowPart = word(sequenceRow) &* p.biasRowStride &+ word(position(row)) &* p.biasPositionStride
        return b.bias[Int(fixed &+ rowPart &+ word(j) &* p.biasKeyStride)]
    }

    // MARK: Arithmetic

    /// Widens the slots that the rows may read.
    private func widenCaches(_ sequence: Int, _ kvHead: Int, _ rows: Range<Int>) {
        let stop = rows.map { range(sequence, $0).upperBound }.max() ?? 0
        let plane = sequence * Int(p.kvHeadCount) + kvHead
        let slotCount = hasAncestors ? capacity : min(stop, capacity)
        for slot in 0..<slotCount {
            for d in stride(from: 0, to: headSize, by: 4) {
                let index = KVAppend.keyIndex(
                    head: plane, slot: slot, dimension: d, headSize: headSize, cacheCapacity: capacity)
                let start = slot * headSize + d
                b.keyCache.widen(index..<index + 4, into: .init(rebasing: keys[start..<start + 4]))
            }
        }
        let start = plane * capacity * valueSize
        b.valueCache.widen(start..<start + slotCount * valueSize, into: values)
    }

    /// Of a chunk's dimensions.
    private func product(_ keyStart: Int, _ dimensions: Range<Int>) -> Float {
        var sum: Float = 0
        for d in dimensions { sum = A.multiplyAdd(keys[keyStart + d], query[d], sum) }
        return sum
    }

    private func attend(_ sequence: Int, _ row: Int, _ head: Int) {
        let queryStart = row * Int(p.sourceStride) + head * headSize
        b.source.widen(queryStart..<queryStart + headSize, into: query)
        blocks.begin()
        let attended = range(sequence, row)
        var start = attended.lowerBound
        while start < attended.upperBound {
            // The attended positions of one block, without those that the bias masks.
            let end = min(attended.upperBound, (start / Attention.block + 1) * Attention.block)
            var count = 0
            for j in start..<end {
                let added = bias(sequence, head, row, j)
                if added == -.infinity { continue }
                slots[count] = slot(sequence, row, j)
                let keyStart = slots[count] * headSize
                var score = product(keyStart, 0..<min(headSize, dotProductChunk))
                if headSize > dotProductChunk { score += product(keyStart, dotProductChunk..<headSize) }
                score *= p.scale
                if let added { score += added }
                scores[count] = score
                count += 1
            }
            start = end
            blocks.add(scores[..<count]) { UnsafePointer(values.baseAddress!) + slots[$0] * valueSize }
        }
        let resultStart = (row * Int(p.headCount) + head) * valueSize
        blocks.finish(into: b.result.baseAddress! + resultStart)
    }
}
