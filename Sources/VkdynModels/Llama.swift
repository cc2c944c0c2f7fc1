import Foundation
public import VkdynCore
public import VkdynFormats
import VkdynKernels
public import VkdynSchedule

/// Llama 2 and 3 (Touvron et al., arXiv:2307.09288; Grattafiori et al., arXiv:2407.21783), Mistral with its sliding
/// window (Jiang et al., arXiv:2310.06825) and Qwen2 with its biases (Yang et al., arXiv:2407.10671): root-mean-square
/// norms, rotary positions, grouped queries, a SiLU-gated feed-forward. With experts in some layers, or all: Mixtral
/// (Jiang et al., arXiv:2401.04088) and Qwen2-MoE.
public struct Llama: DecoderModel {
    public struct Configuration: Sendable, Equatable {
        public var vocabularySize: Int
        public var width: Int
        public var feedForwardWidth: Int
        public var layerCount: Int
        public var headCount: Int
        public var keyValueHeadCount: Int
        public var headSize: Int
        public var contextLength: Int
        public var normEpsilon: Float
        public var rotary: RotaryConfiguration
        public var hasQueryBias: Bool
        public var hasOutputBias: Bool
        public var hasFeedForwardBias: Bool
        public var tiesEmbeddings: Bool
        public var slidingWindow: Int?
        /// Layers from this one on have the sliding window.
        public var firstWindowedLayer: Int
        public var experts: ExpertConfiguration?

        public init(_ config: ConfigObject) throws(FormatError) {
            let type = try config.string("model_type")
            vocabularySize = try config.integer("vocab_size")
            width = try config.integer("hidden_size")
            feedForwardWidth = try config.integer("intermediate_size")
            layerCount = try config.integer("num_hidden_layers")
            headCount = try config.integer("num_attention_heads")
            keyValueHeadCount = try config.integer("num_key_value_heads", default: headCount)
            guard headCount % keyValueHeadCount == 0 else {
                throw config.error(
                    "num_key_value_heads", "\(keyValueHeadCount) does not divide num_attention_heads (\(headCount))")
            }
            headSize = try config.optionalInteger("head_dim") ?? width / headCount
            guard headSize % 4 == 0, (4...256).contains(headSize), width % 4 == 0, feedForwardWidth % 4 == 0 else {
                throw config.error(
                    "hidden_size", "head sizes of 4 to 256 and widths, all multiples of 4, are supported; found head "
                        + "size \(headSize), hidden_size \(width), intermediate_size \(feedForwardWidth)")
            }
            contextLength = try config.integer("max_position_embeddings", default: 2048)
            normEpsilon = Float(try config.number("rms_norm_eps", default: 1e-6))
            rotary = try RotaryConfiguration(config, headSize: headSize)
            let attentionBias = try config.boolean("attention_bias", default: false)
            let isQwen = type == "qwen2" || type == "qwen2_moe"
            let queryBias = try config.boolean("qkv_bias", default: isQwen)
            hasQueryBias = isQwen ? queryBias : attentionBias
            hasOutputBias = !isQwen && attentionBias
            hasFeedForwardBias = try config.boolean("mlp_bias", default: false)
            tiesEmbeddings = try config.boolean("tie_word_embeddings", default: false)
            let activation = try Activation(config, "hidden_act", default: "silu")
            guard activation == .silu else {
                throw config.error("hidden_act", "only silu is supported in a gated feed-forward")
            }
            switch type {
            case "mistral", "mixtral":
                slidingWindow = try config.optionalInteger("sliding_window")
                firstWindowedLayer = 0
            case "qwen2", "qwen2_moe":
                let uses = try config.boolean("use_sliding_window", default: false)
                slidingWindow = uses ? try config.optionalInteger("sliding_window") : nil
                firstWindowedLayer = try config.integer("max_window_layers", in: 0...Int(Int32.max), default: 0)
            default:
                slidingWindow = nil
                firstWindowedLayer = 0
            }
            experts = try ExpertConfiguration(config)
        }
    }

