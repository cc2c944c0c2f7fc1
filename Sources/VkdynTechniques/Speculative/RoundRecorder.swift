import VkdynCore
import VkdynKernels
import VkdynModels

/// The persistent buffers of one sequence.
struct SequenceBuffers: Sendable {
    /// One `SequenceState`.
    let state: Buffer
    /// Committed tokens, then drafts, [context].
    let tokens: Buffer
    /// One `SamplingParameters`.
    let sampling: Buffer
    /// The target's logits of the last round, [rows, vocabulary].
    let logits: Buffer
}

/// Writes the recordings of which generation is made: prompt pieces, and rounds of drafting, verifying and
/// accepting. One round is one recording, so one submit.
struct RoundRecorder {
    let target: any DecoderModel
    let targetCache: KeyValueCache
    let draft: DraftSource?
    let draftCache: KeyValueCache?
    let buffers: SequenceBuffers
    let choice: TokenChoice
    let stopsByConfidence: Bool
    /// For a target that computes all its experts for every row; see `DecoderPass`.
    let everyExpert: Buffer?

    /// Which cached count of the sequence a pass advances.
    private enum Role: UInt32 { case target = 0, draft = 1 }

    // MARK: Recordings

    /// Reads the prompt that is in the target's cache with the target's encoder.
    func encoding(_ encoder: any PromptEncoder, expertCapacity: Int?) -> Recording {
        var recording = Recording()
        recording.scope("prompt") {
            encoder.recordPrompt(into: &$0, cache: targetCache, expertCapacity: expertCapacity)
        }
        return recording
    }

    /// Reads up to `capacity` committed tokens into a model's cache, all but the last token of the sequence.
    func prefill(draft isDraft: Bool, capacity: Int) -> Recording {
        var recording = Recording()
        recording.scope(isDraft ? "draft_prefill" : "prefill") { recording in
            let pass = begin(
                &recording, isDraft ? .draft : .target, capacity: capacity, isIndirect: true, isPrefill: true,
                holdsBack: true)
            if isDraft, case .model(let model) = draft, let draftCache {
                _ = model.recordHidden(into: &recording, pass: pass, cache: draftCache)
            } else {
                _ = target.recordHidden(into: &recording, pass: pass, cache: targetCache)
            }
        }
        return recording
    }

    /// One round with up to `draftLength` drafts; with 0 it is a plain decoding step.
    /// - Parameter capacity: rows the verifying pass provides for; its bits do not depend on it.
    func round(draftLength: Int, capacity: Int) -> Recording {
        var recording = Recording()
        let probabilities = recordProposals(&recording, draftLength)
        let isIndirect = draftLength > 0 && !isDraftCountKnown
        let pass = recording.scope("verify") { recordVerification(&$0, capacity: capacity, isIndirect: isIndirect) }
        recording.scope("accept") { recordAcceptance(&$0, pass, draftProbabilities: probabilities) }
        return recording
    }

    /// The part of a round that drafts, alone: for measurements.
    func drafting(draftLength: Int) -> Recording {
        var recording = Recording()
        _ = recordProposals(&recording, draftLength)
        return recording
    }

    /// The part of a round that verifies and accepts `rows` − 1 drafts, which are there already, alone: for
    /// measurements. The rejection rule, which needs the drafts' probabilities, has no such part.
    func verification(rows: Int) -> Recording {
        precondition(!choice.usesRejection, "no drafts, no probabilities of them")
        var recording = Recording()
        let isIndirect = rows > 1 && !isDraftCountKnown
        let pass = recording.scope("verify") { recordVerification(&$0, capacity: rows, isIndirect: isIndirect) }
        recording.scope("accept") { recordAcceptance(&$0, pass, draftProbabilities: nil) }
        return recording
    }

    /// Whether the host knows how many drafts there will be.
    private var isDraftCountKnown: Bool {
        switch draft {
        case .model: !stopsByConfidence
        case .promptLookup: false
        case nil: true
        }
    }

