public import VkdynCore
import VkdynFormats
import VkdynKernels
public import VkdynSchedule

/// Switch Transformers (Fedus et al., arXiv:2101.03961): T5's encoder and decoder (Raffel et al., arXiv:1910.10683),
/// with experts of which every token has one in some of the layers. Root-mean-square norms, relative positions, scores
/// without a scale. The decoder reads the prompt through what the encoder made of it.
///
/// In the encoder an expert takes so many tokens of a prompt and no more, the first ones: the model's own definition,
/// which lets a token's bits depend on those before it. Those that come too late pass through the residual alone. The
/// decoder's tokens come one a pass, where nothing is left out.
public struct SwitchTransformer: DecoderModel, PromptEncoder {
    /// One layer of either stack.
    fileprivate struct Block: Sendable {
        let attentionNorm: RMSNormLayer  // layer.0.layer_norm
        let fused: Linear  // layer.0.SelfAttention.{q,k,v}
        let output: Linear  // layer.0.SelfAttention.o
        let cross: CrossAttention?
        let feedForwardNorm: RMSNormLayer  // layer.1.layer_norm, or layer.2.layer_norm
        let feedForward: FeedForward  // layer.1.mlp, or layer.2.mlp
    }

    /// The attention of a decoder's layer to the prompt.
    fileprivate struct CrossAttention: Sendable {
        let norm: RMSNormLayer  // layer.1.layer_norm
        let query: Linear  // layer.1.EncDecAttention.q
        let keysAndValues: Linear  // layer.1.EncDecAttention.{k,v}
        let output: Linear  // layer.1.EncDecAttention.o
    }

    fileprivate struct Stack: Sendable {
        let blocks: [Block]
        let bias: AttentionShape.Bias  // block.0.layer.0.SelfAttention.relative_attention_bias
        let finalNorm: RMSNormLayer  // final_layer_norm
    }

    public let configuration: Configuration
    public let parameterCount: Int
    private let tokenTable: Linear  // shared
    private let head: Linear  // lm_head, or shared again
    private let encoderStack: Stack
    private let decoderStack: Stack

    /// - Parameter contextLimit: positions to provide for; nil for `Configuration.contextLength`.
    public init(configuration: Configuration, loader: WeightLoader, contextLimit: Int? = nil) throws {
        var loader = loader
        var c = configuration
        c.contextLength = min(c.contextLength, contextLimit ?? c.contextLength)
        self.configuration = c
        let table = try loader.tokenTable(
            loader.checkpoint.contains("shared.weight") ? "shared.weight" : "decoder.embed_tokens.weight",
            vocabulary: c.vocabularySize, width: c.width, label: "shared")
        tokenTable = table
        head = c.tiesEmbeddings
            ? table
            : try loader.linear(
                ["lm_head"], inputs: c.width, outputs: [c.vocabularySize], hasBias: false, label: "lm_head")
        encoderStack = try loader.stack(.encoder, c)
        decoderStack = try loader.stack(.decoder, c)
        parameterCount = loader.parameterCount
    }

    public var vocabularySize: Int { configuration.vocabularySize }
    public var contextLength: Int { configuration.contextLength }
    public var layerCount: Int { configuration.encoderLayerCount + configuration.decoderLayerCount }
    public var experts: ExpertConfiguration? { configuration.experts }
    public var encoder: (any PromptEncoder)? { self }
    public var startToken: Int { configuration.startToken }
    private var feedForwards: [FeedForward] { (encoderStack.blocks + decoderStack.blocks).map(\.feedForward) }
    public var expertByteCount: Int { feedForwards.map(\.expertByteCount).max() ?? 0 }
    public var expertCache: ExpertCache? { feedForwards.lazy.compactMap(\.expertCache).first }
    /// Of the decoder, which has all rounds.
    public var everyTokenByteCount: Int {
        decoderStack.blocks.reduce(head.byteCount) {
            let cross = ($1.cross?.query.byteCount ?? 0) + ($1.cross?.output.byteCount ?? 0)
            return $0 + $1.fused.byteCount + $1.output.byteCount + cross + $1.feedForward.everyTokenByteCount
        }
    }
    /// As many for a token of the prompt as for one of the text.
    public var cacheBytesPerToken: Int {
        2 * configuration.decoderLayerCount * configuration.innerWidth * ElementType.f32.byteCount
    }
    public var activeParameterCount: Int {
        parameterCount - (experts?.unchosenParameterCount(modelWidth: configuration.width) ?? 0)
    }

    public func expertCapacity(ofPrompt tokens: Int) -> Int? { experts?.capacity(ofPrompt: tokens) }

