public import VkdynCore
import VkdynFormats
import VkdynKernels
import VkdynSchedule

/// The vision transformer (Dosovitskiy et al., arXiv:2010.11929), DeiT with its distillation token (Touvron et al.,
/// arXiv:2012.12877) and DeiT III (arXiv:2204.07118): patches and class token with learned positions, layer norms
/// before each block, GELU, layer scale where there is one, and a linear classifier.
public struct VisionTransformer: Sendable {
    /// Names of timm, with Hugging Face's where they are others.
    private struct Layer: Sendable {
        let attentionNorm: LayerNormLayer  // norm1; layernorm_before
        let fused: Linear  // attn.qkv; attention.attention.{query,key,value}
        let output: Linear  // attn.proj; attention.output.dense
        let attentionScale: Buffer?  // ls1.gamma
        let feedForwardNorm: LayerNormLayer  // norm2; layernorm_after
        let up: Linear  // mlp.fc1; intermediate.dense
        let down: Linear  // mlp.fc2; output.dense
        let feedForwardScale: Buffer?  // ls2.gamma
    }

    public let configuration: Configuration
    public let parameterCount: Int
    private let patchEmbedding: Linear  // patch_embed.proj
    private let positions: Buffer  // [patches, width], of pos_embed
    private let prefix: Buffer?  // [prefix, width]: cls_token, dist_token with their positions
    private let embeddingNorm: LayerNormLayer?  // norm_pre
    private let layers: [Layer]
    private let finalNorm: LayerNormLayer?  // norm; fc_norm
    private let head: Linear  // head; classifier
    private let distillationHead: Linear?  // head_dist
    /// [classes], one half each: the mean of two heads.
    private let halves: Buffer?

    public var layerCount: Int { configuration.layerCount }

    public init(configuration: Configuration, loader: WeightLoader) throws {
        var loader = loader
        let (c, names) = (configuration, Names(configuration.publisher))
        self.configuration = c
        func norm(_ name: String) throws -> LayerNormLayer {
            LayerNormLayer(
                weight: try loader.vector(name + ".weight", count: c.width, label: name + ".weight"),
                bias: try loader.vector(name + ".bias", count: c.width, label: name + ".bias"), epsilon: c.normEpsilon)
        }
        func linear(_ names: [String], _ inputs: Int, _ outputs: Int, hasBias: Bool = true) throws -> Linear {
            try loader.linear(
                names, inputs: inputs, outputs: names.map { _ in outputs }, hasBias: hasBias, label: names[0])
        }
        func scale(_ name: String) throws -> Buffer? {
            c.hasLayerScale ? try loader.vector(name, count: c.width, label: name) : nil
        }

        patchEmbedding = try loader.windows(
            names.patches, channels: c.channelCount, height: c.patchHeight, width: c.patchWidth, outputs: c.width,
            hasBias: !c.normsBeforeLayers, label: names.patches)
        let (prefix, positions) = try Self.embeddings(c, names, &loader)
        self.prefix =
            prefix.isEmpty ? nil : try loader.device.makeBuffer(.floats(prefix), label: names.classToken)
        self.positions = try loader.device.makeBuffer(.floats(positions), label: names.positions)
        embeddingNorm = c.normsBeforeLayers ? try norm("norm_pre") : nil
        layers = try (0..<c.layerCount).map { index in
            let layer = names.layer(index)
            return Layer(
                attentionNorm: try norm(layer.attentionNorm),
                fused: try linear(
                    layer.fused, c.width, layer.fused.count == 1 ? 3 * c.width : c.width, hasBias: c.hasQueryBias),
                output: try linear([layer.output], c.width, c.width),
                attentionScale: try scale(layer.attentionScale), feedForwardNorm: try norm(layer.feedForwardNorm),
                up: try linear([layer.up], c.width, c.feedForwardWidth),
                down: try linear([layer.down], c.feedForwardWidth, c.width),
                feedForwardScale: try scale(layer.feedForwardScale))
        }
        finalNorm = c.hasFinalNorm ? try norm(c.normsAfterPooling ? "fc_norm" : names.finalNorm) : nil
        head = try linear([names.head], c.width, c.classCount)
        distillationHead = c.hasDistillationToken ? try linear(["head_dist"], c.width, c.classCount) : nil
        halves =
            c.hasDistillationToken
            ? try loader.device.makeBuffer(
                .floats([Float](repeating: 0.5, count: c.classCount)), label: "head_halves") : nil
        parameterCount = loader.parameterCount
    }

