import Testing
import VkdynCore
import VkdynKernels

/// The bookkeeping of rounds: BeginPass, AppendDraft, AcceptMatching, PromptLookup, DispatchSetup.
@Suite struct SpeculationTests {
    /// A "model": the next token as a function of all tokens before it.
    private func next(after tokens: ArraySlice<UInt32>) -> UInt32 {
        var hash: UInt32 = 17
        for token in tokens { hash = (hash &* 31 &+ token) ^ (hash >> 15) }
        return hash % 6
    }

    private func beginPass(
        _ state: SequenceState, _ tokens: [UInt32], capacity: Int, model: UInt32 = 0, holdBack: UInt32 = 0,
        skipWhenStopped: UInt32 = 0
    ) -> (state: SequenceState, rows: RowCount, tokens: [UInt32], positions: [UInt32]) {
        let call = TwinCall<BeginPass>(
            .init(
                sequence: .structure(state), tokens: .words(tokens), rows: .unwritten(3, as: .u32),
                rowTokens: .unwritten(capacity, as: .u32), positions: .unwritten(capacity, as: .u32)),
            .init(
                rowCapacity: UInt32(capacity), model: model, holdBack: holdBack, skipWhenStopped: skipWhenStopped)
        ).run()
        let rows: RowCount = call.structure("rows")
        return (
            call.structure("sequence"), rows, Array(call.words("rowTokens").prefix(Int(rows.count))),
            Array(call.words("positions").prefix(Int(rows.count)))
        )
    }

    /// Rounds over random drafts commit the tokens that plain decoding does, whatever the draft lengths.
    @Test func matchingRoundsEqualPlainDecoding() {
        var random = CaseGenerator(seed: 21)
        for trial in 0..<60 {
            let prompt = (0...trial % 5).map { UInt32($0) }
            let wanted = prompt.count + 60
            var plain = prompt
            while plain.count < wanted + 20 { plain.append(next(after: plain[...])) }

            var tokens = prompt + [UInt32](repeating: 99, count: wanted + 40)
            var state = SequenceState(length: UInt32(prompt.count))
            // Prefill all but the last prompt token.
            state = beginPass(state, tokens, capacity: 64, holdBack: 1).state
            #expect(Int(state.targetCached) == prompt.count - 1)
            var emitted = 0
            while Int(state.length) < wanted {
                let draftCount = Int.random(in: 0...trial % 9, using: &random)
                let length = Int(state.length)
                for index in 0..<draftCount {
                    // Right three times in four; past a wrong one, right about the wrong prefix.
                    let right = next(after: tokens[..<(length + index)])
                    tokens[length + index] = Int.random(in: 0..<4, using: &random) == 0 ? (right + 1) % 6 : right
                }
                state.drafted = UInt32(draftCount)
                let pass = beginPass(state, tokens, capacity: 16)
                #expect(pass.rows.count == UInt32(draftCount) + 1 && pass.rows.overflow == 0)
                // The verify pass: the target's choice after each row.
                let sampled = pass.positions.map { next(after: tokens[...Int($0)]) }
                let call = TwinCall<AcceptMatching>(
                    .init(sequence: .structure(pass.state), tokens: .words(tokens), sampled: .words(sampled)), .init()
                ).run()
                state = call.structure("sequence")
                tokens = call.words("tokens")
                emitted += Int(state.emitted)
                #expect(Int(state.verified) == draftCount && state.accepted <= state.verified)
                #expect(state.drafted == 0 && state.targetCached == state.length - 1)
                #expect(Int(state.length) == length + Int(state.emitted))
                #expect(tokens[..<Int(state.length)] == plain[..<Int(state.length)], "trial \(trial)")
            }
            #expect(emitted == Int(state.length) - prompt.count)
        }
    }

    @Test func passesTakeWhatIsNotCached() {
        let tokens = (0..<40).map { UInt32($0 + 100) }
        var state = SequenceState(length: 10, drafted: 3, targetCached: 9, draftCached: 4)
        var pass = beginPass(state, tokens, capacity: 8)
        #expect(pass.rows == (4, 8, 0) && pass.tokens == [109, 110, 111, 112] && pass.positions == [9, 10, 11, 12])
        #expect(pass.state.targetCached == 13 && pass.state.draftCached == 4)
        pass = beginPass(state, tokens, capacity: 8, model: 1)
        #expect(pass.rows == (8, 8, 1) && pass.state.draftCached == 12 && pass.state.targetCached == 9)
        pass = beginPass(state, tokens, capacity: 8, model: 1, holdBack: 1)
        #expect(pass.rows == (8, 8, 0))
        pass = beginPass(pass.state, tokens, capacity: 8, model: 1, holdBack: 1)
        #expect(pass.rows == (0, 8, 0) && pass.state.draftCached == 12)
        state.stopped = 1
        #expect(beginPass(state, tokens, capacity: 8, skipWhenStopped: 1).rows == (0, 8, 0))
        #expect(beginPass(state, tokens, capacity: 8, skipWhenStopped: 0).rows == (4, 8, 0))
        state.targetCached = 13
        #expect(beginPass(state, tokens, capacity: 8, holdBack: 2).rows == (0, 8, 0))
    }

