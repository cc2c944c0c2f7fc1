import Testing
import VkdynCore

@testable import VkdynKernels

@Suite struct AcceptRejectionTests {
    private static let target: [[Float]] = [
        [0.4, 0.1, 0.3, 0.2], [0.05, 0.05, 0.1, 0.8], [0.25, 0.25, 0.25, 0.25],
    ]
    private static let draft: [[Float]] = [[0.1, 0.6, 0.3, 0], [0.3, 0.3, 0.2, 0.2]]

    /// Of 2²⁴ equally likely fractions, those that draw each index.
    private func drawCounts(_ weights: [UInt32]) -> [Int] {
        let total = weights.reduce(UInt64(0)) { $0 + UInt64($1) }
        var (sum, below, counts): (UInt64, Int, [Int]) = (0, 0, [])
        for weight in weights {
            sum += UInt64(weight)
            // The first fraction whose threshold reaches the sum.
            var (low, high) = (0, 1 << 24)
            while low < high {
                let middle = (low + high) / 2
                if FixedPoint.scale(total, by: UInt32(middle)) >= sum { high = middle } else { low = middle + 1 }
            }
            counts.append(low - below)
            below = low
        }
        return counts
    }

    /// q(y) · P(accept y) + Σₓ q(x) · P(reject x) · P(residual gives y), over every fraction that can be drawn.
    @Test func branchesSumToTheTarget() {
        let tokens = 0..<4
        for (p, q) in [(Self.target[0], Self.draft[0]), (Self.target[1], Self.draft[1])] {
            let accepted = tokens.map { token in
                Double((0..<UInt32(1 << 24)).count { AcceptRejection.accepts($0, p: p[token], q: q[token]) }) * 0x1p-24
            }
            let residual = tokens.map { AcceptRejection.residual(p: p[$0], q: q[$0]) }
            let redrawn = drawCounts(residual.map(FixedPoint.weight)).map { Double($0) * 0x1p-24 }
            let rejected = tokens.reduce(0.0) { $0 + Double(q[$1]) * (1 - accepted[$1]) }
            for token in tokens {
                let emitted = Double(q[token]) * accepted[token] + rejected * redrawn[token]
                #expect(abs(emitted - Double(p[token])) < 1e-6)
            }
        }
    }

    /// The same for a one-hot draft of each token.
    @Test func oneHotBranchesSumToTheTarget() {
        let p = Self.target[0]
        for drafted in 0..<4 {
            let accepted = Double((0..<UInt32(1 << 24)).count { AcceptRejection.accepts($0, p: p[drafted], q: nil) }) * 0x1p-24
            var residual = p
            residual[drafted] = 0
            let redrawn = drawCounts(residual.map(FixedPoint.weight)).map { Double($0) * 0x1p-24 }
            for token in 0..<4 {
                let emitted = (token == drafted ? accepted : 0) + (1 - accepted) * redrawn[token]
                #expect(abs(emitted - Double(p[token])) < 1e-6)
            }
        }
    }

    /// Tokens that whole rounds of two drafts commit, by place in the round, over many seeds.
    private func rounds(count: Int, isOneHot: Bool) -> [[Int]] {
        var counts = [[Int]](repeating: [0, 0, 0, 0], count: 3)
        let (length, width) = (5, 4)
        for seed in 0..<UInt32(count) {
            let sampling = SamplingParameters(temperature: 1, topP: 1, seedLow: seed, seedHigh: 77)
            // A draft token lies at the position after its row's own.
            let drafts = TwinCall<Categorical>(
                .init(
                    rows: .structure(RowCount(count: 2, capacity: 2)), probabilities: .floats(Self.draft.flatMap { $0 }),
                    positions: .words([UInt32(length) - 1, UInt32(length)]), sampling: .structure(sampling),
                    result: .unwritten(2, as: .u32)),
                .init(rowCapacity: 2, width: 4, stream: RandomStream.draft.rawValue)
            ).run().words("result")
            let call = TwinCall<AcceptRejection>(
                .init(
                    sequence: .structure(SequenceState(length: UInt32(length), drafted: 2)),
                    tokens: .words([0, 0, 0, 0, 0] + (isOneHot ? [2, 1] : drafts) + [0]),
                    target: .floats(Self.target.flatMap { $0 }),
                    draft: isOneHot ? nil : .floats(Self.draft.flatMap { $0 }), sampling: .structure(sampling)),
                .init(width: UInt32(width))
            ).run()
            let state = call.structure("sequence", as: SequenceState.self)
            #expect(state.length == UInt32(length) + state.emitted && state.emitted == state.accepted + 1)
            let tokens = call.words("tokens")
            for place in 0..<Int(state.emitted) { counts[place][Int(tokens[length + place])] += 1 }
        }
        return counts
    }

