import Foundation
import Testing
import VkdynCore
import VkdynReference
import VkdynSchedule
import VkdynVulkan

@testable import VkdynFormats
@testable import VkdynModels
@testable import VkdynTechniques

/// Switch Transformers: an encoder whose experts have a capacity, and a decoder that reads what it made.
@Suite(.serialized) struct SwitchTests {
    private func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

    private func generate(
        _ model: SwitchTransformer, on device: any Device, _ prompt: [Int], tokens: Int = 24, context: Int = 110,
        draft: DraftSource? = nil, all: Bool = false
    ) throws -> Generation {
        try Decoder(
            device: device, target: model,
            configuration: .init(draft: draft, contextLength: context, computesAllExperts: all)
        ).generate(prompt: prompt, options: .init(maximumNewTokens: tokens))
    }

    /// Logits of a text, [tokens, vocabulary], in passes of so many rows.
    private func logits(
        _ model: SwitchTransformer, on device: any Device, prompt: [Int], text: [Int], pieces: [Int]? = nil,
        spare: Int = 0, capacity: Int = 110
    ) throws -> [Float] {
        let run = try SequenceRun(model, on: device, capacity: capacity)
        try run.encode(prompt)
        var result: [Float] = []
        for piece in pieces ?? [Int](repeating: 1, count: text.count) {
            result += try run.logits(Array(text[run.position..<run.position + piece]), spare: spare)
        }
        return result
    }

    // MARK: Against transformers

    @Test(arguments: TestDevices.Choice.allCases)
    func logitsTokensExpertsAndOverflowEqualTransformers(choice: TestDevices.Choice) throws {
        let device = try TestDevices.device(choice)
        let fixture = try SwitchFixture.load()
        let model = try SwitchFixture.model(on: device)
        let experts = try #require(model.experts)
        #expect(experts.encoderLayers == [1] && experts.layers == [1])
        #expect(experts.count == fixture.expertCount && experts.capacity == fixture.expertCapacity)
        for prompt in fixture.prompts {
            let text = [SwitchFixture.startToken] + prompt.greedy.dropLast()
            let found = try logits(model, on: device, prompt: prompt.tokens, text: text)
            let expected = try ModelFixture.floats(prompt.logits)
            #expect(found.count == expected.count && found.count == 64 * fixture.vocabularySize)
            let worst = zip(found, expected).map { abs($0 - $1) }.max() ?? 0
            #expect(worst <= 1e-4 * prompt.largestLogit, "\(worst) of \(prompt.largestLogit)")

            let generation = try generate(model, on: device, prompt.tokens, tokens: prompt.greedy.count)
            #expect(generation.tokens == prompt.greedy && prompt.greedy.count == 64)
            #expect(bits(generation.finalLogits) == bits(found.suffix(fixture.vocabularySize)))
            let trace = try #require(generation.experts)
            let encoded = prompt.tokens.count
            #expect(trace.positionCount == encoded + prompt.decoderExperts.count)
            for position in 0..<trace.positionCount {
                let encoder = trace.experts(position: position, layer: 0)
                let decoder = trace.experts(position: position, layer: 1)
                let isEncoded = position < encoded
                #expect(Array(encoder) == [isEncoded ? prompt.encoderExperts[position] : .max])
                #expect(Array(decoder) == [isEncoded ? .max : prompt.decoderExperts[position - encoded]])
            }
            // The first of an expert's tokens fit.
            var taken: [UInt32: Int] = [:]
            let dropped = prompt.encoderExperts.indices.filter {
                taken[prompt.encoderExperts[$0], default: 0] += 1
                return taken[prompt.encoderExperts[$0], default: 0] > fixture.expertCapacity
            }
            #expect(dropped == prompt.encoderDropped && prompt.decoderDropped == [])
            #expect(trace.prompt[0].rows == encoded && trace.prompt[0].assignments == encoded - dropped.count)
            #expect(trace.rounds[1].rows == 64 && trace.rounds[1].assignments == 64)
            #expect(trace.prompt[1] == LayerTally() && trace.rounds[0] == LayerTally())
        }
        #expect(fixture.prompts.contains { !$0.encoderDropped.isEmpty })
        #expect(ValidationMessages.all == [])
    }

