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

    /// Half an ulp of the product, and half of the sum.
    @Test func scaledAdd() {
        for run in TwinRun<ScaledAdd>.all() {
            let width = Int(run.parameters.width)
            let (source, scale) = (run.before[1]!.floats, run.before[2]!.floats)
            let (residual, result) = (run.before[3]?.floats, run.after[4]!.floats)
            let count = run.rowCount * width
            let wrong = (0..<count).filter { i in
                let product = Double(source[i]) * Double(scale[i % width])
                // f32 overflows where double does not.
                if abs(product) >= 3.4e38, product.isFinite { return false }
                let sum = product + Double(residual?[i] ?? 0)
                if abs(sum) >= 3.4e38, sum.isFinite { return false }
                return !agrees(result[i], sum, bound: (ulp(product) + ulp(sum)) / 2 + 0x1p-149)
            }
            #expect(wrong.isEmpty, "\(run.label)")
            #expect(isUntouched(run, 4, from: count), "\(run.label)")
        }
    }

    @Test func assembleTokens() {
        for run in TwinRun<AssembleTokens>.all() {
            let p = run.parameters
            let (prefix, patches, width) = (Int(p.prefixCount), Int(p.patchCount), Int(p.width))
            let (source, positions) = (run.before[1]!.floats, run.before[2]!.floats)
            let (tokens, result) = (run.before[3]?.floats ?? [], run.after[4]!.floats)
            // In the order of the result: all images' tokens one after another.
            var expected: [Double] = []
            for image in 0..<run.rowCount {
                expected += tokens.map(Double.init)
                for i in 0..<patches * width {
                    expected.append(Double(source[image * patches * width + i]) + Double(positions[i]))
                }
            }
            let wrong = expected.indices.filter { !agrees(result[$0], expected[$0], bound: ulp(expected[$0]) / 2) }
            #expect(wrong.isEmpty, "\(run.label)")
            #expect(expected.count == run.rowCount * (prefix + patches) * width)
            #expect(isUntouched(run, 4, from: expected.count), "\(run.label)")
        }
    }

    private func exact(_ activation: Activation, _ x: Double) -> Double {
        switch activation {
        case .none: x
        case .relu: x.isNaN ? x : max(x, 0)
        case .geluErf: x / 2 * (1 + erf(x / 2.0.squareRoot()))
        case .geluTanh: x / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
        case .silu: x / (1 + exp(-x))
        case .quickGelu: x / (1 + exp(-1.702 * x))
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

    @Test func sigmoidGate() {
        for run in TwinRun<SigmoidGate>.all() {
            let width = Int(run.parameters.width)
            let (gate, source, result) = (run.before[1]!.floats, run.before[2]!.floats, run.after[3]!.floats)
            var wrong: [Int] = []
            for row in 0..<run.rowCount {
                let sigmoid = 1 / (1 + exp(-Double(gate[row])))
                // Where e⁻ˣ overflows, the sigmoid is 0 instead of a tiny number.
                let slack = gate[row] < -88 ? sigmoid : 0
                for i in row * width..<(row + 1) * width {
                    let y = Double(source[i]) * (slack > 0 && source[i].isInfinite ? .nan : sigmoid)
                    let bound = 5 * ulp(y) + abs(Double(source[i])) * (slack + 0x1p-149)
                    if !agrees(result[i], y, bound: bound) { wrong.append(i) }
                }
            }
            #expect(wrong.isEmpty, "\(run.label): \(wrong.map { (gate[$0 / width], source[$0], result[$0]) })")
            #expect(isUntouched(run, 3, from: run.rowCount * width), "\(run.label)")
        }
    }

    @Test func activationGate() {
        for run in TwinRun<ActivationGate>.all() {
            let width = Int(run.parameters.width)
            let activation = Activation(rawValue: run.constants.activation)!
            let (source, result) = (run.before[1]!.floats, run.after[2]!.floats)
            var wrong = 0
            for row in 0..<run.rowCount {
                for i in 0..<width {
                    let (gate, up) = (source[row * 2 * width + i], source[row * 2 * width + width + i])
                    // −∞ times 0.
                    let isUndefined = gate == -.infinity && activation != .relu && activation != .none
                    let activated = isUndefined ? .nan : exact(activation, Double(gate))
                    // What is below f32's range may be 0.
                    let slack = 4 * max(ulp(activated), 0x1p-24 * abs(Double(gate))) + 0x1p-126
                    let y = activated * Double(up)
                    if up.isInfinite, abs(activated) <= slack { continue }
                    if !agrees(result[row * width + i], y, bound: slack * abs(Double(up)) + ulp(y)) { wrong += 1 }
                }
            }
            #expect(wrong == 0, "\(run.label)")
            #expect(isUntouched(run, 2, from: run.rowCount * width), "\(run.label)")
        }
    }

    @Test func concatenate() {
        for run in TwinRun<Concatenate>.all() {
            let (first, second) = (Int(run.parameters.firstWidth), Int(run.parameters.secondWidth))
            let (left, right) = (run.before[1]!.words, run.before[2]!.words)
            var expected: [UInt32] = []
            for row in 0..<run.rowCount {
                expected += left[row * first..<(row + 1) * first]
                expected += right[row * second..<(row + 1) * second]
            }
            #expect(Array(run.after[3]!.words[..<expected.count]) == expected, "\(run.label)")
            #expect(expected.count == run.rowCount * (first + second))
            #expect(isUntouched(run, 3, from: expected.count), "\(run.label)")
        }
    }

    @Test func embedding() {
        for run in TwinRun<Embedding>.all() {
            let p = run.parameters
            let width = Int(p.width)
            let (tokens, table, result) = (run.before[1]!.words, run.before[2]!.floats, run.after[6]!.floats)
            let layout = PackedLayout(
                depth: width, columns: Int(p.tokenCount), elementType: run.before[2]!.elementType)
            var wrong = 0
            for row in 0..<run.rowCount {
                // Tokens outside the piece of the table leave their rows as they were.
                guard tokens[row] >= p.firstToken, tokens[row] - p.firstToken < p.tokenCount else {
                    let untouched = run.before[6]!.words[row * width..<(row + 1) * width]
                    if run.after[6]!.words[row * width..<(row + 1) * width] != untouched { wrong += 1 }
                    continue
                }
                let token = Int(tokens[row] - p.firstToken)
                let position = Int(p.positionOffset) + (run.before[4].map { Int($0.words[row]) } ?? row)
                for i in 0..<width {
                    var expected = table[run.constants.packed ? layout.index(k: i, column: token) : token * width + i]
                    if let scales = run.before[3]?.floats {
                        expected *= scales[i / Int(p.groupSize) * layout.paddedColumns + token]
                    }
                    if let positions = run.before[5]?.floats { expected += positions[position * width + i] }
                    let value = result[row * width + i]
                    if value.bitPattern != expected.bitPattern, !(value.isNaN && expected.isNaN) { wrong += 1 }
                }
            }
            #expect(wrong == 0, "\(run.label)")
            #expect(isUntouched(run, 6, from: run.rowCount * width), "\(run.label)")
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
            let (headSize, valueSize) = (Int(p.headSize), Int(p.valueSize))
            let (capacity, heads) = (Int(p.cacheCapacity), Int(p.kvHeadCount))
            let source = run.before[2]!.floats
            // Elements as bits, whatever their type.
            func elements(_ contents: BufferContents) -> [UInt32] {
                guard contents.elementType == .f16 else { return contents.words }
                return contents.bytes.withUnsafeBytes { $0.bindMemory(to: UInt16.self).map { UInt32($0) } }
            }
            func stored(_ value: Float) -> UInt32 {
                run.before[3]!.elementType == .f16 ? UInt32(Self.half(value)) : value.bitPattern
            }
            var (keys, values) = (elements(run.before[3]!), elements(run.before[4]!))
            for row in 0..<run.rowCount {
                let sequence = p.sequenceRows == 0 ? 0 : row / Int(p.sequenceRows)
                let slot = run.before[1].map { Int($0.words[row]) } ?? row - sequence * Int(p.sequenceRows)
                if slot >= capacity { continue }
                for h in 0..<heads {
                    let plane = sequence * heads + h
                    for d in 0..<headSize {
                        let block = plane * (capacity / 64) + slot / 64
                        let index = ((block * (headSize / 4) + d / 4) * 64 + slot % 64) * 4 + d % 4
                        keys[index] = stored(source[row * Int(p.stride) + Int(p.keyOffset) + h * headSize + d])
                    }
                    for d in 0..<valueSize {
                        values[(plane * capacity + slot) * valueSize + d] =
                            stored(source[row * Int(p.stride) + Int(p.valueOffset) + h * valueSize + d])
                    }
                }
            }
            #expect(elements(run.after[3]!) == keys && elements(run.after[4]!) == values, "\(run.label)")
        }
    }

    /// The f16 nearest to a number, found by comparing distances in double precision.
    private static func half(_ value: Float) -> UInt16 {
        if value.isNaN { return 0x7E00 }
        let magnitude = Double(abs(value))
        let sign: UInt16 = value.sign == .minus ? 0x8000 : 0
        // The largest f16 not above it; infinity stands for 65536, twice the largest power of two.
        func number(_ bits: UInt16) -> Double { bits == 0x7C00 ? 65536 : Double(Narrow.widenF16(bits)) }
        var (low, high): (UInt16, UInt16) = (0, 0x7C00)
        while low < high {
            let middle = low + (high - low + 1) / 2
            if number(middle) <= magnitude { low = middle } else { high = middle - 1 }
        }
        if low == 0x7C00 { return sign | low }
        let (below, above) = (magnitude - number(low), number(low + 1) - magnitude)
        return sign | (above < below || (above == below && low % 2 == 1) ? low + 1 : low)
    }
}
