import Foundation
import Testing
import VkdynCore
@testable import VkdynKernels

/// Attention against a plain softmax in double, and the properties that its documentation states.
@Suite struct AttentionTests {
    /// The formula in double precision, entry by entry.
    @Test(arguments: Flavour.allCases) func agreesWithDouble(flavour: Flavour) {
        for run in TwinRun<Attention>.all(flavour: flavour) {
            let p = run.parameters
            let (headSize, valueSize) = (Int(p.headSize), Int(p.valueSize))
            let (heads, capacity) = (Int(p.headCount), Int(p.cacheCapacity))
            let source = run.before[2]!.floats.map(Double.init)
            let (keys, values) = (run.before[3]!.floats.map(Double.init), run.before[4]!.floats.map(Double.init))
            let result = run.after[8]!.floats
            var wrong = 0
            for row in 0..<run.rowCount {
                for h in 0..<heads {
                    let plane = run.sequence(row) * Int(p.kvHeadCount) + h / (heads / Int(p.kvHeadCount))
                    let query = row * Int(p.sourceStride) + h * headSize
                    let entries = run.entries(row: row, head: h)
                    var products = 0.0
                    let scores = entries.map { entry -> Double in
                        var score = 0.0
                        var magnitude = 0.0
                        for d in 0..<headSize {
                            let index = KVAppend.keyIndex(
                                head: plane, slot: entry.slot, dimension: d, headSize: headSize,
                                cacheCapacity: capacity)
                            score += source[query + d] * keys[index]
                            magnitude += abs(source[query + d] * keys[index])
                        }
                        magnitude = magnitude * Double(p.scale) + abs(entry.bias)
                        if magnitude.isFinite { products = max(products, magnitude) }
                        return score * Double(p.scale) + entry.bias
                    }
                    let maximum = scores.contains { $0.isNaN } ? .nan : scores.max() ?? 0
                    let weights = scores.map { exp($0 - maximum) }
                    let sum = entries.isEmpty ? 1 : weights.reduce(0, +)
                    let blocks = Double(entries.count / 64 + 2)
                    let relative = 0x1p-24 * (2 * Double(headSize + 4) * products + blocks + 80)
                    for d in 0..<valueSize {
                        var exact = 0.0
                        var magnitude = 0.0
                        for (entry, weight) in zip(entries, weights) {
                            let value = values[(plane * capacity + entry.slot) * valueSize + d]
                            exact += weight / sum * value
                            magnitude += abs(weight / sum * value)
                        }
                        let value = result[(row * heads + h) * valueSize + d]
                        if !agrees(value, exact, bound: relative * magnitude + 0x1p-120) { wrong += 1 }
                    }
                }
            }
            #expect(wrong == 0, "\(run.label)")
            #expect(isUntouched(run, 8, from: run.rowCount * heads * valueSize), "\(run.label)")
        }
    }

    /// Each row of every case alone, with its own sequence's caches, gives the same bits.
    @Test func aRowDoesNotDependOnItsBatch() {
        for run in TwinRun<Attention>.all() where run.rowCount > 1 {
            for row in 0..<run.rowCount {
                let alone = TwinRun(Attention.self, run.alone(row))
                #expect(alone.after[8]!.words == run.result(row), "\(run.label), row \(row)")
            }
        }
    }

