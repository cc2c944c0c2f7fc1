public import VkdynCore
public import VkdynFormats
import VkdynKernels
public import VkdynSchedule

/// DeepSeek-V2 (DeepSeek-AI, arXiv:2405.04434) and V3 (arXiv:2412.19437): multi-head latent attention, and in all but
/// the first layers many small experts beside a shared one. The layers of V3 that predict further tokens are not
/// loaded.
public struct DeepSeek: DecoderModel {
    public struct Configuration: Sendable, Equatable {
        public var vocabularySize: Int
        public var width: Int
        public var feedForwardWidth: Int
        public var layerCount: Int
        public var attention: LatentAttentionShape
        /// Of compressed queries; nil where they are not compressed.
        public var queryRank: Int?
        public var contextLength: Int
        public var normEpsilon: Float
        public var rotary: RotaryConfiguration
        /// Whether the checkpoint rotates neighbouring dimensions instead of halves.
        public var isInterleaved: Bool
        public var hasAttentionBias: Bool
        public var tiesEmbeddings: Bool
        public var experts: ExpertConfiguration?

        public init(_ config: ConfigObject) throws(FormatError) {
            vocabularySize = try config.integer("vocab_size")
            width = try config.integer("hidden_size")
            feedForwardWidth = try config.integer("intermediate_size")
            layerCount = try config.integer("num_hidden_layers")
            queryRank = try config.optionalInteger("q_lora_rank")
            contextLength = try config.integer("max_position_embeddings", default: 2048)
            normEpsilon = Float(try config.number("rms_norm_eps", default: 1e-6))
            isInterleaved = try config.boolean("rope_interleave", default: true)
            hasAttentionBias = try config.boolean("attention_bias", default: false)
            tiesEmbeddings = try config.boolean("tie_word_embeddings", default: false)
            attention = LatentAttentionShape(
                headCount: try config.integer("num_attention_heads", in: 1...256),
                latentSize: try config.integer("kv_lora_rank", in: 1...512),
                nopeSize: try config.integer("qk_nope_head_dim", in: 1...252),
                rotarySize: try config.integer("qk_rope_head_dim", in: 1...128),
                valueSize: try config.integer("v_head_dim", in: 1...256), scale: 1)
            let sizes = [
                width, feedForwardWidth, queryRank ?? 0, attention.latentSize, attention.nopeSize,
                attention.rotarySize, attention.valueSize,
            ]
            guard sizes.allSatisfy({ $0 % 4 == 0 }), attention.querySize <= 256 else {
                throw config.error(
                    "qk_nope_head_dim", "widths, ranks and sizes of heads that are multiples of 4, and heads of at "
                        + "most 256 are supported; found hidden_size \(width), intermediate_size \(feedForwardWidth), "
                        + "q_lora_rank \(queryRank ?? 0), kv_lora_rank \(attention.latentSize), heads of "
                        + "\(attention.nopeSize) + \(attention.rotarySize), v_head_dim \(attention.valueSize)")
            }
            rotary = try RotaryConfiguration(config, headSize: attention.rotarySize)
            attention.scale = rotary.softmaxScale(keySize: attention.querySize)
            let activation = try Activation(config, "hidden_act", default: "silu")
            guard activation == .silu else {
                throw config.error("hidden_act", "only silu is supported in a gated feed-forward")
            }
            experts = try ExpertConfiguration(config)
        }
    }

    private struct Layer: Sendable {
        let attentionNorm: RMSNormLayer  // input_layernorm
        let attention: LatentAttentionLayer  // self_attn
        let feedForwardNorm: RMSNormLayer  // post_attention_layernorm
        let feedForward: FeedForward  // mlp
    }

    public let configuration: Configuration
    public let parameterCount: Int
    private let tokenTable: Linear  // embed_tokens
    private let head: Linear  // lm_head, or embed_tokens again
    private let layers: [Layer]
    private let finalNorm: RMSNormLayer  // norm
    private let angles: RotaryTable