    /// Class and distillation token with their positions, [prefix, width], and the patches' positions.
    private static func embeddings(
        _ c: Configuration, _ names: Names, _ loader: inout WeightLoader
    ) throws -> (prefix: [Float], positions: [Float]) {
        var prefix: [Float] = []
        if c.hasClassToken { prefix += try loader.floats(names.classToken, shape: [1, 1, c.width]) }
        if c.hasDistillationToken { prefix += try loader.floats("dist_token", shape: [1, 1, c.width]) }
        let own = c.embedsPrefix ? c.prefixCount : 0
        let table = try loader.floats(names.positions, shape: [1, own + c.patchCount, c.width])
        // The one addition that the device would make.
        for i in 0..<own * c.width { prefix[i] += table[i] }
        return (prefix, Array(table[(own * c.width)...]))
    }

    // MARK: Recording

    /// Appends a pass over a batch.
    /// - Parameters:
    ///   - patches: [images, patchCount, patchSize], as `Configuration.patches(of:)` lays them out.
    ///   - reduction: what leaves tokens out between attention and feed-forward; nil for nothing.
    ///   - logits: where the result goes, [images, classCount].
    public func record(
        into recording: inout Recording, batch: ImageBatch, patches: Buffer, reduction: (any TokenReduction)? = nil,
        logits: Buffer
    ) {
        var tokens = recording.scope("embed") { recordEmbedding(into: &$0, batch, patches) }
        for (index, layer) in layers.enumerated() {
            let keys = recording.scope("encode.layer\(index)") {
                recordAttention(layer, into: &$0, batch, &tokens)
            }
            if let reduction {
                tokens = reduction.reduce(tokens, keys: keys, layer: index, batch: batch, into: &recording)
            }
            recording.scope("encode.layer\(index)") { recordFeedForward(layer, into: &$0, batch, &tokens) }
        }
        recording.scope("classify") { recordLogits(into: &$0, batch, tokens, logits) }
    }

    /// From the tokens after the last layer.
    private func recordLogits(
        into recording: inout Recording, _ batch: ImageBatch, _ tokens: ImageTokens, _ logits: Buffer
    ) {
        let c = configuration
        if c.pooling == .average {
            var pooled = tokens
            if !c.normsAfterPooling {
                pooled.hidden = norm(finalNorm, pooled.hidden, batch.rows(tokens.count), &recording)
            }
            var mean = batch.recordMean(into: &recording, pooled, width: c.width)
            if c.normsAfterPooling { mean = norm(finalNorm, mean, batch.images, &recording) }
            head.record(into: &recording, "head", mean, rows: batch.images, result: logits)
            return
        }
        // A norm over rows may as well come after the choice of rows.
        func classified(_ token: Int) -> Buffer {
            let row = batch.recordToken(token, into: &recording, tokens, width: c.width)
            return norm(finalNorm, row, batch.images, &recording)
        }
        guard let distillationHead, let halves else {
            head.record(into: &recording, "head", classified(0), rows: batch.images, result: logits)
            return
        }
        let first = head.record(into: &recording, "head", classified(0), rows: batch.images)
        let sum = distillationHead.record(
            into: &recording, "head_dist", classified(1), rows: batch.images, residual: first)
        recordScaled(into: &recording, "head_mean", sum, halves, nil, batch.images, result: logits)
    }

    private func norm(
        _ norm: LayerNormLayer?, _ source: Buffer, _ rows: Counted, _ recording: inout Recording
    ) -> Buffer {
        norm?.record(into: &recording, "final_norm", source, width: configuration.width, rows: rows) ?? source
    }

    private func recordEmbedding(
        into recording: inout Recording, _ batch: ImageBatch, _ patches: Buffer
    ) -> ImageTokens {
        let c = configuration
        let embedded = patchEmbedding.record(
            into: &recording, "patch_embedding", patches, rows: batch.rows(c.patchCount))
        let rows = batch.rows(c.tokenCount)
        let hidden = recording.transient(.f32, count: rows.capacity * c.width, "tokens")
        recording.dispatch(
            AssembleTokens.self, "tokens",
            .init(
                images: batch.images.buffer, patches: embedded, positions: positions, prefix: prefix, result: hidden),
            .init(
                imageCapacity: UInt32(batch.images.capacity), prefixCount: UInt32(c.prefixCount),
                patchCount: UInt32(c.patchCount), width: UInt32(c.width)), rows: batch.images)
        let normed = embeddingNorm?.record(
            into: &recording, "embedding_norm", hidden, width: c.width, rows: rows)
        return ImageTokens(hidden: normed ?? hidden, count: c.tokenCount)
    }