    @Test func publishedConfigurationsMeanTheSame() throws {
        let copy = try ModelFixture.publishedCopy("experts-switch")
        defer { try? FileManager.default.removeItem(atPath: copy) }
        let one = try SwitchTransformer.Configuration(ModelFolder(ModelFixture.path("experts-switch")).config.root)
        #expect(try SwitchTransformer.Configuration(ModelFolder(copy).config.root) == one)
        #expect(one.startToken == 0 && one.tiesEmbeddings && one.experts?.layerCount == 2)
    }

    // MARK: Bits

    @Test(arguments: [nil, ElementType.f16, .i8])
    func theDeviceAndTheTwinsGiveTheSameBits(weights: ElementType?) throws {
        let prompt = try SwitchFixture.load().prompts[1]
        var found: [[UInt32]] = []
        for choice in TestDevices.Choice.allCases {
            let device = try TestDevices.device(choice)
            let model = try SwitchFixture.model(on: device, weights: weights)
            found.append(
                bits(try logits(model, on: device, prompt: prompt.tokens, text: [0] + prompt.greedy.prefix(7))))
        }
        #expect(found[0] == found[1] && found[0].allSatisfy { Float(bitPattern: $0).isFinite })
    }

    @Test func lockstepFindsNoDifferentBit() throws {
        let device = LockstepDevice(try TestDevices.vulkan())
        let model = try SwitchFixture.model(on: device)
        let decoder = try Decoder(device: device, target: model, configuration: .init(contextLength: 80))
        _ = try decoder.generate(
            prompt: try SwitchFixture.load().prompts[1].tokens, options: .init(maximumNewTokens: 10))
        #expect(device.report.dispatches > 300 && device.report.values > 100_000)
        #expect(decoder.plans.map(\.label).sorted() == ["encoder", "round0"])
        for plan in decoder.plans { #expect(PlanChecker.violations(of: plan) == []) }
    }

    /// Neither what was read before, nor what is read meanwhile, nor the room that there is.
    @Test(arguments: TestDevices.Choice.allCases)
    func noOtherSequenceChangesABit(choice: TestDevices.Choice) throws {
        let device = try TestDevices.device(choice)
        let (short, long) = (try SwitchFixture.load().prompts[0], try SwitchFixture.load().prompts[1])
        let model = try SwitchFixture.model(on: device)
        let texts = [short, long].map { [0] + $0.greedy.prefix(9) }
        let alone = try zip([short, long], texts).map {
            bits(try logits(model, on: device, prompt: $0.tokens, text: $1, capacity: 60))
        }
        #expect(alone[0] != alone[1])
        let runs = try (0..<2).map { _ in try SequenceRun(model, on: device, capacity: 130) }
        try runs[0].encode(short.tokens)
        try runs[1].encode(long.tokens)
        var meanwhile: [[UInt32]] = [[], []]
        for step in texts[0].indices {
            for (index, run) in runs.enumerated() { meanwhile[index] += bits(try run.logits([texts[index][step]])) }
        }
        #expect(meanwhile == alone)
        let decoder = try Decoder(device: device, target: model, configuration: .init(contextLength: 90))
        func last(_ prompt: [Int]) throws -> [UInt32] {
            bits(try decoder.generate(prompt: prompt, options: .init(maximumNewTokens: 10)).finalLogits)
        }
        let first = try last(short.tokens)
        _ = try last(long.tokens)
        #expect(try last(short.tokens) == first)
        #expect(first == Array(alone[0].suffix(model.vocabularySize)))
    }

    /// Without a capacity, which counts a pass's rows.
    @Test func aTokensBitsDoNotDependOnTheRowsOfItsPass() throws {
        for choice in TestDevices.Choice.allCases {
            let device = try TestDevices.device(choice)
            let model = try SwitchFixture.model(on: device, capacity: .unlimited)
            let prompt = try SwitchFixture.load().prompts[1]
            let text = [0] + prompt.greedy.prefix(18)
            let alone = bits(try logits(model, on: device, prompt: prompt.tokens, text: text))
            for (pieces, spare) in [([19], 0), ([19], 6), ([3, 8, 1, 7], 0), ([18, 1], 2)] {
                let found = bits(
                    try logits(model, on: device, prompt: prompt.tokens, text: text, pieces: pieces, spare: spare))
                #expect(found == alone, "\(choice): pieces \(pieces), \(spare) rows to spare")
            }
        }
    }

    @Test func computingAllExpertsGivesTheSameBits() throws {
        let device = try TestDevices.vulkan()
        let prompt = try SwitchFixture.load().prompts[1].tokens
        for capacity in [nil, ExpertCapacity.unlimited, .factor(0.1)] {
            let model = try SwitchFixture.model(on: device, capacity: capacity)
            let some = try generate(model, on: device, prompt)
            let all = try generate(model, on: device, prompt, all: true)
            #expect(some.tokens == all.tokens && bits(some.finalLogits) == bits(all.finalLogits))
            #expect(some.experts?.choices == all.experts?.choices)
            #expect(try #require(all.experts).rounds[1].touchedExperts == 24 * 4)
            #expect(try #require(some.experts).rounds[1].touchedExperts == 24)
        }
    }

    @Test func aRoundIsOneSubmitAndOneReadback() throws {
        let device = try TestDevices.unshared()
        let model = try SwitchFixture.model(on: device)
        for all in [false, true] {
            let telemetry = try generate(
                model, on: device, try SwitchFixture.load().prompts[0].tokens, all: all).telemetry
            #expect(telemetry.rounds == 24 && telemetry.submits == 24 && telemetry.readbacks == 24)
        }
    }

    @Test func weightsInPiecesGiveTheSameBits() throws {
        let (reference, small) = (TestDevices.reference, SmallViewDevice(maximumTexels: 700))
        let prompt = try SwitchFixture.load().prompts[1]
        let whole = try logits(
            try SwitchFixture.model(on: reference), on: reference, prompt: prompt.tokens, text: [0, 5, 9])
        let pieces = try logits(try SwitchFixture.model(on: small), on: small, prompt: prompt.tokens, text: [0, 5, 9])
        #expect(bits(whole) == bits(pieces))
    }

    // MARK: Drafts

    @Test func draftsAreRefusedUnlessNoTokenIsLeftOut() throws {
        let device = try TestDevices.vulkan()
        let prompt = try SwitchFixture.load().prompts[0].tokens
        for capacity in [nil, ExpertCapacity.factor(2)] {
            let model = try SwitchFixture.model(on: device, capacity: capacity)
            #expect(throws: GenerationError.draftsWithExpertCapacity(11)) {
                _ = try generate(model, on: device, prompt, draft: .promptLookup(maximumLength: 2))
            }
        }
        let model = try SwitchFixture.model(on: device, capacity: .unlimited)
        let plain = try generate(model, on: device, prompt, tokens: 50)
        let fast = try generate(model, on: device, prompt, tokens: 50, draft: .promptLookup(maximumLength: 2))
        #expect(plain.tokens == fast.tokens && bits(plain.finalLogits) == bits(fast.finalLogits))
        #expect(plain.experts?.choices == fast.experts?.choices)
        #expect(fast.telemetry.acceptedTokens > 0)
    }

