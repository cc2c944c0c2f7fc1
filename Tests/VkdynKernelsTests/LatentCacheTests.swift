import Testing
import VkdynCore
@testable import VkdynKernels

/// The kernels around a latent cache: what they store where, told once more.
@Suite struct LatentCacheTests {
    @Test func everySlotHoldsItsRowAndTheOthersAreLeftAlone() {
        for run in TwinRun<LatentAppend>.all() {
            let p = run.parameters
            let (latentSize, rotarySize) = (Int(p.latentSize), Int(p.rotarySize))
            let (slots, latent, rotary) = (run.before[1]!.words, run.before[2]!.words, run.before[3]!.words)
            var expected = run.before[4]!.words
            for row in 0..<run.rowCount where slots[row] < p.cacheCapacity {
                let start = row * Int(p.rotaryStride) + Int(p.rotaryOffset)
                var entry = Array(latent[row * latentSize..<(row + 1) * latentSize])
                entry += rotary[start..<start + rotarySize]
                let first = Int(slots[row]) * entry.count
                expected.replaceSubrange(first..<first + entry.count, with: entry)
            }
            #expect(run.after[4]!.words == expected, "\(run.label)")
        }
        // Some rows are stored, and some slots are out of range.
        let runs = TwinRun<LatentAppend>.all()
        #expect(runs.contains { $0.rowCount > 3 && $0.before[1]!.words[1] >= $0.parameters.cacheCapacity })
    }

    /// The heads' keys, put together row by row, stored by the kernel that plain attention has.
    @Test func expandedCachesAreThoseThatAppendingGives() {
        for run in TwinRun<LatentExpand>.all() {
            let p = run.parameters
            let (heads, nopeSize, valueSize) = (Int(p.headCount), Int(p.nopeSize), Int(p.valueSize))
            let (source, cache) = (run.before[1]!.floats, run.before[2]!.floats)
            let cacheWidth = Int(p.latentSize + p.rotarySize)
            let headSize = nopeSize + Int(p.rotarySize)
            let stored = min(run.rowCount, Int(p.cacheCapacity))
            var fused: [Float] = []
            for row in 0..<stored {
                let first = row * heads * (nopeSize + valueSize)
                for head in 0..<heads {
                    fused += source[first + head * nopeSize..<first + (head + 1) * nopeSize]
                    fused += cache[row * cacheWidth + Int(p.latentSize)..<(row + 1) * cacheWidth]
                }
                fused += source[first + heads * nopeSize..<first + heads * (nopeSize + valueSize)]
            }
            let appended = TwinRun(
                KVAppend.self,
                KVAppend.makeCase(
                    run.label,
                    .init(
                        rows: .structure(RowCount(count: UInt32(stored), capacity: UInt32(stored))),
                        slots: .words((0..<stored).map { UInt32($0) }), source: .floats(fused),
                        keyCache: run.before[3]!, valueCache: run.before[4]!),
                    .init(
                        rowCapacity: UInt32(stored), sequenceRows: 0, kvHeadCount: p.headCount,
                        headSize: UInt32(headSize), valueSize: p.valueSize, keyOffset: 0,
                        valueOffset: UInt32(heads * headSize), stride: UInt32(heads * (headSize + valueSize)),
                        cacheCapacity: p.cacheCapacity)))
            #expect(run.after[3]!.words == appended.after[3]!.words, "\(run.label)")
            #expect(run.after[4]!.words == appended.after[4]!.words, "\(run.label)")
        }
    }

    @Test func cachedRowsReachToTheLastPosition() {
        func count(_ positions: [UInt32], rows: UInt32, cache: UInt32) -> [UInt32] {
            TwinRun(
                CachedRows.self,
                CachedRows.makeCase(
                    "",
                    .init(
                        rows: .structure(RowCount(count: rows, capacity: UInt32(positions.count))),
                        positions: .words(positions), cached: .unwritten(3, as: .u32)),
                    .init(rowCapacity: UInt32(positions.count), cacheCapacity: cache))
            ).after[2]!.words
        }
        #expect(count([], rows: 0, cache: 64) == [0, 64, 0])
        #expect(count([9, 9], rows: 0, cache: 64) == [0, 64, 0])
        #expect(count([0], rows: 1, cache: 64) == [1, 64, 0])
        #expect(count([61, 62, 63, 7], rows: 3, cache: 64) == [64, 64, 0])
        // More rows than the capacity, and positions beyond the cache.
        #expect(count([4, 5], rows: 9, cache: 64) == [6, 64, 0])
        #expect(count([63, 64], rows: 2, cache: 64) == [64, 64, 1])
        #expect(count([.max], rows: 1, cache: 64) == [64, 64, 1])
    }
}
