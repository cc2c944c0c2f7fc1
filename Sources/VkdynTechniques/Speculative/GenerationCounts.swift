import VkdynCore
public import VkdynSchedule

/// What a generation takes that no clock is needed for: the same in every run and, as the bits are the same everywhere,
/// on every device. Committed figures of `CountedGeneration` gate changes (`Benchmarks/README.md`).
public struct GenerationCounts: Sendable, Equatable {
    /// Of one run of a plan.
    public struct PlanCounts: Sendable, Equatable {
        public var dispatches = 0
        public var barriers = 0
        public var arenaBytes = 0

        public init() {}

        init(_ plan: Plan) {
            dispatches = plan.steps.count
            barriers = plan.steps.count { $0.needsBarrier }
            arenaBytes = plan.arenaByteCount
        }
    }

    public var tokens = 0
    public var rounds = 0
    public var acceptedTokens = 0
    /// After the prompt was read.
    public var submits = 0
    public var readbacks = 0
    /// Reads a piece of the prompt into the target's cache, or the draft's; all zero without a draft.
    public var prefill = PlanCounts()
    public var draftPrefill = PlanCounts()
    /// A round of the decoder's draft length.
    public var round = PlanCounts()
    /// Held while generating, by all plans together: weights, caches, the sequence, arenas and tables. It is the peak but
    /// for what loading stages.
    public var deviceBytes = 0

    public init() {}

    /// - Parameters:
    ///   - plans: every plan of a decoder, by the labels that it gives them.
    ///   - draftLength: of the round.
    public init(_ telemetry: GenerationTelemetry, plans: [Plan], draftLength: Int) {
        func counts(_ label: String) -> PlanCounts { plans.first { $0.label == label }.map(PlanCounts.init) ?? .init() }
        tokens = telemetry.generatedTokens
        rounds = telemetry.rounds
        acceptedTokens = telemetry.acceptedTokens
        submits = telemetry.submits
        readbacks = telemetry.readbacks
        prefill = counts("prefill")
        draftPrefill = counts("draft_prefill")
        round = counts("round\(draftLength)")
        // Buffers may share memory: each stretch of it once, as long as the longest name for it.
        var persistent: [ObjectIdentifier: Int] = [:]
        for plan in plans {
            for buffer in plan.steps.flatMap(\.dispatch.buffers) {
                guard let buffer, let storage = buffer.storage else { continue }
                persistent[ObjectIdentifier(storage), default: 0] =
                    max(persistent[ObjectIdentifier(storage)] ?? 0, buffer.byteCount)
            }
        }
        let tables = plans.flatMap(\.tables).reduce(0) { $0 + $1.buffer.byteCount }
        deviceBytes = persistent.values.reduce(tables, +) + plans.reduce(0) { $0 + $1.arenaByteCount }
    }

    /// The counts by name, none above 2,047: histograms of three significant digits, as benchmark libraries keep them,
    /// hold such numbers exactly. Bytes are therefore written in MiB, KiB and bytes, as a time is in hours, minutes and
    /// seconds.
    public var figures: [(name: String, value: Int)] {
        var figures = [
            ("tokens", tokens), ("rounds", rounds), ("accepted drafts", acceptedTokens), ("submits", submits),
            ("readbacks", readbacks),
        ]
        for (name, plan) in [("prefill", prefill), ("draft prefill", draftPrefill), ("round", round)] {
            figures += [("\(name) dispatches", plan.dispatches), ("\(name) barriers", plan.barriers)]
            figures += Self.figures("\(name) arena", bytes: plan.arenaBytes)
        }
        return figures + Self.figures("device memory", bytes: deviceBytes)
    }

    private static func figures(_ name: String, bytes: Int) -> [(name: String, value: Int)] {
        [("\(name) MiB", bytes >> 20), ("\(name) KiB", bytes >> 10 & 1023), ("\(name) B", bytes & 1023)]
    }
}

/// A generation whose counts are gated: one prompt, greedy, with and without drafts.
public struct CountedGeneration: Sendable {
    public enum Work: String, Sendable, CaseIterable {
        case plain, speculative

        /// Drafts a round.
        public var draftLength: Int { self == .plain ? 0 : 4 }
    }

    private static let text = "The key advantage of dynamic computation in AI is"
    private static let newTokens = 48

    public let work: Work
    /// Made for this work alone, and prepared.
    public let decoder: Decoder
    private let prompt: [Int]

    /// - Parameter pair: with a draft.
    public init(_ work: Work, on device: any Device, pair: SpeculativePair) throws(DeviceError) {
        self.work = work
        prompt = pair.tokenizer.encode(Self.text)
        decoder = try Decoder(
            device: device, target: pair.target,
            configuration: .init(
                draft: work == .plain ? nil : pair.draft, schedule: .constant(length: max(1, work.draftLength)),
                contextLength: prompt.count + Self.newTokens))
        try decoder.prepare()
    }

    public func run() throws -> Generation {
        try decoder.generate(prompt: prompt, options: .init(maximumNewTokens: Self.newTokens))
    }

    public func counts(of generation: Generation) -> GenerationCounts {
        GenerationCounts(generation.telemetry, plans: decoder.plans, draftLength: work.draftLength)
    }
}
