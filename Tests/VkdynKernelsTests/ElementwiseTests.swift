import Foundation
import Testing
import VkdynCore
import VkdynKernels

/// The kernels without a reduction, against their formulas.
@Suite struct ElementwiseTests {
    @Test func add() {
        for run in TwinRun<Add>.all() {
            let (left, right, result) = (run.before[1]!.floats, run.before[2]!.floats, run.after[3]!.floats)
            let count = run.rowCount * Int(run.parameters.width)
            let wrong = (0..<count).filter {
                !agrees(result[$0], Double(left[$0]) + Double(right[$0]), bound: ulp(Double(left[$0] + right[$0])) / 2)
            }
            #expect(wrong.isEmpty, "\(run.label)")
            #expect(isUntouched(run, 3, from: count), "\(run.label)")
        }
    }

    private func exact(_ activation: Activation, _ x: Double) -> Double {
        switch activation {
        case .none: x
        case .relu: x.isNaN ? x : max(x, 0)
        case .geluErf: x / 2 * (1 + erf(x / 2.0.squareRoot()))
        case .geluTanh: x / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
        case .silu: x / (1 + exp(-x))
        }
    }

    @Test func activate() {
        for run in TwinRun<Activate>.all() {
            let activation = Activation(rawValue: run.constants.activation)!
            let (source, result) = (run.before[1]!.floats, run.after[2]!.floats)
            let count = run.rowCount * Int(run.parameters.width)
            var wrong: [Int] = []
            for i in 0..<count {
                let x = Double(source[i])
                let y = exact(activation, x)
                // −∞ times 0; and e⁻ˣ beyond f32.
                if x == -.infinity && activation != .relu && activation != .none {
                    if !result[i].isNaN { wrong.append(i) }
                    continue
                }
                if !agrees(result[i], y, bound: 4 * max(ulp(y), 0x1p-24 * abs(x)) + 0x1p-149) { wrong.append(i) }
            }
            #expect(wrong.isEmpty, "\(run.label): \(wrong.map { (source[$0], result[$0]) })")
            #expect(isUntouched(run, 2, from: count), "\(run.label)")
        }
    }

    /// The bound that `Activate` states, over a dense sweep.
    @Test func activationErrors() {
        for activation in Activation.allCases {
            var worst = (ratio: 0.0, input: Float(0))
            for bits in stride(from: UInt32(0), to: UInt32.max - 3001, by: 3001) {
                let x = Float(bitPattern: bits)
                guard x.isFinite, activation != .geluTanh || abs(x) < 1e12 else { continue }
                let y = exact(activation, Double(x))
                let error = abs(Double(activation(x)) - y) / max(ulp(y), 0x1p-24 * Double(abs(x)))
                if error > worst.ratio { worst = (error, x) }
            }
            #expect(worst.ratio <= 4, "\(activation) at \(worst.input)")
        }
    }

    @Test func siluGate() {
        for run in TwinRun<SiluGate>.all() {
            let width = Int(run.parameters.width)
            let (source, result) = (run.before[1]!.floats, run.after[2]!.floats)
            var wrong = 0
            for row in 0..<run.rowCount {
                for i in 0..<width {
                    let (gate, up) = (source[row * 2 * width + i], source[row * 2 * width + width + i])
                    let silu = gate == -.infinity ? .nan : exact(.silu, Double(gate))
                    let y = silu * Double(up)
                    // Where e⁻ˣ overflows, silu is −0 instead of a tiny number.
                    let slack = gate < -88 ? abs(y) : 0
                    let bound = 4 * ulp(y) + abs(Double(up)) * 0x1p-149 + slack
                    if !agrees(result[row * width + i], y, bound: bound) { wrong += 1 }
                }
            }
            #expect(wrong == 0, "\(run.label)")
            #expect(isUntouched(run, 2, from: run.rowCount * width), "\(run.label)")
        }
    }

    @Test func embedding() {
        for run in TwinRun<Embedding>.all() {
            let p = run.parameters
            let width = Int(p.width)
            let (tokens, table, result) = (run.before[1]!.words, run.before[2]!.floats, run.after[5]!.floats)
            var wrong = 0
            for row in 0..<run.rowCount {
                // Tokens outside the piece of the table leave their rows as they were.
                guard tokens[row] >= p.firstToken, tokens[row] - p.firstToken < p.tokenCount else {
                    let untouched = run.before[5]!.words[row * width..<(row + 1) * width]
                    if run.after[5]!.words[row * width..<(row + 1) * width] != untouched { wrong += 1 }
                    continue
                }
                let token = Int(tokens[row] - p.firstToken)
                let position = Int(p.positionOffset) + (run.before[3].map { Int($0.words[row]) } ?? row)
                for i in 0..<width {
                    var expected =
                        run.constants.packed ? table[(i * Int(p.vocabularyQuads) + token / 4) * 4 + token % 4]
                        : table[token * width + i]
                    if let positions = run.before[4]?.floats { expected += positions[position * width + i] }
                    let value = result[row * width + i]
                    if value.bitPattern != expected.bitPattern, !(value.isNaN && expected.isNaN) { wrong += 1 }
                }
            }
            #expect(wrong == 0, "\(run.label)")
            #expect(isUntouched(run, 5, from: run.rowCount * width), "\(run.label)")
        }
    }

    @Test func rotary() {
        for run in TwinRun<Rotary>.all() {
            let p = run.parameters
            let (stride, size, half) = (Int(p.stride), Int(p.headSize), Int(p.rotarySize) / 2)
            let positions = run.before[1]!.words
            let (cosine, sine) = (run.before[2]!.floats.map(Double.init), run.before[3]!.floats.map(Double.init))
            let (before, after) = (run.before[4]!.floats, run.after[4]!.floats)
            var expected = before.map(Double.init)
            for row in 0..<run.rowCount {
                for head in 0..<Int(p.headCount) {
                    for d in 0..<half {
                        let first = row * stride + head * size + d
                        let (x, y) = (expected[first], expected[first + half])
                        let angle = Int(positions[row]) * half + d
                        expected[first] = x * cosine[angle] - y * sine[angle]
                        expected[first + half] = y * cosine[angle] + x * sine[angle]
                    }
                }
            }
            let wrong = expected.indices.filter { !agrees(after[$0], expected[$0], bound: 4 * 0x1p-24) }
            #expect(wrong.isEmpty, "\(run.label)")
            #expect(isUntouched(run, 4, from: run.rowCount * stride), "\(run.label)")
        }
    }

    @Test func kvAppend() {
        for run in TwinRun<KVAppend>.all() {
            let p = run.parameters
            let (headSize, capacity, heads) = (Int(p.headSize), Int(p.cacheCapacity), Int(p.kvHeadCount))
            let (slots, source) = (run.before[1]!.words, run.before[2]!.floats.map(\.bitPattern))
            var keys = run.before[3]!.words
            var values = run.before[4]!.words
            for row in 0..<run.rowCount where Int(slots[row]) < capacity {
                let slot = Int(slots[row])
                for h in 0..<heads {
                    for d in 0..<headSize {
                        let index = (((h * (capacity / 64) + slot / 64) * (headSize / 4) + d / 4) * 64 + slot % 64) * 4 + d % 4
                        let element = row * Int(p.stride) + h * headSize + d
                        keys[index] = source[element + Int(p.keyOffset)]
                        values[(h * capacity + slot) * headSize + d] = source[element + Int(p.valueOffset)]
                    }
                }
            }
            #expect(run.after[3]!.words == keys && run.after[4]!.words == values, "\(run.label)")
        }
    }
}
