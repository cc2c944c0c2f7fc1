public import VkdynFormats

extension UNet {
    /// The shape of a U-Net, from diffusers' `unet/config.json`.
    public struct Configuration: Sendable, Equatable {
        /// A level of the network, from the pixels inwards.
        public struct Level: Sendable, Equatable {
            public var channels: Int
            public var layerCount: Int
            public var headCount: Int
            /// Transformer blocks behind each residual block; 0 for none.
            public var blockCount: Int
        }

        public var inputChannels: Int
        public var outputChannels: Int
        public var levels: [Level]
        /// As `levels`, of the way back: from the pixels inwards too.
        public var upBlockCounts: [Int]
        public var textWidth: Int
        public var usesLinearProjection: Bool
        public var groupCount: Int
        public var normEpsilon: Float
        /// Whether the time embedding begins with its sines.
        public var sinesFirst: Bool
        public var frequencyShift: Double
        /// Height and width of the latents that it was trained on.
        public var sampleHeight: Int
        public var sampleWidth: Int

        public init(_ config: ConfigObject) throws(FormatError) {
            try Self.requireSupported(config)
            inputChannels = try config.integer("in_channels", default: 4)
            outputChannels = try config.integer("out_channels", default: 4)
            usesLinearProjection = try config.boolean("use_linear_projection", default: false)
            groupCount = try config.integer("norm_num_groups", default: 32)
            normEpsilon = Float(try config.number("norm_eps", default: 1e-5))
            sinesFirst = try !config.boolean("flip_sin_to_cos", default: true)
            frequencyShift = try config.number("freq_shift", in: 0...1, default: 0)
            let sizes = try config.optionalIntegers("sample_size", in: 1...65_536) ?? [64]
            guard (1...2).contains(sizes.count) else {
                throw config.error("sample_size", "has \(sizes.count) numbers, expected one, or height and width")
            }
            (sampleHeight, sampleWidth) = (sizes[0], sizes[sizes.count - 1])
            textWidth = try config.integer("cross_attention_dim", default: 1280)
            let channels = try config.optionalIntegers("block_out_channels") ?? [320, 640, 1280, 1280]
            let count = channels.count
            let layers = try config.perBlock("layers_per_block", count: count, in: 1...64, default: 2)
            // What diffusers calls the size of a head here is the number of heads, an old mistake that every published
            // model keeps.
            let heads =
                try config.contains("num_attention_heads")
                ? config.perBlock("num_attention_heads", count: count)
                : config.perBlock("attention_head_dim", count: count, default: 8)
            let blocks = try config.perBlock("transformer_layers_per_block", count: count, in: 1...64, default: 1)
            func attends(_ field: String, _ plain: String, _ crossing: String, default fallback: [String])
                throws(FormatError) -> [Bool]
            {
                let names = try config.optionalStrings(field) ?? fallback
                guard names.count == count else {
                    throw config.error(field, "names \(names.count) blocks, expected \(count), as block_out_channels")
                }
                if let other = names.first(where: { $0 != plain && $0 != crossing }) {
                    throw config.error(
                        field, "\"\(other)\" is not a block that vkdyn has; expected \(plain) or \(crossing)")
                }
                return names.map { $0 == crossing }
            }
            let crossing = Array(repeating: "CrossAttnDownBlock2D", count: max(count - 1, 0)) + ["DownBlock2D"]
            let down = try attends(
                "down_block_types", "DownBlock2D", "CrossAttnDownBlock2D", default: crossing)
            let up = try attends(
                "up_block_types", "UpBlock2D", "CrossAttnUpBlock2D",
                default: crossing.reversed().map { $0 == "DownBlock2D" ? "UpBlock2D" : "CrossAttnUpBlock2D" })
            levels = (0..<count).map {
                Level(
                    channels: channels[$0], layerCount: layers[$0], headCount: heads[$0],
                    blockCount: down[$0] ? blocks[$0] : 0)
            }
            let inward = Array(up.reversed())
            upBlockCounts = (0..<count).map { inward[$0] ? blocks[$0] : 0 }
            middleBlockCount = blocks[count - 1]
            try check(config)
        }

        /// Transformer blocks in the middle.
        public var middleBlockCount: Int

        private static func requireSupported(_ config: ConfigObject) throws(FormatError) {
            try config.requireNone(
                "class_embed_type", "num_class_embeds", "addition_embed_type", "encoder_hid_dim",
                "encoder_hid_dim_type", "time_embedding_act_fn", "timestep_post_act", "time_cond_proj_dim",
                "time_embedding_dim", "reverse_transformer_layers_per_block")
            try config.require("act_fn", is: "silu")
            try config.require("mid_block_type", is: "UNetMidBlock2DCrossAttn")
            try config.require("time_embedding_type", is: "positional")
            try config.require("resnet_time_scale_shift", is: "default")
            try config.require("attention_type", is: "default")
            for field in [
                "center_input_sample", "dual_cross_attention", "resnet_skip_time_act", "class_embeddings_concat",
                "only_cross_attention", "mid_block_only_cross_attention",
            ] where !config.isList(field) {
                try config.require(field, is: false)
            }
            for field in ["mid_block_scale_factor", "resnet_out_scale_factor", "downsample_padding"] {
                try config.require(field, is: 1)
            }
            for field in ["conv_in_kernel", "conv_out_kernel"] { try config.require(field, is: 3) }
        }

        private func check(_ config: ConfigObject) throws(FormatError) {
            guard !levels.isEmpty else { throw config.error("block_out_channels", "names no block") }
            guard outputChannels == inputChannels else {
                throw config.error(
                    "out_channels", "\(outputChannels) where \(inputChannels) go in: not a network that denoises")
            }
            guard levels[0].channels % 4 == 0 else {
                throw config.error("block_out_channels", "\(levels[0].channels) channels, expected a multiple of 4")
            }
            for (index, level) in levels.enumerated() {
                guard level.channels % groupCount == 0 else {
                    throw config.error(
                        "block_out_channels", "\(level.channels) channels do not make \(groupCount) groups")
                }
                let attends = level.blockCount > 0 || upBlockCounts[index] > 0 || index == levels.count - 1
                let headSize = level.channels / level.headCount
                guard !attends || level.channels % level.headCount == 0 && headSize % 4 == 0 && headSize <= 512 else {
                    throw config.error(
                        "attention_head_dim", "\(level.headCount) heads over \(level.channels) channels are not heads "
                            + "of 4 to 512 in steps of 4")
                }
            }
        }

        /// Width of the time embedding.
        var timeWidth: Int { 4 * levels[0].channels }

        /// Latents along each side must be a multiple of this for the way back to meet the way in; others are met by
        /// enlarging to odd sizes.
        public var naturalMultiple: Int { 1 << (levels.count - 1) }

        /// Blocks to which a feature cache can cut the network: one for each map that the way in hands to the way back.
        public var branchCount: Int { levels.reduce(0) { $0 + $1.layerCount + 1 } }
    }
}
