import Foundation
import Testing

/// One clear line that names file and field, and an exit code other than 0.
@Suite(.serialized) struct BadInputTests {
    private func expectRefusal(
        _ arguments: [String], naming words: String..., environment: [String: String] = [:]
    ) throws {
        let outcome = try Program.run(
            arguments, environment: ["VKDYN_MODELS": Program.shipped].merging(environment) { $1 })
        #expect(outcome.status != 0)
        #expect(outcome.output == "")
        for word in words { #expect(outcome.error.contains(word), "\(word) in: \(outcome.error)") }
        let lines = outcome.error.split(separator: "\n").filter { !$0.hasPrefix("Usage:") && !$0.hasPrefix("  See") }
        #expect(lines.count == 1, "\(outcome.error)")
    }

    private func speculative(_ target: String, _ more: String...) -> [String] {
        ["run", "speculative", "--target", target, "--draft", "prompt-lookup", "--device", "reference"] + more
    }

    private var shippedTarget: String { Program.shipped + "/prose-target" }

    @Test func aFolderThatDoesNotExist() throws {
        try expectRefusal(speculative("/nowhere/model"), naming: "/nowhere/model")
    }

    @Test func anEmptyFolder() throws {
        let folder = try Scratch()
        try expectRefusal(speculative(folder.path), naming: folder.path, "config.json")
    }

    @Test func anUnknownModel() throws {
        let folder = try Scratch(copying: shippedTarget)
        try folder.replace("config.json", "\"llama\"", "\"zebra\"")
        try expectRefusal(speculative(folder.path), naming: "config.json", "model_type", "zebra")
    }

    @Test func aFieldOfTheWrongType() throws {
        let folder = try Scratch(copying: shippedTarget)
        try folder.replace("config.json", "\"hidden_size\": 192", "\"hidden_size\": \"wide\"")
        try expectRefusal(speculative(folder.path), naming: "config.json", "hidden_size")
    }

    @Test func aShapeThatTheConfigurationDoesNotPromise() throws {
        let folder = try Scratch(copying: shippedTarget)
        try folder.replace("config.json", "\"intermediate_size\": 512", "\"intermediate_size\": 516")
        try expectRefusal(speculative(folder.path), naming: "model.safetensors", "mlp.gate_proj.weight")
    }

    @Test func aMissingTensor() throws {
        let folder = try Scratch(copying: shippedTarget)
        try folder.replace("config.json", "\"num_hidden_layers\": 10", "\"num_hidden_layers\": 11")
        try expectRefusal(speculative(folder.path), naming: "layers.10.")
    }

    @Test func aTruncatedCheckpoint() throws {
        let folder = try Scratch(copying: shippedTarget)
        try folder.truncate("model.safetensors", to: 5000)
        try expectRefusal(speculative(folder.path), naming: "model.safetensors")
    }

    @Test func aTokenizerOfAnUnknownKind() throws {
        let folder = try Scratch(copying: shippedTarget)
        try folder.replace("tokenizer.json", "\"type\": \"BPE\"", "\"type\": \"WordPiece\"")
        try expectRefusal(speculative(folder.path), naming: "tokenizer.json", "WordPiece")
    }

    @Test func aDraftOfAnotherVocabulary() throws {
        let folder = try Scratch(copying: Program.shipped + "/prose-draft")
        try folder.replace("tokenizer.json", "<|endoftext|>", "<|end|>")
        try expectRefusal(
            ["run", "speculative", "--target", shippedTarget, "--draft", folder.path, "--device", "reference"],
            naming: "vocabularies", "1 tokens differ", "<|endoftext|>")
    }

    @Test func aDeviceThatDoesNotExist() throws {
        try expectRefusal(["run", "speculative", "--device", "no such gpu"], naming: "--device no such gpu")
    }

    @Test func noVulkanDriver() throws {
        try expectRefusal(
            ["run", "speculative"], naming: "driver", "--device reference",
            environment: ["VK_DRIVER_FILES": "/nowhere.json", "VK_ICD_FILENAMES": "/nowhere.json"])
    }

    @Test func theFusedFlavourWhereTheDeviceDoesNotFuse() throws {
        let devices = try Program.run("devices", "--json")
        guard devices.output.contains("\"fused\" : false") else { return }
        try expectRefusal(["run", "speculative", "--flavour", "fused"], naming: "--flavour fused")
    }

    @Test(arguments: [
        ["--max-new-tokens", "0"], ["--draft-tokens", "17"], ["--draft-tokens", "0"], ["--temperature", "-1"],
        ["--top-p", "0"], ["--weights", "i64"], ["--prompt-tokens", "1,x"], ["--draft", "/some/folder"],
    ])
    func flagsOutsideTheirRange(arguments: [String]) throws {
        let outcome = try Program.run(["run", "speculative"] + arguments)
        #expect(outcome.status != 0 && outcome.output == "")
        #expect(outcome.error.contains(arguments[0]))
    }

    @Test func aPromptTokenOutsideTheVocabulary() throws {
        try expectRefusal(speculative(shippedTarget, "--prompt-tokens", "99999", "--json"), naming: "99999", "4096")
    }

    @Test func anUnknownKernel() throws {
        let outcome = try Program.run("verify", "--kernel", "zebra")
        #expect(outcome.status != 0 && outcome.error.contains("zebra") && outcome.error.contains("matmul"))
    }
}
