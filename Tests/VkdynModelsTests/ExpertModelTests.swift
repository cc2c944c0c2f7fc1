import Testing
import VkdynCore
import VkdynModels
import VkdynReference
import VkdynSchedule
import VkdynTechniques
import VkdynVulkan

@testable import VkdynFormats

/// Whole models with experts: what must hold for all of their kinds.
@Suite(.serialized) struct ExpertModelTests {
    private func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

    /// The pass reads 19 tokens with prefill rows or without, in pieces.
    private func logits(
        _ model: any DecoderModel, on device: any Device, pieces: [Int], spare: Int = 0, isPrefill: Bool = false
    ) throws -> [Float] {
        let tokens = ExpertModel.tokens(pieces.reduce(0, +))
        let run = try SequenceRun(model, on: device, capacity: tokens.count)
        var result: [Float] = []
        for piece in pieces {
            let end = run.position + piece
            result += try run.logits(Array(tokens[run.position..<end]), spare: spare, isPrefill: isPrefill)
        }
        return result
    }

    @Test(arguments: ExpertModel.allCases, [false, true])
    func aTokensBitsDoNotDependOnTheRowsOfItsPass(kind: ExpertModel, isPrefill: Bool) throws {
        for choice in TestDevices.Choice.allCases {
            let device = try TestDevices.device(choice)
            let model = try kind.load(on: device)
            let alone = bits(
                try logits(model, on: device, pieces: [Int](repeating: 1, count: 19), isPrefill: isPrefill))
            for (pieces, spare) in [([19], 0), ([19], 6), ([3, 8, 1, 7], 0), ([18, 1], 2)] {
                let found = bits(
                    try logits(model, on: device, pieces: pieces, spare: spare, isPrefill: isPrefill))
                #expect(found == alone, "\(kind) on \(choice): pieces \(pieces), \(spare) rows to spare")
            }
        }
        #expect(ValidationMessages.all == [])
    }

    @Test(arguments: ExpertModel.allCases) func theDeviceAndTheTwinsGiveTheSameBits(kind: ExpertModel) throws {
        for weights in [nil, ElementType.f16, .i8] {
            var found: [[UInt32]] = []
            var traces: [ExpertTrace?] = []
            for choice in TestDevices.Choice.allCases {
                let device = try TestDevices.device(choice)
                let run = try SequenceRun(try kind.load(on: device, weights: weights), on: device, capacity: 24)
                let prompt = try run.logits(ExpertModel.tokens(17), isPrefill: true)
                found.append(bits(prompt + (try run.logits(Array(ExpertModel.tokens(22)[17...])))))
                traces.append(try run.experts())
            }
            #expect(found[0] == found[1], "\(weights.map(\.rawValue) ?? "as is")")
            #expect(traces[0] == traces[1])
            #expect(found[0].allSatisfy { Float(bitPattern: $0).isFinite })
        }
    }