    /// - Returns: the drafts' probabilities, as `recordDrafts` has them.
    private func recordProposals(_ recording: inout Recording, _ draftLength: Int) -> Buffer? {
        guard draftLength > 0 else { return nil }
        switch draft {
        case .model(let model): return recordDrafts(&recording, model, draftLength)
        case .promptLookup(let maximumLength):
            recording.scope("draft") { recording in
                recording.dispatch(
                    PromptLookup.self, "prompt_lookup", .init(sequence: buffers.state, tokens: buffers.tokens),
                    .init(maxNgram: UInt32(maximumLength), maxDrafts: UInt32(draftLength)))
            }
        case nil: break
        }
        return nil
    }

    // MARK: Parts

    private func begin(
        _ recording: inout Recording, _ role: Role, capacity: Int, isIndirect: Bool, isPrefill: Bool = false,
        holdsBack: Bool = false, skipsWhenStopped: Bool = false
    ) -> DecoderPass {
        let rows = Counted(
            buffer: recording.transient(.u32, count: RowCount.wordCount, "rows"), capacity: capacity,
            isIndirect: isIndirect)
        let pass = DecoderPass(
            rows: rows, tokens: recording.transient(.u32, count: capacity, "row_tokens"),
            positions: recording.transient(.u32, count: capacity, "positions"), isPrefill: isPrefill,
            everyExpert: role == .target ? everyExpert : nil)
        recording.dispatch(
            BeginPass.self, "begin",
            .init(
                sequence: buffers.state, tokens: buffers.tokens, rows: rows.buffer, rowTokens: pass.tokens,
                positions: pass.positions),
            .init(
                rowCapacity: UInt32(capacity), model: role.rawValue, holdBack: holdsBack ? 1 : 0,
                skipWhenStopped: skipsWhenStopped ? 1 : 0))
        return pass
    }

    /// - Returns: the drafts' probabilities, [draftLength, vocabulary], when the rejection rule needs them.
    private func recordDrafts(
        _ recording: inout Recording, _ model: any DecoderModel, _ draftLength: Int
    ) -> Buffer? {
        guard let draftCache else { preconditionFailure("a draft model without a cache") }
        let vocabulary = model.vocabularySize
        let usesRejection = choice.usesRejection
        let all = usesRejection
            ? recording.transient(.f32, count: draftLength * vocabulary, "draft_probabilities") : nil
        if usesRejection {
            // Each draft's probabilities have a row of their own, so the token that the last round left unread is
            // read in a pass without logits.
            recording.scope("draft") { recording in
                let pass = begin(&recording, .draft, capacity: 1, isIndirect: true, holdsBack: true)
                _ = model.recordHidden(into: &recording, pass: pass, cache: draftCache)
            }
        }
        for index in 0..<draftLength {
            recording.scope("draft\(index)") { recording in
                // After a round that accepted all, the draft has two tokens to read.
                let capacity = index == 0 && !usesRejection ? 2 : 1
                let maySkip = stopsByConfidence && index > 0
                let pass = begin(
                    &recording, .draft, capacity: capacity, isIndirect: maySkip, skipsWhenStopped: maySkip)
                let hidden = model.recordHidden(into: &recording, pass: pass, cache: draftCache)
                let logits = recording.transient(.f32, count: capacity * vocabulary, "logits")
                model.recordLogits(into: &recording, hidden: hidden, rows: pass.rows, logits: logits)
                let chosen = recordChoice(
                    &recording, pass, logits: logits, vocabulary: vocabulary, probabilities: all,
                    probabilityRow: index)
                var confidence: Buffer?
                if stopsByConfidence {
                    confidence = recordProbabilities(
                        &recording, "confidence", pass.rows, source: logits, vocabulary: vocabulary)
                }
                recording.dispatch(
                    AppendDraft.self, "append",
                    .init(
                        rows: pass.rows.buffer, sequence: buffers.state, tokens: buffers.tokens, sampled: chosen,
                        probabilities: confidence, sampling: buffers.sampling),
                    .init(rowCapacity: UInt32(capacity), width: UInt32(vocabulary)))
            }
        }
        return all
    }

    /// The target over the last token and the drafts; its logits are in `buffers.logits`.
    private func recordVerification(
        _ recording: inout Recording, capacity: Int, isIndirect: Bool
    ) -> DecoderPass {
        let pass = begin(&recording, .target, capacity: capacity, isIndirect: isIndirect)
        let hidden = target.recordHidden(into: &recording, pass: pass, cache: targetCache)
        target.recordLogits(into: &recording, hidden: hidden, rows: pass.rows, logits: buffers.logits)
        return pass
    }

