import ArgumentParser
import Foundation
import VkdynCore
import VkdynModels
import VkdynTechniques

struct RunDiffusion: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diffusion",
        abstract: "Make a picture from a text, plain and with DeepCache, token merging and both, and compare.",
        discussion: """
            The same noise becomes a picture by each method: baseline, every step in full; deepcache, which takes the deep \
            part of the U-Net from an earlier step in most steps; tome, which merges similar tokens in the U-Net's \
            attention; both. None needs training. Times are of the U-Net's steps, without what drivers compile in the \
            first of them. Without --model a small pipeline that comes with vkdyn draws digits in colours and places. A \
            seed's noise is what torch gives for it on a CUDA device. Exits with 0 only when methods that change nothing \
            (interval 1, ratio 0) gave the baseline's bits.

            Examples:
              vkdyn run diffusion --output pictures
              vkdyn run diffusion --prompt "a big green 4 in the middle, black background" --seed 7
              vkdyn run diffusion --model stable-diffusion-v1-5 --prompt "a photograph of an astronaut riding a horse"
              vkdyn run diffusion --methods baseline,both --cache-interval 5 --cache-schedule non-uniform --steps 50
              vkdyn run diffusion --scheduler dpm++2m --steps 20 --tome-ratio 0.4 --tome-parts attention,mlp
              vkdyn run diffusion --model stable-diffusion-1.5 --seed-weights 1 --size 512x512 --steps 10
            """)

    @Option(
        help: ArgumentHelp(
            "Folder of a Stable Diffusion 1 or 2 pipeline, as diffusers publishes it; with --seed-weights the name of an "
                + "architecture.", valueName: "folder"))
    var model: String?

    @Option(help: ArgumentHelp("What the picture shows; repeat for several pictures at once.", valueName: "text"))
    var prompt: [String] = []

    @Option(
        help: ArgumentHelp(
            "What the picture does not show; repeat for one a prompt.", valueName: "text"))
    var negativePrompt: [String] = []

    @Option(help: "Steps from noise to picture.")
    var steps = 50

    @Option(help: "How far the prompt is followed beyond what the model makes of it; 1 and below: no guidance.")
    var guidance = 7.5

    @Option(help: "Of the noise, and of random merging.")
    var seed: UInt64 = 42

    @Option(help: "pndm, ddim, euler, euler-ancestral or dpm++2m (default: the pipeline's own).")
    var scheduler: SchedulerKind?

    @Option(help: ArgumentHelp("Pixels, as 512x512 (default: what the pipeline was made for).", valueName: "WxH"))
    var size: PictureSize?

    @Option(
        help: ArgumentHelp("Those to run, of baseline, deepcache, tome and both.", valueName: "method,method,…"))
    var methods = DiffusionMethods.all

    @OptionGroup var cache: CacheFlags

    @OptionGroup var tome: ToMeFlags

    @Option(
        help: ArgumentHelp(
            "Begin with the noise of this file, [pictures, channels, height, width] of the latents, not with the seed's.",
            valueName: "file.safetensors"))
    var latents: String?

    @Option(
        help: ArgumentHelp(
            "Write what the U-Net left, one tensor a method, named by it.", valueName: "file.safetensors"))
    var saveLatents: String?

    @Option(help: ArgumentHelp("Where the pictures go; made where it is missing.", valueName: "folder"))
    var output = "diffusion"

    @Option(help: ArgumentHelp("Time an architecture with no checkpoint: weights from this seed.", valueName: "seed"))
    var seedWeights: UInt64?

    @Option(help: "Storage of the weights: f32, f16, bf16 or int8 (default: the checkpoint's own).")
    var weights: ElementType?

    @OptionGroup var device: DeviceOptions

    @Flag(help: "Run every dispatch on its CPU twin too, and stop at the first differing bit.")
    var lockstep = false

    @Flag(help: "Print JSON and nothing else on standard output.")
    var json = false

    func validate() throws {
        guard steps >= 1 else { throw ValidationError("--steps \(steps): must be 1 or more") }
        guard guidance.isFinite, (0...1000).contains(guidance) else {
            throw ValidationError("--guidance \(guidance): must be 0 to 1000")
        }
        guard negativePrompt.count <= 1 || negativePrompt.count == prompt.count else {
            throw ValidationError(
                "--negative-prompt: \(negativePrompt.count) for \(max(prompt.count, 1)) prompts; give one, or one each")
        }
        guard prompt.count <= 64 else { throw ValidationError("--prompt: \(prompt.count) of them, at most 64 fit") }
        if let weights, !weights.storesWeights {
            throw ValidationError("--weights \(weights.rawValue): must be f32, f16, bf16 or int8")
        }
        if seedWeights != nil, model == nil {
            throw ValidationError("--seed-weights needs --model with an architecture, such as stable-diffusion-1.5")
        }
        _ = try tome.options()
        if let saveLatents { try OutputFile(saveLatents, option: "--save-latents").check() }
        try PictureFolder(output).check()
    }

    func run() throws {
        let report = try DiffusionComparison(self).run()
        if json {
            try HostSpans.measure(.output, "json") {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(report), as: UTF8.self))
            }
        }
        if report.summary.unchangedIsBaseline == false { throw ExitCode(1) }
    }
}

/// One way to run the same request.
enum DiffusionMethod: String, CaseIterable, Codable {
    case baseline, deepcache, tome, both

    var caches: Bool { self == .deepcache || self == .both }
    var merges: Bool { self == .tome || self == .both }

    /// Of its picture, without the suffix.
    var fileStem: String {
        switch self {
        case .baseline: "01_baseline"
        case .deepcache: "02_deepcache"
        case .tome: "03_tome"
        case .both: "04_deepcache_tome"
        }
    }
}

/// `baseline,both`, in the order of their numbers.
struct DiffusionMethods: ExpressibleByArgument, CustomStringConvertible {
    let items: [DiffusionMethod]

    static let all = DiffusionMethods(items: DiffusionMethod.allCases)

    private init(items: [DiffusionMethod]) { self.items = items }

    init?(argument: String) {
        let names = argument.split(separator: ",", omittingEmptySubsequences: false).map {
            $0.trimmingCharacters(in: .whitespaces)
        }
        let known = names.compactMap { DiffusionMethod(rawValue: $0) }
        guard known.count == names.count, Set(known).count == known.count else { return nil }
        items = DiffusionMethod.allCases.filter { known.contains($0) }
    }

    var description: String { items.map(\.rawValue).joined(separator: ",") }
}

/// `512x768`, width first.
struct PictureSize: ExpressibleByArgument, CustomStringConvertible {
    let width: Int
    let height: Int

    init?(argument: String) {
        let sides = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard sides.count == 2, let width = sides[0], let height = sides[1], width > 0, height > 0 else { return nil }
        self.width = width
        self.height = height
    }

    var description: String { "\(width)x\(height)" }
}

extension SchedulerKind: ExpressibleByArgument {}
