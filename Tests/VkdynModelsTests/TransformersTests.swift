import Foundation
import Testing
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
        try SequenceRun(model, on: device, capacity: tokens.count).logits(tokens)
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
        let model = try ModelFixture.model(name, on: device)
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
            let model = try ModelFixture.model(name, on: device)
            bits.append(try logits(model, fixture.prompts[1].tokens, on: device).map(\.bitPattern))
        }
        #expect(bits[0] == bits[1])
    }

    /// In a pass over the prompt, and at every step of the continuation.
    @Test(arguments: ModelFixture.expertNames, TestDevices.Choice.allCases)
    func everyTokenHasTheExpertsOfTransformers(name: String, device choice: TestDevices.Choice) throws {
        let fixture = try ModelFixture.load(name)
        let device = try TestDevices.device(choice)
        let model = try ModelFixture.model(name, on: device)
        #expect(model.experts?.layers == fixture.expertLayers)
        let decoder = try Decoder(
            device: device, target: model,
            configuration: .init(contextLength: min(model.contextLength, 168), prefillLength: 16))
        for prompt in fixture.prompts {
            let expected = try #require(prompt.experts)
            let run = try SequenceRun(model, on: device, capacity: prompt.tokens.count)
            _ = try run.logits(prompt.tokens)
            let generation = try decoder.generate(
                prompt: prompt.tokens, options: .init(maximumNewTokens: prompt.greedy.count))
            let pass = try #require(try run.experts())
            let steps = try #require(generation.experts)
            #expect(pass.positionCount == prompt.tokens.count && steps.positionCount == expected.count)
            for (position, layers) in expected.enumerated() {
                for (layer, experts) in layers.enumerated() {
                    #expect(Array(steps.experts(position: position, layer: layer)) == experts)
                    if position < prompt.tokens.count {
                        #expect(Array(pass.experts(position: position, layer: layer)) == experts)
                    }
                }
            }
        }
        #expect(ValidationMessages.all == [])
    }

    @Test(arguments: ModelFixture.names)
    func greedyTokensEqualTransformers(name: String) throws {
        let fixture = try ModelFixture.load(name)
        let device = try TestDevices.vulkan()
        let model = try ModelFixture.model(name, on: device)
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
        let one = try logits(try ModelFixture.model(name, on: device), tokens, on: device)
        let other = try logits(try ModelFixture.model(name, on: device, path: copy), tokens, on: device)
        #expect(one.map(\.bitPattern) == other.map(\.bitPattern))
    }
}