    private struct Layer: Sendable {
        let attentionNorm: RMSNormLayer  // input_layernorm
        let fused: Linear  // self_attn.{q,k,v}_proj
        let output: Linear  // self_attn.o_proj
        let feedForwardNorm: RMSNormLayer  // post_attention_layernorm
        let feedForward: FeedForward  // mlp, or block_sparse_moe
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
        let root = loader.checkpoint.contains("model.embed_tokens.weight") ? "model." : ""
        (tokenTable, head) = try loader.tokenTableAndHead(
            root, vocabulary: c.vocabularySize, width: c.width, isTied: c.tiesEmbeddings)
        func norm(_ name: String) throws -> RMSNormLayer {
            try loader.rmsNorm(name, width: c.width, epsilon: c.normEpsilon)
        }
        let (queryWidth, keyWidth) = (c.headCount * c.headSize, c.keyValueHeadCount * c.headSize)
        layers = try (0..<c.layerCount).map { index in
            let prefix = root + "layers.\(index)."
            let attention = prefix + "self_attn."
            return Layer(
                attentionNorm: try norm(prefix + "input_layernorm"),
                fused: try loader.linear(
                    ["q_proj", "k_proj", "v_proj"].map { attention + $0 }, inputs: c.width,
                    outputs: [queryWidth, keyWidth, keyWidth], hasBias: c.hasQueryBias, label: attention + "qkv"),
                output: try loader.linear(
                    [attention + "o_proj"], inputs: queryWidth, outputs: [c.width], hasBias: c.hasOutputBias,
                    label: attention + "o_proj"),
                feedForwardNorm: try norm(prefix + "post_attention_layernorm"),
                feedForward: try loader.feedForward(
                    prefix, layer: index, experts: c.experts, width: c.width, innerWidth: c.feedForwardWidth,
                    hasBias: c.hasFeedForwardBias))
        }
        finalNorm = try norm(root + "norm")
        angles = try RotaryTable(c.rotary, positionCount: c.contextLength, device: loader.device)
        parameterCount = loader.parameterCount
    }

    public var vocabularySize: Int { configuration.vocabularySize }
    public var contextLength: Int { configuration.contextLength }
    public var layerCount: Int { configuration.layerCount }
    public var experts: ExpertConfiguration? { configuration.experts }
    public var expertByteCount: Int { layers.map(\.feedForward.expertByteCount).max() ?? 0 }
    public var everyTokenByteCount: Int {
        layers.reduce(head.byteCount) {
            $0 + $1.fused.byteCount + $1.output.byteCount + $1.feedForward.everyTokenByteCount
        }
    }
    public var expertCache: ExpertCache? { layers.lazy.compactMap(\.feedForward.expertCache).first }
    public var cacheBytesPerToken: Int {
        2 * layerCount * configuration.keyValueHeadCount * configuration.headSize * ElementType.f32.byteCount
    }
    public var activeParameterCount: Int {
        parameterCount - (experts?.unchosenParameterCount(modelWidth: configuration.width) ?? 0)
    }

    private func attention(layer: Int) -> AttentionShape {
        let c = configuration
        return AttentionShape(
            headCount: c.headCount, keyValueHeadCount: c.keyValueHeadCount, headSize: c.headSize,
            window: layer >= c.firstWindowedLayer ? c.slidingWindow : nil)
    }

    public func makeCache(
        device: any Device, capacity: Int, label: String
    ) throws(DeviceError) -> KeyValueCache {
        try KeyValueCache(
            device: device, layerCount: layerCount, headCount: configuration.keyValueHeadCount,
            headSize: configuration.headSize, capacity: capacity, experts: experts, label: label)
    }

    public func recordHidden(
        into recording: inout Recording, pass: DecoderPass, cache: KeyValueCache
    ) -> Buffer {
        let c = configuration
        var hidden = tokenTable.recordEmbedding(into: &recording, "embed_tokens", pass: pass)
        for (index, layer) in layers.enumerated() {
            hidden = recording.scope("layer\(index)") { recording in
                record(layer, index, into: &recording, hidden, pass, cache)
            }
        }
        return finalNorm.record(into: &recording, "final_norm", hidden, width: c.width, rows: pass.rows)
    }

    private func record(
        _ layer: Layer, _ index: Int, into recording: inout Recording, _ input: Buffer, _ pass: DecoderPass,
        _ cache: KeyValueCache
    ) -> Buffer {
        let c = configuration
        let rows = pass.rows
        let shape = attention(layer: index)
        var hidden = layer.attentionNorm.record(
            into: &recording, "attention_norm", input, width: c.width, rows: rows)
        let fused = layer.fused.record(into: &recording, "query_key_value", hidden, rows: rows)
        recording.dispatch(
            Rotary.self, "rotary",
            .init(
                rows: rows.buffer, positions: pass.positions, cosine: angles.cosine, sine: angles.sine, data: fused),
            .init(
                rowCapacity: UInt32(rows.capacity), headCount: UInt32(c.headCount + c.keyValueHeadCount),
                headSize: UInt32(c.headSize), rotarySize: UInt32(c.headSize), stride: UInt32(shape.fusedColumns)),
            rows: rows)
        let attended = shape.record(into: &recording, fused: fused, pass: pass, cache: cache, layer: index)
        let middle = layer.output.record(into: &recording, "output", attended, rows: rows, residual: input)
        hidden = layer.feedForwardNorm.record(
            into: &recording, "feed_forward_norm", middle, width: c.width, rows: rows)
        return layer.feedForward.record(into: &recording, hidden, residual: middle, pass: pass, cache: cache)
    }

    public func recordLogits(into recording: inout Recording, hidden: Buffer, rows: Counted, logits: Buffer) {
        head.record(into: &recording, "logits", hidden, rows: rows, result: logits)
    }
}
