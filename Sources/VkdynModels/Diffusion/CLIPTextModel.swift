public import VkdynCore
public import VkdynFormats
import VkdynKernels
public import VkdynSchedule

/// CLIP's text encoder (Radford et al., arXiv:2103.00020): causal transformer layers with norms before each part,
/// learned positions, and a norm at the end.
public struct CLIPTextModel: Sendable {
    public struct Configuration: Sendable, Equatable {
        public var vocabularySize: Int
        public var width: Int
        public var feedForwardWidth: Int
        public var layerCount: Int
        public var headCount: Int
        public var positionCount: Int
        /// Tokens of a text, at most `positionCount`.
        public var length: Int
        public var activation: Activation
        public var normEpsilon: Float

        public init(_ config: ConfigObject) throws(FormatError) {
            vocabularySize = try config.integer("vocab_size")
            width = try config.integer("hidden_size")
            feedForwardWidth = try config.integer("intermediate_size")
            layerCount = try config.integer("num_hidden_layers")
            headCount = try config.integer("num_attention_heads")
            positionCount = try config.integer("max_position_embeddings", in: 3...4096, default: 77)
            length = positionCount
            activation = try Activation(config, "hidden_act", default: "quick_gelu")
            normEpsilon = Float(try config.number("layer_norm_eps", default: 1e-5))
            try config.requireHeads(headCount, width: width, "hidden_size")
        }
    }

    private struct Layer: Sendable {
        let attentionNorm: LayerNormLayer  // layer_norm1
        let fused: Linear  // self_attn.{q,k,v}_proj
        let output: Linear  // self_attn.out_proj
        let feedForwardNorm: LayerNormLayer  // layer_norm2
        let up: Linear  // mlp.fc1
        let down: Linear  // mlp.fc2
    }

    public let configuration: Configuration
    public let parameterCount: Int
    private let tokenTable: Linear  // embeddings.token_embedding
    private let positionTable: Buffer  // embeddings.position_embedding
    private let layers: [Layer]
    private let finalNorm: LayerNormLayer  // final_layer_norm

    public init(configuration: Configuration, loader: WeightLoader) throws {
        var loader = loader
        let c = configuration
        self.configuration = c
        let root = loader.checkpoint.contains("text_model.final_layer_norm.weight") ? "text_model." : ""
        tokenTable = try loader.tokenTable(
            root + "embeddings.token_embedding.weight", vocabulary: c.vocabularySize, width: c.width,
            label: "token_embedding")
        positionTable = try loader.table(
            root + "embeddings.position_embedding.weight", rows: c.positionCount, width: c.width, droppingFirst: 0,
            label: "position_embedding")
        func linear(_ names: [String], _ inputs: Int, _ outputs: Int) throws -> Linear {
            try loader.linear(
                names, inputs: inputs, outputs: names.map { _ in outputs }, hasBias: true, label: names[0])
        }
        layers = try (0..<c.layerCount).map { index in
            let prefix = root + "encoder.layers.\(index)."
            return Layer(
                attentionNorm: try loader.layerNorm(prefix + "layer_norm1", width: c.width, epsilon: c.normEpsilon),
                fused: try linear(["q", "k", "v"].map { prefix + "self_attn.\($0)_proj" }, c.width, c.width),
                output: try linear([prefix + "self_attn.out_proj"], c.width, c.width),
                feedForwardNorm: try loader.layerNorm(prefix + "layer_norm2", width: c.width, epsilon: c.normEpsilon),
                up: try linear([prefix + "mlp.fc1"], c.width, c.feedForwardWidth),
                down: try linear([prefix + "mlp.fc2"], c.feedForwardWidth, c.width))
        }
        finalNorm = try loader.layerNorm(root + "final_layer_norm", width: c.width, epsilon: c.normEpsilon)
        parameterCount = loader.parameterCount
    }

    /// Appends the encoding of texts.
    /// - Parameters:
    ///   - tokens: [texts, length].
    ///   - positions: [texts, length]: 0 … length − 1 of each.
    ///   - rows: of all texts.
    ///   - kept: where the result goes; nil for a transient buffer.
    /// - Returns: the last hidden states, normed, [texts, length, width].
    public func record(
        into recording: inout Recording, tokens: Buffer, positions: Buffer, rows: Counted, result kept: Buffer? = nil
    ) -> Buffer {
        let c = configuration
        let pass = DecoderPass(rows: rows, tokens: tokens, positions: positions)
        let attention = SequenceAttention(headCount: c.headCount, headSize: c.width / c.headCount)
        var hidden = tokenTable.recordEmbedding(
            into: &recording, "embed", pass: pass, positionTable: positionTable)
        for (index, layer) in layers.enumerated() {
            recording.scope("layer\(index)") { recording in
                let normed = layer.attentionNorm.record(
                    into: &recording, "attention_norm", hidden, width: c.width, rows: rows)
                let fused = layer.fused.record(into: &recording, "query_key_value", normed, rows: rows)
                let attended = attention.record(
                    into: &recording, fused: fused, rows: rows, sequences: rows.capacity / c.length, length: c.length,
                    positions: positions)
                hidden = layer.output.record(into: &recording, "output", attended, rows: rows, residual: hidden)
                let middle = layer.feedForwardNorm.record(
                    into: &recording, "feed_forward_norm", hidden, width: c.width, rows: rows)
                let up = layer.up.record(into: &recording, "up", middle, rows: rows, activation: c.activation)
                hidden = layer.down.record(into: &recording, "down", up, rows: rows, residual: hidden)
            }
        }
        return finalNorm.record(into: &recording, "final_norm", hidden, width: c.width, rows: rows, result: kept)
    }
}
