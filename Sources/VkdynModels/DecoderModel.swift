public import VkdynCore
public import VkdynFormats
public import VkdynSchedule

/// A language model whose weights are on a device: a decoder, and for some an encoder that reads the prompt.
public protocol DecoderModel: Sendable {
    var vocabularySize: Int { get }
    /// The longest sequence the model was made for.
    var contextLength: Int { get }
    var layerCount: Int { get }
    /// Elements of all weights, tied ones once.
    var parameterCount: Int { get }
    /// Elements of the weights that one token uses: all but those of the experts that it does not choose.
    var activeParameterCount: Int { get }
    /// The experts of its feed-forward layers; nil where all are dense.
    var experts: ExpertConfiguration? { get }
    /// Bytes of one expert's weights as they are stored, scales included; 0 where all layers are dense.
    var expertByteCount: Int { get }
    /// Bytes of the weights that a round's pass reads whatever its tokens: all but experts, and but the token table where
    /// it is not the output projection, of which a token has one row. Norms are left out.
    var everyTokenByteCount: Int { get }
    /// What reads the prompt as a whole before the decoder begins; nil where the decoder goes on with the prompt.
    var encoder: (any PromptEncoder)? { get }
    /// Where experts lie that do not all fit into memory; nil where they all do.
    var expertCache: ExpertCache? { get }
    /// Bytes that the cache of keys and values, or of latents, takes for a token, and what keys and values of all heads
    /// that the model computes would.
    var cacheBytesPerToken: Int { get }
    var fullHeadCacheBytesPerToken: Int { get }

    /// An empty cache for sequences of up to `capacity` tokens.
    func makeCache(device: any Device, capacity: Int, label: String) throws(DeviceError) -> KeyValueCache

    /// Appends one pass to a recording: the pass's keys and values enter the cache.
    /// - Returns: the last hidden states after the final norm, [rows, width].
    func recordHidden(into recording: inout Recording, pass: DecoderPass, cache: KeyValueCache) -> Buffer

    /// Appends the output projection.
    /// - Parameters:
    ///   - hidden: what `recordHidden` returned.
    ///   - logits: where the result goes, [rows, vocabularySize].
    func recordLogits(into recording: inout Recording, hidden: Buffer, rows: Counted, logits: Buffer)
}

extension DecoderModel {
    public var activeParameterCount: Int { parameterCount }
    public var experts: ExpertConfiguration? { nil }
    public var expertByteCount: Int { 0 }
    public var expertCache: ExpertCache? { nil }
    public var encoder: (any PromptEncoder)? { nil }
    public var fullHeadCacheBytesPerToken: Int { cacheBytesPerToken }
}

/// The part of a model that reads a whole prompt at once, every token with a view of all, before the decoder writes.
/// Its pass is over one prompt, so that no bit depends on what else runs.
public protocol PromptEncoder: Sendable {
    /// What the decoder reads first, and so the beginning of its text.
    var startToken: Int { get }

    /// The most tokens of a prompt that an expert takes; nil for all.
    func expertCapacity(ofPrompt tokens: Int) -> Int?

    /// Appends the pass over the prompt that is in the cache: keys and values of it enter there, for every layer of the
    /// decoder.
    /// - Parameter expertCapacity: the most tokens that an expert takes; nil leaves it to the configuration.
    func recordPrompt(into recording: inout Recording, cache: KeyValueCache, expertCapacity: Int?)
}

/// A model's folder as Hugging Face publishes it, read and checked, before any weight is loaded.
public struct ModelFolder: Sendable {
    public let path: String
    public let config: ConfigFile
    public let checkpoint: SafetensorsCheckpoint
    public let generation: GenerationConfig

    public init(_ path: String) throws(FormatError) {
        self.path = path
        (config, checkpoint, generation) = try HostSpans.measure(.load, path) { () throws(FormatError) in
            let config = try ConfigFile(path: path + "/config.json")
            return (
                config, try SafetensorsCheckpoint(folder: path, config: config.root),
                try GenerationConfig(folder: path)
            )
        }
    }

    /// Loads the model of whatever architecture the configuration names.
    /// - Parameters:
    ///   - weightType: storage of matrices on the device; nil keeps the checkpoint's own, or bf16 where that is fp8.
    ///   - expertCapacity: how many rows an expert takes; nil for the configuration's rule, which is all of them but in
    ///     Switch Transformers.
    ///   - expertCacheBytes: memory for experts, which then come from the checkpoint as they are needed; nil for all.
    ///   - progress: called with the bytes loaded so far and in all; what it throws ends the loading.
    public func load(
        on device: any Device, weightType: ElementType? = nil, contextLimit: Int? = nil,
        expertCapacity: ExpertCapacity? = nil, expertCacheBytes: Int? = nil,
        progress: @escaping (Int, Int) throws -> Void = { _, _ in }
    ) throws -> any DecoderModel {
        var loader = WeightLoader(
            checkpoint: checkpoint, device: device, weightType: weightType, progress: progress)
        loader.expertCacheBytes = expertCacheBytes
        return try HostSpans.measure(.load, path) {
            try model(loader, contextLimit: contextLimit, expertCapacity: expertCapacity)
        }
    }

    private func model(
        _ loader: WeightLoader, contextLimit: Int?, expertCapacity: ExpertCapacity?
    ) throws -> any DecoderModel {
        let type = try config.root.string("model_type")
        func limit(_ experts: inout ExpertConfiguration?) throws {
            guard let expertCapacity else { return }
            guard experts != nil else {
                throw config.root.error("model_type", "has no experts that could have a capacity")
            }
            experts?.limit(expertCapacity)
        }
        var none: ExpertConfiguration?
        switch type {
        case "opt":
            try limit(&none)
            return try OPT(configuration: OPT.Configuration(config.root), loader: loader)
        case "llama", "mistral", "qwen2", "mixtral", "qwen2_moe":
            var configuration = try Llama.Configuration(config.root)
            try limit(&configuration.experts)
            return try Llama(configuration: configuration, loader: loader, contextLimit: contextLimit)
        case "deepseek_v2", "deepseek_v3":
            var configuration = try DeepSeek.Configuration(config.root)
            try limit(&configuration.experts)
            return try DeepSeek(configuration: configuration, loader: loader, contextLimit: contextLimit)
        case "switch_transformers":
            var configuration = try SwitchTransformer.Configuration(config.root)
            try limit(&configuration.experts)
            return try SwitchTransformer(configuration: configuration, loader: loader, contextLimit: contextLimit)
        default:
            throw config.root.error(
                "model_type", "\"\(type)\" is not a model that vkdyn knows; it knows opt, llama, mistral, qwen2, "
                    + "mixtral, qwen2_moe, deepseek_v2, deepseek_v3 and switch_transformers")
        }
    }
}
