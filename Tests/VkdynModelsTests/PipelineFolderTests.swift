import Foundation
import TestSupport
import Testing
import VkdynFormats

@testable import VkdynModels

/// Folders as diffusers lays them out, with next to nothing in them.
@Suite struct PipelineFolderTests {
    private static let index = #"""
        {"_class_name":"StableDiffusionPipeline","_diffusers_version":"0.6.0","feature_extractor":[null,null],
        "safety_checker":["stable_diffusion","StableDiffusionSafetyChecker"],
        "scheduler":["diffusers","PNDMScheduler"],"text_encoder":["transformers","CLIPTextModel"],
        "tokenizer":["transformers","CLIPTokenizer"],"unet":["diffusers","UNet2DConditionModel"],
        "vae":["diffusers","AutoencoderKL"]}
        """#

    private func write(_ folder: TemporaryFolder, _ name: String, _ text: String) throws {
        let path = folder.path + "/" + name
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try folder.write(name, text)
    }

    private func weights(_ folder: TemporaryFolder, _ name: String) throws {
        try SafetensorsWriter.write(
            [.init(name: "weight", shape: [2], floats: [1, 2])], to: folder.path + "/" + name)
    }

    private func pipeline() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try write(folder, "model_index.json", Self.index)
        try write(folder, "unet/config.json", #"{"_class_name":"UNet2DConditionModel"}"#)
        try write(folder, "vae/config.json", #"{"_class_name":"AutoencoderKL"}"#)
        try write(folder, "text_encoder/config.json", #"{"max_position_embeddings":9}"#)
        try write(
            folder, "scheduler/scheduler_config.json",
            #"{"_class_name":"PNDMScheduler","skip_prk_steps":true,"clip_sample":true,"steps_offset":0}"#)
        try write(
            folder, "tokenizer/vocab.json",
            #"{"<|startoftext|>":7,"<|endoftext|>":8,"a":0,"a</w>":1,"b</w>":2,"ab</w>":3,"!":4,"!</w>":5}"#)
        try write(folder, "tokenizer/merges.txt", "#version: 0.2\na b</w>\n")
        try write(folder, "tokenizer/tokenizer_config.json", #"{"model_max_length":77}"#)
        for part in ["unet", "vae"] { try weights(folder, part + "/diffusion_pytorch_model.safetensors") }
        try weights(folder, "text_encoder/model.safetensors")
        return folder
    }

    private func message(_ folder: TemporaryFolder) -> String? {
        do {
            _ = try PipelineFolder(folder.path)
            return nil
        } catch {
            return error.description.replacingOccurrences(of: folder.path + "/", with: "")
        }
    }

    @Test func allPartsAreFound() throws {
        let folder = try pipeline()
        let found = try PipelineFolder(folder.path)
        #expect(found.unet.checkpoint.names == ["weight"] && found.vae.checkpoint.names == ["weight"])
        #expect(found.textEncoder.config.path == folder.path + "/text_encoder/config.json")
        #expect(found.scheduler.kind == .pndm && found.prompts.length == 9)
    }

    /// As `StableDiffusionPipeline` does to what older folders say.
    @Test func theSchedulerBeginsAt1AndDoesNotClip() throws {
        let folder = try pipeline()
        let scheduler = try PipelineFolder(folder.path).scheduler
        #expect(scheduler.stepsOffset == 1 && scheduler.clipsSample == false)
        try write(
            folder, "model_index.json", Self.index.replacingOccurrences(of: "PNDMScheduler", with: "DDIMScheduler"))
        #expect(try PipelineFolder(folder.path).scheduler.kind == .ddim)
    }

    @Test func halfPrecisionAndShardsAreFound() throws {
        let folder = try pipeline()
        let files = FileManager.default
        try files.moveItem(
            atPath: folder.path + "/vae/diffusion_pytorch_model.safetensors",
            toPath: folder.path + "/vae/diffusion_pytorch_model.fp16.safetensors")
        try files.moveItem(
            atPath: folder.path + "/unet/diffusion_pytorch_model.safetensors",
            toPath: folder.path + "/unet/diffusion_pytorch_model.fp16-00001-of-00001.safetensors")
        try write(
            folder, "unet/diffusion_pytorch_model.safetensors.index.fp16.json",
            #"{"weight_map":{"weight":"diffusion_pytorch_model.fp16-00001-of-00001.safetensors"}}"#)
        let found = try PipelineFolder(folder.path)
        #expect(found.unet.checkpoint.contains("weight") && found.vae.checkpoint.contains("weight"))
    }

    @Test(arguments: [
        ("model_index.json", "model_index.json: no such file"),
        ("unet", "unet/config.json: no such file"),
        ("vae/config.json", "vae/config.json: no such file"),
        ("text_encoder/model.safetensors", "text_encoder: holds no weights; expected model.safetensors or model.fp16."),
        ("scheduler", "scheduler/scheduler_config.json: no such file"),
        ("tokenizer/vocab.json", "tokenizer: holds no tokenizer"),
        ("tokenizer", "tokenizer: no such folder"),
    ])
    func aMissingPartIsNamed(part: String, expected: String) throws {
        let folder = try pipeline()
        try FileManager.default.removeItem(atPath: folder.path + "/" + part)
        #expect(try #require(message(folder)).hasPrefix(expected), "\(message(folder) ?? "accepted")")
    }

    @Test(arguments: [
        (
            "\"StableDiffusionPipeline\"", "\"StableDiffusionXLPipeline\"",
            #"_class_name: expected "StableDiffusionPipe"#
        ),
        ("\"unet\":[\"diffusers\",\"UNet2DConditionModel\"]", "\"other\":0", "unet: is missing; expected [library, "),
        ("UNet2DConditionModel", "Kandinsky3UNet", #"unet: expected [library, "UNet2DConditionModel"], found "Kand"#),
        (
            "[\"diffusers\",\"AutoencoderKL\"]", "[\"AutoencoderKL\"]",
            "vae: expected [library, \"AutoencoderKL\"], found"
        ),
        ("CLIPTextModel", "T5EncoderModel", "text_encoder: expected"),
        ("CLIPTokenizer", "T5Tokenizer", "tokenizer: expected"),
        ("[\"diffusers\",\"PNDMScheduler\"]", "3", "scheduler: expected a string or a list of such"),
    ])
    func aPartOfAnotherClassIsRefused(old: String, new: String, expected: String) throws {
        let folder = try pipeline()
        #expect(Self.index.contains(old))
        try write(folder, "model_index.json", Self.index.replacingOccurrences(of: old, with: new))
        #expect(try #require(message(folder)).hasPrefix("model_index.json: " + expected), "\(message(folder) ?? "")")
    }

    @Test func aConfigurationOfAnotherClassIsRefused() throws {
        let folder = try pipeline()
        try write(folder, "vae/config.json", #"{"_class_name":"AutoencoderTiny"}"#)
        #expect(
            message(folder) == #"vae/config.json: _class_name: expected "AutoencoderKL", found "AutoencoderTiny""#)
    }

    @Test func anUnknownSchedulerIsRefusedWhenItWouldRun() throws {
        let folder = try pipeline()
        try write(
            folder, "model_index.json",
            Self.index.replacingOccurrences(of: "PNDMScheduler", with: "LMSDiscreteScheduler"))
        let scheduler = try PipelineFolder(folder.path).scheduler
        #expect(try scheduler.kind(.ddim) == .ddim)
        #expect(throws: FormatError.self) { try scheduler.kind() }
    }

    // MARK: Prompts

    @Test func promptsAreBegunEndedAndPadded() throws {
        let folder = try pipeline()
        let prompts = try PipelineFolder(folder.path).prompts
        #expect(prompts.encode("AB a") == ClipPrompt(ids: [7, 3, 1, 8, 8, 8, 8, 8, 8], cutOff: nil))
        #expect(prompts.encode("").ids == [7, 8, 8, 8, 8, 8, 8, 8, 8])
        #expect(prompts.encode("a a a a a a a").cutOff == nil)
        let long = prompts.encode("a a a a a a a ab a!")
        #expect(long == ClipPrompt(ids: [7, 1, 1, 1, 1, 1, 1, 1, 8], cutOff: "ab a !"))
    }

    @Test func stableDiffusion2PadsWithAnExclamationMark() throws {
        let folder = try pipeline()
        try write(folder, "tokenizer/special_tokens_map.json", #"{"pad_token":"!"}"#)
        try write(folder, "tokenizer/tokenizer_config.json", #"{"model_max_length":5,"pad_token":"<|endoftext|>"}"#)
        let prompts = try PipelineFolder(folder.path).prompts
        #expect(prompts.encode("a").ids == [7, 1, 8, 4, 4])
        // As a special token it is found in the text before words are: "!", not "!</w>".
        #expect(prompts.encode("a!").ids == [7, 1, 4, 8, 4])
    }

    @Test func aTokenizerWithoutALimitHasTheTextEncoders() throws {
        let folder = try pipeline()
        try write(folder, "tokenizer/tokenizer_config.json", #"{"model_max_length":1000000000000000019884624838656}"#)
        #expect(try PipelineFolder(folder.path).prompts.length == 9)
        try write(folder, "tokenizer/tokenizer_config.json", #"{"model_max_length":2}"#)
        #expect(
            message(folder)
                == "tokenizer/tokenizer_config.json: model_max_length: expected a number from 3.0 to inf, found 2")
    }
}