    public func makeCache(
        device: any Device, capacity: Int, label: String
    ) throws(DeviceError) -> KeyValueCache {
        try KeyValueCache(
            device: device, layerCount: configuration.decoderLayerCount, headCount: configuration.headCount,
            headSize: configuration.headSize, capacity: capacity, encodesPrompt: true, experts: experts, label: label)
    }

    // MARK: Recording

    public func recordPrompt(into recording: inout Recording, cache: KeyValueCache, expertCapacity: Int?) {
        guard let prompt = cache.prompt else { preconditionFailure("a cache of a model without an encoder") }
        let c = configuration
        let pass = prompt.pass(expertCapacity: expertCapacity)
        // No row is beyond its own prompt: one layer's keys and values serve no other.
        let count = c.headCount * prompt.capacity * c.headSize
        var hidden = tokenTable.recordEmbedding(into: &recording, "shared", pass: pass)
        for (index, block) in encoderStack.blocks.enumerated() {
            hidden = recording.scope("encoder.layer\(index)") { recording in
                let places = AttentionShape.Cache(
                    keys: recording.transient(.f32, count: count, "keys"),
                    values: recording.transient(.f32, count: count, "values"), capacity: prompt.capacity)
                let middle = recordSelfAttention(block, into: &recording, hidden, rows: pass.rows) { recording, fused in
                    c.attention.recordAppend(
                        into: &recording, fused, keyOffset: c.attention.keyOffset, pass: pass, cache: places)
                    return c.attention.recordAttention(
                        into: &recording, fused, stride: c.attention.fusedColumns, rows: pass.rows, cache: places,
                        keys: .first(pass.rows.buffer), bias: encoderStack.bias)
                }
                return recordFeedForward(block, into: &recording, middle, pass, cache)
            }
        }
        let encoded = encoderStack.finalNorm.record(
            into: &recording, "encoder.final_norm", hidden, width: c.width, rows: pass.rows)
        for (index, block) in decoderStack.blocks.enumerated() {
            guard let cross = block.cross else { continue }
            recording.scope("prompt.layer\(index)") { recording in
                let both = cross.keysAndValues.record(into: &recording, "key_value", encoded, rows: pass.rows)
                c.attention.recordAppend(
                    into: &recording, both, keyOffset: 0, pass: pass, cache: prompt.places(layer: index))
            }
        }
    }

    public func recordHidden(
        into recording: inout Recording, pass: DecoderPass, cache: KeyValueCache
    ) -> Buffer {
        let c = configuration
        var hidden = tokenTable.recordEmbedding(into: &recording, "shared", pass: pass)
        for (index, block) in decoderStack.blocks.enumerated() {
            hidden = recording.scope("layer\(index)") { recording in
                var middle = recordSelfAttention(block, into: &recording, hidden, rows: pass.rows) { recording, fused in
                    c.attention.record(
                        into: &recording, fused: fused, pass: pass, cache: cache, layer: index, bias: decoderStack.bias)
                }
                if let cross = block.cross, let prompt = cache.prompt {
                    middle = recording.scope("cross") { recording in
                        record(cross, into: &recording, middle, rows: pass.rows, prompt, layer: index)
                    }
                }
                return recordFeedForward(block, into: &recording, middle, pass, cache)
            }
        }
        return decoderStack.finalNorm.record(into: &recording, "final_norm", hidden, width: c.width, rows: pass.rows)
    }

    public func recordLogits(into recording: inout Recording, hidden: Buffer, rows: Counted, logits: Buffer) {
        head.record(into: &recording, "logits", hidden, rows: rows, result: logits)
    }

    // MARK: Parts

    /// - Parameter attend: from queries, keys and values side by side to what the heads saw.
    private func recordSelfAttention(
        _ block: Block, into recording: inout Recording, _ input: Buffer, rows: Counted,
        attend: (inout Recording, Buffer) -> Buffer
    ) -> Buffer {
        let normed = block.attentionNorm.record(
            into: &recording, "attention_norm", input, width: configuration.width, rows: rows)
        let fused = block.fused.record(into: &recording, "query_key_value", normed, rows: rows)
        let attended = attend(&recording, fused)
        return block.output.record(into: &recording, "output", attended, rows: rows, residual: input)
    }

    private func record(
        _ cross: CrossAttention, into recording: inout Recording, _ input: Buffer, rows: Counted,
        _ prompt: EncodedPrompt, layer: Int
    ) -> Buffer {
        let c = configuration
        let normed = cross.norm.record(into: &recording, "norm", input, width: c.width, rows: rows)
        let query = cross.query.record(into: &recording, "query", normed, rows: rows)
        let attended = c.attention.recordAttention(
            into: &recording, query, stride: c.innerWidth, rows: rows, cache: prompt.places(layer: layer),
            keys: .first(prompt.rows.buffer))
        return cross.output.record(into: &recording, "output", attended, rows: rows, residual: input)
    }

