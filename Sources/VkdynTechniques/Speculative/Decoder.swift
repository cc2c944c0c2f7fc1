public import VkdynCore
import VkdynKernels
public import VkdynModels
public import VkdynSchedule

/// Generates tokens with a target model, with or without drafts, on any device.
///
/// Plain decoding is a round without drafts: the same kernels, plans and replay. Every round is one submit and one
/// readback. One generation runs at a time; plans are prepared once and replayed.
public final class Decoder: @unchecked Sendable {
    // Sendable: callers run one generation at a time, which `generate` states.
    public struct Configuration: Sendable {
        public var draft: DraftSource?
        public var schedule: DraftSchedule.Policy
        public var choice: TokenChoice
        public var flavour: Flavour
        /// Tokens that prompt and output may take together.
        public var contextLength: Int
        /// Prompt tokens read in one submit; nil lets the target's size decide.
        public var prefillLength: Int?
        /// Computes all of the target's experts for every row, and gives the same bits: to time what choosing saves.
        /// Not with a capacity that a pass may exceed, which drops what this computes. The pass of an encoder, which is
        /// no round, stays as it is.
        public var computesAllExperts: Bool

        public init(
            draft: DraftSource? = nil, schedule: DraftSchedule.Policy = .constant(length: 4),
            choice: TokenChoice = .greedy, flavour: Flavour = .separate, contextLength: Int, prefillLength: Int? = nil,
            computesAllExperts: Bool = false
        ) {
            self.draft = draft
            self.schedule = schedule
            self.choice = choice
            self.flavour = flavour
            self.contextLength = contextLength
            self.prefillLength = prefillLength
            self.computesAllExperts = computesAllExperts
        }
    }

    public let configuration: Configuration
    let device: any Device
    let recorder: RoundRecorder
    /// Tokens that prompt and output may take together, in the target and in the draft.
    let context: Int
    let draftContext: Int
    private let prefillLength: Int
    private var prefills: [(isDraft: Bool, plan: any PreparedPlan)] = []
    private var rounds: [Int: any PreparedPlan] = [:]
    /// Passes of the target's encoder, by how many tokens an expert takes; nil is all.
    private var encodings: [Int?: any PreparedPlan] = [:]
    /// Every plan made so far, for tests that check them.
    public private(set) var plans: [Plan] = []

    var buffers: SequenceBuffers { recorder.buffers }
    var maximumDraftLength: Int {
        configuration.draft == nil ? 0 : DraftSchedule(configuration.schedule).maximum
    }

    public init(
        device: any Device, target: any DecoderModel, configuration: Configuration
    ) throws(DeviceError) {
        self.device = device
        self.configuration = configuration
        let context = min(configuration.contextLength, target.contextLength)
        self.context = context
        prefillLength = configuration.prefillLength ?? Self.prefillLength(for: target)
        let rowCapacity = (configuration.draft == nil ? 0 : DraftSchedule(configuration.schedule).maximum) + 1
        var draftCache: KeyValueCache?
        var draftContext = context
        if case .model(let draft) = configuration.draft {
            draftContext = min(context, draft.contextLength)
            draftCache = try draft.makeCache(device: device, capacity: context, label: "draft")
        }
        self.draftContext = draftContext
        let buffers = SequenceBuffers(
            state: try device.makeBuffer(
                .u32, count: SequenceState.wordCount, placement: .shared, label: "sequence"),
            tokens: try device.makeBuffer(.u32, count: context + 1, placement: .shared, label: "tokens"),
            sampling: try device.makeBuffer(
                .u32, count: SamplingParameters.wordCount, placement: .shared, label: "sampling"),
            logits: try device.makeBuffer(
                .f32, count: rowCapacity * target.vocabularySize, placement: .device, label: "logits"))
        var everyExpert: Buffer?
        if configuration.computesAllExperts, let experts = target.experts {
            let rows = Self.largestPass(of: target, rounds: rowCapacity, prefills: prefillLength)
            precondition(!experts.mayDrop(rows: rows), "a capacity drops what a run of all experts computes")
            everyExpert = try experts.everyExpert(device: device, rows: rows)
        }
        var stopsByConfidence = false
        if case .confidence = configuration.schedule { stopsByConfidence = true }
        recorder = RoundRecorder(
            target: target, targetCache: try target.makeCache(device: device, capacity: context, label: "target"),
            draft: configuration.draft, draftCache: draftCache, buffers: buffers, choice: configuration.choice,
            stopsByConfidence: stopsByConfidence, everyExpert: everyExpert)
    }