    /// The target's choice in each row, and how many drafts agree with it.
    private func recordAcceptance(_ recording: inout Recording, _ pass: DecoderPass, draftProbabilities: Buffer?) {
        let vocabulary = target.vocabularySize
        guard choice.usesRejection else {
            let chosen = recordChoice(&recording, pass, logits: buffers.logits, vocabulary: vocabulary)
            recording.dispatch(
                AcceptMatching.self, "accept",
                .init(sequence: buffers.state, tokens: buffers.tokens, sampled: chosen), .init())
            return
        }
        let filtered = recordFilter(&recording, pass, logits: buffers.logits, vocabulary: vocabulary)
        let probabilities = recordProbabilities(
            &recording, "probabilities", pass.rows, source: filtered, vocabulary: vocabulary)
        recording.dispatch(
            AcceptRejection.self, "accept",
            .init(
                sequence: buffers.state, tokens: buffers.tokens, target: probabilities, draft: draftProbabilities,
                sampling: buffers.sampling), .init(width: UInt32(vocabulary)))
    }

    /// Chooses a token a row.
    /// - Parameters:
    ///   - probabilities: where the rejection rule's probabilities go, from row `probabilityRow` on.
    /// - Returns: token ids, [rows].
    private func recordChoice(
        _ recording: inout Recording, _ pass: DecoderPass, logits: Buffer, vocabulary: Int,
        probabilities: Buffer? = nil, probabilityRow: Int = 0
    ) -> Buffer {
        let rows = pass.rows
        let capacity = UInt32(rows.capacity)
        let chosen = recording.transient(.u32, count: rows.capacity, "chosen")
        guard !choice.isGreedy else {
            recording.dispatch(
                Argmax.self, "argmax", .init(rows: rows.buffer, logits: logits, result: chosen),
                .init(rowCapacity: capacity, width: UInt32(vocabulary)), rows: rows)
            return chosen
        }
        let filtered = recordFilter(&recording, pass, logits: logits, vocabulary: vocabulary)
        guard let probabilities else {
            recording.dispatch(
                GumbelArgmax.self, "gumbel_argmax",
                .init(
                    rows: rows.buffer, logits: filtered, positions: pass.positions, sampling: buffers.sampling,
                    result: chosen),
                .init(rowCapacity: capacity, width: UInt32(vocabulary)), rows: rows)
            return chosen
        }
        let row = recordProbabilities(
            &recording, "probabilities", rows, source: filtered, vocabulary: vocabulary)
        recording.dispatch(
            Softmax.self, "draft_probabilities", .init(rows: rows.buffer, source: filtered, result: probabilities),
            .init(
                rowCapacity: capacity, width: UInt32(vocabulary),
                resultOffset: UInt32(probabilityRow * vocabulary)), rows: rows)
        recording.dispatch(
            Categorical.self, "categorical",
            .init(
                rows: rows.buffer, probabilities: row, positions: pass.positions, sampling: buffers.sampling,
                result: chosen),
            .init(rowCapacity: capacity, width: UInt32(vocabulary), stream: 0), rows: rows)
        return chosen
    }

    private func recordFilter(
        _ recording: inout Recording, _ pass: DecoderPass, logits: Buffer, vocabulary: Int
    ) -> Buffer {
        let filtered = recording.transient(.f32, count: pass.rows.capacity * vocabulary, "filtered")
        recording.dispatch(
            TokenFilter.self, "filter",
            .init(rows: pass.rows.buffer, logits: logits, sampling: buffers.sampling, result: filtered),
            .init(rowCapacity: UInt32(pass.rows.capacity), width: UInt32(vocabulary)), rows: pass.rows)
        return filtered
    }

    private func recordProbabilities(
        _ recording: inout Recording, _ label: String, _ rows: Counted, source: Buffer, vocabulary: Int
    ) -> Buffer {
        let result = recording.transient(.f32, count: rows.capacity * vocabulary, label)
        recording.dispatch(
            Softmax.self, label, .init(rows: rows.buffer, source: source, result: result),
            .init(rowCapacity: UInt32(rows.capacity), width: UInt32(vocabulary), resultOffset: 0), rows: rows)
        return result
    }
}