    @Test func costsOfDraftsAreMeasuredAfterAnEncodedPrompt() throws {
        let device = TestDevices.reference
        let model = try SwitchFixture.model(on: device, capacity: .unlimited)
        let costs = try SpeculationCosts.measure(
            device: device, target: model, draft: .promptLookup(maximumLength: 2), tokens: [3, 4, 5],
            budgetSeconds: 0.01)
        #expect(costs.verifySeconds.count == 17 && costs.verifySeconds.allSatisfy { $0 > 0 })
    }

    // MARK: Capacity

    private static let encoderRouter = "encoder.block.1.layer.1.mlp.router.classifier.weight"
    private static let decoderRouter = "decoder.block.1.layer.2.mlp.router.classifier.weight"

    private func routers(_ value: Float) -> [String: [Float]?] {
        let weights = [Float](repeating: value, count: 4 * 32)
        return [Self.encoderRouter: weights, Self.decoderRouter: weights]
    }

    @Test func allTokensMayGoToOneExpert() throws {
        let prompt = try SwitchFixture.load().prompts[1].tokens
        for choice in TestDevices.Choice.allCases {
            let device = try TestDevices.device(choice)
            // Equal scores: the lowest expert.
            let model = try SwitchFixture.model(on: device, tensors: routers(0))
            let trace = try #require(try generate(model, on: device, prompt, tokens: 6).experts)
            #expect(trace.choices.allSatisfy { $0 == 0 || $0 == .max })
            #expect(trace.prompt[0] == LayerTally(passes: 1, rows: 37, assignments: 11, touchedExperts: 1))
            #expect(trace.rounds[1] == LayerTally(passes: 6, rows: 6, assignments: 6, touchedExperts: 6))
        }
    }