    /// Prepares every plan that a generation may need, so that none is made while one runs.
    public func prepare() throws(DeviceError) {
        try preparePrefills()
        // A capacity that follows from the prompt is known with the prompt.
        let experts = recorder.target.experts
        if experts?.capacityFactor == nil { _ = try encoding(expertCapacity: experts?.capacity) }
        for length in 0...maximumDraftLength { _ = try round(draftLength: length) }
    }

    /// The most prompt tokens that are read in one submit, where nothing else was asked for.
    public static let largestPrefillLength = 64

    /// Rows of the largest pass of a target's decoder. What an encoder has read is no prompt of the decoder.
    public static func largestPass(
        of target: any DecoderModel, rounds: Int = 1, prefills: Int = largestPrefillLength
    ) -> Int {
        target.encoder == nil ? max(rounds, prefills) : rounds
    }

    /// Whether the prompt is read by an encoder, so that what is generated is a text of its own.
    public var encodesPrompt: Bool { recorder.target.encoder != nil }

    /// Prompt tokens that a slow GPU (some 0.5 TFLOP/s) reads in less than half a second, after which watchdogs reset
    /// it: at most 64, at least 1.
    private static func prefillLength(for target: any DecoderModel) -> Int {
        max(1, min(largestPrefillLength, 100_000_000_000 / max(1, target.activeParameterCount)))
    }

    /// Generates after a prompt. Not to be called while another call runs.
    /// - Parameters:
    ///   - prompt: at least one token id.
    ///   - onTokens: called with the tokens of each round as they come.
    ///   - isCancelled: asked between submits.
    public func generate(
        prompt: [Int], options: GenerationOptions, onTokens: ([Int]) -> Void = { _ in },
        isCancelled: () -> Bool = { false }
    ) throws -> Generation {
        try check(prompt)
        let choice = options.choice ?? configuration.choice
        precondition(choice.kind == configuration.choice.kind, "plans were made for another kind of choice")
        var telemetry = GenerationTelemetry()
        telemetry.promptTokens = prompt.count
        let clock = ContinuousClock()
        let start = clock.now
        let text = try begin(prompt, choice, isCancelled)
        telemetry.prefillSeconds = (clock.now - start).seconds
        let experts = recorder.targetCache.experts
        let promptTallies = try experts?.readTallies(from: device) ?? []
        let decodeStart = clock.now
        let counters = device.counters

        let room = min(options.maximumNewTokens, context - prompt.count)
        // What the caller does with the tokens is not the decoder's time.
        var callbackTime = Duration.zero
        var schedule = DraftSchedule(configuration.schedule)
        var tokens: [Int] = []
        var reason = room < options.maximumNewTokens ? StopReason.contextLimit : .tokenLimit
        var lastRow = 0
        generation: while tokens.count < room {
            if isCancelled() {
                reason = .cancelled
                break
            }
            let length = text.count + tokens.count
            let draftLength = HostSpans.measure(.sample, "draft length") {
                configuration.draft == nil
                    ? 0 : schedule.next(room: room - tokens.count, draftRoom: draftContext - length)
            }
            try round(draftLength: draftLength).run()
            let outcome = try readOutcome(from: length, atMost: draftLength + 1)
            let (emitted, isStopped) = HostSpans.measure(.sample, "outcome") {
                telemetry.rounds += 1
                telemetry.draftedTokens += outcome.drafted
                telemetry.acceptedTokens += outcome.accepted
                telemetry.acceptance.record(drafted: outcome.drafted, accepted: outcome.accepted)
                schedule.record(drafted: outcome.drafted, accepted: outcome.accepted)
                var emitted = Array(outcome.tokens.prefix(room - tokens.count))
                let stop = emitted.firstIndex { options.stopTokens.contains($0) }
                if let stop { emitted.removeSubrange((stop + 1)...) }
                tokens += emitted
                lastRow = emitted.count - 1
                return (emitted, stop != nil)
            }
            callbackTime += clock.measure { onTokens(emitted) }
            if isStopped {
                reason = .stopToken
                break generation
            }
        }
        telemetry.decodeSeconds = (clock.now - decodeStart - callbackTime).seconds
        telemetry.generatedTokens = tokens.count
        let used = device.counters - counters
        telemetry.submits = used.submits
        telemetry.readbacks = used.readbacks
        return Generation(
            tokens: tokens, stopReason: reason, telemetry: telemetry,
            finalLogits: tokens.isEmpty ? [] : try logits(row: lastRow),
            // The last token was chosen, and not read.
            experts: try experts?.read(
                from: device, positions: text.count + max(tokens.count, 1) - 1,
                encoded: encodesPrompt ? prompt.count : 0, promptTallies: promptTallies))
    }

