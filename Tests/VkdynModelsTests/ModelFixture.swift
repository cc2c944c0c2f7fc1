import Foundation
import Testing
import VkdynFormats
import VkdynModels
import VkdynSchedule

/// A small checkpoint and what transformers computed with it.
struct ModelFixture: Decodable {
    struct Prompt: Decodable {
        let tokens: [Int]
        /// [tokens, vocabulary], base64 of little-endian f32.
        let logits: String
        let largestLogit: Float
        let greedy: [Int]
        let finalLogits: String
        /// Of prompt and continuation but the last token, [tokens, expert layers, k], in descending score.
        let experts: [[[UInt32]]]?
    }

    struct Speculation: Decodable {
        struct Run: Decodable {
            let draftTokens: Int
            let rounds: Int
            let draftedTokens: Int
            let acceptedTokens: Int
        }

        struct Prompt: Decodable {
            let runs: [Run]
        }

        let draft: String
        let newTokens: Int
        let prompts: [Prompt]
    }

    let vocabularySize: Int
    let prompts: [Prompt]
    let speculation: Speculation?
    /// The layers that have experts.
    let expertLayers: [Int]?

    static let names = ["opt-pre", "opt-post", "llama-gqa", "llama-tied-f16", "mistral-window", "qwen2"] + expertNames
    static let expertNames = [
        "experts-mixtral", "experts-qwen2-moe", "experts-qwen2-moe-normalised", "experts-deepseek-v2",
        "experts-deepseek-v3", "experts-deepseek-v3-fp8",
    ]

    /// The model as the fixture was computed: fp8 widened, where a folder has it.
    static func model(_ name: String, on device: any Device, path: String? = nil) throws -> any DecoderModel {
        try ModelFolder(path ?? self.path(name)).load(on: device, weightType: name.hasSuffix("fp8") ? .f32 : nil)
    }

    static func path(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)").path
    }

    static func load(_ name: String) throws -> ModelFixture {
        let data = try Data(contentsOf: URL(fileURLWithPath: path(name) + "/expected.json"))
        return try JSONDecoder().decode(ModelFixture.self, from: data)
    }

    static func floats(_ base64: String) throws -> [Float] {
        let data = try #require(Data(base64Encoded: base64))
        return data.withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
        }
    }

    /// A copy of the folder with the configuration as its publisher spells it.
    static func publishedCopy(_ name: String) throws -> String {
        let files = FileManager.default
        let copy = files.temporaryDirectory.appendingPathComponent("vkdyn-\(name)-\(UUID().uuidString)")
        try files.copyItem(at: URL(fileURLWithPath: path(name)), to: copy)
        let config = copy.appendingPathComponent("config.json")
        try files.removeItem(at: config)
        try files.moveItem(at: copy.appendingPathComponent("config.published.json"), to: config)
        return copy.path
    }
}