    @Test func draftsAreAppendedUntilOneIsUnsure() {
        var state = SequenceState(length: 2)
        var tokens: [UInt32] = [5, 6, 0, 0, 0, 0]
        for (token, probability) in [(UInt32(1), Float(0.9)), (0, 0.4), (1, 0.39), (0, 0.9)] {
            var row: [Float] = [0.01, 0.01]
            row[Int(token)] = probability
            let call = TwinCall<AppendDraft>(
                .init(
                    rows: .structure(RowCount(count: 2, capacity: 3)), sequence: .structure(state), tokens: .words(tokens),
                    sampled: .words([7, token, 8]), probabilities: .floats([0, 0] + row + [0, 0]),
                    sampling: .structure(SamplingParameters(confidence: 0.4))),
                .init(rowCapacity: 3, width: 2)
            ).run()
            state = call.structure("sequence")
            tokens = call.words("tokens")
        }
        // The third is unsure and stays; the fourth comes after the stop.
        #expect(state.drafted == 3 && state.stopped == 1 && tokens == [5, 6, 1, 0, 1, 0])
    }

    /// transformers' `PromptLookupCandidateGenerator.get_candidates`, step by step: all windows, those that match, and
    /// the first of them with a continuation.
    private func lookUp(_ tokens: [UInt32], maxNgram: Int, maxDrafts: Int) -> [UInt32] {
        for size in stride(from: min(maxNgram, tokens.count - 1), to: 0, by: -1) {
            let windows = (0...tokens.count - size).map { tokens[$0..<$0 + size] }
            let matches = windows.indices.filter { windows[$0].elementsEqual(tokens.suffix(size)) }
            for start in matches.map({ $0 + size }) {
                let end = min(start + maxDrafts, tokens.count)
                if start < end { return Array(tokens[start..<end]) }
            }
        }
        return []
    }

    @Test func promptLookupDraftsWhatFollowed() {
        var random = CaseGenerator(seed: 4)
        var found = 0
        for trial in 0..<500 {
            let tokens = (0..<trial % 40).map { _ in UInt32.random(in: 0..<UInt32(2 + trial % 11), using: &random) }
            let (maxNgram, maxDrafts) = (1 + trial % 4, 1 + trial % 7)
            let call = TwinCall<PromptLookup>(
                .init(
                    sequence: .structure(SequenceState(length: UInt32(tokens.count), drafted: 3)),
                    tokens: .words(tokens + Array(repeating: 77, count: 8))),
                .init(maxNgram: UInt32(maxNgram), maxDrafts: UInt32(maxDrafts))
            ).run()
            let drafted = Int(call.structure("sequence", as: SequenceState.self).drafted)
            let expected = lookUp(tokens, maxNgram: maxNgram, maxDrafts: maxDrafts)
            #expect(Array(call.words("tokens")[tokens.count...].prefix(drafted)) == expected)
            #expect(call.words("tokens").prefix(tokens.count) == tokens[...])
            found += expected.isEmpty ? 0 : 1
        }
        #expect(found > 300)
    }

    @Test func dispatchesFollowTheCount() {
        func setup(count: UInt32, capacity: UInt32) -> [UInt32] {
            let entries = [
                DispatchEntry(x: 7, y: 8, z: 9, axis: 0, tile: 4), DispatchEntry(x: 7, y: 8, z: 9, axis: 1, tile: 5),
                DispatchEntry(x: 7, y: 8, z: 9, axis: 2, tile: 1), DispatchEntry(x: 7, y: 8, z: 9, axis: 3, tile: 1),
            ]
            return TwinCall<DispatchSetup>(
                .init(
                    rows: .structure(RowCount(count: count, capacity: capacity)), entries: .structures(entries),
                    arguments: .unwritten(12, as: .u32)), .init(entryCount: 4)
            ).run().words("arguments")
        }
        #expect(setup(count: 5, capacity: 8) == [2, 8, 9, 7, 1, 9, 7, 8, 5, 7, 8, 9])
        #expect(setup(count: 11, capacity: 8) == [2, 8, 9, 7, 2, 9, 7, 8, 8, 7, 8, 9])
        #expect(setup(count: 0, capacity: 8) == Array(repeating: 0, count: 12))
    }

    /// Every case of every kernel here runs through its twin without a trap.
    @Test func casesRun() {
        func run<K: Kernel>(_: K.Type) { for kernelCase in K.cases { TwinCall<K>(kernelCase).run() } }
        run(BeginPass.self)
        run(DispatchSetup.self)
        run(AppendDraft.self)
        run(AcceptMatching.self)
        run(AcceptRejection.self)
        run(PromptLookup.self)
        run(Argmax.self)
        run(GumbelArgmax.self)
        run(Categorical.self)
    }
}

private func == (rows: RowCount, expected: (count: UInt32, capacity: UInt32, overflow: UInt32)) -> Bool {
    (rows.count, rows.capacity, rows.overflow) == expected
}