    /// Weights so large that every score overflows.
    @Test func aRouterThatGivesNaNChoosesTheFirstExpertAndEnds() throws {
        let prompt = try SwitchFixture.load().prompts[0].tokens
        var found: [[Int]] = []
        for choice in TestDevices.Choice.allCases {
            let device = try TestDevices.device(choice)
            let model = try SwitchFixture.model(on: device, tensors: routers(3e38))
            let generation = try generate(model, on: device, prompt, tokens: 5)
            #expect(generation.finalLogits.allSatisfy { $0.isNaN })
            #expect(try #require(generation.experts).choices.allSatisfy { $0 == 0 || $0 == .max })
            found.append(generation.tokens)
        }
        // Nothing is larger than anything: the first token.
        #expect(found == [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    }

    /// ⌊37 / 4 · factor⌋, at least one, and of the five tokens of the short prompt another number.
    @Test(arguments: [(0.01, 1, 1), (0.5, 4, 1), (1.25, 11, 1), (100, 925, 125)])
    func aFactorGivesEveryPromptItsOwnCapacity(factor: Double, long: Int, short: Int) throws {
        let device = TestDevices.reference
        let model = try SwitchFixture.model(on: device, capacity: .factor(factor))
        let decoder = try Decoder(device: device, target: model, configuration: .init(contextLength: 60))
        for (prompt, rows) in zip(try SwitchFixture.load().prompts, [short, long]) {
            #expect(model.expertCapacity(ofPrompt: prompt.tokens.count) == rows)
            let found = try decoder.generate(prompt: prompt.tokens, options: .init(maximumNewTokens: 3))
            let fixed = try generate(
                try SwitchFixture.model(on: device, capacity: .rows(rows)), on: device, prompt.tokens, tokens: 3)
            #expect(bits(found.finalLogits) == bits(fixed.finalLogits))
            let tally = try #require(found.experts).prompt[0]
            #expect(tally.rows - tally.assignments == overflow(prompt.encoderExperts, capacity: rows))
        }
    }

    private func overflow(_ experts: [UInt32], capacity: Int) -> Int {
        Dictionary(grouping: experts) { $0 }.values.reduce(0) { $0 + max(0, $1.count - capacity) }
    }

    @Test func aRoutersBiasChoosesToo() throws {
        let device = TestDevices.reference
        var tensors = routers(0)
        for name in [Self.encoderRouter, Self.decoderRouter] {
            tensors[name.replacingOccurrences(of: ".weight", with: ".bias")] = [0, -1, 0.5, 0]
        }
        let model = try SwitchFixture.model(on: device, tensors: tensors) { $0.experts?.hasRouterBias = true }
        let trace = try #require(
            try generate(model, on: device, try SwitchFixture.load().prompts[0].tokens, tokens: 3).experts)
        #expect(trace.choices.allSatisfy { $0 == 2 || $0 == .max } && trace.choices.contains(2))
    }