    @Test(arguments: ExpertModel.allCases) func lockstepFindsNoDifferentBit(kind: ExpertModel) throws {
        let device = LockstepDevice(try TestDevices.vulkan())
        let decoder = try Decoder(
            device: device, target: try kind.load(on: device),
            configuration: .init(
                draft: .promptLookup(maximumLength: 2), schedule: .constant(length: 3), contextLength: 50,
                prefillLength: 8))
        _ = try decoder.generate(prompt: ExpertModel.tokens(13), options: .init(maximumNewTokens: 12))
        #expect(device.report.dispatches > 100 && device.report.values > 10_000)
        for plan in decoder.plans { #expect(PlanChecker.violations(of: plan) == []) }
    }

    @Test(arguments: ExpertModel.allCases) func speculativeOutputEqualsPlainOutput(kind: ExpertModel) throws {
        let device = try TestDevices.vulkan()
        let model = try kind.load(on: device)
        // A prompt that repeats itself, so that prompt lookup finds something.
        let prompt = ExpertModel.tokens(9) + ExpertModel.tokens(9)
        func generate(_ draft: DraftSource?, _ length: Int) throws -> Generation {
            let decoder = try Decoder(
                device: device, target: model,
                configuration: .init(
                    draft: draft, schedule: .constant(length: length), contextLength: 120, prefillLength: 8))
            return try decoder.generate(prompt: prompt, options: .init(maximumNewTokens: 60))
        }
        let plain = try generate(nil, 1)
        for length in [1, 4, 7] {
            let fast = try generate(.promptLookup(maximumLength: 2), length)
            #expect(plain.tokens == fast.tokens)
            #expect(bits(plain.finalLogits) == bits(fast.finalLogits))
            #expect(plain.experts?.choices == fast.experts?.choices)
            #expect(fast.telemetry.draftedTokens > 0)
        }
    }

    @Test(arguments: ExpertModel.allCases) func aRoundIsOneSubmitAndOneReadback(kind: ExpertModel) throws {
        let device = try TestDevices.unshared()
        let model = try kind.load(on: device)
        for (draft, all) in [(nil, false), (nil, true), (DraftSource.promptLookup(maximumLength: 2), false)] {
            let decoder = try Decoder(
                device: device, target: model,
                configuration: .init(draft: draft, contextLength: 80, computesAllExperts: all))
            try decoder.prepare()
            let telemetry = try decoder.generate(
                prompt: ExpertModel.tokens(9) + ExpertModel.tokens(9), options: .init(maximumNewTokens: 20)
            ).telemetry
            #expect(telemetry.rounds > 0 && telemetry.submits == telemetry.rounds)
            #expect(telemetry.readbacks == telemetry.rounds)
        }
    }

    @Test(arguments: ExpertModel.allCases, TestDevices.Choice.allCases)
    func computingAllExpertsGivesTheSameBits(kind: ExpertModel, choice: TestDevices.Choice) throws {
        let device = try TestDevices.device(choice)
        let model = try kind.load(on: device)
        let experts = try #require(model.experts)
        func generate(all: Bool) throws -> Generation {
            try Decoder(
                device: device, target: model,
                configuration: .init(contextLength: 60, prefillLength: 8, computesAllExperts: all)
            ).generate(prompt: ExpertModel.tokens(20), options: .init(maximumNewTokens: 8))
        }
        let (sparse, dense) = (try generate(all: false), try generate(all: true))
        #expect(sparse.tokens == dense.tokens)
        #expect(bits(sparse.finalLogits) == bits(dense.finalLogits))
        let (some, all) = (try #require(sparse.experts), try #require(dense.experts))
        #expect(some.choices == all.choices)
        for layer in 0..<some.layerCount {
            // One row a round: as many experts as it chooses, or all of them.
            #expect(some.rounds[layer].touchedExperts == some.rounds[layer].passes * experts.chosenCount)
            #expect(all.rounds[layer].touchedExperts == all.rounds[layer].passes * experts.count)
            #expect(some.prompt[layer].rows == 19 && some.rounds[layer].rows == 8)
            #expect(some.prompt[layer].assignments == 19 * experts.chosenCount)
        }
    }

    @Test(arguments: ExpertModel.latent)
    func plainAndAbsorbedAttentionAgree(kind: ExpertModel) throws {
        let device = TestDevices.reference
        let model = try kind.load(on: device)
        let plain = try logits(model, on: device, pieces: [70], isPrefill: true)
        let absorbed = try logits(model, on: device, pieces: [70])
        let largest = plain.map(abs).max() ?? 0
        let worst = zip(plain, absorbed).map { abs($0 - $1) }.max() ?? 0
        #expect(worst <= 1e-4 * largest, "\(worst) of \(largest)")
        #expect(bits(plain) != bits(absorbed), "the two forms are one")
        #expect(largest > 1)
    }

    /// A token's own attention in both forms, after a prompt in the plain one.
    @Test(arguments: ExpertModel.latent) func attentionIsCausal(kind: ExpertModel) throws {
        let device = TestDevices.reference
        let model = try kind.load(on: device)
        for isPrefill in [false, true] {
            let long = try logits(model, on: device, pieces: [70], isPrefill: isPrefill)
            let short = try logits(model, on: device, pieces: [64], isPrefill: isPrefill)
            #expect(bits(Array(long[..<short.count])) == bits(short))
        }
    }

    @Test(arguments: ExpertModel.allCases) func weightsInPiecesGiveTheSameBits(kind: ExpertModel) throws {
        let reference = TestDevices.reference
        let whole = try logits(try kind.load(on: reference), on: reference, pieces: [12, 1])
        for maximumTexels in [1100, 2500] {
            let device = SmallViewDevice(maximumTexels: maximumTexels)
            let pieces = try logits(try kind.load(on: device), on: device, pieces: [12, 1])
            #expect(bits(whole) == bits(pieces), "\(maximumTexels) texels")
        }
    }

    @Test func aMissingExpertIsNamed() throws {
        for (kind, name) in [
            (ExpertModel.mixtral, "model.layers.1.block_sparse_moe.experts.5.w3.weight"),
            (.qwen2, "model.layers.2.mlp.experts.6.down_proj.weight"),
            (.deepSeekV3, "model.layers.1.mlp.gate.e_score_correction_bias"),
            (.deepSeekV2, "model.layers.2.mlp.shared_experts.up_proj.weight"),
            (.deepSeekV3, "model.layers.0.self_attn.kv_b_proj.weight"),
        ] {
            let error = #expect(throws: FormatError.self) {
                _ = try kind.load(on: TestDevices.reference, missing: [name])
            }
            #expect(error?.description == "random weights: \(name): no such tensor")
        }
    }

    @Test(arguments: ExpertModel.allCases) func activeParametersAreThoseOfTheChosenExperts(kind: ExpertModel) throws {
        let model = try kind.load(on: TestDevices.reference)
        let experts = try #require(model.experts)
        // Three matrices of 32 inputs or outputs.
        let unchosen = experts.layers.count * (experts.count - experts.chosenCount) * 3 * 32 * experts.width
        #expect(model.parameterCount - model.activeParameterCount == unchosen && unchosen > 0)
        let shared = 3 * 32 * experts.sharedWidth + (experts.hasSharedGate ? 32 : 0)
        let routed = 3 * 32 * experts.width * experts.count + 32 * experts.count
        let inLayer = routed + shared + (experts.hasChoiceBias ? experts.count : 0)
        let dense = 3 * 32 * 44 * (3 - experts.layers.count)
        let attention: Int =
            switch kind {
            case .mixtral: 32 * 32 * 2 + 32 * 16 * 2
            case .qwen2: 32 * 32 * 4 + 32 * 3
            case .deepSeekV2: 32 * 4 * 20 + 32 * (24 + 8) + 24 + 24 * 4 * 28 + 4 * 16 * 32
            case .deepSeekV3:
                (32 * 20 + 20) + 20 + 20 * 4 * 28 + (32 + 1) * (260 + 12) + 260 + 260 * 4 * 24 + (4 * 8 * 32 + 32)
            }
        let count = 2 * 60 * 32 + 32 + 3 * (attention + 2 * 32) + dense + experts.layers.count * inLayer
        #expect(model.parameterCount == count)
    }

    @Test func draftsAreRefusedWhereExpertsHaveACapacity() throws {
        let device = TestDevices.reference
        let model = try ExpertModel.mixtral.load(on: device, capacity: 2)
        let decoder = try Decoder(
            device: device, target: model,
            configuration: .init(draft: .promptLookup(maximumLength: 2), contextLength: 40))
        #expect(throws: GenerationError.draftsWithExpertCapacity(2)) {
            _ = try decoder.generate(prompt: [1, 2, 3], options: .init())
        }
        let plain = try Decoder(device: device, target: model, configuration: .init(contextLength: 40))
        #expect(try plain.generate(prompt: [1, 2, 3], options: .init(maximumNewTokens: 3)).tokens.count == 3)
    }
}
