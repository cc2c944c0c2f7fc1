import Foundation
import Testing
import VkdynTechniques

/// A target and a draft of 64 tokens, a character each, made from the fixtures `pair-target` and `pair-draft`. Removed
/// when the value goes out of scope.
final class TinyPair: Sendable {
    static let alphabet = [" "] + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,123456789".map(String.init)

    let folder: String
    var target: String { folder + "/prose-target" }
    var draft: String { folder + "/prose-draft" }

    /// - Parameter draftAlphabet: what the draft's tokens stand for.
    init(draftAlphabet: [String] = TinyPair.alphabet, here: String = #filePath) throws {
        let tests = URL(fileURLWithPath: here).deletingLastPathComponent().deletingLastPathComponent()
        let fixtures = tests.appendingPathComponent("VkdynModelsTests/Fixtures").path
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("vkdyn-\(UUID().uuidString)").path
        for (name, alphabet) in [("target", Self.alphabet), ("draft", draftAlphabet)] {
            let copy = folder + "/prose-" + name
            try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
            for file in ["config.json", "generation_config.json", "model.safetensors"] {
                try FileManager.default.copyItem(
                    atPath: "\(fixtures)/pair-\(name)/\(file)", toPath: copy + "/" + file)
            }
            try Self.tokenizer(alphabet).write(
                toFile: copy + "/tokenizer.json", atomically: false, encoding: .utf8)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private static func tokenizer(_ alphabet: [String]) -> String {
        let vocabulary = alphabet.enumerated().map { id, token in
            "\"\(token == " " ? "Ġ" : token)\":\(id)"
        }.joined(separator: ",")
        return """
            {"version":"1.0","added_tokens":[],"normalizer":null,
            "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},
            "post_processor":null,
            "decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},
            "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
            "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"vocab":{\(vocabulary)},"merges":[]}}
            """
    }

    func pair(_ draft: DraftChoice?) throws -> SpeculativeFolders {
        try SpeculativeFolders(target: .folder(target), draft: draft)
    }
}
