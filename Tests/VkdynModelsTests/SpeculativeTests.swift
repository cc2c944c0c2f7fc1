import Testing
import VkdynCore
import VkdynModels
import VkdynReference
import VkdynSchedule
import VkdynTechniques
import VkdynVulkan

/// The property that vkdyn exists for: speculative output is plain output.
@Suite(.serialized) struct SpeculativeTests {
    private struct Pair {
        let device: any Device
        let target: any DecoderModel
        let draft: any DecoderModel

        init(_ device: any Device, weights: ElementType? = nil) throws {
            self.device = device
            target = try ModelFolder(ModelFixture.path("pair-target")).load(on: device, weightType: weights)
            draft = try ModelFolder(ModelFixture.path("pair-draft")).load(on: device, weightType: weights)
        }

        func decoder(
            drafting: Bool, schedule: DraftSchedule.Policy = .constant(length: 4), choice: TokenChoice = .greedy,
            flavour: Flavour = .separate, lookup: Bool = false, context: Int = 150
        ) throws -> Decoder {
            let source: DraftSource? = drafting ? (lookup ? .promptLookup(maximumLength: 2) : .model(draft)) : nil
            return try Decoder(
                device: device, target: target,
                configuration: .init(
                    draft: source, schedule: schedule, choice: choice, flavour: flavour, contextLength: context,
                    prefillLength: 16))
        }
    }

    private func prompts() throws -> [[Int]] { try ModelFixture.load("pair-target").prompts.map(\.tokens) }