    /// The target's rows do not depend on earlier tokens here, so every place has its row's distribution.
    @Test(arguments: [false, true])
    func committedTokensFollowTheTarget(isOneHot: Bool) {
        let counts = rounds(count: 120_000, isOneHot: isOneHot)
        #expect(counts[0].reduce(0, +) == 120_000)
        for place in 0..<3 {
            #expect(chiSquare(counts[place], Self.target[place].map(Double.init)) < chiSquareLimits[2])
        }
        // Acceptance is Σ min(p, q), or p(x).
        let expected = isOneHot ? 0.3 : 0.1 + 0.1 + 0.3 + 0
        #expect(abs(Double(counts[1].reduce(0, +)) / 120_000 - expected) < 0.006)
    }

    private func round(_ target: [[Float]], draft: [[Float]]?, drafts: [UInt32], seed: UInt32 = 1) -> (SequenceState, [UInt32]) {
        let call = TwinCall<AcceptRejection>(
            .init(
                sequence: .structure(
                    SequenceState(
                        length: 3, drafted: UInt32(drafts.count), targetCached: 3 + UInt32(drafts.count),
                        draftCached: 2 + UInt32(drafts.count), stopped: 1, verified: 4)),
                tokens: .words([9, 9, 9] + drafts + [0]), target: .floats(target.flatMap { $0 }),
                draft: draft.map { .floats($0.flatMap { $0 }) },
                sampling: .structure(SamplingParameters(temperature: 1, topP: 1, seedLow: seed))),
            .init(width: UInt32(target[0].count))
        ).run()
        return (call.structure("sequence"), call.words("tokens"))
    }

    @Test func statesItsRound() {
        let (state, tokens) = round([[1, 0], [0, 1], [1, 0]], draft: [[1, 0], [0, 1]], drafts: [0, 1])
        #expect(tokens == [9, 9, 9, 0, 1, 0])
        #expect(state.length == 6 && state.accepted == 2 && state.emitted == 3 && state.verified == 2)
        #expect(state.drafted == 0 && state.stopped == 0 && state.targetCached == 5 && state.draftCached == 4)
        let (rejected, after) = round([[0, 1], [0, 1]], draft: [[1, 0]], drafts: [0])
        #expect(after == [9, 9, 9, 1, 0] && rejected.length == 4 && rejected.accepted == 0 && rejected.verified == 1)
        #expect(rejected.targetCached == 3 && rejected.draftCached == 3)
    }

    @Test func givesWayToTheTargetWhenNothingIsLeft() {
        // Rejected for certain, with a residual of nothing: p itself, and its argmax where p weighs nothing.
        #expect(round([[1e-12, 0], [0, 0]], draft: nil, drafts: [1]).1[3] == 0)
        #expect(round([[0, 1e-12, 2e-12]], draft: [[1, 1, 1]], drafts: [0]).1[3] == 2)
        #expect(round([[.nan, 0.5]], draft: [[.nan, 0.5]], drafts: [0]).1[3] == 1)
        // A draft that is no token of the target's.
        #expect(round([[0, 1]], draft: [[1, 0]], drafts: [7]).1[3] == 1)
    }
}
