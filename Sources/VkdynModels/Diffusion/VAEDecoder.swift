public import VkdynCore
public import VkdynFormats
import VkdynKernels
public import VkdynSchedule

/// The decoder of Stable Diffusion's autoencoder, diffusers' AutoencoderKL: from latents to pixels.
public struct VAEDecoder: Sendable {
    public struct Configuration: Sendable, Equatable {
        public var latentChannels: Int
        public var pixelChannels: Int
        /// From the pixels to the latents.
        public var blockChannels: [Int]
        public var layersPerBlock: Int
        public var groupCount: Int
        /// What latents were multiplied by for the U-Net.
        public var scalingFactor: Float
        public var hasPostConvolution: Bool
        public var hasAttention: Bool

        public init(_ config: ConfigObject) throws(FormatError) {
            latentChannels = try config.integer("latent_channels", default: 4)
            pixelChannels = try config.integer("out_channels", default: 3)
            blockChannels = try config.optionalIntegers("block_out_channels") ?? [64]
            layersPerBlock = try config.integer("layers_per_block", default: 1)
            groupCount = try config.integer("norm_num_groups", default: 32)
            scalingFactor = Float(try config.number("scaling_factor", default: 0.18215))
            hasPostConvolution = try config.boolean("use_post_quant_conv", default: true)
            hasAttention = try config.boolean("mid_block_add_attention", default: true)
            try config.require("up_block_types", isAll: "UpDecoderBlock2D")
            try config.require("act_fn", is: "silu")
            guard try config.optionalNumber("shift_factor") ?? 0 == 0 else {
                throw config.error("shift_factor", "is not 0; Stable Diffusion 1 and 2 have none")
            }
            guard pixelChannels == 3 else {
                throw config.error("out_channels", "is \(pixelChannels), expected 3: red, green and blue")
            }
            guard scalingFactor != 0 else { throw config.error("scaling_factor", "is 0") }
            for channels in blockChannels where channels % groupCount != 0 {
                throw config.error("block_out_channels", "\(channels) channels do not make \(groupCount) groups")
            }
            guard !blockChannels.isEmpty else { throw config.error("block_out_channels", "names no block") }
            if hasAttention, let width = blockChannels.last, width % 4 != 0 || width > 512 {
                throw config.error("block_out_channels", "attention over \(width) channels; expected at most 512")
            }
        }

        /// Pixels of a picture along each side of a latent's.
        public var enlargement: Int { 1 << (blockChannels.count - 1) }
    }

    private struct Block: Sendable {
        let residuals: [ResidualBlock]  // resnets
        let upsampler: ConvolutionLayer?  // upsamplers.0.conv
    }

    public let configuration: Configuration
    public let parameterCount: Int
    private let postConvolution: Linear?  // post_quant_conv
    private let input: ConvolutionLayer  // decoder.conv_in
    private let middleFirst: ResidualBlock  // decoder.mid_block.resnets.0
    private let middleAttention: PixelAttention?  // decoder.mid_block.attentions.0
    private let middleLast: ResidualBlock  // decoder.mid_block.resnets.1
    private let blocks: [Block]  // decoder.up_blocks
    private let norm: GroupNormLayer  // decoder.conv_norm_out
    private let output: ConvolutionLayer  // decoder.conv_out

    public init(configuration: Configuration, loader: WeightLoader) throws {
        var loader = loader
        let c = configuration
        self.configuration = c
        let widths = Array(c.blockChannels.reversed())
        let deepest = widths[0]
        func residual(_ name: String, _ channels: Int, _ outputs: Int) throws -> ResidualBlock {
            try loader.residualBlock(
                name, channels: channels, outputs: outputs, timeWidth: nil, groupCount: c.groupCount, epsilon: 1e-6)
        }
        postConvolution =
            c.hasPostConvolution
            ? try loader.pixelwise(
                "post_quant_conv", inputs: c.latentChannels, outputs: c.latentChannels, isConvolution: true) : nil
        input = try loader.convolution("decoder.conv_in", channels: c.latentChannels, outputs: deepest)
        middleFirst = try residual("decoder.mid_block.resnets.0", deepest, deepest)
        middleAttention =
            c.hasAttention
            ? try loader.pixelAttention(
                "decoder.mid_block.attentions.0", channels: deepest, groupCount: c.groupCount) : nil
        middleLast = try residual("decoder.mid_block.resnets.1", deepest, deepest)
        var channels = deepest
        blocks = try widths.enumerated().map { index, width in
            let name = "decoder.up_blocks.\(index)"
            let residuals = try (0...c.layersPerBlock).map { layer in
                defer { channels = width }
                return try residual(name + ".resnets.\(layer)", channels, width)
            }
            return Block(
                residuals: residuals,
                upsampler: index == widths.count - 1
                    ? nil
                    : try loader.convolution(name + ".upsamplers.0.conv", channels: width, outputs: width))
        }
        norm = try loader.groupNorm(
            "decoder.conv_norm_out", channels: channels, groupCount: c.groupCount, epsilon: 1e-6)
        output = try loader.convolution("decoder.conv_out", channels: channels, outputs: c.pixelChannels)
        parameterCount = loader.parameterCount
    }

