public import VkdynFormats
public import VkdynKernels

extension SwitchTransformer {
    /// `config.json` of a Switch Transformer.
    public struct Configuration: Sendable, Equatable {
        public var vocabularySize: Int
        public var width: Int
        public var feedForwardWidth: Int
        public var encoderLayerCount: Int
        public var decoderLayerCount: Int
        public var headCount: Int
        public var headSize: Int
        /// Relative positions set no limit; this one bounds caches and tables.
        public var contextLength: Int
        public var bucketCount: Int
        public var maximumDistance: Int
        public var normEpsilon: Float
        public var activation: Activation
        public var tiesEmbeddings: Bool
        /// What the decoder reads first.
        public var startToken: Int
        public var experts: ExpertConfiguration?

        private enum RouterType: String, CaseIterable { case float32 }

        public init(_ config: ConfigObject) throws(FormatError) {
            vocabularySize = try config.integer("vocab_size")
            width = try config.integer("d_model")
            feedForwardWidth = try config.integer("d_ff")
            encoderLayerCount = try config.integer("num_layers")
            decoderLayerCount = try config.optionalInteger("num_decoder_layers") ?? encoderLayerCount
            headCount = try config.integer("num_heads")
            headSize = try config.integer("d_kv")
            guard headSize % 4 == 0, (4...256).contains(headSize), width % 4 == 0, feedForwardWidth % 4 == 0 else {
                throw config.error(
                    "d_model", "head sizes of 4 to 256 and widths, all multiples of 4, are supported; found d_kv "
                        + "\(headSize), d_model \(width), d_ff \(feedForwardWidth)")
            }
            contextLength = Self.longestSequence
            bucketCount = try config.integer("relative_attention_num_buckets", default: 32)
            maximumDistance = try config.integer("relative_attention_max_distance", default: 128)
            // The encoder halves the buckets twice, the decoder once.
            guard bucketCount >= 4, maximumDistance > bucketCount / 2 else {
                throw config.error(
                    "relative_attention_num_buckets", "expected at least 4, and less than twice "
                        + "relative_attention_max_distance; found \(bucketCount) and \(maximumDistance)")
            }
            normEpsilon = Float(try config.number("layer_norm_epsilon", default: 1e-6))
            if try config.boolean("is_gated_act", default: false) {
                throw config.error("is_gated_act", "is true; transformers' own model gates nothing, nor does vkdyn")
            }
            activation = try Activation(config, "dense_act_fn", default: "relu")
            _ = try config.choice("router_dtype", of: RouterType.self, default: .float32)
            tiesEmbeddings = try config.boolean("tie_word_embeddings", default: true)
            let ids = 0...vocabularySize - 1
            let padding = try config.optionalInteger("pad_token_id", in: ids) ?? 0
            startToken = try config.optionalInteger("decoder_start_token_id", in: ids) ?? padding
            experts = try ExpertConfiguration(config)
        }

        /// Tokens of prompt and text together, where nobody asks for fewer.
        private static let longestSequence = 4096

        /// Of all heads together; it need not be the model's.
        var innerWidth: Int { headCount * headSize }

        /// Scores have no scale.
        var attention: AttentionShape {
            AttentionShape(headCount: headCount, keyValueHeadCount: headCount, headSize: headSize, scale: 1)
        }
    }
}
