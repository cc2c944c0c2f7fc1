import VkdynCore
public import VkdynFormats

/// The folder of a Stable Diffusion 1 or 2 pipeline as diffusers publishes it, read and checked as far as the files
/// belong together, before any weight is loaded.
public struct PipelineFolder: Sendable {
    /// A network: its configuration and its weights.
    public struct Part: Sendable {
        public let folder: String
        public let config: ConfigFile
        public let checkpoint: SafetensorsCheckpoint

        fileprivate init(_ folder: String, names: [String], className: String) throws(FormatError) {
            self.folder = folder
            config = try HostSpans.measure(.load, folder) { () throws(FormatError) in
                try ConfigFile(path: folder + "/config.json")
            }
            let found = try config.root.optionalString("_class_name")
            if let found, found != className {
                throw config.root.error("_class_name", "expected \"\(className)\", found \(quotedForMessage(found))")
            }
            checkpoint = try HostSpans.measure(.load, folder) { () throws(FormatError) in
                try SafetensorsCheckpoint(folder: folder, names: names)
            }
        }
    }

    public let path: String
    /// `CLIPTextModel`.
    public let textEncoder: Part
    /// `UNet2DConditionModel`.
    public let unet: Part
    /// `AutoencoderKL`.
    public let vae: Part
    public let prompts: ClipPromptEncoder
    /// With the changes that diffusers' pipeline makes to every file's: leading spacing begins at 1, and the latents are
    /// not clipped.
    public let scheduler: SchedulerConfiguration

    /// Throws for a pipeline of another class, and for a part that is missing or of another class. The safety checker
    /// and what else a folder may hold are left alone.
    public init(_ path: String) throws(FormatError) {
        self.path = path
        let index = try ConfigFile(path: path + "/model_index.json").root
        let pipeline = try index.string("_class_name")
        guard pipeline == "StableDiffusionPipeline" else {
            throw index.error(
                "_class_name", "expected \"StableDiffusionPipeline\", found \(quotedForMessage(pipeline))")
        }
        // All names are checked before any file is read.
        _ = try Self.className(index, "text_encoder", ["CLIPTextModel"])
        _ = try Self.className(index, "unet", ["UNet2DConditionModel"])
        _ = try Self.className(index, "vae", ["AutoencoderKL"])
        _ = try Self.className(index, "tokenizer", ["CLIPTokenizer", "CLIPTokenizerFast"])
        let schedulerClass = try Self.className(index, "scheduler", nil)
        var scheduler = try SchedulerConfiguration(ConfigFile(path: path + "/scheduler/scheduler_config.json"))
        scheduler.kind = SchedulerKind(className: schedulerClass)
        scheduler.stepsOffset = 1
        scheduler.clipsSample = false
        self.scheduler = scheduler
        textEncoder = try Part(
            path + "/text_encoder", names: ["model", "model.fp16"], className: "CLIPTextModel")
        let weights = ["diffusion_pytorch_model", "diffusion_pytorch_model.fp16"]
        unet = try Part(path + "/unet", names: weights, className: "UNet2DConditionModel")
        vae = try Part(path + "/vae", names: weights, className: "AutoencoderKL")
        prompts = try ClipPromptEncoder(
            folder: path + "/tokenizer",
            limit: textEncoder.config.root.integer("max_position_embeddings", in: 3...100_000, default: 77))
    }

    /// The class of a part, the second of the two names that `model_index.json` has for it.
    /// - Parameter known: nil for any.
    private static func className(
        _ index: ConfigObject, _ part: String, _ known: [String]?
    ) throws(FormatError) -> String {
        let expected = known.map { "[library, \"\($0[0])\"]" } ?? "a library and a class"
        guard index.contains(part) else { throw index.error(part, "is missing; expected \(expected)") }
        let names = try index.optionalStrings(part) ?? []
        guard names.count == 2 else { throw index.error(part, "expected \(expected), found a list of \(names.count)") }
        guard known?.contains(names[1]) ?? true else {
            throw index.error(part, "expected \(expected), found \(quotedForMessage(names[1]))")
        }
        return names[1]
    }
}