    /// Attention with its norm and residual.
    /// - Returns: its keys, by which tokens may leave.
    private func recordAttention(
        _ layer: Layer, into recording: inout Recording, _ batch: ImageBatch, _ tokens: inout ImageTokens
    ) -> TokenKeys {
        let (c, rows) = (configuration, batch.rows(tokens.count))
        let normed = layer.attentionNorm.record(
            into: &recording, "attention_norm", tokens.hidden, width: c.width, rows: rows)
        let fused = layer.fused.record(into: &recording, "query_key_value", normed, rows: rows)
        let attended = SequenceAttention(headCount: c.headCount, headSize: c.headSize).record(
            into: &recording, fused: fused, rows: rows, sequences: batch.images.capacity, length: tokens.count,
            keyBias: tokens.keyBias)
        tokens.hidden = recordAdded(
            into: &recording, "output", layer.output, attended, layer.attentionScale, tokens.hidden, rows)
        return TokenKeys(
            source: fused, stride: 3 * c.width, offset: c.width, headCount: c.headCount, headSize: c.headSize)
    }

    /// The feed-forward with its norm and residual.
    private func recordFeedForward(
        _ layer: Layer, into recording: inout Recording, _ batch: ImageBatch, _ tokens: inout ImageTokens
    ) {
        let (c, rows) = (configuration, batch.rows(tokens.count))
        let middle = layer.feedForwardNorm.record(
            into: &recording, "feed_forward_norm", tokens.hidden, width: c.width, rows: rows)
        let up = layer.up.record(into: &recording, "up", middle, rows: rows, activation: c.activation)
        tokens.hidden = recordAdded(
            into: &recording, "down", layer.down, up, layer.feedForwardScale, tokens.hidden, rows)
    }

    /// Residual + f, with f's layer scale.
    private func recordAdded(
        into recording: inout Recording, _ label: String, _ linear: Linear, _ source: Buffer, _ scale: Buffer?,
        _ residual: Buffer, _ rows: Counted
    ) -> Buffer {
        guard let scale else {
            return linear.record(into: &recording, label, source, rows: rows, residual: residual)
        }
        let result = recording.transient(.f32, count: rows.capacity * configuration.width, label + "_scaled")
        let product = linear.record(into: &recording, label, source, rows: rows)
        recordScaled(into: &recording, label + "_scaled", product, scale, residual, rows, result: result)
        return result
    }

    private func recordScaled(
        into recording: inout Recording, _ label: String, _ source: Buffer, _ scale: Buffer, _ residual: Buffer?,
        _ rows: Counted, result: Buffer
    ) {
        recording.dispatch(
            ScaledAdd.self, label,
            .init(rows: rows.buffer, source: source, scale: scale, residual: residual, result: result),
            .init(rowCapacity: UInt32(rows.capacity), width: UInt32(scale.count)), rows: rows)
    }
}

/// What the publishers call the tensors.
private struct Names {
    struct Layer {
        let attentionNorm: String
        let fused: [String]
        let output: String
        let attentionScale: String
        let feedForwardNorm: String
        let up: String
        let down: String
        let feedForwardScale: String
    }

    private let publisher: VisionTransformer.Configuration.Publisher

    init(_ publisher: VisionTransformer.Configuration.Publisher) { self.publisher = publisher }

    private func name(_ timm: String, _ huggingFace: String) -> String {
        publisher == .timm ? timm : huggingFace
    }

    var patches: String { name("patch_embed.proj", "vit.embeddings.patch_embeddings.projection") }
    var classToken: String { name("cls_token", "vit.embeddings.cls_token") }
    var positions: String { name("pos_embed", "vit.embeddings.position_embeddings") }
    var finalNorm: String { name("norm", "vit.layernorm") }
    var head: String { name("head", "classifier") }

    func layer(_ index: Int) -> Layer {
        let prefix = name("blocks.", "vit.encoder.layer.") + "\(index)."
        return Layer(
            attentionNorm: prefix + name("norm1", "layernorm_before"),
            fused: publisher == .timm
                ? [prefix + "attn.qkv"] : ["query", "key", "value"].map { prefix + "attention.attention." + $0 },
            output: prefix + name("attn.proj", "attention.output.dense"), attentionScale: prefix + "ls1.gamma",
            feedForwardNorm: prefix + name("norm2", "layernorm_after"),
            up: prefix + name("mlp.fc1", "intermediate.dense"),
            down: prefix + name("mlp.fc2", "output.dense"), feedForwardScale: prefix + "ls2.gamma")
    }
}
