import ArgumentParser
import Foundation
import VkdynCore
import VkdynFormats
import VkdynImage
import VkdynModels
import VkdynReference
import VkdynSchedule
import VkdynTechniques

/// Makes the same pictures by each method, from the same noise, and compares.
struct DiffusionComparison {
    private let options: RunDiffusion
    private let console: Console
    private let device: any Device
    private let lockstep: LockstepDevice?
    private let source: DiffusionSource
    private let pipeline: DiffusionPipeline
    private let prompts: [String]
    private let latents: [Float]?

    init(_ options: RunDiffusion) throws {
        self.options = options
        let console = Console(isJSON: options.json)
        self.console = console
        // What is wrong with files is said before a device is opened.
        let source = try DiffusionSource(options)
        self.source = source
        let noise = try options.latents.map { try DiffusionLatents($0) }
        prompts = options.prompt.isEmpty ? [source.defaultPrompt] : options.prompt
        let opened = try options.device.open(
            for: .separate, lockstep: options.lockstep, reportsInexact: true, console: console)
        device = opened.device
        lockstep = opened.lockstep
        let progress = console.progress("loading the model")
        defer { progress.finish() }
        pipeline = try source.load(on: device, weightType: options.weights) { loaded, total in
            progress.update(total == 0 ? 0 : min(1, Double(loaded) / Double(total)))
            if console.isInterrupted { throw ExitCode(130) }
        }
        let standard = pipeline.standardSize
        let (width, height) = (options.size?.width ?? standard.width, options.size?.height ?? standard.height)
        latents = try noise?.values(
            shape: [
                prompts.count, pipeline.models.unet.configuration.inputChannels, height / pipeline.enlargement,
                width / pipeline.enlargement,
            ])
        for method in options.methods.items { try check(try request(method)) }
        try PictureFolder(options.output).check(
            freeBytes: 2 * (options.methods.items.count + 1) * prompts.count * width * height * 3)
    }

    /// What is wrong with a request, by the option that it came from.
    private func check(_ request: DiffusionRequest) throws {
        do {
            try pipeline.check(request)
        } catch let error as DiffusionError {
            switch error {
            case .size: throw SetupError("--size: \(error)")
            case .latents: throw SetupError("--latents: \(error)")
            case .branch: throw SetupError("--cache-branch: \(error)")
            case .prompts, .parts: throw error
            }
        } catch let error as DenoisingScheduleError {
            if case .configuration(let problem) = error { throw problem }
            throw SetupError("--steps \(options.steps): \(error)")
        } catch let error as FeatureScheduleError {
            if case .centre = error { throw SetupError("--cache-centre: \(error)") }
            throw SetupError("--cache-interval: \(error)")
        }
    }

    private func request(_ method: DiffusionMethod) throws -> DiffusionRequest {
        DiffusionRequest(
            prompts: prompts, negativePrompts: options.negativePrompt.isEmpty ? [""] : options.negativePrompt,
            steps: options.steps, guidance: options.guidance, seed: options.seed, scheduler: options.scheduler,
            width: options.size?.width, height: options.size?.height, latents: latents,
            cache: method.caches ? options.cache.options : nil,
            merging: method.merges ? try options.tome.options() : nil)
    }

    // MARK: Running

    func run() throws -> DiffusionReport {
        for prompt in prompts + options.negativePrompt {
            guard let cutOff = source.cutOff(prompt) else { continue }
            console.note(
                "\(quotedForMessage(prompt)) is longer than the text encoder takes; left out: "
                    + quotedForMessage(cutOff))
        }
        let settings = DiffusionSettings(
            options, prompts: prompts, model: source.name, size: pipeline.standardSize,
            scheduler: try pipeline.schedulerConfiguration.kind(options.scheduler))
        console.heading(
            "\(device.description.name): \(source.name) "
                + String(format: "(%.1fM parameters), ", Double(pipeline.models.parameterCount) / 1e6)
                + settings.summary)
        for prompt in prompts { console.line(prompt) }
        console.line("")
        console.heading(DiffusionReport.Result.heading)
        var results: [DiffusionReport.Result] = []
        var pictures: [DiffusionMethod: [Image]] = [:]
        var saved: [SafetensorsWriter.Tensor] = []
        var baseline: DiffusionResult?
        var sample: [UInt32]?
        for method in options.methods.items {
            let progress = console.progress(method.rawValue)
            defer { progress.finish() }
            let found = try pipeline.generate(try request(method)) { done, total in
                progress.update(done: done, of: total)
                if console.isInterrupted { throw ExitCode(130) }
            }
            progress.finish()
            if method == .baseline {
                baseline = found
                sample = found.latents.map(\.bitPattern)
            }
            let result = DiffusionReport.Result(
                method, found, baseline: baseline, isTimed: lockstep == nil,
                isIdentical: sample.map { $0 == found.latents.map(\.bitPattern) },
                files: prompts.indices.map { settings.fileName(method, picture: $0) })
            console.show(result)
            results.append(result)
            pictures[method] = found.images
            saved.append(
                .init(name: method.rawValue, shape: latentShape(found.images[0]), floats: found.latents))
        }
        let sheet = DiffusionSheet(settings: settings, results: results, pictures: pictures)
        let tensors = saved
        try HostSpans.measure(.image, options.output) {
            try PictureFolder(options.output).write(sheet.files()) {
                if let path = options.saveLatents { try SafetensorsWriter.write(tensors, to: path) }
            }
        }
        let report = DiffusionReport(
            device: device.description.name, settings: settings, results: results,
            summary: .init(
                results, settings: settings, parameters: pipeline.models.parameterCount, lockstep: lockstep?.report))
        console.line("")
        console.show(report.summary)
        console.line("\(options.output): \(sheet.names.joined(separator: ", "))")
        return report
    }

