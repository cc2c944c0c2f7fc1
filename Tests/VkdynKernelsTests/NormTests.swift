import Foundation
import Testing
import VkdynCore
import VkdynKernels

/// The norms and softmax against sums in double, with the error bounds that their documentation states.
@Suite struct NormTests {
    @Test func rmsNorm() {
        for run in TwinRun<RMSNorm>.all() {
            let width = Int(run.parameters.width)
            let (source, weight, result) = (run.before[1]!.floats, run.before[2]!.floats, run.after[3]!.floats)
            var wrong = 0
            for row in 0..<run.rowCount {
                let x = source[row * width..<(row + 1) * width].map(Double.init)
                let mean = x.reduce(0) { $0 + $1 * $1 } / Double(width)
                // Squares that overflow or underflow in f32 are the documentation's exceptions.
                if mean * Double(width) > 3.3e38 || (mean > 0 && mean < 1e-30) { continue }
                let factor = 1 / (mean + Double(run.parameters.epsilon)).squareRoot()
                for i in 0..<width {
                    let exact = Double(weight[i]) * (x[i] * factor)
                    let bound = (5 + (Double(width) / 64 + 6) / 2) * ulp(exact)
                    if !agrees(result[row * width + i], exact, bound: bound) { wrong += 1 }
                }
            }
            #expect(wrong == 0, "\(run.label)")
            #expect(isUntouched(run, 3, from: run.rowCount * width), "\(run.label)")
        }
    }

    @Test func rmsNormSpecialValues() throws {
        let run = try #require(TwinRun<RMSNorm>.all().first { $0.label.hasPrefix("NaN") })
        let result = run.after[3]!.floats
        #expect(result[0..<68].allSatisfy { $0.isNaN })
        // The factor is 0 beside an infinity, and where the squares overflow.
        #expect(result[68] == 0 && result[68 + 5].isNaN)
        #expect(result[3 * 68..<4 * 68].allSatisfy { $0 == 0 })
        #expect(result[5 * 68..<6 * 68].allSatisfy { $0 == 0 })
        let zeros = try #require(TwinRun<RMSNorm>.all().first { $0.label.hasPrefix("zeros") })
        #expect(zeros.after[3]!.floats[0..<20].allSatisfy { $0.isNaN })
    }

    @Test func layerNorm() {
        for run in TwinRun<LayerNorm>.all() {
            let width = Int(run.parameters.width)
            let (source, result) = (run.before[1]!.floats, run.after[4]!.floats)
            let weight = run.before[2]?.floats
            let bias = run.before[3]?.floats
            var wrong = 0
            for row in 0..<run.rowCount {
                let x = source[row * width..<(row + 1) * width].map(Double.init)
                let mean = x.reduce(0, +) / Double(width)
                let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
                if variance * Double(width) > 3.3e38 { continue }
                let deviation = (variance + Double(run.parameters.epsilon)).squareRoot()
                let largest = x.map(abs).max() ?? 0
                for i in 0..<width {
                    let normal = (x[i] - mean) / deviation
                    let w = Double(weight?[i] ?? 1)
                    let exact = normal * w + Double(bias?[i] ?? 0)
                    let bound =
                        (Double(width) / 64 + 12) * 0x1p-24 * (largest / deviation + abs(normal)) * abs(w)
                        + ulp(exact) / 2
                    if !agrees(result[row * width + i], exact, bound: bound) { wrong += 1 }
                }
            }
            #expect(wrong == 0, "\(run.label)")
            #expect(isUntouched(run, 4, from: run.rowCount * width), "\(run.label)")
        }
    }

    @Test func softmax() {
        for run in TwinRun<Softmax>.all() {
            let (width, offset) = (Int(run.parameters.width), Int(run.parameters.resultOffset))
            let (source, result) = (run.before[1]!.floats, run.after[2]!.floats)
            var wrong = 0
            for row in 0..<run.rowCount {
                let x = source[row * width..<(row + 1) * width].map(Double.init)
                let largest = x.contains { $0.isNaN } ? .nan : (x.max() ?? 0)
                let sum = x.reduce(0) { $0 + exp($1 - largest) }
                for i in 0..<width {
                    let exact = exp(x[i] - largest) / sum
                    let difference = abs(x[i] - largest)
                    let bound =
                        (5 + (Double(width) / 64 + 6) / 2) * ulp(exact) + (difference.isFinite ? difference * 0x1p-24 * exact : 0)
                        + 0x1p-126
                    if !agrees(result[offset + row * width + i], exact, bound: bound) { wrong += 1 }
                    if x[i] == -.infinity, largest.isFinite, result[offset + row * width + i] != 0 { wrong += 1 }
                }
            }
            #expect(wrong == 0, "\(run.label)")
            #expect(isUntouched(run, 2, from: offset + run.rowCount * width), "\(run.label)")
            #expect(isUntouched(run, 2, upTo: offset), "\(run.label)")
        }
    }

    @Test func softmaxSpecialRows() throws {
        for run in TwinRun<Softmax>.all() where run.label.hasPrefix("special") {
            let (width, offset) = (Int(run.parameters.width), Int(run.parameters.resultOffset))
            let rows = (0..<7).map { Array(run.after[2]!.floats[offset + $0 * width..<offset + ($0 + 1) * width]) }
            #expect(rows[0].allSatisfy { $0.isNaN }, "a NaN")
            #expect(rows[1].allSatisfy { $0.isNaN }, "+∞")
            #expect(rows[2][0] == 0 && rows[2].allSatisfy { $0.isFinite }, "some −∞")
            #expect(rows[3].allSatisfy { $0.isNaN }, "−∞ alone")
            #expect(Set(rows[4]).count == 1, "zeros of both signs tie")
            #expect(Set(rows[5]).count == 1, "ties")
        }
    }

    @Test func reductionOrderIsTheDocumentedOne() {
        // Sums of numbers whose rounding depends on the order, written out a second way.
        var random = CaseGenerator(seed: 3)
        for count in [0, 1, 63, 64, 65, 200, 1000] {
            let values = random.floats(count).map { $0 * $0 * $0 }
            var lanes = [Float](repeating: 0, count: 64)
            for lane in 0..<64 { for i in stride(from: lane, to: count, by: 64) { lanes[lane] += values[i] } }
            func tree(_ lanes: [Float]) -> Float {
                if lanes.count == 1 { return lanes[0] }
                let half = lanes.count / 2
                return tree((0..<half).map { lanes[$0] + lanes[$0 + half] })
            }
            let sum = Reduction.sum(count: count) { values[$0] }
            #expect(sum.bitPattern == tree(lanes).bitPattern)
        }
    }
}

/// Whether the elements of a binding from `first` to before `end` are as they were.
func isUntouched<K: Kernel>(_ run: TwinRun<K>, _ binding: Int, from first: Int = 0, upTo end: Int? = nil) -> Bool {
    let (before, after) = (run.before[binding]!.bytes, run.after[binding]!.bytes)
    let range = first * 4..<(end.map { $0 * 4 } ?? before.count)
    return before[range] == after[range]
}
