public import VkdynCore
public import VkdynFormats
import VkdynKernels
public import VkdynSchedule

/// OPT (Zhang et al., "OPT: Open Pre-trained Transformer Language Models", arXiv:2205.01068): learned positions,
/// layer norms before or (350m) after each block, ReLU or GELU, embeddings of their own width behind a projection.
public struct OPT: DecoderModel {
    public struct Configuration: Sendable, Equatable {
        public var vocabularySize: Int
        public var width: Int
        public var embeddingWidth: Int
        public var feedForwardWidth: Int
        public var layerCount: Int
        public var headCount: Int
        public var contextLength: Int
        public var normsBefore: Bool
        public var hasFinalNorm: Bool
        public var hasBias: Bool
        public var hasNormWeights: Bool
        public var activation: Activation

        public init(_ config: ConfigObject) throws(FormatError) {
            vocabularySize = try config.integer("vocab_size")
            width = try config.integer("hidden_size")
            embeddingWidth = try config.integer("word_embed_proj_dim", default: width)
            feedForwardWidth = try config.integer("ffn_dim")
            layerCount = try config.integer("num_hidden_layers")
            headCount = try config.integer("num_attention_heads")
            contextLength = try config.integer("max_position_embeddings")
            normsBefore = try config.boolean("do_layer_norm_before", default: true)
            let removesFinalNorm = try config.boolean("_remove_final_layer_norm", default: false)
            hasFinalNorm = normsBefore && !removesFinalNorm
            hasBias = try config.boolean("enable_bias", default: true)
            hasNormWeights = try config.boolean("layer_norm_elementwise_affine", default: true)
            activation = try Activation(config, "activation_function", default: "relu")
            try config.requireHeads(headCount, width: width, "hidden_size")
        }
    }

    private struct Layer: Sendable {
        let attentionNorm: LayerNormLayer  // self_attn_layer_norm
        let fused: Linear  // self_attn.{q,k,v}_proj
        let output: Linear  // self_attn.out_proj
        let feedForwardNorm: LayerNormLayer  // final_layer_norm
        let up: Linear  // fc1
        let down: Linear  // fc2
    }

    public let configuration: Configuration
    public let parameterCount: Int
    private let tokenTable: Linear  // embed_tokens, tied to lm_head
    private let positionTable: Buffer  // embed_positions without its first two rows
    private let projectIn: Linear?
    private let projectOut: Linear?
    private let layers: [Layer]
    private let finalNorm: LayerNormLayer?

    public init(configuration: Configuration, loader: WeightLoader) throws {
        var loader = loader
        let c = configuration
        self.configuration = c
        let candidates = ["model.decoder.", "decoder.", ""]
        let root = candidates.first { loader.checkpoint.contains($0 + "embed_tokens.weight") } ?? candidates[0]
        tokenTable = try loader.tokenTable(
            root + "embed_tokens.weight", vocabulary: c.vocabularySize, width: c.embeddingWidth, label: "embed_tokens")
        // The published table keeps two rows for padding in front.
        positionTable = try loader.table(
            root + "embed_positions.weight", rows: c.contextLength + 2, width: c.width, droppingFirst: 2,
            label: "embed_positions")
        func projection(_ name: String, _ inputs: Int, _ outputs: Int) throws -> Linear? {
            guard c.embeddingWidth != c.width else { return nil }
            return try loader.linear([root + name], inputs: inputs, outputs: [outputs], hasBias: false, label: name)
        }
        projectIn = try projection("project_in", c.embeddingWidth, c.width)
        projectOut = try projection("project_out", c.width, c.embeddingWidth)
        func norm(_ name: String) throws -> LayerNormLayer {
            guard c.hasNormWeights else { return LayerNormLayer(weight: nil, bias: nil, epsilon: 1e-5) }
            return LayerNormLayer(
                weight: try loader.vector(name + ".weight", count: c.width, label: name + ".weight"),
                bias: try loader.vector(name + ".bias", count: c.width, label: name + ".bias"), epsilon: 1e-5)
        }
        func linear(_ names: [String], _ inputs: Int, _ outputs: Int) throws -> Linear {
            try loader.linear(
                names, inputs: inputs, outputs: names.map { _ in outputs }, hasBias: c.hasBias, label: names[0])
        }
        layers = try (0..<c.layerCount).map { index in
            let prefix = root + "layers.\(index)."
            return Layer(
                attentionNorm: try norm(prefix + "self_attn_layer_norm"),
                fused: try linear(["q", "k", "v"].map { prefix + "self_attn.\($0)_proj" }, c.width, c.width),
                output: try linear([prefix + "self_attn.out_proj"], c.width, c.width),
                feedForwardNorm: try norm(prefix + "final_layer_norm"),
                up: try linear([prefix + "fc1"], c.width, c.feedForwardWidth),
                down: try linear([prefix + "fc2"], c.feedForwardWidth, c.width))
        }
        finalNorm = c.hasFinalNorm ? try norm(root + "final_layer_norm") : nil
        parameterCount = loader.parameterCount
    }