    private func latentShape(_ image: Image) -> [Int] {
        [
            prompts.count, pipeline.models.unet.configuration.inputChannels, image.height / pipeline.enlargement,
            image.width / pipeline.enlargement,
        ]
    }
}

/// The pipeline of `run diffusion`, before its weights are loaded: a folder, or an architecture with a seed.
struct DiffusionSource {
    private enum Weights {
        case folder(PipelineFolder)
        case seed(UInt64, DiffusionModels.Configuration)
    }

    /// For people.
    let name: String
    /// Where none is given.
    let defaultPrompt: String
    private let weights: Weights

    init(_ options: RunDiffusion) throws {
        if let seed = options.seedWeights, let architecture = options.model {
            guard let configuration = DiffusionModels.Configuration(architecture: architecture) else {
                throw SetupError(
                    "--model \(architecture): not an architecture that vkdyn knows; with --seed-weights it is one of "
                        + DiffusionModels.Configuration.architectures.joined(separator: ", "))
            }
            name = "\(architecture), weights of seed \(seed)"
            defaultPrompt = Self.photograph
            weights = .seed(seed, configuration)
            return
        }
        guard let path = options.model ?? ShippedModels.folder("pictures") else {
            throw SetupError(
                "the shipped pipeline pictures is not beside this program; set VKDYN_MODELS to the folder that holds "
                    + "it, or give --model a folder")
        }
        name = URL(fileURLWithPath: path).lastPathComponent
        defaultPrompt =
            options.model == nil
            ? "a green 2 on the left and a red 9 on the right, white background" : Self.photograph
        weights = .folder(try PipelineFolder(path))
    }

    private static let photograph = "a photograph of an astronaut riding a horse"

    func load(
        on device: any Device, weightType: ElementType?, progress: @escaping (Int, Int) throws -> Void
    ) throws -> DiffusionPipeline {
        switch weights {
        case .folder(let folder):
            return try DiffusionPipeline(folder: folder, on: device, weightType: weightType, progress: progress)
        case .seed(let seed, let configuration):
            let models = try HostSpans.measure(.load, name) {
                try DiffusionModels(
                    configuration, weights: .seeded(seed), on: device, weightType: weightType, progress: progress)
            }
            var scheduler = SchedulerConfiguration()
            scheduler.kind = .pndm
            scheduler.betaSchedule = .scaledLinear
            (scheduler.betaStart, scheduler.betaEnd) = (0.00085, 0.012)
            (scheduler.stepsOffset, scheduler.skipsRungeKutta, scheduler.clipsSample) = (1, true, false)
            let (length, vocabulary) = (configuration.text.length, configuration.text.vocabularySize)
            return DiffusionPipeline(models: models, scheduler: scheduler, device: device) { text in
                // There is no tokenizer: the text's bytes, so that texts differ.
                let bytes = text.utf8.prefix(length).map { UInt32($0) % UInt32(vocabulary) }
                return bytes + .init(repeating: UInt32(vocabulary - 1), count: length - bytes.count)
            }
        }
    }

    /// The end of a text that is too long, or nil.
    func cutOff(_ text: String) -> String? {
        if case .folder(let folder) = weights { folder.prompts.encode(text).cutOff } else { nil }
    }
}

/// The noise of `--latents`, before the shape that it must have is known.
struct DiffusionLatents {
    private let path: String
    private let tensor: TensorView

    init(_ path: String) throws(FormatError) {
        self.path = path
        let file = try Safetensors(path: path)
        guard file.names.count == 1 || file.contains("latents") else {
            throw FormatError(
                file: path, problem: "holds \(file.names.count) tensors; expected one, or one that is named latents")
        }
        tensor = try file.tensor(file.contains("latents") ? "latents" : file.names[0])
    }

    func values(shape: [Int]) throws(FormatError) -> [Float] {
        guard tensor.shape == shape else {
            throw FormatError(
                file: path, field: tensor.name,
                problem: "has shape \(tensor.shape), expected \(shape): pictures, channels, height and width")
        }
        return try tensor.floats()
    }
}
