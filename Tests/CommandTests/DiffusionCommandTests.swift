import Foundation
import Testing
import VkdynFormats
import VkdynImage

/// `vkdyn run diffusion`: its report, its pictures and what it refuses; never how long anything takes.
@Suite(.serialized) struct DiffusionCommandTests {
    private struct Report: Decodable {
        struct Result: Decodable {
            let method: String
            let seconds: Double?
            let speedup: Double?
            let evaluations: Int
            let fullEvaluations: Int
            let multiplyAdds: Int
            let multiplyAddsShare: Double?
            let psnr: Double?
            let ssim: Double?
            let identical: Bool?
            let trainingRequired: Bool
            let pictures: [String]
        }

        struct Settings: Decodable {
            let prompts: [String]
            let steps: Int
            let scheduler: String
            let width: Int
            let height: Int
            let seed: UInt64
        }

        struct Summary: Decodable {
            let unchangedIsBaseline: Bool?
            let lockstepValues: Int?
            let liveBytes: Int
            let weightBytes: Int
        }

        let settings: Settings
        let results: [Result]
        let summary: Summary
    }

    private let model = Program.fixtures + "/diffusion-sd1"

    private func report(_ arguments: [String], in folder: Scratch) throws -> Report {
        let outcome = try Program.run(
            ["run", "diffusion", "--json", "--model", model, "--output", folder.path + "/out"] + arguments)
        #expect(outcome.status == 0, "\(outcome.error)")
        return try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
    }