    /// The token table as a head of its own gives logits that are √32 times as large.
    @Test func onlyATiedHeadIsScaled() throws {
        let device = TestDevices.reference
        let prompt = try SwitchFixture.load().prompts[0]
        let text = [0] + prompt.greedy.prefix(3)
        let table = try ModelFolder(ModelFixture.path("experts-switch")).checkpoint
            .tensor("shared.weight", shape: [64, 32]).floats()
        let tied = try logits(try SwitchFixture.model(on: device), on: device, prompt: prompt.tokens, text: text)
        let own = try logits(
            try SwitchFixture.model(on: device, tensors: ["lm_head.weight": table]) { $0.tiesEmbeddings = false },
            on: device, prompt: prompt.tokens, text: text)
        let largest = own.map(abs).max() ?? 0
        let worst = zip(tied, own).map { abs($0 * Float(32).squareRoot() - $1) }.max() ?? 0
        #expect(worst <= 1e-5 * largest && largest > 1, "\(worst) of \(largest)")
    }

    // MARK: What is wrong

    @Test func aMissingTensorIsNamed() throws {
        for name in [
            "encoder.block.1.layer.1.mlp.experts.expert_3.wi.weight", Self.decoderRouter,
            "decoder.block.1.layer.2.mlp.experts.expert_0.wo.weight",
            "decoder.block.0.layer.1.EncDecAttention.k.weight",
            "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
        ] {
            let error = #expect(throws: FormatError.self) {
                _ = try SwitchFixture.model(on: TestDevices.reference, tensors: [name: nil])
            }
            #expect(error?.description == "changed weights: \(name): no such tensor")
        }
    }

    @Test(arguments: [
        (#""expert_capacity": 0"#, "expert_capacity: expected a positive integer"),
        (#""num_experts": 0"#, "num_experts: expected a positive integer"),
        (#""num_experts": 4096"#, "num_experts: 4096 experts in 1 groups"),
        (#""router_dtype": "bfloat16""#, "router_dtype: expected"),
        (#""is_gated_act": true"#, "is_gated_act: is true"),
        (#""dense_act_fn": "gated-gelu""#, #"dense_act_fn: "gated-gelu" is not an activation"#),
        (#""d_kv": 6"#, "d_model: head sizes of 4 to 256"), (#""d_ff": 42"#, "d_model: head sizes of 4 to 256"),
        (#""relative_attention_num_buckets": 2"#, "relative_attention_num_buckets: expected at least 4"),
        (#""relative_attention_max_distance": 8"#, "relative_attention_num_buckets: expected at least 4"),
        (#""decoder_start_token_id": 64"#, "decoder_start_token_id: expected"),
    ]) func aWrongFieldIsNamed(field: String, message: String) throws {
        let name = try #require(field.split(separator: "\"").first)
        let text = try String(contentsOfFile: ModelFixture.path("experts-switch") + "/config.json", encoding: .utf8)
        let kept = text.split(separator: "\n").filter { !$0.contains("\"\(name)\"") }.dropFirst()
        let error = #expect(throws: FormatError.self) {
            _ = try SwitchTransformer.Configuration(
                ConfigFile(path: "config.json", text: "{\(field),\n" + kept.joined(separator: "\n")).root)
        }
        #expect(error?.description.hasPrefix("config.json: " + message) == true, "\(error?.description ?? "")")
    }

    @Test func sparseLayersAreThoseOfTransformers() throws {
        func layers(_ fields: String) throws -> [[Int]] {
            let experts = try ExpertConfiguration(
                ConfigFile(
                    path: "config.json",
                    text: """
                        {"model_type": "switch_transformers", "d_ff": 8, "num_experts": 4, "num_layers": 12, \(fields)}
                        """
                ).root)
            return [experts?.encoderLayers ?? [], experts?.layers ?? []]
        }
        #expect(try layers(#""num_sparse_encoder_layers": 6, "num_sparse_decoder_layers": 3"#)
            == [[1, 3, 5, 7, 9, 11], [1, 5, 9]])
        #expect(try layers(#""num_decoder_layers": 4, "num_sparse_decoder_layers": 4"#) == [[1, 5, 9], [0, 1, 2, 3]])
        #expect(try layers(#""encoder_sparse_step": 2, "decoder_sparse_step": 0"#) == [[1, 3, 5, 7, 9, 11], []])
    }

    @Test func activeParametersAreThoseOfTheChosenExpert() throws {
        let model = try SwitchFixture.model(on: TestDevices.reference)
        let expert = 2 * 32 * 44
        #expect(model.parameterCount - model.activeParameterCount == 2 * 3 * expert)
        // Table; four attentions and two of cross; biases; norms; a dense layer each, four experts each and routers.
        let attention = 6 * 4 * 32 * 32 + 2 * 16 * 4
        let norms = (2 * 2 + 1 + 2 * 3 + 1) * 32
        #expect(model.parameterCount == 64 * 32 + attention + norms + 2 * 5 * expert + 2 * 4 * 32)
    }

    // MARK: Relative positions

    /// The edges of buckets in whole numbers: a distance is in bucket exact + m from where
    /// (distance / exact)^(count − exact) reaches (maximum / exact)^m.
    private func bucket(_ distance: Int, _ positions: RelativePositions) -> Int {
        let count = positions.isBidirectional ? positions.bucketCount / 2 : positions.bucketCount
        let first = positions.isBidirectional && distance > 0 ? count : 0
        let steps = positions.isBidirectional ? abs(distance) : max(-distance, 0)
        let exact = count / 2
        if steps < exact { return first + steps }
        let logarithmic = count - exact
        // Products of up to 16 factors overflow a word: whole numbers in Double, exact up to 2⁵³, else far from equal.
        func power(_ base: Int, _ exponent: Int) -> Double {
            (0..<exponent).reduce(1) { product, _ in product * Double(base) }
        }
        var step = 0
        while step < logarithmic - 1,
            power(steps, logarithmic) * power(exact, step + 1)
                >= power(positions.maximumDistance, step + 1) * power(exact, logarithmic) * (1 - 1e-12)
        { step += 1 }
        return first + exact + step
    }

    @Test(arguments: [(32, 128), (16, 32), (32, 256), (8, 20), (64, 512), (32, 100), (4, 8), (16, 64)])
    func bucketsAreThoseOfWholeNumbers(count: Int, maximum: Int) {
        for isBidirectional in [true, false] {
            let positions = RelativePositions(
                bucketCount: count, maximumDistance: maximum, isBidirectional: isBidirectional)
            for distance in -2000...2000 {
                #expect(positions.bucket(distance) == bucket(distance, positions), "\(distance) of \(positions)")
            }
            #expect(Set((-2000...2000).map(positions.bucket)).count == count - (isBidirectional ? 1 : 0))
        }
    }

    @Test func theTableHoldsEveryDistanceWhereAttentionLooks() {
        for isBidirectional in [true, false] {
            let positions = RelativePositions(bucketCount: 8, maximumDistance: 20, isBidirectional: isBidirectional)
            let weights = (0..<8 * 3).map(Float.init)
            let length = 40
            let table = positions.table(weights, heads: 3, length: length)
            let layout = positions.layout(length: length)
            for (head, query, key) in [(0, 0, 0), (1, 39, 0), (2, 39, 39), (2, 17, 12), (0, 20, 19)]
                + (isBidirectional ? [(2, 0, 39), (1, 12, 17)] : [])
            {
                let index = layout.offset + head * layout.headStride
                    + query * (layout.rowStride + layout.positionStride) + key * layout.keyStride
                #expect(table[index] == weights[positions.bucket(key - query) * 3 + head])
            }
        }
    }
}