    // MARK: Parts

    func check(_ prompt: [Int]) throws(GenerationError) {
        if prompt.isEmpty { throw .emptyPrompt }
        if let capacity = recorder.target.experts?.capacity, configuration.draft != nil {
            throw .draftsWithExpertCapacity(capacity)
        }
        let vocabulary = recorder.target.vocabularySize
        if let token = prompt.first(where: { !(0..<vocabulary).contains($0) }) {
            throw .tokenOutOfRange(token: token, vocabularySize: vocabulary)
        }
        if prompt.count >= context {
            throw .promptTooLong(tokens: prompt.count, contextLength: context)
        }
    }

    /// Reads a prompt, all but the last token of what the decoder goes on with.
    /// - Returns: what the decoder goes on with: the prompt, or what a text begins with after an encoder has read it.
    func begin(_ prompt: [Int], _ choice: TokenChoice, _ isCancelled: () -> Bool) throws(DeviceError) -> [Int] {
        let encoder = recorder.target.encoder
        let text = encoder.map { [$0.startToken] } ?? prompt
        try writeState(text, choice)
        if let encoder, let place = recorder.targetCache.prompt {
            try place.write(prompt, on: device)
            try encoding(expertCapacity: encoder.expertCapacity(ofPrompt: prompt.count))?.run()
        }
        try readPrompt(text.count, isCancelled)
        return text
    }

    private func writeState(_ text: [Int], _ choice: TokenChoice) throws(DeviceError) {
        try device.write(SequenceState(length: UInt32(text.count)), to: buffers.state)
        try device.write(text.map(UInt32.init), to: buffers.tokens)
        try recorder.targetCache.experts?.clear(on: device)
        var parameters = SamplingParameters(temperature: 1, topP: 1)
        if case .sampled(let sampling, _) = choice {
            parameters.temperature = sampling.temperature
            parameters.topK = UInt32(clamping: sampling.topK)
            parameters.topP = sampling.topP
            parameters.seedLow = UInt32(truncatingIfNeeded: sampling.seed)
            parameters.seedHigh = UInt32(truncatingIfNeeded: sampling.seed >> 32)
        }
        if case .confidence(let threshold, _) = configuration.schedule { parameters.confidence = threshold }
        try device.write(parameters, to: buffers.sampling)
    }

    private func readPrompt(_ count: Int, _ isCancelled: () -> Bool) throws(DeviceError) {
        try preparePrefills()
        // A prompt that a draft has no positions for leaves the draft out of this generation.
        for prefill in prefills where !prefill.isDraft || count <= draftContext {
            // The last token of the prompt is the first round's.
            var remaining = count - 1
            while remaining > 0, !isCancelled() {
                try prefill.plan.run()
                remaining -= prefillLength
            }
        }
    }