    /// Randomised: 2 to 64 rows in one to three sequences, and each of them alone.
    @Test func randomRowsDoNotDependOnTheirBatch() {
        var random = CaseGenerator(seed: 77)
        var constants = CaseGenerator(seed: 78)
        for _ in 0..<60 {
            let shape = Attention.shapes.draw(&random, constants: &constants)
            let run = TwinRun(Attention.self, Attention.makeCase(shape, &random))
            guard run.rowCount > 0 else { continue }
            let row = Int.random(in: 0..<run.rowCount, using: &random)
            #expect(
                TwinRun(Attention.self, run.alone(row)).after[8]!.words == run.result(row), "\(run.label), row \(row)")
        }
    }

    /// A tree row gives the bits of a plain row whose cache holds the row's path in order.
    @Test func aTreeRowEqualsAPlainRow() throws {
        for tree in TwinRun<Attention>.all() where tree.before[7] != nil {
            let p = tree.parameters
            let (headSize, valueSize, capacity) = (Int(p.headSize), Int(p.valueSize), Int(p.cacheCapacity))
            for row in 0..<tree.rowCount {
                let alone = tree.alone(row)
                let (oldKeys, oldValues) = (alone.contents[3]!.floats, alone.contents[4]!.floats)
                var (keys, values) = (oldKeys, oldValues)
                for entry in tree.entries(row: row, head: 0) {
                    for h in 0..<Int(p.kvHeadCount) {
                        func key(_ slot: Int, _ d: Int) -> Int {
                            KVAppend.keyIndex(
                                head: h, slot: slot, dimension: d, headSize: headSize, cacheCapacity: capacity)
                        }
                        for d in 0..<headSize { keys[key(entry.position, d)] = oldKeys[key(entry.slot, d)] }
                        for d in 0..<valueSize {
                            values[(h * capacity + entry.position) * valueSize + d] =
                                oldValues[(h * capacity + entry.slot) * valueSize + d]
                        }
                    }
                }
                var contents = alone.contents
                contents[3] = .floats(keys)
                contents[4] = .floats(values)
                contents[7] = nil
                let plain = TwinRun(Attention.self, alone.with(contents))
                #expect(plain.after[8]!.words == tree.result(row), "\(tree.label), row \(row)")
            }
        }
    }

    /// Without positions rows attend what rows at the last position attend.
    @Test func fullAttentionEqualsRowsAtTheLastPosition() throws {
        let run = try run("encoder")
        var contents = run.before
        contents[1] = nil
        var parameters = run.parameters
        parameters.keyCount = 77
        let full = TwinRun(
            Attention.self, Attention.makeCase("full", Attention.Contents(values: contents), parameters))
        #expect(full.after[8]!.words == run.after[8]!.words)
    }

    /// A bias of 0 and −∞ that says what positions or counts say gives their bits.
    @Test func aMaskEqualsThePositionsThatItStandsFor() throws {
        for label in ["prefill", "full 77", "window 65"] {
            let run = try run(label)
            let (rows, keys) = (run.rowCount, Int(run.parameters.cacheCapacity))
            var mask = [Float](repeating: -.infinity, count: rows * keys)
            for row in 0..<rows {
                for entry in run.entries(row: row, head: 0) { mask[row * keys + entry.position] = 0 }
            }
            var contents = run.before
            contents[1] = nil
            contents[5] = .floats(mask)
            var parameters = run.parameters
            (parameters.keyCount, parameters.biasRowStride, parameters.biasKeyStride) = (UInt32(keys), UInt32(keys), 1)
            let masked = TwinRun(
                Attention.self, Attention.makeCase(label, Attention.Contents(values: contents), parameters))
            #expect(masked.after[8]!.words == run.after[8]!.words, "\(label)")
        }
    }

    /// A cache of f16 gives the bits of an f32 cache that holds the same numbers.
    @Test func aHalfCacheEqualsItsWidenedCache() {
        for run in TwinRun<Attention>.all() where run.before[3]!.elementType == .f16 {
            var contents = run.before
            contents[3] = .floats(run.before[3]!.floats)
            contents[4] = .floats(run.before[4]!.floats)
            let wide = TwinRun(
                Attention.self, Attention.makeCase("wide", Attention.Contents(values: contents), run.parameters))
            #expect(sameBits(wide.after[8]!.floats, run.after[8]!.floats), "\(run.label)")
        }
    }

    /// A row that attends nothing, by its counts or by its mask, is +0.
    @Test func aRowThatAttendsNothingIsZero() throws {
        let empty = try run("full 0")
        #expect(empty.after[8]!.words.allSatisfy { $0 == 0 })
        let masked = try run("bias mask")
        #expect(masked.entries(row: 1, head: 0).isEmpty && masked.result(1).allSatisfy { $0 == 0 })
        #expect(!masked.entries(row: 0, head: 0).isEmpty && masked.result(0).contains { $0 != 0 })
    }

    @Test func specialValues() throws {
        func rows(_ label: String) throws -> [[Float]] {
            let run = try run(label)
            return (0..<run.rowCount).map { run.result($0).map { Float(bitPattern: $0) } }
        }
        // Rows at positions 3, 69 and 130.
        let keyNaN = try rows("keyNaN")
        #expect(keyNaN[0].allSatisfy { $0.isFinite } && keyNaN[1].allSatisfy { $0.isNaN })
        let first = try rows("firstBlockNegative")
        #expect(first[0].allSatisfy { $0.isNaN } && first[1].allSatisfy { $0.isFinite })
        #expect(try rows("allNegative").allSatisfy { $0.allSatisfy { $0.isNaN } })
        let infinite = try rows("keyInfinity")
        #expect(infinite[0].allSatisfy { $0.isFinite } && infinite[2].allSatisfy { $0.isNaN })
        let values = try rows("values")
        #expect(values[0][3].isNaN && values[0][4].isFinite && values[1][4].isNaN && values[2][5] == -.infinity)
        let biases = try rows("bias special")
        #expect(biases[0].allSatisfy { $0.isFinite } && biases[1].allSatisfy { $0.isNaN })
        #expect(biases[2].allSatisfy { $0.isNaN })
        // Alone in its row, every f16 comes out as it is; −0 is added to +0.
        let halves = try rows("every f16").joined().map(\.bitPattern)
        let expected = (0...UInt16.max).map { Narrow.widenF16($0) + 0 }
        #expect(sameBits(halves.map { Float(bitPattern: $0) }, expected))
    }

    @Test func everyVariantOfEveryCaseExists() {
        for kernelCase in Attention.cases {
            for kind in [DeviceTraits.Kind.cpu, .discrete] {
                var traits = DeviceTraits.reference
                (traits.kind, traits.subgroupSize) = (kind, 8)
                let call = KernelCall<Attention>(
                    parameters: .init(words: kernelCase.parameters), constants: .init(words: kernelCase.constants),
                    elements: .init(values: kernelCase.contents.map { $0?.elementType }), flavour: .separate)
                let names = Attention.variants(call, traits)
                #expect(!names.isEmpty && Set(names).count == names.count, "\(kernelCase.label)")
                for name in names { #expect(Attention.interface.variant(named: name) != nil, "\(name)") }
                #expect(names[0].hasPrefix("texels") == (kind == .cpu && call.parameters.sourceStride % 4 == 0))
            }
        }
    }

    private func run(_ label: String) throws -> TwinRun<Attention> {
        TwinRun(Attention.self, try #require(Attention.cases.first { $0.label.hasPrefix(label) }))
    }

    private func sameBits(_ a: [Float], _ b: [Float]) -> Bool {
        a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
    }
}

extension KernelCase {
    fileprivate func with(_ contents: [BufferContents?]) -> KernelCase {
        Attention.makeCase(label, Attention.Contents(values: contents), Attention.Parameters(words: parameters))
    }
}

/// What a row of a call attends, read from the documentation once more.
extension TwinRun<Attention> {
    struct Entry {
        let position: Int
        let slot: Int
        let bias: Double
    }

    private var isBatch: Bool { parameters.sequenceRows > 0 }

    private var sequences: Int {
        isBatch ? (Int(parameters.rowCapacity) + Int(parameters.sequenceRows) - 1) / Int(parameters.sequenceRows) : 1
    }

    func sequence(_ row: Int) -> Int { isBatch ? row / Int(parameters.sequenceRows) : 0 }

    func result(_ row: Int) -> [UInt32] {
        let size = Int(parameters.headCount * parameters.valueSize)
        return Array(after[8]!.words[row * size..<(row + 1) * size])
    }

    private func keyCount(_ row: Int) -> Int {
        guard let counts = before[6]?.words else { return Int(parameters.keyCount) }
        return Int(counts[sequence(row) * Int(parameters.keyCountStride)])
    }

    private func biasStart(_ row: Int) -> Int {
        let p = parameters
        func signed(_ word: UInt32) -> Int { Int(Int32(bitPattern: word)) }
        let own = row - sequence(row) * Int(p.sequenceRows)
        let position = before[1].map { Int($0.words[row]) } ?? 0
        return signed(p.biasOffset) + sequence(row) * signed(p.biasSequenceStride) + own * signed(p.biasRowStride)
            + position * signed(p.biasPositionStride)
    }

    func entries(row: Int, head: Int) -> [Entry] {
        let p = parameters
        var positions = Array(0..<keyCount(row))
        if let words = before[1]?.words {
            let own = Int(words[row])
            positions.removeAll { $0 > own || (p.window > 0 && $0 + Int(p.window) <= own) }
        }
        let biases = before[5]?.floats
        let ancestors = before[7]?.words.map(Int.init)
        return positions.compactMap { j in
            var slot = j
            if let ancestors, j >= ancestors[sequence(row)] {
                slot = ancestors[sequences + row * Int(p.maxDepth) + j - ancestors[sequence(row)]]
            }
            let index =
                biasStart(row) + head * Int(Int32(bitPattern: p.biasHeadStride))
                + j * Int(Int32(bitPattern: p.biasKeyStride))
            let bias = biases.map { Double($0[index]) } ?? 0
            return bias == -.infinity ? nil : Entry(position: j, slot: slot, bias: bias)
        }
    }

    /// The call for one row of this run alone.
    func alone(_ row: Int) -> KernelCase {
        var p = parameters
        let stride = Int(p.sourceStride)
        func plane(_ contents: BufferContents, _ size: UInt32) -> BufferContents {
            let count = Int(p.kvHeadCount * p.cacheCapacity * size) * contents.elementType.byteCount
            return BufferContents(
                elementType: contents.elementType,
                bytes: Array(contents.bytes[sequence(row) * count..<(sequence(row) + 1) * count]))
        }
        (p.rowCapacity, p.sequenceRows, p.keyCount) = (1, 0, UInt32(keyCount(row)))
        // Row 0 of the new call, at the same position.
        let position = before[1].map { $0.words[row] } ?? 0
        p.biasOffset = UInt32(truncatingIfNeeded: biasStart(row)) &- position &* p.biasPositionStride
        let depth = Int(p.maxDepth)
        return Attention.makeCase(
            "\(label), row \(row)",
            Attention.Contents(
                rows: .structure(RowCount(count: 1, capacity: 1)),
                positions: before[1].map { .words([$0.words[row]]) },
                source: .floats(Array(before[2]!.floats[row * stride..<(row + 1) * stride])),
                keyCache: plane(before[3]!, p.headSize), valueCache: plane(before[4]!, p.valueSize), bias: before[5],
                ancestors: before[7].map { ancestors in
                    let words = ancestors.words
                    let start = sequences + row * depth
                    return .words([words[sequence(row)]] + words[start..<start + depth])
                }, result: .unwritten(Int(p.headCount * p.valueSize))),
            p)
    }
}
