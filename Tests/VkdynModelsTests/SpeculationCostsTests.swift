import Testing
import VkdynKernels
import VkdynModels
import VkdynReference
import VkdynSchedule
@testable import VkdynTechniques
import VkdynVulkan

/// The measurement of a round's parts: what it runs, not how long that takes.
@Suite(.serialized) struct SpeculationCostsTests {
    enum Draft: String, CaseIterable, Sendable { case model, lookup }

    private func decoder(_ device: any Device, _ draft: Draft, context: Int = 150) throws -> Decoder {
        let target = try ModelFolder(ModelFixture.path("pair-target")).load(on: device)
        let source: DraftSource =
            switch draft {
            case .model: .model(try ModelFolder(ModelFixture.path("pair-draft")).load(on: device))
            case .lookup: .promptLookup(maximumLength: 2)
            }
        return try Decoder(
            device: device, target: target,
            configuration: .init(draft: source, schedule: .constant(length: 16), contextLength: context))
    }

    private func tokens() throws -> [Int] { try ModelFixture.load("pair-target").prompts[1].tokens }

    @Test(arguments: TestDevices.Choice.allCases, Draft.allCases)
    func everyPassStartsFromTheSameSequence(choice: TestDevices.Choice, draft: Draft) throws {
        let decoder = try decoder(try TestDevices.device(choice), draft)
        let tokens = try tokens()
        var verified: Set<UInt32> = []
        var drafted: Set<UInt32> = []
        var progress = 0.0
        let costs = try decoder.measureCosts(after: tokens, budgetSeconds: 0) { share in
            #expect(share >= progress && share <= 1)
            progress = share
            // What the part that ran last has left.
            let state = try decoder.sequenceState()
            #expect(state.length - state.emitted == UInt32(tokens.count))
            if state.emitted > 0 { verified.insert(state.verified) } else { drafted.insert(state.drafted) }
        }
        #expect(progress == 1)
        #expect(verified == Set(0...16))
        if draft == .model { #expect(drafted == [0, 1, 5]) }
        #expect(costs.verifySeconds.count == 17 && costs.verifySeconds.allSatisfy { $0 > 0 && $0.isFinite })
        #expect(costs.maximumDraftLength == SpeculationCosts.longestDraft && costs.contextLength == tokens.count)
        #expect(costs.firstDraftSeconds >= 0 && costs.nextDraftSeconds >= 0)
        for plan in decoder.plans { #expect(PlanChecker.violations(of: plan) == [], "\(plan.label)") }
    }

    /// A round after the measurement gives what it gives without one: state, tokens, caches are as they were.
    @Test(arguments: TestDevices.Choice.allCases)
    func theSequenceIsLeftAsItWas(choice: TestDevices.Choice) throws {
        let tokens = try tokens()
        var outcomes: [(state: SequenceWords, tokens: [UInt32], logits: [UInt32])] = []
        for measures in [false, true] {
            let device = try TestDevices.device(choice)
            let decoder = try decoder(device, .model)
            if measures {
                _ = try decoder.measureCosts(after: tokens, budgetSeconds: 0) { _ in }
            } else {
                _ = try decoder.begin(tokens, .greedy) { false }
            }
            let before = SequenceWords(try decoder.sequenceState())
            #expect(before.length == UInt32(tokens.count) && before.drafted == 0)
            #expect(before.targetCached == UInt32(tokens.count - 1) && before.draftCached == before.targetCached)
            try decoder.prepare("round") { decoder.recorder.round(draftLength: 4, capacity: 5) }.run()
            let rows = 5 * decoder.recorder.target.vocabularySize
            outcomes.append(
                (
                    SequenceWords(try decoder.sequenceState()),
                    try device.read(UInt32.self, from: decoder.buffers.tokens, count: tokens.count + 1),
                    try device.read(UInt32.self, from: decoder.buffers.logits, count: rows)
                ))
        }
        #expect(outcomes[0].state == outcomes[1].state)
        #expect(outcomes[0].tokens == outcomes[1].tokens)
        #expect(outcomes[0].logits == outcomes[1].logits)
    }

    @Test func tokensThatLeaveNoRoomForDraftsAreRefused() throws {
        let tokens = try tokens()
        let tight = try decoder(TestDevices.reference, .model, context: tokens.count + 16)
        #expect(throws: GenerationError.promptTooLong(tokens: tokens.count, contextLength: tokens.count + 16)) {
            try tight.measureCosts(after: tokens, budgetSeconds: 0) { _ in }
        }
        #expect(throws: GenerationError.emptyPrompt) {
            try tight.measureCosts(after: [], budgetSeconds: 0) { _ in }
        }
    }

    @Test func progressEndsTheMeasurement() throws {
        struct Stop: Error {}
        let decoder = try decoder(TestDevices.reference, .lookup)
        #expect(throws: Stop.self) {
            try decoder.measureCosts(after: try tokens(), budgetSeconds: 0) { if $0 > 0.6 { throw Stop() } }
        }
    }

    @Test func telemetryCountsEveryDraftAtItsPosition() throws {
        let decoder = try decoder(TestDevices.reference, .model)
        let found = try decoder.generate(prompt: try tokens(), options: .init(maximumNewTokens: 50)).telemetry
        let positions = found.acceptance.positions
        #expect(found.acceptance.rounds == found.rounds)
        #expect(positions.reduce(0) { $0 + $1.drafted } == found.draftedTokens && found.draftedTokens > 0)
        #expect(positions.reduce(0) { $0 + $1.accepted } == found.acceptedTokens)
        #expect(zip(positions, positions.dropFirst()).allSatisfy { $0.accepted >= $1.tried && $0.drafted >= $1.drafted })
    }
}

/// The state of a sequence as a comparable value.
private struct SequenceWords: Equatable {
    let length, drafted, targetCached, draftCached, accepted, emitted, stopped, verified: UInt32

    init(_ state: SequenceState) {
        (length, drafted, targetCached, draftCached) = (
            state.length, state.drafted, state.targetCached, state.draftCached
        )
        (accepted, emitted, stopped, verified) = (state.accepted, state.emitted, state.stopped, state.verified)
    }
}