    private func recordFeedForward(
        _ block: Block, into recording: inout Recording, _ middle: Buffer, _ pass: DecoderPass, _ cache: KeyValueCache
    ) -> Buffer {
        let normed = block.feedForwardNorm.record(
            into: &recording, "feed_forward_norm", middle, width: configuration.width, rows: pass.rows)
        return block.feedForward.record(into: &recording, normed, residual: middle, pass: pass, cache: cache)
    }
}

extension EncodedPrompt {
    fileprivate func places(layer: Int) -> AttentionShape.Cache {
        let (keys, values) = layers[layer].keysAndValues
        return AttentionShape.Cache(keys: keys, values: values, capacity: capacity)
    }
}

// MARK: Loading

extension WeightLoader {
    fileprivate mutating func stack(
        _ stack: ExpertConfiguration.Stack, _ c: SwitchTransformer.Configuration
    ) throws -> SwitchTransformer.Stack {
        let isDecoder = stack == .decoder
        let count = isDecoder ? c.decoderLayerCount : c.encoderLayerCount
        func norm(_ loader: inout WeightLoader, _ name: String, scale: Float = 1) throws -> RMSNormLayer {
            try loader.rmsNorm(name, width: c.width, epsilon: c.normEpsilon, scale: scale)
        }
        let blocks = try (0..<count).map { index in
            let prefix = "\(stack).block.\(index)."
            let attention = prefix + "layer.0.SelfAttention."
            let feedForward = prefix + (isDecoder ? "layer.2." : "layer.1.")
            return SwitchTransformer.Block(
                attentionNorm: try norm(&self, prefix + "layer.0.layer_norm"),
                fused: try linear(
                    ["q", "k", "v"].map { attention + $0 }, inputs: c.width,
                    outputs: [c.innerWidth, c.innerWidth, c.innerWidth], hasBias: false, label: attention + "qkv"),
                output: try linear(
                    [attention + "o"], inputs: c.innerWidth, outputs: [c.width], hasBias: false,
                    label: attention + "o"),
                cross: isDecoder ? try crossAttention(prefix + "layer.1.", c) : nil,
                feedForwardNorm: try norm(&self, feedForward + "layer_norm"),
                feedForward: try self.feedForward(feedForward, layer: index, stack, c))
        }
        // The head's input is scaled where the head is the token table (transformers does the same).
        let scale = isDecoder && c.tiesEmbeddings ? 1 / Float(c.width).squareRoot() : 1
        return SwitchTransformer.Stack(
            blocks: blocks,
            bias: try relativeBias(
                "\(stack).block.0.layer.0.SelfAttention.relative_attention_bias",
                RelativePositions(
                    bucketCount: c.bucketCount, maximumDistance: c.maximumDistance, isBidirectional: !isDecoder),
                heads: c.headCount, length: c.contextLength),
            finalNorm: try norm(&self, "\(stack).final_layer_norm", scale: scale))
    }

    private mutating func crossAttention(
        _ prefix: String, _ c: SwitchTransformer.Configuration
    ) throws -> SwitchTransformer.CrossAttention {
        let attention = prefix + "EncDecAttention."
        return SwitchTransformer.CrossAttention(
            norm: try rmsNorm(prefix + "layer_norm", width: c.width, epsilon: c.normEpsilon),
            query: try linear(
                [attention + "q"], inputs: c.width, outputs: [c.innerWidth], hasBias: false, label: attention + "q"),
            keysAndValues: try linear(
                ["k", "v"].map { attention + $0 }, inputs: c.width, outputs: [c.innerWidth, c.innerWidth],
                hasBias: false, label: attention + "kv"),
            output: try linear(
                [attention + "o"], inputs: c.innerWidth, outputs: [c.width], hasBias: false, label: attention + "o"))
    }

    private mutating func feedForward(
        _ prefix: String, layer: Int, _ stack: ExpertConfiguration.Stack, _ c: SwitchTransformer.Configuration
    ) throws -> FeedForward {
        if let experts = c.experts, experts.ordinal(ofLayer: layer, in: stack) != nil {
            return .experts(try self.experts(experts, prefix: prefix, layer: layer, stack: stack, width: c.width))
        }
        return .plain(
            PlainFeedForward(
                up: try linear(
                    [prefix + "mlp.wi"], inputs: c.width, outputs: [c.feedForwardWidth], hasBias: false,
                    label: prefix + "mlp.wi"),
                down: try linear(
                    [prefix + "mlp.wo"], inputs: c.feedForwardWidth, outputs: [c.width], hasBias: false,
                    label: prefix + "mlp.wo"),
                activation: c.activation))
    }
}