    public var vocabularySize: Int { configuration.vocabularySize }
    public var contextLength: Int { configuration.contextLength }
    public var layerCount: Int { configuration.layerCount }

    public var everyTokenByteCount: Int {
        let projections = (projectIn?.byteCount ?? 0) + (projectOut?.byteCount ?? 0)
        return layers.reduce(tokenTable.byteCount + projections) {
            $0 + $1.fused.byteCount + $1.output.byteCount + $1.up.byteCount + $1.down.byteCount
        }
    }
    public var cacheBytesPerToken: Int {
        2 * layerCount * attention.keyValueHeadCount * attention.headSize * ElementType.f32.byteCount
    }

    private var attention: AttentionShape {
        AttentionShape(
            headCount: configuration.headCount, keyValueHeadCount: configuration.headCount,
            headSize: configuration.width / configuration.headCount)
    }

    public func makeCache(
        device: any Device, capacity: Int, label: String
    ) throws(DeviceError) -> KeyValueCache {
        try KeyValueCache(
            device: device, layerCount: layerCount, headCount: attention.keyValueHeadCount,
            headSize: attention.headSize, capacity: capacity, label: label)
    }

    public func recordHidden(
        into recording: inout Recording, pass: DecoderPass, cache: KeyValueCache
    ) -> Buffer {
        var hidden = recordEmbedding(into: &recording, pass)
        for (index, layer) in layers.enumerated() {
            hidden = recording.scope("layer\(index)") { recording in
                record(layer, index, into: &recording, hidden, pass, cache)
            }
        }
        let width = configuration.width
        if let finalNorm {
            hidden = finalNorm.record(into: &recording, "final_norm", hidden, width: width, rows: pass.rows)
        }
        return projectOut?.record(into: &recording, "project_out", hidden, rows: pass.rows) ?? hidden
    }

    private func recordEmbedding(into recording: inout Recording, _ pass: DecoderPass) -> Buffer {
        guard let projectIn else {
            return tokenTable.recordEmbedding(
                into: &recording, "embed_tokens", pass: pass, positionTable: positionTable)
        }
        let tokens = tokenTable.recordEmbedding(into: &recording, "embed_tokens", pass: pass)
        // Positions join after the projection, so they are looked up as tokens of their own table.
        let (rows, width) = (pass.rows, configuration.width)
        let positions = recording.transient(.f32, count: rows.capacity * width, "embed_positions")
        recording.dispatch(
            Embedding.self, "embed_positions",
            .init(rows: rows.buffer, tokens: pass.positions, table: positionTable, result: positions),
            .init(
                rowCapacity: UInt32(rows.capacity), width: UInt32(width), groupSize: 1, positionOffset: 0,
                firstToken: 0, tokenCount: UInt32(configuration.contextLength)), rows: rows)
        return projectIn.record(into: &recording, "project_in", tokens, rows: rows, residual: positions)
    }

    private func record(
        _ layer: Layer, _ index: Int, into recording: inout Recording, _ input: Buffer, _ pass: DecoderPass,
        _ cache: KeyValueCache
    ) -> Buffer {
        let (rows, width, before) = (pass.rows, configuration.width, configuration.normsBefore)
        func norm(_ norm: LayerNormLayer, _ label: String, _ source: Buffer, _ applies: Bool) -> Buffer {
            applies ? norm.record(into: &recording, label, source, width: width, rows: rows) : source
        }
        var hidden = norm(layer.attentionNorm, "attention_norm", input, before)
        let fused = layer.fused.record(into: &recording, "query_key_value", hidden, rows: rows)
        let attended = attention.record(into: &recording, fused: fused, pass: pass, cache: cache, layer: index)
        hidden = layer.output.record(into: &recording, "output", attended, rows: rows, residual: input)
        let middle = norm(layer.attentionNorm, "attention_norm", hidden, !before)
        hidden = norm(layer.feedForwardNorm, "feed_forward_norm", middle, before)
        let up = layer.up.record(
            into: &recording, "up", hidden, rows: rows, activation: configuration.activation)
        hidden = layer.down.record(into: &recording, "down", up, rows: rows, residual: middle)
        return norm(layer.feedForwardNorm, "feed_forward_norm", hidden, !before)
    }

    public func recordLogits(into recording: inout Recording, hidden: Buffer, rows: Counted, logits: Buffer) {
        tokenTable.record(into: &recording, "logits", hidden, rows: rows, result: logits)
    }
}

extension Activation {
    /// An activation by Hugging Face's name.
    init(_ config: ConfigObject, _ field: String, default fallback: String) throws(FormatError) {
        let name = try config.string(field, default: fallback)
        switch name {
        case "relu": self = .relu
        case "gelu": self = .geluErf
        case "gelu_new", "gelu_pytorch_tanh", "gelu_fast": self = .geluTanh
        case "silu", "swish": self = .silu
        case "quick_gelu": self = .quickGelu
        default: throw config.error(field, "\"\(name)\" is not an activation that vkdyn has")
        }
    }
}