    private func expectEqual(_ plain: Generation, _ fast: Generation, _ what: String) {
        #expect(plain.tokens == fast.tokens, "\(what): tokens")
        #expect(
            plain.finalLogits.map(\.bitPattern) == fast.finalLogits.map(\.bitPattern), "\(what): final logits")
    }

    @Test(arguments: [nil, ElementType.f16, .bf16], Flavour.allCases)
    func greedyOutputAndFinalLogitsEqualPlainAtEveryDraftLength(weights: ElementType?, flavour: Flavour) throws {
        let pair = try Pair(try TestDevices.vulkan(), weights: weights)
        // The emulation of the fused flavour takes the driver long to compile: a few lengths there.
        let lengths = flavour == .separate ? Array(1...16) : [1, 4, 7]
        let plain = try pair.decoder(drafting: false, flavour: flavour)
        for prompt in try prompts() {
            let expected = try plain.generate(prompt: prompt, options: .init(maximumNewTokens: 60))
            for length in lengths {
                let fast = try pair.decoder(
                    drafting: true, schedule: .constant(length: length), flavour: flavour)
                let found = try fast.generate(prompt: prompt, options: .init(maximumNewTokens: 60))
                expectEqual(expected, found, "draft length \(length)")
            }
        }
        #expect(ValidationMessages.all == [])
    }

    @Test func acceptanceEqualsTransformersAtEveryRecordedDraftLength() throws {
        let fixture = try ModelFixture.load("pair-target")
        let speculation = try #require(fixture.speculation)
        let pair = try Pair(TestDevices.reference)
        for (prompt, expected) in zip(fixture.prompts, speculation.prompts) {
            for run in expected.runs {
                let decoder = try pair.decoder(drafting: true, schedule: .constant(length: run.draftTokens))
                let found = try decoder.generate(
                    prompt: prompt.tokens, options: .init(maximumNewTokens: speculation.newTokens)
                ).telemetry
                #expect(found.rounds == run.rounds)
                #expect(found.draftedTokens == run.draftedTokens)
                #expect(found.acceptedTokens == run.acceptedTokens)
            }
        }
    }

    @Test(arguments: [
        DraftSchedule.Policy.heuristic(initial: 5, maximum: 16), .confidence(threshold: 0.4, maximum: 8),
        .confidence(threshold: 1.1, maximum: 4), .confidence(threshold: 0, maximum: 4),
    ])
    func everyScheduleGivesThePlainOutput(policy: DraftSchedule.Policy) throws {
        let pair = try Pair(try TestDevices.vulkan())
        let plain = try pair.decoder(drafting: false)
        let fast = try pair.decoder(drafting: true, schedule: policy)
        for prompt in try prompts() {
            let expected = try plain.generate(prompt: prompt, options: .init(maximumNewTokens: 50))
            let found = try fast.generate(prompt: prompt, options: .init(maximumNewTokens: 50))
            expectEqual(expected, found, "\(policy)")
            if case .confidence(let threshold, let maximum) = policy {
                let rounds = found.telemetry.rounds
                // Above 1 every draft stops after its first token; at 0 none stops early.
                if threshold > 1 { #expect(found.telemetry.draftedTokens <= rounds) }
                if threshold == 0 { #expect(found.telemetry.draftedTokens > rounds * (maximum - 1)) }
            }
        }
        #expect(ValidationMessages.all == [])
    }

    @Test func promptLookupGivesThePlainOutputAndAcceptsRepetitions() throws {
        let pair = try Pair(try TestDevices.vulkan())
        let plain = try pair.decoder(drafting: false)
        let fast = try pair.decoder(drafting: true, lookup: true)
        var accepted = 0
        for prompt in try prompts() {
            let expected = try plain.generate(prompt: prompt, options: .init(maximumNewTokens: 80))
            let found = try fast.generate(prompt: prompt, options: .init(maximumNewTokens: 80))
            expectEqual(expected, found, "prompt lookup")
            accepted += found.telemetry.acceptedTokens
        }
        #expect(accepted > 0)
    }

    @Test(arguments: [
        Sampling(temperature: 1, seed: 1), Sampling(temperature: 0.7, topK: 10, seed: 2),
        Sampling(temperature: 1.3, topP: 0.8, seed: 3), Sampling(temperature: 0.9, topK: 20, topP: 0.9, seed: 4),
    ])
    func coupledSamplingEqualsPlainSamplingWithTheSameSeed(sampling: Sampling) throws {
        let pair = try Pair(try TestDevices.vulkan())
        let choice = TokenChoice.sampled(sampling, acceptance: .coupled)
        let plain = try pair.decoder(drafting: false, choice: choice)
        for prompt in try prompts() {
            let expected = try plain.generate(prompt: prompt, options: .init(maximumNewTokens: 60))
            for length in [1, 2, 4, 7, 16] {
                let fast = try pair.decoder(drafting: true, schedule: .constant(length: length), choice: choice)
                let found = try fast.generate(prompt: prompt, options: .init(maximumNewTokens: 60))
                expectEqual(expected, found, "\(sampling), draft length \(length)")
            }
        }
        var other = sampling
        other.seed += 100
        let prompt = try prompts()[1]
        let first = try plain.generate(prompt: prompt, options: .init(maximumNewTokens: 60))
        let second = try pair.decoder(drafting: false, choice: .sampled(other, acceptance: .coupled))
            .generate(prompt: prompt, options: .init(maximumNewTokens: 60))
        #expect(first.tokens != second.tokens, "another seed gives another text")
    }

    @Test func rejectionSamplingAcceptsAndRepeatsWithItsSeed() throws {
        let pair = try Pair(try TestDevices.vulkan())
        let choice = TokenChoice.sampled(Sampling(temperature: 0.8, seed: 9), acceptance: .rejection)
        let decoder = try pair.decoder(drafting: true, choice: choice)
        let prompt = try prompts()[1]
        let first = try decoder.generate(prompt: prompt, options: .init(maximumNewTokens: 60))
        let second = try decoder.generate(prompt: prompt, options: .init(maximumNewTokens: 60))
        #expect(first.tokens == second.tokens && first.tokens.count == 60)
        #expect(first.telemetry.acceptedTokens > 0)
        #expect(ValidationMessages.all == [])
    }

    @Test func aRoundIsOneSubmitAndOneReadback() throws {
        let pair = try Pair(try TestDevices.unshared())
        for drafting in [false, true] {
            let decoder = try pair.decoder(drafting: drafting)
            try decoder.prepare()
            let telemetry = try decoder.generate(
                prompt: try prompts()[1], options: .init(maximumNewTokens: 40)
            ).telemetry
            #expect(telemetry.submits == telemetry.rounds)
            #expect(telemetry.readbacks == telemetry.rounds)
            #expect(drafting ? telemetry.rounds < 40 : telemetry.rounds == 40)
        }
    }

    @Test func everyPlanOfEveryKindIsOrderedAndWithoutOverlap() throws {
        let pair = try Pair(TestDevices.reference)
        let sampled = TokenChoice.sampled(Sampling(temperature: 1, seed: 1), acceptance: .rejection)
        for (choice, schedule, lookup) in [
            (TokenChoice.greedy, DraftSchedule.Policy.constant(length: 5), false),
            (.greedy, .confidence(threshold: 0.4, maximum: 6), false), (.greedy, .constant(length: 5), true),
            (sampled, .constant(length: 3), false), (sampled, .constant(length: 3), true),
        ] {
            let decoder = try pair.decoder(drafting: true, schedule: schedule, choice: choice, lookup: lookup)
            _ = try decoder.generate(prompt: try prompts()[1], options: .init(maximumNewTokens: 20))
            #expect(decoder.plans.count >= 2)
            for plan in decoder.plans { #expect(PlanChecker.violations(of: plan) == [], "\(plan.label)") }
        }
    }

    @Test func lockstepOverAWholeGenerationFindsNoDifference() throws {
        let lockstep = LockstepDevice(try TestDevices.vulkan())
        let pair = try Pair(lockstep)
        let decoder = try pair.decoder(drafting: true)
        let found = try decoder.generate(prompt: try prompts()[1], options: .init(maximumNewTokens: 12))
        #expect(found.tokens.count == 12)
        #expect(lockstep.report.dispatches > 100 && lockstep.report.values > 10_000)
    }

    @Test func aStopTokenInsideTheDraftEndsTheText() throws {
        let pair = try Pair(TestDevices.reference)
        let prompt = try prompts()[1]
        let whole = try pair.decoder(drafting: false).generate(prompt: prompt, options: .init(maximumNewTokens: 60))
        for stop in Set(whole.tokens).prefix(6) {
            let options = GenerationOptions(maximumNewTokens: 60, stopTokens: [stop])
            let plain = try pair.decoder(drafting: false).generate(prompt: prompt, options: options)
            let fast = try pair.decoder(drafting: true).generate(prompt: prompt, options: options)
            let end = whole.tokens.firstIndex(of: stop)! + 1
            #expect(plain.tokens == Array(whole.tokens[..<end]) && plain.stopReason == .stopToken)
            expectEqual(plain, fast, "stop token \(stop)")
        }
    }

    @Test func theContextEndsTheTextWithoutACrash() throws {
        let pair = try Pair(TestDevices.reference)
        let prompt = try prompts()[1]
        for context in [prompt.count + 1, prompt.count + 2, prompt.count + 9] {
            let plain = try pair.decoder(drafting: false, context: context)
                .generate(prompt: prompt, options: .init(maximumNewTokens: 60))
            let fast = try pair.decoder(drafting: true, schedule: .constant(length: 16), context: context)
                .generate(prompt: prompt, options: .init(maximumNewTokens: 60))
            #expect(plain.tokens.count == context - prompt.count && plain.stopReason == .contextLimit)
            expectEqual(plain, fast, "context \(context)")
        }
        #expect(throws: GenerationError.promptTooLong(tokens: prompt.count, contextLength: prompt.count)) {
            try pair.decoder(drafting: true, context: prompt.count).generate(prompt: prompt, options: .init())
        }
        #expect(throws: GenerationError.emptyPrompt) {
            try pair.decoder(drafting: true).generate(prompt: [], options: .init())
        }
        #expect(throws: GenerationError.tokenOutOfRange(token: 9999, vocabularySize: pair.target.vocabularySize)) {
            try pair.decoder(drafting: true).generate(prompt: [9999], options: .init())
        }
    }

    @Test func aDraftOfAShorterContextDraftsWhileItCanAndThenNoMore() throws {
        let device = TestDevices.reference
        let target = try ModelFolder(ModelFixture.path("pair-target")).load(on: device)
        let prompt = try prompts()[1]
        let plain = try Decoder(device: device, target: target, configuration: .init(contextLength: 150))
            .generate(prompt: prompt, options: .init(maximumNewTokens: 60))
        // Shorter than the prompt, just as long, and ending within the output.
        for limit in [8, prompt.count, prompt.count + 20] {
            let draft = try ModelFolder(ModelFixture.path("pair-draft")).load(on: device, contextLimit: limit)
            #expect(draft.contextLength == limit)
            let decoder = try Decoder(
                device: device, target: target,
                configuration: .init(draft: .model(draft), contextLength: 150, prefillLength: 16))
            let fast = try decoder.generate(prompt: prompt, options: .init(maximumNewTokens: 60))
            expectEqual(plain, fast, "draft context \(limit)")
            #expect((fast.telemetry.draftedTokens > 0) == (limit > prompt.count))
        }
    }

    @Test func cancellationEndsAfterTheRunningSubmit() throws {
        let pair = try Pair(TestDevices.reference)
        var rounds = 0
        let found = try pair.decoder(drafting: true).generate(
            prompt: try prompts()[1], options: .init(maximumNewTokens: 60), onTokens: { _ in rounds += 1 },
            isCancelled: { rounds >= 3 })
        #expect(found.stopReason == .cancelled && found.telemetry.rounds == 3)
    }
}

@Suite struct DraftScheduleTests {
    @Test func theHeuristicGrowsByTwoAndShrinksByOne() {
        var schedule = DraftSchedule(.heuristic(initial: 5, maximum: 8))
        #expect(schedule.next(room: 100) == 5)
        schedule.record(drafted: 5, accepted: 5)
        #expect(schedule.next(room: 100) == 7)
        schedule.record(drafted: 7, accepted: 7)
        #expect(schedule.next(room: 100) == 8)
        schedule.record(drafted: 0, accepted: 0)
        #expect(schedule.next(room: 100) == 8)
        for _ in 0..<20 { schedule.record(drafted: 8, accepted: 0) }
        #expect(schedule.next(room: 100) == 1)
    }

    @Test func noMoreIsDraftedThanMayBeKept() {
        let schedule = DraftSchedule(.constant(length: 4))
        #expect((0...6).map { schedule.next(room: $0) } == [0, 0, 1, 2, 3, 4, 4])
        #expect(schedule.next(room: 100, draftRoom: 2) == 2)
        #expect(schedule.next(room: 100, draftRoom: -3) == 0)
    }
}
