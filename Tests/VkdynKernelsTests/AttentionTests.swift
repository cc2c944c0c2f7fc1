import Foundation
import Testing
import VkdynCore
@testable import VkdynKernels

/// Attention against a plain softmax in double, and the properties that its documentation states.
@Suite struct AttentionTests {
    /// The logical positions that a row attends, with their slots.
    private func attended(_ run: TwinRun<Attention>, row: Int) -> [Int] {
        let p = run.parameters
        let position = Int(run.before[1]!.words[row])
        let lower = p.window == 0 ? 0 : max(0, position + 1 - Int(p.window))
        let ancestors = run.before[5]?.words
        return (lower...position).map { j in
            guard let ancestors, j >= Int(ancestors[0]) else { return j }
            return Int(ancestors[1 + row * Int(p.maxDepth) + j - Int(ancestors[0])])
        }
    }

    @Test(arguments: Flavour.allCases) func agreesWithDouble(flavour: Flavour) {
        for run in TwinRun<Attention>.all(flavour: flavour) {
            let p = run.parameters
            let (headSize, heads, capacity) = (Int(p.headSize), Int(p.headCount), Int(p.cacheCapacity))
            let source = run.before[2]!.floats.map(Double.init)
            let (keys, values) = (run.before[3]!.floats.map(Double.init), run.before[4]!.floats.map(Double.init))
            let result = run.after[6]!.floats
            var wrong = 0
            for row in 0..<run.rowCount {
                let slots = attended(run, row: row)
                for h in 0..<heads {
                    let kvHead = h / (heads / Int(p.kvHeadCount))
                    let query = row * Int(p.sourceStride) + h * headSize
                    var products = 0.0
                    let scores = slots.map { slot -> Double in
                        var score = 0.0
                        var magnitude = 0.0
                        for d in 0..<headSize {
                            let index = KVAppend.keyIndex(
                                head: kvHead, slot: slot, dimension: d, headSize: headSize, cacheCapacity: capacity)
                            score += source[query + d] * keys[index]
                            magnitude += abs(source[query + d] * keys[index])
                        }
                        if magnitude.isFinite { products = max(products, magnitude) }
                        return score * Double(p.scale)
                    }
                    let maximum = scores.contains { $0.isNaN } ? .nan : scores.max()!
                    let weights = scores.map { exp($0 - maximum) }
                    let sum = weights.reduce(0, +)
                    let blocks = Double(slots.count / 64 + 2)
                    let relative =
                        0x1p-24 * (2 * Double(headSize + 3) * products * Double(p.scale) + blocks + 80)
                    for d in 0..<headSize {
                        var exact = 0.0
                        var magnitude = 0.0
                        for (slot, weight) in zip(slots, weights) {
                            let value = values[(kvHead * capacity + slot) * headSize + d]
                            exact += weight / sum * value
                            magnitude += abs(weight / sum * value)
                        }
                        let value = result[(row * heads + h) * headSize + d]
                        if !agrees(value, exact, bound: relative * magnitude + 0x1p-120) { wrong += 1 }
                    }
                }
            }
            #expect(wrong == 0, "\(run.label)")
            #expect(isUntouched(run, 6, from: run.rowCount * heads * headSize), "\(run.label)")
        }
    }

    /// Each row of a prefill alone, and in a cache of another capacity, gives the same bits.
    @Test func aRowDoesNotDependOnItsBatch() throws {
        let kernelCase = try #require(Attention.cases.first { $0.label.hasPrefix("prefill") })
        let whole = TwinRun(Attention.self, kernelCase)
        let p = whole.parameters
        let size = Int(p.headCount * p.headSize)
        let stride = Int(p.sourceStride)
        for row in 0..<whole.rowCount {
            var contents = kernelCase.contents
            contents[0] = .structure(RowCount(count: 1, capacity: 1))
            contents[1] = .words([whole.before[1]!.words[row]])
            contents[2] = .floats(Array(whole.before[2]!.floats[row * stride..<(row + 1) * stride]))
            contents[6] = .unwritten(size)
            var parameters = p
            parameters.rowCapacity = 1
            let alone = TwinRun(
                Attention.self,
                Attention.makeCase("row \(row)", Attention.Contents(values: contents), parameters, .init()))
            #expect(
                alone.after[6]!.words == Array(whole.after[6]!.words[row * size..<(row + 1) * size]), "row \(row)")
        }
    }

    /// A tree row gives the bits of a plain row whose cache holds the row's path in order.
    @Test func aTreeRowEqualsAPlainRow() throws {
        let kernelCase = try #require(Attention.cases.first { $0.label.hasPrefix("ancestors from 60") })
        let tree = TwinRun(Attention.self, kernelCase)
        let p = tree.parameters
        let (headSize, capacity) = (Int(p.headSize), Int(p.cacheCapacity))
        let size = Int(p.headCount) * headSize
        let stride = Int(p.sourceStride)
        for row in 0..<tree.rowCount {
            var keys = tree.before[3]!.floats
            var values = tree.before[4]!.floats
            for (j, slot) in attended(tree, row: row).enumerated() {
                for h in 0..<Int(p.kvHeadCount) {
                    for d in 0..<headSize {
                        func key(_ slot: Int) -> Int {
                            KVAppend.keyIndex(
                                head: h, slot: slot, dimension: d, headSize: headSize, cacheCapacity: capacity)
                        }
                        keys[key(j)] = tree.before[3]!.floats[key(slot)]
                        values[(h * capacity + j) * headSize + d] =
                            tree.before[4]!.floats[(h * capacity + slot) * headSize + d]
                    }
                }
            }
            var parameters = p
            parameters.rowCapacity = 1
            let plain = TwinRun(
                Attention.self,
                Attention.makeCase(
                    "row \(row)",
                    Attention.Contents(
                        rows: .structure(RowCount(count: 1, capacity: 1)),
                        positions: .words([tree.before[1]!.words[row]]),
                        source: .floats(Array(tree.before[2]!.floats[row * stride..<(row + 1) * stride])),
                        keyCache: .floats(keys), valueCache: .floats(values), result: .unwritten(size)),
                    parameters))
            #expect(
                plain.after[6]!.words == Array(tree.after[6]!.words[row * size..<(row + 1) * size]), "row \(row)")
        }
    }

    @Test func specialValues() throws {
        let runs = TwinRun<Attention>.all()
        func rows(_ label: String) throws -> [[Float]] {
            let run = try #require(runs.first { $0.label.hasPrefix(label) })
            let size = Int(run.parameters.headCount * run.parameters.headSize)
            return (0..<run.rowCount).map { Array(run.after[6]!.floats[$0 * size..<($0 + 1) * size]) }
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
    }

    @Test func everyVariantOfEveryCaseExists() {
        for kernelCase in Attention.cases {
            for kind in [DeviceTraits.Kind.cpu, .discrete] {
                var traits = DeviceTraits.reference
                traits.kind = kind
                let call = KernelCall<Attention>(
                    parameters: .init(words: kernelCase.parameters), constants: .init(words: kernelCase.constants),
                    elements: .init(values: kernelCase.contents.map { $0?.elementType }), flavour: .separate)
                let names = Attention.variants(call, traits)
                #expect(!names.isEmpty && Set(names).count == names.count)
                for name in names { #expect(Attention.interface.variant(named: name) != nil, "\(name)") }
            }
        }
    }
}