    private func contents(_ folder: Scratch) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path + "/out")) ?? []).sorted()
    }

    private static let names = [
        "01_baseline.png", "02_deepcache.png", "03_tome.png", "04_deepcache_tome.png", "comparison.png",
    ]

    @Test func everyMethodMakesItsPicture() throws {
        let folder = try Scratch()
        let latents = folder.path + "/latents.safetensors"
        let found = try report(
            ["--prompt", "a red 7", "--steps", "6", "--tome-max-downsample", "2", "--save-latents", latents], in: folder
        )
        #expect(contents(folder) == Self.names)
        #expect(found.results.map(\.method) == ["baseline", "deepcache", "tome", "both"])
        #expect(found.results.flatMap(\.pictures) == Array(Self.names.prefix(4)))
        #expect(found.settings.prompts == ["a red 7"] && found.settings.scheduler == "pndm")
        // PNDM visits one timestep twice; the interval is 3.
        #expect(found.results.map(\.evaluations) == [7, 7, 7, 7])
        #expect(found.results.map(\.fullEvaluations) == [7, 3, 7, 3])
        #expect(found.results.map(\.identical) == [true, false, false, false])
        let work = found.results.map(\.multiplyAdds)
        #expect(work[1] < work[0] && work[2] < work[0] && work[3] < min(work[1], work[2]))
        for result in found.results {
            #expect(!result.trainingRequired && (result.seconds ?? 0) > 0 && (result.speedup ?? 0) > 0)
            #expect(abs((result.multiplyAddsShare ?? 0) - Double(result.multiplyAdds) / Double(work[0])) < 1e-12)
        }
        #expect(found.results[0].psnr == nil && found.results[0].ssim == 1)
        let base = try Image(path: folder.path + "/out/01_baseline.png")
        #expect((base.width, base.height) == (found.settings.width, found.settings.height))
        for (result, name) in zip(found.results, Self.names).dropFirst() {
            let image = try Image(path: folder.path + "/out/" + name)
            #expect(try #require(result.psnr) == base.peakSignalToNoiseRatio(to: image))
            #expect(result.ssim == base.structuralSimilarity(to: image))
        }
        let saved = try Safetensors(path: latents)
        #expect(saved.names == ["baseline", "deepcache", "tome", "both"])
        #expect(try saved.tensor("both").shape == [1, 4, base.height / 2, base.width / 2])
        #expect(try saved.tensor("both").floats() != saved.tensor("baseline").floats())
        #expect(found.summary.unchangedIsBaseline == nil && found.summary.liveBytes > 0)
    }

    @Test func theSameCommandTwiceGivesTheSameBytes() throws {
        let folders = [try Scratch(), try Scratch()]
        for folder in folders { _ = try report(["--steps", "3", "--prompt", "éé 3 <|endoftext|>"], in: folder) }
        for name in Self.names {
            let bytes = try folders.map { try Data(contentsOf: URL(fileURLWithPath: $0.path + "/out/" + name)) }
            #expect(bytes[0] == bytes[1], "\(name)")
        }
    }

    /// What the picture is, but nothing that changes from run to run.
    @Test func thePictureCarriesItsSettings() throws {
        let folder = try Scratch()
        _ = try report(
            [
                "--steps", "2", "--prompt", "a red 7", "--negative-prompt", "blue", "--seed", "9", "--scheduler",
                "ddim",
                "--methods", "both,baseline",
            ], in: folder)
        #expect(contents(folder) == ["01_baseline.png", "04_deepcache_tome.png", "comparison.png"])
        func texts(_ name: String) throws -> String {
            String(decoding: try Data(contentsOf: URL(fileURLWithPath: folder.path + "/out/" + name)), as: UTF8.self)
        }
        let (base, both) = (try texts("01_baseline.png"), try texts("04_deepcache_tome.png"))
        for text in [base, both] {
            for part in ["prompt\0a red 7", "negative prompt\0blue", "seed\09", "scheduler\0ddim", "steps\02"] {
                #expect(text.contains(part), "\(part)")
            }
        }
        #expect(both.contains("deepcache\0interval 3") && both.contains("tome\0ratio 0.5, random"))
        #expect(!base.contains("deepcache") && base.contains("method\0baseline"))
    }

    @Test func interval1AndRatio0AreTheBaseline() throws {
        let folder = try Scratch()
        let found = try report(
            ["--steps", "4", "--cache-interval", "1", "--tome-ratio", "0", "--scheduler", "euler-ancestral"], in: folder
        )
        #expect(found.summary.unchangedIsBaseline == true)
        #expect(found.results.allSatisfy { $0.identical == true && $0.psnr == nil && $0.ssim == 1 })
        let bytes = try Self.names.prefix(4).map { try Image(path: folder.path + "/out/" + $0) }
        #expect(bytes.allSatisfy { $0 == bytes[0] })
    }

    @Test func severalPromptsAreOneBatch() throws {
        let folder = try Scratch()
        let found = try report(
            [
                "--steps", "2", "--prompt", "a red 7", "--prompt", "a blue 3", "--size", "20x12", "--methods",
                "baseline,tome", "--guidance", "1",
            ], in: folder)
        #expect(
            contents(folder) == [
                "01_baseline_1.png", "01_baseline_2.png", "03_tome_1.png", "03_tome_2.png", "comparison.png",
            ])
        let pictures = try [1, 2].map { try Image(path: folder.path + "/out/01_baseline_\($0).png") }
        #expect(pictures[0] != pictures[1])
        #expect(pictures.allSatisfy { ($0.width, $0.height) == (20, 12) } && found.settings.width == 20)
        // 11 pixels are the least that SSIM compares.
        #expect(found.results[1].ssim != nil)
    }

    @Test func givenLatentsReplaceTheSeed() throws {
        let folder = try Scratch()
        let path = folder.path + "/noise.safetensors"
        let base = try report(["--steps", "2", "--methods", "baseline"], in: folder)
        let (height, width) = (base.settings.height / 2, base.settings.width / 2)
        let first = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/out/01_baseline.png"))
        let noise = (0..<4 * height * width).map { Float(sin(Double($0) * 12.9898)) * 1.4 }
        try SafetensorsWriter.write([.init(name: "noise", shape: [1, 4, height, width], floats: noise)], to: path)
        var pictures: [Image] = []
        for seed in ["1", "2"] {
            _ = try report(["--steps", "2", "--methods", "baseline", "--latents", path, "--seed", seed], in: folder)
            pictures.append(try Image(path: folder.path + "/out/01_baseline.png"))
        }
        #expect(pictures[0] == pictures[1])
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.path + "/out/01_baseline.png")) != first)
        try expectRefusal(
            ["--latents", path, "--size", "\(width * 2)x\(height * 2 + 4)"], naming: "noise.safetensors", "noise",
            "[1, 4, \(height), \(width)]")
        try SafetensorsWriter.write(
            [.init(name: "a", shape: [1], floats: [0]), .init(name: "b", shape: [1], floats: [0])], to: path)
        try expectRefusal(["--latents", path], naming: "noise.safetensors", "2 tensors")
        try expectRefusal(["--latents", "/nowhere.safetensors"], naming: "/nowhere.safetensors")
    }

    @Test func lockstepComparesEveryDispatch() throws {
        let folder = try Scratch()
        let found = try report(["--steps", "2", "--lockstep"], in: folder)
        #expect(try #require(found.summary.lockstepValues) > 10_000)
        #expect(found.results.allSatisfy { $0.seconds == nil && $0.speedup == nil })
    }

    // MARK: Refusals

    private func expectRefusal(
        _ arguments: [String], model: String? = nil, naming words: String..., output: String = "/tmp/vkdyn-unwritten"
    ) throws {
        let outcome = try Program.run(
            [
                "run", "diffusion", "--device", "reference", "--model", model ?? self.model, "--output", output,
            ] + arguments)
        #expect(outcome.status != 0 && outcome.output == "")
        for word in words { #expect(outcome.error.contains(word), "\(word) in: \(outcome.error)") }
        let lines = outcome.error.split(separator: "\n").filter {
            !$0.hasPrefix("Usage:") && !$0.hasPrefix("  See") && !$0.hasPrefix("Help:")
        }
        #expect(lines.count == 1, "\(outcome.error)")
        #expect(!FileManager.default.fileExists(atPath: "/tmp/vkdyn-unwritten"))
    }

    @Test(arguments: ["unet", "vae", "text_encoder", "tokenizer", "scheduler", "model_index.json"])
    func aFolderThatLacksAPart(part: String) throws {
        let folder = try Scratch(copying: model)
        try FileManager.default.removeItem(atPath: folder.path + "/" + part)
        try expectRefusal([], model: folder.path, naming: part)
    }

    @Test func partsThatDoNotFit() throws {
        let folder = try Scratch(copying: model)
        try folder.replace("model_index.json", "StableDiffusionPipeline", "StableDiffusionXLPipeline")
        try expectRefusal(
            [], model: folder.path, naming: "model_index.json", "_class_name", "StableDiffusionXLPipeline")
        try expectRefusal([], model: "/nowhere", naming: "/nowhere/model_index.json")
        try expectRefusal([], model: Program.shipped + "/prose-target", naming: "model_index.json")
        let other = try Scratch(copying: model)
        try other.truncate("vae/diffusion_pytorch_model.safetensors", to: 3000)
        try expectRefusal([], model: other.path, naming: "vae/diffusion_pytorch_model.safetensors")
    }

    @Test func sizesThatTheModelCannotDo() throws {
        try expectRefusal(["--size", "17x16"], naming: "--size", "17×16", "multiples of 2")
        try expectRefusal(["--size", "20000x16"], naming: "--size", "20000×16")
        for size in ["0x16", "16", "16x16x16", "axb", "-4x8", "16x"] {
            let outcome = try Program.run("run", "diffusion", "--size=\(size)")
            #expect(outcome.status != 0 && outcome.error.contains("--size"), "\(size)")
        }
    }

    @Test func schedulersThatAreNone() throws {
        let outcome = try Program.run("run", "diffusion", "--scheduler", "zebra")
        #expect(outcome.status != 0 && outcome.error.contains("zebra") && outcome.error.contains("euler-ancestral"))
        let folder = try Scratch(copying: model)
        try folder.replace("model_index.json", "PNDMScheduler", "ZebraScheduler")
        try expectRefusal([], model: folder.path, naming: "scheduler_config.json", "_class_name", "dpm++2m")
        try folder.replace("scheduler/scheduler_config.json", "\"skip_prk_steps\": true", "\"skip_prk_steps\": false")
        try expectRefusal(
            ["--scheduler", "pndm"], model: folder.path, naming: "scheduler_config.json", "skip_prk_steps")
    }

    @Test(arguments: [
        ["--steps", "0"], ["--steps", "-3"], ["--guidance", "-1"], ["--guidance", "nan"], ["--methods", "baseline,"],
        ["--methods", "both,both"], ["--cache-interval", "0"], ["--cache-branch", "-1"], ["--tome-ratio", "1.5"],
        ["--tome-stride", "0x2"], ["--tome-max-downsample", "0"], ["--tome-parts", "heart"], ["--weights", "i64"],
        ["--cache-power", "1"], ["--tome-destinations", "here"], ["--seed", "-1"], ["--cache-schedule", "never"],
    ])
    func flagsOutsideTheirRange(arguments: [String]) throws {
        let outcome = try Program.run(
            [
                "run", "diffusion", "--model", model, "\(arguments[0])=\(arguments[1])", "--output",
                "/tmp/vkdyn-unwritten",
            ])
        #expect(outcome.status != 0 && outcome.output == "" && outcome.error.contains(arguments[0]))
        #expect(!FileManager.default.fileExists(atPath: "/tmp/vkdyn-unwritten"))
    }

    @Test func requestsThatTheModelCannotDo() throws {
        try expectRefusal(["--steps", "1001"], naming: "--steps 1001", "1000")
        try expectRefusal(["--steps", "1000"], naming: "--steps 1000", "timestep 1000")
        try expectRefusal(["--cache-branch", "99"], naming: "--cache-branch", "99")
        try expectRefusal(
            ["--steps", "9", "--cache-schedule", "non-uniform"], naming: "--cache-centre", "15")
        try expectRefusal(
            ["--prompt", "a", "--negative-prompt", "b", "--negative-prompt", "c"], naming: "--negative-prompt",
            "2 for 1")
        try expectRefusal(
            ["--seed-weights", "1"], model: "resnet50", naming: "--model resnet50", "stable-diffusion-1.5")
    }

    @Test func aPromptOf10000CharactersIsCutWithAWarning() throws {
        let folder = try Scratch()
        let prompt = String(String(repeating: "a red 7, ", count: 1200).prefix(10_000))
        let outcome = try Program.run(
            [
                "run", "diffusion", "--model", model, "--output", folder.path + "/out", "--steps", "1", "--methods",
                "baseline", "--prompt", prompt, "--json",
            ])
        #expect(outcome.status == 0)
        #expect(outcome.error.contains("longer than the text encoder takes") && outcome.error.utf8.count < 400)
        #expect(contents(folder) == ["01_baseline.png", "comparison.png"])
    }

    // MARK: Files

    @Test func foldersThatCannotBeWritten() throws {
        let folder = try Scratch()
        let file = folder.path + "/file"
        try Data().write(to: URL(fileURLWithPath: file))
        try expectRefusal([], naming: "--output", "is a file", output: file)
        try expectRefusal([], naming: "--output", "/nowhere/out", output: "/nowhere/out")
        try expectRefusal(["--save-latents", "/nowhere/l.safetensors"], naming: "--save-latents", "/nowhere")
    }

    /// A limit on the size of files stands for a disk that is full: writing fails in the same place.
    @Test func aFullDiskLeavesNothingBehind() throws {
        let folder = try Scratch()
        let before = folder.path + "/out/01_baseline.png"
        try FileManager.default.createDirectory(atPath: folder.path + "/out", withIntermediateDirectories: true)
        try Data("before".utf8).write(to: URL(fileURLWithPath: before))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        // One block of 512 bytes: no picture fits.
        process.arguments = [
            "-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh", Program.path, "run", "diffusion", "--model", model,
            "--output", folder.path + "/out", "--steps", "1", "--methods", "baseline,tome", "--device", "reference",
        ]
        let pipe = Pipe()
        process.standardError = pipe
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        let error = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus != 0)
        #expect(error.contains("out/01_baseline.png"), "\(error)")
        #expect(contents(folder) == ["01_baseline.png"])
        #expect(try Data(contentsOf: URL(fileURLWithPath: before)) == Data("before".utf8))
    }
}
