import Foundation
import Testing
import VkdynFormats
import VkdynModels

/// What configurations of image classifiers mean, and what is wrong with those that cannot be used.
@Suite struct VisionConfigurationTests {
    private func read(_ json: String) throws -> VisionTransformer.Configuration {
        try VisionTransformer.Configuration(timm: ConfigFile(path: "config.json", text: json).root)
    }

    private func refusal(_ json: String) -> String {
        do {
            _ = try read(json)
            return "nothing was refused"
        } catch {
            return "\(error)"
        }
    }

    @Test func argumentsOverrideWhatTheNameStandsFor() throws {
        let found = try read(
            """
            {"architecture": "vit_base_patch16_224", "num_classes": 10, "model_args": {"img_size": [64, 96],
             "patch_size": 8, "embed_dim": 128, "depth": 3, "num_heads": 4, "mlp_ratio": 2.5, "qkv_bias": false,
             "init_values": 1e-5, "no_embed_class": true, "pre_norm": true, "global_pool": "avg",
             "act_layer": "gelu_tanh", "drop_path_rate": 0.1},
             "pretrained_cfg": {"input_size": [3, 224, 224], "num_classes": 1000}}
            """)
        #expect(found.imageHeight == 64 && found.imageWidth == 96 && found.patchCount == 8 * 12)
        #expect(found.width == 128 && found.layerCount == 3 && found.headCount == 4 && found.feedForwardWidth == 320)
        #expect(!found.hasQueryBias && found.hasLayerScale && !found.embedsPrefix && found.normsBeforeLayers)
        #expect(found.pooling == .average && found.normsAfterPooling && found.activation == .geluTanh)
        #expect(found.classCount == 10)
    }

    @Test func namesStandForWhatTimmBuilds() throws {
        let distilled = try #require(VisionTransformer.Configuration(architecture: "deit_tiny_distilled_patch16_224"))
        #expect(distilled.prefixCount == 2 && distilled.tokenCount == 198)
        let tagged = VisionTransformer.Configuration(architecture: "vit_tiny_patch16_384.augreg_in21k_ft_in1k")
        #expect(tagged?.imageWidth == 384 && tagged?.width == 192)
        let gap = try read(#"{"architecture": "vit_medium_patch16_gap_256", "num_classes": 5}"#)
        #expect(!gap.hasClassToken && gap.pooling == .average && !gap.normsAfterPooling && gap.hasLayerScale)
        #expect(try read(#"{"architecture": "vit_base_patch32_clip_224"}"#).normEpsilon == 1e-5)
        for name in [
            "resnet50", "vit_base", "vit_base_patch16", "vit_base_patch16_siglip_224", "vit_base_patch16_reg4_gap_256",
        ] {
            #expect(VisionTransformer.Configuration(architecture: name) == nil, "\(name)")
        }
    }

    /// Files from before `pretrained_cfg` have its fields beside the architecture.
    @Test func olderFilesAreReadToo() throws {
        let found = try read(
            #"{"architecture": "vit_small_patch16_224", "num_classes": 7, "input_size": [3, 128, 128]}"#
        )
        #expect(found.imageHeight == 128 && found.classCount == 7 && found.width == 384)
    }

    @Test func whatCannotBeUsedIsNamedWithItsField() {
        func architecture(_ arguments: String) -> String {
            refusal(#"{"architecture": "vit_tiny_patch16_224", "model_args": {"# + arguments + "}}")
        }
        #expect(refusal(#"{"architecture": "resnet50"}"#).hasPrefix("config.json: architecture: \"resnet50\""))
        #expect(refusal(#"{"architecture": "vit_tiny_patch16_224", "num_classes": 0}"#).contains("num_classes"))
        #expect(
            refusal(#"{"architecture": "vit_tiny_patch16_224", "pretrained_cfg": {"input_size": [3, 224]}}"#)
                .hasPrefix("config.json: pretrained_cfg.input_size"))
        for (arguments, field) in [
            (#""reg_tokens": 4"#, "reg_tokens"), (#""qk_norm": true"#, "qk_norm"),
            (##""global_pool": "map""##, "global_pool"),
            (##""act_layer": "quick_gelu""##, "act_layer"), (##""norm_layer": "rmsnorm""##, "norm_layer"),
            (#""rope": true"#, "rope"), (#""embed_dim": 100"#, "embed_dim"), (#""img_size": 100"#, "img_size"),
            (#""class_token": false"#, "class_token"), (##""depth": "deep""##, "depth"),
            (#""proj_bias": false"#, "proj_bias"),
        ] {
            #expect(
                architecture(arguments).hasPrefix("config.json: model_args.\(field): "), "\(architecture(arguments))")
        }
    }

    @Test func labelsComeFromTheCheckpoint() throws {
        #expect(try ImageModelFolder(VisionFixture.path("class")).label(2) == "kind 2")
        #expect(try ImageModelFolder(VisionFixture.path("class")).label(99) == nil)
        #expect(try ImageModelFolder(VisionFixture.path("hugging-face")).label(5) == "kind 5")
    }

    @Test func aTensorOfAnotherShapeIsNamed() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("vkdyn-vision-\(UUID().uuidString)")
        try FileManager.default.copyItem(atPath: VisionFixture.path("class"), toPath: folder.path)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.path + "/config.json"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        for (old, new, tensor) in [
            ("\"embed_dim\": 24", "\"embed_dim\": 32", "patch_embed.proj.weight"),
            ("\"depth\": 4", "\"depth\": 5", "blocks.4.norm1.weight"),
        ] {
            let changed = text.replacingOccurrences(of: old, with: new)
            #expect(changed != text)
            try changed.write(toFile: path, atomically: true, encoding: .utf8)
            #expect {
                try ImageModelFolder(folder.path).load(on: TestDevices.reference)
            } throws: {
                "\($0)".contains("model.safetensors: \(tensor): ")
            }
        }
    }
}
