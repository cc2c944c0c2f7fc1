public import VkdynCore
import VkdynKernels
public import VkdynModels
public import VkdynSchedule

extension SpeculationCosts {
    /// The longest draft that is measured: what `--draft-tokens` may ask for.
    public static let longestDraft = 16

    /// Times the parts of rounds on a device: passes of the target over 1 to 17 rows and the draft's steps, by the plans
    /// that generation runs, greedy, after `tokens`.
    ///
    /// All parts are run in turn, there and back, so that what a busy neighbour takes it takes from all, and the fastest
    /// run of each counts: the others measure the neighbour. Before each run the sequence is put back to where the tokens
    /// end, so that every run of a part does the same work; it ends there too. A pass over one row is measured with its
    /// submit; the draft's steps, which share their round's submit, without one.
    ///
    /// - Parameters:
    ///   - tokens: at least one; their number is the context length at which the costs hold. Target and draft must have
    ///     room for 17 more.
    ///   - budgetSeconds: after which no further turn begins, once there were five. Making the plans is not counted.
    ///   - progress: called with the share that is done, from 0 to 1; what it throws ends the measurement.
    /// - Throws: `GenerationError` for tokens that do not fit, `DeviceError`.
    public static func measure(
        device: any Device, target: any DecoderModel, draft: DraftSource, tokens: [Int],
        flavour: Flavour = .separate, budgetSeconds: Double = 2, progress: (Double) throws -> Void = { _ in }
    ) throws -> SpeculationCosts {
        let decoder = try Decoder(
            device: device, target: target,
            configuration: .init(
                draft: draft, schedule: .constant(length: longestDraft), flavour: flavour,
                contextLength: tokens.count + longestDraft + 1))
        return try decoder.measureCosts(after: tokens, budgetSeconds: budgetSeconds, progress: progress)
    }
}

/// A part of a round, with what it needs of the sequence.
private struct TimedPart {
    let plan: any PreparedPlan
    /// Drafts that are there before it runs.
    let drafted: Int
    var seconds = Double.infinity
}

extension Decoder {
    private static let fewestTurns = 5
    private static let mostTurns = 20
    /// Drafts after the first in the plan that times them; one alone would drown in the difference.
    private static let furtherDrafts = 4

    /// See `SpeculationCosts.measure`; for a decoder whose schedule's maximum is the longest draft to measure.
    func measureCosts(
        after tokens: [Int], budgetSeconds: Double, progress: (Double) throws -> Void
    ) throws -> SpeculationCosts {
        try check(tokens)
        let room = min(context, draftContext) - tokens.count
        guard room > maximumDraftLength else {
            throw GenerationError.promptTooLong(tokens: tokens.count, contextLength: min(context, draftContext))
        }
        let text = try begin(tokens, .greedy, { false })
        let start = try sequenceState()

        var parts = try timedParts()
        let clock = ContinuousClock()
        // The first run compiles and touches all memory.
        for (index, part) in parts.enumerated() {
            try progress(0.5 * Double(index) / Double(parts.count))
            try restore(start, text, drafted: part.drafted)
            try part.plan.run()
        }
        let begin = clock.now
        var turn = 0
        while turn < Self.fewestTurns || (turn < Self.mostTurns && (clock.now - begin).seconds < budgetSeconds) {
            for position in parts.indices {
                let index = turn % 2 == 0 ? position : parts.count - 1 - position
                try restore(start, text, drafted: parts[index].drafted)
                let seconds = try clock.measure { try parts[index].plan.run() }.seconds
                parts[index].seconds = min(parts[index].seconds, seconds)
                let turns = Double(turn) + Double(position) / Double(parts.count)
                let share = min(turns / Double(Self.fewestTurns), (clock.now - begin).seconds / budgetSeconds, 1)
                try progress(0.5 + 0.5 * share)
            }
            turn += 1
        }
        try restore(start, text, drafted: 0)
        try progress(1)
        return costs(of: parts, contextLength: tokens.count)
    }

    /// Passes over 1 to `maximumDraftLength` + 1 rows, a first draft, that draft with further ones, and nothing.
    private func timedParts() throws(DeviceError) -> [TimedPart] {
        var parts: [TimedPart] = []
        for rows in 1...maximumDraftLength + 1 {
            let plan = try prepare("verify\(rows)") { recorder.verification(rows: rows) }
            parts.append(TimedPart(plan: plan, drafted: rows - 1))
        }
        for length in [1, 1 + Self.furtherDrafts] {
            let plan = try prepare("draft\(length)") { recorder.drafting(draftLength: length) }
            parts.append(TimedPart(plan: plan, drafted: 0))
        }
        parts.append(TimedPart(plan: try prepare("empty") { Recording() }, drafted: 0))
        return parts
    }

    private func costs(of parts: [TimedPart], contextLength: Int) -> SpeculationCosts {
        let seconds = parts.map(\.seconds)
        let passes = maximumDraftLength + 1
        let (first, all, empty) = (seconds[passes], seconds[passes + 1], seconds[passes + 2])
        // Differences of two times may come out below zero where the draft costs next to nothing.
        return SpeculationCosts(
            verifySeconds: Array(seconds[..<passes]), firstDraftSeconds: max(0, first - empty),
            nextDraftSeconds: max(0, (all - first) / Double(Self.furtherDrafts)), contextLength: contextLength)
    }

    func sequenceState() throws(DeviceError) -> SequenceState {
        let bytes = try device.read([BufferPart(buffers.state, byteRange: 0..<buffers.state.byteCount)])[0]
        return bytes.withUnsafeBytes { $0.loadUnaligned(as: SequenceState.self) }
    }

    /// Puts the sequence back to `state`, with the tokens' own beginning as drafts after them.
    private func restore(_ state: SequenceState, _ tokens: [Int], drafted: Int) throws(DeviceError) {
        var state = state
        state.drafted = UInt32(drafted)
        try device.write(state, to: buffers.state)
        let drafts = (0...maximumDraftLength).map { UInt32(tokens[$0 % tokens.count]) }
        try device.write(drafts, to: buffers.tokens, at: tokens.count)
    }
}
