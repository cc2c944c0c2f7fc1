import Testing
import VkdynCore
@testable import VkdynKernels

/// The kernels of cached features against what they document.
@Suite struct FeatureTests {
    @Test func storingKeepsTheValuesAndTheStep() {
        for run in TwinRun<FeatureStore>.all() {
            let p = run.parameters
            let count = run.rowCount * Int(p.width)
            let (source, cache) = (run.before[2]!.floats, run.after[3]!)
            var wrong = 0
            for i in 0..<count {
                let value = cache.floats[i]
                let expected = cache.elementType == .f16 ? nearestHalf(source[i]) : source[i]
                if value.bitPattern != expected.bitPattern, !(value.isNaN && expected.isNaN) { wrong += 1 }
            }
            #expect(wrong == 0, "\(run.label)")
            let stride = cache.elementType.byteCount
            #expect(cache.bytes.dropFirst(count * stride) == run.before[3]!.bytes.dropFirst(count * stride))
            var stamps = run.before[4]!.words
            if run.rowCount > 0 { stamps[Int(p.feature)] = 17 }
            #expect(run.after[4]!.words == stamps, "\(run.label)")
        }
    }

    /// The f16 value next to an f32 one, by search through all of them: even for ties.
    private func nearestHalf(_ x: Float) -> Float {
        if x.isNaN { return .nan }
        if abs(x) >= 65520 { return x < 0 ? -.infinity : .infinity }
        let magnitude = Double(abs(x))
        // The largest f16 not above it.
        var (low, high): (UInt16, UInt16) = (0, 0x7BFF)
        while low < high {
            let middle = low + (high - low + 1) / 2
            if Double(Narrow.widenF16(middle)) <= magnitude { low = middle } else { high = middle - 1 }
        }
        let below = Double(Narrow.widenF16(low))
        let above = low == 0x7BFF ? 65536 : Double(Narrow.widenF16(low + 1))
        let isUp = magnitude - below > above - magnitude || (magnitude - below == above - magnitude && low % 2 == 1)
        let value = Float(isUp ? above : below)
        return x.sign == .minus ? -value : value
    }

    /// The stamps of a run decide between values and NaN, and what the record says.
    private func checkStamps(
        feature: UInt32, stamps: [UInt32], planned: [UInt32], before: FeatureError, after: FeatureError, rows: Int,
        _ label: String
    ) -> Bool {
        let (planned, found) = (planned[Int(feature)], stamps[Int(feature)])
        let isStale = planned != found || found == FeatureStamp.none
        var expected = before
        if isStale, rows > 0, before.flag == 0 || before.feature > feature {
            expected = FeatureError(flag: 1, feature: feature, planned: planned, found: found)
        }
        #expect(
            [after.flag, after.feature, after.planned, after.found]
                == [expected.flag, expected.feature, expected.planned, expected.found], "\(label)")
        return isStale
    }

    private func error(_ contents: BufferContents?) -> FeatureError {
        contents!.bytes.withUnsafeBytes { $0.loadUnaligned(as: FeatureError.self) }
    }

    @Test func aStaleFeatureIsNeverReused() {
        var staleCount = 0
        for run in TwinRun<FeatureReuse>.all() {
            let p = run.parameters
            let isStale = checkStamps(
                feature: p.feature, stamps: run.before[2]!.words, planned: run.before[3]!.words,
                before: error(run.before[5]), after: error(run.after[5]), rows: run.rowCount, run.label)
            let (cached, fresh, result) = (run.before[1]!.floats, run.before[4]?.floats, run.after[6]!.floats)
            var wrong = 0
            for i in 0..<run.rowCount * Int(p.width) {
                if isStale {
                    if !result[i].isNaN { wrong += 1 }
                } else if let fresh {
                    let (a, b) = (Double(p.cachedScale) * Double(cached[i]), Double(p.freshScale) * Double(fresh[i]))
                    let bound = 0x1p-24 * (abs(a) + abs(b) + abs(a + b)) + 0x1p-148
                    if !agrees(result[i], a + b, bound: bound) { wrong += 1 }
                } else if result[i].bitPattern != cached[i].bitPattern, !(result[i].isNaN && cached[i].isNaN) {
                    wrong += 1
                }
            }
            #expect(wrong == 0, "\(run.label)")
            staleCount += isStale && run.rowCount > 0 ? 1 : 0
            let rest = run.rowCount * Int(p.width)
            #expect(run.after[6]!.words.dropFirst(rest) == run.before[6]!.words.dropFirst(rest), "\(run.label)")
        }
        #expect(staleCount >= 10)
    }

    @Test func channelsLieSideBySide() {
        for run in TwinRun<FeatureConcatenate>.all() {
            let p = run.parameters
            let isStale = checkStamps(
                feature: p.feature, stamps: run.before[2]!.words, planned: run.before[3]!.words,
                before: error(run.before[5]), after: error(run.after[5]), rows: run.rowCount, run.label)
            let (cachedWidth, freshWidth) = (Int(p.cachedWidth), Int(p.freshWidth))
            let (cached, fresh, result) = (run.before[1]!.floats, run.before[4]!.floats, run.after[6]!.floats)
            var expected: [Float] = []
            for row in 0..<run.rowCount {
                let parts = [
                    cached[row * cachedWidth..<(row + 1) * cachedWidth],
                    fresh[row * freshWidth..<(row + 1) * freshWidth],
                ]
                for part in p.freshFirst != 0 ? parts.reversed() : parts { expected += part }
            }
            let wrong = expected.indices.count { i in
                isStale
                    ? !result[i].isNaN
                    : result[i].bitPattern != expected[i].bitPattern && !(result[i].isNaN && expected[i].isNaN)
            }
            #expect(wrong == 0, "\(run.label)")
            #expect(run.after[6]!.words.dropFirst(expected.count) == run.before[6]!.words.dropFirst(expected.count))
        }
    }
}
