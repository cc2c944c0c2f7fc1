import Foundation
import Testing
import VkdynCore
import VkdynKernels

/// What a step of diffusion does besides its net, against formulas in double precision.
@Suite struct DenoiseTests {
    private let one = BufferContents.structure(RowCount(count: 1, capacity: 1))

    @Test func inputIsTheScaledSampleOnceForEachCopy() {
        for run in TwinRun<DenoiseInput>.all() {
            let (elements, copies) = (Int(run.parameters.elements), Int(run.parameters.copies))
            let scale = Float(bitPattern: run.before[1]!.words[1])
            let (sample, result) = (run.before[2]!.floats, run.after[3]!.floats)
            let expected = sample[..<(run.rowCount * elements)].map { $0 * scale }
            for copy in 0..<copies {
                let rows = result[copy * expected.count..<(copy + 1) * expected.count]
                #expect(rows.map(\.bitPattern) == expected.map(\.bitPattern), "\(run.label), copy \(copy)")
            }
            #expect(isUntouched(run, 3, from: copies * expected.count), "\(run.label)")
        }
    }

    /// The recurrence in double precision, with sums of all magnitudes for a bound.
    @Test func stepIsItsRecurrence() {
        for run in TwinRun<DenoiseStep>.all() {
            let (elements, copies) = (Int(run.parameters.elements), Int(run.parameters.copies))
            let size = Int(run.parameters.imageCapacity) * elements
            let count = run.rowCount * elements
            let words = run.before[1]!.words
            func number(_ word: Int) -> Double { Double(Float(bitPattern: words[word])) }
            let (output, noise) = (run.before[2]!.floats, run.before[3]?.floats)
            let (sample, history) = (run.before[4]!.floats, run.before[5]!.floats)
            var expected = history.map(Double.init)
            var wrong = 0
            let none = DenoiseParameters.noSlot
            for i in 0..<count {
                let x = Double(sample[i])
                var e = Double(output[i])
                if copies == 2 { e += number(2) * (Double(output[count + i]) - e) }
                let stored = (number(3) == 0 ? 0 : number(3) * x) + (number(4) == 0 ? 0 : number(4) * e)
                if words[5] != none { expected[Int(words[5]) * size + i] = stored }
                if words[6] != none { expected[Int(words[6]) * size + i] = x }
                var next = number(7) == 0 ? 0 : number(7) * x
                var magnitude = abs(next) + 50
                for term in 0..<4 where number(8 + term) != 0 && words[12 + term] != none {
                    let product = number(8 + term) * expected[Int(words[12 + term]) * size + i]
                    next += product
                    magnitude += abs(product)
                }
                if let noise, number(16) != 0 { next += number(16) * Double(noise[i]) }
                let bound = 12 * 0x1p-24 * magnitude
                if !agrees(run.after[4]!.floats[i], next, bound: bound) { wrong += 1 }
            }
            for (index, value) in run.after[5]!.floats.enumerated() {
                // Slots that are not written keep their bits; those that are, beyond the count too.
                let slot = size == 0 ? none : UInt32(index / size)
                let isWritten = index % max(size, 1) < count && (slot == words[5] || slot == words[6])
                if isWritten {
                    if !agrees(value, expected[index], bound: 12 * 0x1p-24 * 50) { wrong += 1 }
                } else if value.bitPattern != history[index].bitPattern {
                    wrong += 1
                }
            }
            #expect(wrong == 0, "\(run.label)")
            #expect(isUntouched(run, 4, from: count), "\(run.label)")
        }
    }

    /// 1, then two products whose sum with it depends on the order.
    @Test func termsAreAddedInTheirOrder() {
        let none = DenoiseParameters.noSlot
        let denoise = DenoiseParameters(
            storedSample: 0, storedOutput: 0, storedSlot: none, savedSlot: none, sampleWeight: 1, weight0: 1,
            weight1: -1, slot0: 0, slot1: 1, slot2: none, slot3: none)
        let call = TwinCall<DenoiseStep>(
            .init(
                images: one, denoise: .structure(denoise), output: .floats([.nan]), sample: .floats([1]),
                history: .floats([0x1p25, 0x1p25])),
            .init(imageCapacity: 1, elements: 1, copies: 1)
        ).run()
        #expect(call.floats("sample") == [0])
        #expect(call.floats("history") == [0x1p25, 0x1p25])
    }

    @Test func embeddingIsCosinesAndSines() {
        for run in TwinRun<TimestepEmbedding>.all() {
            let half = Int(run.parameters.half)
            let timestep = Float(bitPattern: run.before[0]!.words[0])
            let (frequencies, result) = (run.before[1]!.floats, run.after[2]!.floats)
            let (cosines, sines) = run.parameters.sinesFirst != 0 ? (half, 0) : (0, half)
            let wrong = (0..<half).filter { i in
                let angle = Double(timestep * frequencies[i])
                return !agrees(result[cosines + i], angle.isFinite ? cos(angle) : .nan, bound: 1.5 * ulp(cos(angle)))
                    || !agrees(result[sines + i], angle.isFinite ? sin(angle) : .nan, bound: 1.5 * ulp(sin(angle)))
            }
            #expect(wrong.isEmpty, "\(run.label)")
            #expect(result.count == 2 * half)
        }
    }
}
