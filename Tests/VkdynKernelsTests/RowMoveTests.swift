import Testing
import VkdynCore
import VkdynKernels

@Suite struct RowMoveTests {
    @Test func gatheredRowsAreTheirSources() {
        for run in TwinRun<GatherRows>.all() {
            let p = run.parameters
            let width = Int(p.width)
            let (indices, source) = (run.before[1]!.words, run.before[2]!.words)
            var expected = run.before[3]!.words
            for row in 0..<run.rowCount where indices[row] != .max {
                let from = row / Int(p.rowsPerGroup) * Int(p.groupStride) + Int(indices[row]) / Int(p.divisor)
                if from >= p.sourceRows { continue }
                expected.replaceSubrange(
                    row * width..<(row + 1) * width, with: source[from * width..<(from + 1) * width])
            }
            #expect(run.after[3]!.words == expected, "\(run.label)")
        }
    }

    @Test func joinedHeadsAreTheirParts() {
        for run in TwinRun<JoinHeads>.all() {
            let p = run.parameters
            let (first, second, stride) = (Int(p.firstSize), Int(p.secondSize), Int(p.stride))
            let source = run.before[1]!.words
            var expected: [UInt32] = []
            for row in 0..<run.rowCount {
                for head in 0..<Int(p.headCount) {
                    let (one, other) = (
                        row * stride + Int(p.firstOffset) + head * first,
                        row * stride + Int(p.secondOffset) + head * second
                    )
                    expected += source[one..<one + first] + source[other..<other + second]
                }
            }
            expected += run.before[2]!.words[expected.count...]
            #expect(run.after[2]!.words == expected, "\(run.label)")
        }
    }

    @Test func scatteredRowsAddToTheirPlacesAndLeaveTheOthers() {
        for run in TwinRun<ScatterRows>.all() {
            let p = run.parameters
            let width = Int(p.width)
            let (indices, source, factors) = (run.before[1]!.words, run.before[2]!.floats, run.before[3]?.floats)
            var expected = run.before[4]!.floats.map { Double($0) }
            var written: Set<Int> = []
            for row in 0..<run.rowCount {
                let to = row / Int(p.rowsPerGroup) * Int(p.groupStride) + Int(indices[row])
                if indices[row] == .max || to >= p.resultRows { continue }
                #expect(written.insert(to).inserted, "\(run.label): two rows at \(to)")
                for i in 0..<width {
                    let value = Double(source[row * width + i]) * Double(factors?[row] ?? 1)
                    expected[to * width + i] = (run.constants.add ? expected[to * width + i] : 0) + value
                }
            }
            let result = run.after[4]!.floats
            for element in result.indices {
                if !written.contains(element / max(width, 1)) {
                    #expect(result[element].bitPattern == run.before[4]!.words[element], "\(run.label)")
                } else {
                    let before = run.constants.add ? abs(Double(run.before[4]!.floats[element])) : 0
                    let bound = 0x1p-23 * (abs(expected[element]) + before) + 0x1p-148
                    #expect(agrees(result[element], expected[element], bound: bound), "\(run.label): \(element)")
                }
            }
        }
    }

    /// Mixture-of-Depths: the chosen tokens of each sequence in order, a block's work, and back.
    @Test func chosenTokensReturnToTheirPlaces() {
        var random = CaseGenerator(seed: 61)
        let (sequences, tokens, k, width) = (3, 10, 4, 5)
        let scores = random.floats(sequences * tokens)
        let states = random.floats(sequences * tokens * width)
        let count = UInt32(sequences * k)
        let rows = BufferContents.structure(RowCount(count: count, capacity: count))
        let choice = TwinCall<TopK>(
            .init(
                rows: .structure(RowCount(count: UInt32(sequences), capacity: UInt32(sequences))),
                source: .floats(scores), indices: .unwritten(sequences * k, as: .u32),
                largest: .unwritten(sequences * k)),
            TopK.rows(capacity: sequences, width: tokens, k: k), .init(indexOrder: true)
        ).run()
        let indices = choice.words("indices")
        let chosen = TwinCall<GatherRows>(
            .init(
                rows: rows, indices: .words(indices), source: .floats(states),
                result: .unwritten(sequences * k * width)),
            .init(
                rowCapacity: count, width: UInt32(width), sourceRows: UInt32(sequences * tokens), divisor: 1,
                rowsPerGroup: UInt32(k), groupStride: UInt32(tokens))
        ).run().floats("result")
        let result = TwinCall<ScatterRows>(
            .init(
                rows: rows, indices: .words(indices), source: .floats(chosen.map { $0 * 0.5 }),
                factors: .floats(choice.floats("largest")), result: .floats(states)),
            .init(
                rowCapacity: count, width: UInt32(width), resultRows: UInt32(sequences * tokens),
                rowsPerGroup: UInt32(k), groupStride: UInt32(tokens)),
            .init(add: true)
        ).run().floats("result")
        for sequence in 0..<sequences {
            let own = (0..<tokens).map { scores[sequence * tokens + $0] }
            let best = own.sorted(by: >)[k - 1]
            for token in 0..<tokens {
                for i in 0..<width {
                    let element = (sequence * tokens + token) * width + i
                    let x = states[element]
                    #expect(result[element] == (own[token] >= best ? x + (x * 0.5) * own[token] : x))
                }
            }
        }
    }
}