    /// - Parameter contextLimit: positions to provide for, when fewer than the model allows.
    public init(configuration: Configuration, loader: WeightLoader, contextLimit: Int? = nil) throws {
        var loader = loader
        var c = configuration
        c.contextLength = min(c.contextLength, contextLimit ?? c.contextLength)
        self.configuration = c
        (tokenTable, head) = try loader.tokenTableAndHead(
            "model.", vocabulary: c.vocabularySize, width: c.width, isTied: c.tiesEmbeddings)
        func norm(_ name: String) throws -> RMSNormLayer {
            try loader.rmsNorm(name, width: c.width, epsilon: c.normEpsilon)
        }
        layers = try (0..<c.layerCount).map { index in
            let prefix = "model.layers.\(index)."
            return Layer(
                attentionNorm: try norm(prefix + "input_layernorm"),
                attention: try loader.latentAttention(
                    c.attention, prefix: prefix + "self_attn.", width: c.width, queryRank: c.queryRank,
                    isInterleaved: c.isInterleaved, hasBias: c.hasAttentionBias),
                feedForwardNorm: try norm(prefix + "post_attention_layernorm"),
                feedForward: try loader.feedForward(
                    prefix, layer: index, experts: c.experts, width: c.width, innerWidth: c.feedForwardWidth))
        }
        finalNorm = try norm("model.norm")
        angles = try RotaryTable(c.rotary, positionCount: c.contextLength, device: loader.device)
        parameterCount = loader.parameterCount
    }

    public var vocabularySize: Int { configuration.vocabularySize }
    public var contextLength: Int { configuration.contextLength }
    public var layerCount: Int { configuration.layerCount }
    public var experts: ExpertConfiguration? { configuration.experts }
    public var expertByteCount: Int { layers.map(\.feedForward.expertByteCount).max() ?? 0 }
    public var everyTokenByteCount: Int {
        layers.reduce(head.byteCount) { $0 + $1.attention.roundByteCount + $1.feedForward.everyTokenByteCount }
    }
    public var expertCache: ExpertCache? { layers.lazy.compactMap(\.feedForward.expertCache).first }
    public var cacheBytesPerToken: Int {
        layerCount * configuration.attention.cachedSize * ElementType.f32.byteCount
    }
    public var fullHeadCacheBytesPerToken: Int {
        let s = configuration.attention
        return layerCount * s.headCount * (s.querySize + s.valueSize) * ElementType.f32.byteCount
    }
    public var activeParameterCount: Int {
        parameterCount - (experts?.unchosenParameterCount(modelWidth: configuration.width) ?? 0)
    }

    public func makeCache(
        device: any Device, capacity: Int, label: String
    ) throws(DeviceError) -> KeyValueCache {
        try KeyValueCache(
            device: device, layerCount: layerCount, latentWidth: configuration.attention.cachedSize,
            capacity: capacity, experts: experts, label: label)
    }

    public func recordHidden(
        into recording: inout Recording, pass: DecoderPass, cache: KeyValueCache
    ) -> Buffer {
        let width = configuration.width
        var hidden = tokenTable.recordEmbedding(into: &recording, "embed_tokens", pass: pass)
        for (index, layer) in layers.enumerated() {
            hidden = recording.scope("layer\(index)") { recording in
                let attentionInput = layer.attentionNorm.record(
                    into: &recording, "attention_norm", hidden, width: width, rows: pass.rows)
                let middle = layer.attention.record(
                    into: &recording, attentionInput, residual: hidden, pass: pass, angles: angles, cache: cache,
                    layer: index)
                let input = layer.feedForwardNorm.record(
                    into: &recording, "feed_forward_norm", middle, width: width, rows: pass.rows)
                return layer.feedForward.record(into: &recording, input, residual: middle, pass: pass, cache: cache)
            }
        }
        return finalNorm.record(into: &recording, "final_norm", hidden, width: width, rows: pass.rows)
    }

    public func recordLogits(into recording: inout Recording, hidden: Buffer, rows: Counted, logits: Buffer) {
        head.record(into: &recording, "logits", hidden, rows: rows, result: logits)
    }
}
