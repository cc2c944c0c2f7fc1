import Foundation
import VkdynCore
import VkdynSchedule

@testable import VkdynFormats
@testable import VkdynModels

/// The small Switch Transformer, and what transformers computed with it; the fixtures' README states the format.
struct SwitchFixture: Decodable {
    struct Prompt: Decodable {
        let tokens: [Int]
        let greedy: [Int]
        /// [64, vocabulary], base64 of little-endian f32.
        let logits: String
        let largestLogit: Float
        let encoderExperts: [UInt32]
        let decoderExperts: [UInt32]
        let encoderDropped: [Int]
        let decoderDropped: [Int]
    }

    let vocabularySize: Int
    let expertCount: Int
    let expertCapacity: Int
    let prompts: [Prompt]

    static let startToken = 0

    static func load() throws -> SwitchFixture {
        let data = try Data(contentsOf: URL(fileURLWithPath: ModelFixture.path("experts-switch") + "/expected.json"))
        return try JSONDecoder().decode(SwitchFixture.self, from: data)
    }

    /// - Parameters:
    ///   - change: what the configuration is to be beside the file's.
    ///   - tensors: values in place of the checkpoint's, or nil for a tensor that is to be missing.
    static func model(
        on device: any Device, weights: ElementType? = nil, capacity: ExpertCapacity? = nil, contextLimit: Int? = nil,
        tensors: [String: [Float]?] = [:],
        change: (inout SwitchTransformer.Configuration) -> Void = { _ in }
    ) throws -> SwitchTransformer {
        let folder = try ModelFolder(ModelFixture.path("experts-switch"))
        var configuration = try SwitchTransformer.Configuration(folder.config.root)
        if let capacity { configuration.experts?.limit(capacity) }
        change(&configuration)
        return try SwitchTransformer(
            configuration: configuration,
            loader: WeightLoader(
                checkpoint: ChangedWeights(base: folder.checkpoint, tensors: tensors), device: device,
                weightType: weights), contextLimit: contextLimit)
    }
}

/// A checkpoint of which some tensors hold other values, or are missing.
private struct ChangedWeights: WeightSource {
    let base: SafetensorsCheckpoint
    let tensors: [String: [Float]?]
    var byteCount: Int { base.byteCount }

    func contains(_ name: String) -> Bool { tensors[name].map { $0 != nil } ?? base.contains(name) }

    func tensor(_ name: String, shape: [Int], types: [ElementType]) throws(FormatError) -> TensorView {
        guard let change = tensors[name] else { return try base.tensor(name, shape: shape, types: types) }
        guard let values = change else {
            throw FormatError(file: "changed weights", field: name, problem: "no such tensor")
        }
        precondition(values.count == shape.reduce(1, *), "values of another shape")
        let file = try MappedFile(named: "changed weights", byteCount: values.count * 4) { bytes in
            bytes.bindMemory(to: Float.self).update(fromContentsOf: values)
        }
        return TensorView(name: name, elementType: .f32, shape: shape, file: file, range: 0..<values.count * 4)
    }
}

extension SequenceRun {
    /// Reads a prompt with the model's encoder, as a decoder would.
    func encode(_ prompt: [Int]) throws {
        guard let encoder = model.encoder, let place = cache.prompt else { return }
        try place.write(prompt, on: device)
        var recording = Recording()
        encoder.recordPrompt(
            into: &recording, cache: cache, expertCapacity: encoder.expertCapacity(ofPrompt: prompt.count))
        let plan = try Plan(recording, label: "encoder", traits: device.traits)
        let violations = PlanChecker.violations(of: plan)
        guard violations.isEmpty else { throw BrokenPlan(violations: violations) }
        try device.prepare(plan).run()
    }
}