    /// Appends the decoding of latents.
    /// - Parameters:
    ///   - latents: as the autoencoder knows them: divided by the scaling factor.
    ///   - pixels: where the result goes, [images, height · width, 3], from −1 to 1 and somewhat beyond.
    public func record(
        into recording: inout Recording, latents: FeatureMap, batch: PictureBatch, pixels: Buffer
    ) throws(DeviceError) {
        var map = latents
        if let postConvolution {
            map = map.with(
                postConvolution.record(
                    into: &recording, "post_quant", map.buffer, rows: try batch.rows(map)), channels: map.channels)
        }
        map = input.record(into: &recording, "conv_in", map, batch: batch)
        map = try residual(middleFirst, into: &recording, "middle.residual0", map, batch)
        if let middleAttention {
            map = try recording.scope("middle.attention") { recording throws(DeviceError) in
                try middleAttention.record(into: &recording, map, batch: batch)
            }
        }
        map = try residual(middleLast, into: &recording, "middle.residual1", map, batch)
        for (index, block) in blocks.enumerated() {
            for (layer, layerBlock) in block.residuals.enumerated() {
                map = try residual(layerBlock, into: &recording, "up\(index).residual\(layer)", map, batch)
            }
            if let upsampler = block.upsampler {
                map = upsampler.record(
                    into: &recording, "up\(index).upsample", map, batch: batch,
                    enlarged: (2 * map.height, 2 * map.width))
            }
        }
        let normed = try norm.record(into: &recording, "norm", map, batch: batch, activation: .silu)
        _ = output.record(into: &recording, "conv_out", normed, batch: batch, result: pixels)
    }

    private func residual(
        _ block: ResidualBlock, into recording: inout Recording, _ label: String, _ map: FeatureMap,
        _ batch: PictureBatch
    ) throws(DeviceError) -> FeatureMap {
        try recording.scope(label) { recording throws(DeviceError) in
            try block.record(into: &recording, map, timeEmbedding: nil, batch: batch)
        }
    }
}

/// One head of attention between all pixels, with its norm and residual.
struct PixelAttention: Sendable {
    let norm: GroupNormLayer  // group_norm
    let fused: Linear  // to_q, to_k, to_v; or query, key, value
    let output: Linear  // to_out.0; or proj_attn

    func record(
        into recording: inout Recording, _ source: FeatureMap, batch: PictureBatch
    ) throws(DeviceError) -> FeatureMap {
        let rows = try batch.rows(source)
        let normed = try norm.record(into: &recording, "norm", source, batch: batch)
        let fused = fused.record(into: &recording, "query_key_value", normed.buffer, rows: rows)
        let attended = SequenceAttention(headCount: 1, headSize: source.channels).record(
            into: &recording, fused: fused, rows: rows, sequences: batch.images.capacity, length: source.pixelCount)
        return source.with(
            output.record(into: &recording, "output", attended, rows: rows, residual: source.buffer),
            channels: source.channels)
    }
}

extension WeightLoader {
    /// The attention of an autoencoder, under the names of today's diffusers or of that which wrote Stable Diffusion 1's.
    mutating func pixelAttention(_ name: String, channels: Int, groupCount: Int) throws -> PixelAttention {
        let isOld = checkpoint.contains(name + ".query.weight")
        let inputs = isOld ? ["query", "key", "value"] : ["to_q", "to_k", "to_v"]
        let output = name + (isOld ? ".proj_attn" : ".to_out.0")
        return PixelAttention(
            norm: try groupNorm(name + ".group_norm", channels: channels, groupCount: groupCount, epsilon: 1e-6),
            fused: try linear(
                inputs.map { "\(name).\($0)" }, inputs: channels, outputs: inputs.map { _ in channels }, hasBias: true,
                label: name + ".query_key_value"),
            output: try linear([output], inputs: channels, outputs: [channels], hasBias: true, label: output))
    }
}