    private func preparePrefills() throws(DeviceError) {
        guard prefills.isEmpty else { return }
        // A decoder with an encoder begins with one token, which is the first round's.
        var roles = encodesPrompt ? [] : [false]
        if case .model = configuration.draft { roles.append(true) }
        for isDraft in roles {
            let plan = try prepare(isDraft ? "draft_prefill" : "prefill") {
                recorder.prefill(draft: isDraft, capacity: prefillLength)
            }
            prefills.append((isDraft, plan))
        }
    }

    /// The pass of the target's encoder over the prompt; nil for a target without one.
    private func encoding(expertCapacity: Int?) throws(DeviceError) -> (any PreparedPlan)? {
        guard let encoder = recorder.target.encoder else { return nil }
        if let plan = encodings[expertCapacity] { return plan }
        let plan = try prepare("encoder") { recorder.encoding(encoder, expertCapacity: expertCapacity) }
        encodings[expertCapacity] = plan
        return plan
    }

    private func round(draftLength: Int) throws(DeviceError) -> any PreparedPlan {
        if let plan = rounds[draftLength] { return plan }
        // The last, shorter rounds use the pipelines of the others; the heuristic's rounds are of every length.
        var capacity = maximumDraftLength + 1
        if case .heuristic = configuration.schedule { capacity = draftLength + 1 }
        let plan = try prepare("round\(draftLength)") { recorder.round(draftLength: draftLength, capacity: capacity) }
        rounds[draftLength] = plan
        return plan
    }

    func prepare(_ label: String, _ record: () -> Recording) throws(DeviceError) -> any PreparedPlan {
        let plan = try HostSpans.measure(.plan, label) { () throws(DeviceError) in
            try Plan(
                record(), label: label, traits: device.traits, flavour: configuration.flavour, tuning: device.tuning)
        }
        plans.append(plan)
        return try device.prepare(plan)
    }

    private struct Outcome {
        let tokens: [Int]
        let drafted: Int
        let accepted: Int
    }

    /// Reads the state and the new tokens in one readback.
    private func readOutcome(from length: Int, atMost count: Int) throws(DeviceError) -> Outcome {
        let parts = try device.read([
            BufferPart(buffers.state, byteRange: 0..<buffers.state.byteCount),
            BufferPart(buffers.tokens, byteRange: length * 4..<(length + count) * 4),
        ])
        let state = parts[0].withUnsafeBytes { $0.loadUnaligned(as: SequenceState.self) }
        // Had the verifying pass overflowed (RowCount.overflow) among the accepted rows, the cache would end before the
        // last token but one. Rounds provide for all their drafts, so that this never happens.
        guard state.targetCached + 1 == state.length else { throw .tooManyRows(plan: "a round of \(count - 1) drafts") }
        let tokens = parts[1].withUnsafeBytes { bytes in
            (0..<Int(state.emitted)).map { Int(bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)) }
        }
        return Outcome(tokens: tokens, drafted: Int(state.verified), accepted: Int(state.accepted))
    }

    private func logits(row: Int) throws(DeviceError) -> [Float] {
        let vocabulary = recorder.target.vocabularySize
        return try device.read(Float.self, from: buffers.logits, at: row * vocabulary, count: vocabulary)
    }
}

/// A request for text that cannot be met.
public enum GenerationError: UserFacingError, Equatable {
    case emptyPrompt
    case tokenOutOfRange(token: Int, vocabularySize: Int)
    case promptTooLong(tokens: Int, contextLength: Int)
    /// Drafts share their pass with the rows that a capacity counts, so that the output would depend on them.
    case draftsWithExpertCapacity(Int)

    public var description: String {
        switch self {
        case .emptyPrompt: "the prompt is empty: it needs at least one token"
        case .tokenOutOfRange(let token, let vocabularySize):
            "token \(token) of the prompt is outside the vocabulary of \(vocabularySize)"
        case .promptTooLong(let tokens, let contextLength):
            "the prompt has \(tokens) tokens and leaves no room in the context of \(contextLength)"
        case .draftsWithExpertCapacity(let capacity):
            "the target's experts take at most \(capacity) rows of a pass, so that drafts would change its output; "
                + "generate without drafts, or without a capacity"
        }
    }
}

extension Duration {
    var seconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}
