import Foundation
import Testing
import VkdynCore
import VkdynKernels
import VkdynModels
import VkdynSchedule
import VkdynTechniques
import VkdynVulkan

/// Models against transformers: logits within 1e-4 of the largest, greedy tokens equal.
@Suite(.serialized) struct TransformersTests {
    /// Logits of every position of a prompt, [tokens, vocabulary].
    private func logits(
        _ model: any DecoderModel, _ tokens: [Int], on device: any Device
    ) throws -> [Float] {
        let count = tokens.count
        let cache = try model.makeCache(device: device, capacity: count, label: "test")
        let state = try device.makeBuffer(
            .structure(SequenceState(length: UInt32(count))), placement: .shared, label: "sequence")
        let tokenBuffer = try device.makeBuffer(.words(tokens.map(UInt32.init)), label: "tokens")
        let result = try device.makeBuffer(
            .f32, count: count * model.vocabularySize, placement: .device, label: "logits")
        var recording = Recording()
        let pass = DecoderPass(
            rows: Counted(
                buffer: recording.transient(.u32, count: 3, "rows"), capacity: count, isIndirect: false),
            tokens: recording.transient(.u32, count: count, "row_tokens"),
            positions: recording.transient(.u32, count: count, "positions"))
        recording.dispatch(
            BeginPass.self, "begin",
            .init(
                sequence: state, tokens: tokenBuffer, rows: pass.rows.buffer, rowTokens: pass.tokens,
                positions: pass.positions),
            .init(rowCapacity: UInt32(count), model: 0, holdBack: 0, skipWhenStopped: 0))
        let hidden = model.recordHidden(into: &recording, pass: pass, cache: cache)
        model.recordLogits(into: &recording, hidden: hidden, rows: pass.rows, logits: result)
        let plan = try Plan(recording, label: "logits", traits: device.traits)
        #expect(PlanChecker.violations(of: plan) == [])
        try device.prepare(plan).run()
        return try device.read(Float.self, from: result, count: count * model.vocabularySize)
    }

    private func expectClose(_ found: [Float], _ expected: [Float], largest: Float) {
        #expect(found.count == expected.count)
        let worst = zip(found, expected).map { abs($0 - $1) }.max() ?? 0
        #expect(worst <= 1e-4 * largest, "largest difference \(worst) of largest logit \(largest)")
    }

    @Test(arguments: ModelFixture.names, TestDevices.Choice.allCases)
    func logitsEqualTransformers(name: String, device choice: TestDevices.Choice) throws {
        let fixture = try ModelFixture.load(name)
        let device = try TestDevices.device(choice)
        let model = try ModelFolder(ModelFixture.path(name)).load(on: device)
        for prompt in fixture.prompts {
            expectClose(
                try logits(model, prompt.tokens, on: device), try ModelFixture.floats(prompt.logits),
                largest: prompt.largestLogit)
        }
    }

    @Test(arguments: ModelFixture.names)
    func theDeviceAndTheTwinsGiveTheSameBits(name: String) throws {
        let fixture = try ModelFixture.load(name)
        var bits: [[UInt32]] = []
        for choice in TestDevices.Choice.allCases {
            let device = try TestDevices.device(choice)
            let model = try ModelFolder(ModelFixture.path(name)).load(on: device)
            bits.append(try logits(model, fixture.prompts[1].tokens, on: device).map(\.bitPattern))
        }
        #expect(bits[0] == bits[1])
    }

    @Test(arguments: ModelFixture.names)
    func greedyTokensEqualTransformersOver128Steps(name: String) throws {
        let fixture = try ModelFixture.load(name)
        let device = try TestDevices.vulkan()
        let model = try ModelFolder(ModelFixture.path(name)).load(on: device)
        let decoder = try Decoder(
            device: device, target: model,
            configuration: .init(contextLength: min(model.contextLength, 168), prefillLength: 16))
        for prompt in fixture.prompts {
            let generation = try decoder.generate(
                prompt: prompt.tokens, options: .init(maximumNewTokens: prompt.greedy.count))
            #expect(generation.tokens == prompt.greedy)
            expectClose(
                generation.finalLogits, try ModelFixture.floats(prompt.finalLogits), largest: prompt.largestLogit)
        }
        #expect(ValidationMessages.all == [])
    }

    @Test(arguments: ModelFixture.names)
    func publishedConfigurationsMeanTheSame(name: String) throws {
        let copy = try ModelFixture.publishedCopy(name)
        defer { try? FileManager.default.removeItem(atPath: copy) }
        let device = TestDevices.reference
        let tokens = try ModelFixture.load(name).prompts[1].tokens
        let one = try logits(try ModelFolder(ModelFixture.path(name)).load(on: device), tokens, on: device)
        let other = try logits(try ModelFolder(copy).load(on: device), tokens, on: device)
        #expect(one.map(\.bitPattern) == other.map(\.bitPattern))
    }
}
