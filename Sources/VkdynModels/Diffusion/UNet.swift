import Foundation
public import VkdynCore
public import VkdynFormats
import VkdynKernels
public import VkdynSchedule

/// Feature maps from deep inside a U-Net, which some passes store and others take instead of computing them.
public protocol DeepFeatures: Sendable {
    /// Which of the maps that the way in hands to the way back is the first that a reusing pass still meets: 0 for the
    /// first convolution's. Maps count from the pixels inwards; deeper ones are neither made nor met.
    var branch: Int { get }
    /// Whether the pass takes the features instead of computing them.
    var isReused: Bool { get }
    /// Appends the storing of what the way back brings to the branch's map, [images, pixels, channels].
    func store(_ features: FeatureMap, batch: PictureBatch, into recording: inout Recording) throws(DeviceError)
    /// Appends what was stored and the branch's map, side by side in this order.
    func reuse(
        besides map: FeatureMap, batch: PictureBatch, into recording: inout Recording
    ) throws(DeviceError) -> FeatureMap
}

/// The U-Net of Stable Diffusion 1 and 2 (Rombach et al., arXiv:2112.10752), diffusers' UNet2DConditionModel.
///
/// The way in makes maps, one after the first convolution, one behind each residual block and one behind each
/// downsampling. The way back meets them in reverse order, each in one residual block.
public struct UNet: Sendable {
    /// A residual block with the transformer behind it.
    private struct Layer: Sendable {
        let name: String
        let residual: ResidualBlock
        let transformer: SpatialTransformer?

        func record(
            into recording: inout Recording, _ source: FeatureMap, time: Buffer, _ pass: TransformerBlock.Pass
        ) throws(DeviceError) -> FeatureMap {
            try recording.scope(name) { recording throws(DeviceError) in
                let map = try residual.record(
                    into: &recording, source, timeEmbedding: time, batch: pass.batch)
                guard let transformer else { return map }
                return try transformer.record(into: &recording, map, pass)
            }
        }
    }

    /// One step of the way in, which makes one map.
    private enum Inward: Sendable {
        case layer(Layer)
        case downsample(String, ConvolutionLayer)
    }

    /// One step of the way back, which meets one map.
    private struct Outward: Sendable {
        let layer: Layer
        let upsampler: ConvolutionLayer?
    }

    public let configuration: Configuration
    public let parameterCount: Int
    /// [timestep channels / 2]
    private let frequencies: Buffer
    private let timeFirst: Linear  // time_embedding.linear_1
    private let timeSecond: Linear  // time_embedding.linear_2
    private let input: ConvolutionLayer  // conv_in
    private let inward: [Inward]  // down_blocks
    private let middle: [Layer]  // mid_block
    private let outward: [Outward]  // up_blocks
    private let norm: GroupNormLayer  // conv_norm_out
    private let output: ConvolutionLayer  // conv_out
    private let blocks: [TransformerBlock]

    // MARK: Recording

    /// Appends one evaluation.
    /// - Parameters:
    ///   - sample: the noisy latents, scaled as the scheduler says.
    ///   - denoise: one `DenoiseParameters`, whose timestep counts.
    ///   - context: keys and values of the texts, by transformer block, as `makeContext` and `recordContext` make them.
    ///   - union: what unites tokens in transformer blocks; nil for nothing.
    ///   - features: what stores deep features or takes them; nil for nothing.
    ///   - result: where the network's output goes, [images, height · width, channels].
    public func record(
        into recording: inout Recording, sample: FeatureMap, denoise: Buffer, context: [KeysAndValues],
        batch: PictureBatch, union: (any TokenUnion)? = nil, features: (any DeepFeatures)? = nil, result: Buffer
    ) throws(DeviceError) {
        precondition(features.map { outward.indices.contains($0.branch) } ?? true, "no such branch")
        let time = recordTime(into: &recording, denoise, batch)
        let pass = TransformerBlock.Pass(batch: batch, sample: sample, context: context, union: union)
        // How many maps the pass makes.
        let mapCount = features.flatMap { $0.isReused ? $0.branch + 1 : nil } ?? outward.count
        var map = input.record(into: &recording, "conv_in", sample, batch: batch)
        var maps = [map]
        for step in inward.prefix(mapCount - 1) {
            switch step {
            case .layer(let layer): map = try layer.record(into: &recording, map, time: time, pass)
            case .downsample(let name, let convolution):
                map = convolution.record(into: &recording, name, map, batch: batch)
            }
            maps.append(map)
        }
        var isReusing = features?.isReused ?? false
        if !isReusing {
            for layer in middle { map = try layer.record(into: &recording, map, time: time, pass) }
        }
        for (index, step) in outward.enumerated().suffix(mapCount) {
            let met = maps.removeLast()
            var joined: FeatureMap
            if isReusing, let features {
                joined = try recording.scope("features") { recording throws(DeviceError) in
                    try features.reuse(besides: met, batch: batch, into: &recording)
                }
                isReusing = false
            } else {
                if let features, features.branch == outward.count - 1 - index {
                    try recording.scope("features") { recording throws(DeviceError) in
                        try features.store(map, batch: batch, into: &recording)
                    }
                }
                joined = try concatenate(into: &recording, step.layer.name, map, met, batch)
            }
            map = try step.layer.record(into: &recording, joined, time: time, pass)
            if let upsampler = step.upsampler, let next = maps.last {
                map = upsampler.record(
                    into: &recording, step.layer.name + ".upsample", map, batch: batch,
                    enlarged: (next.height, next.width))
            }
        }
        let normed = try norm.record(into: &recording, "norm", map, batch: batch, activation: .silu)
        _ = output.record(into: &recording, "conv_out", normed, batch: batch, result: result)
    }

    /// One row, the nonlinearity of the residual blocks applied once for all.
    private func recordTime(into recording: inout Recording, _ denoise: Buffer, _ batch: PictureBatch) -> Buffer {
        recording.scope("time") { recording in
            let half = frequencies.count
            let embedding = recording.transient(.f32, count: 2 * half, "embedding")
            recording.dispatch(
                TimestepEmbedding.self, "embedding",
                .init(denoise: denoise, frequencies: frequencies, result: embedding),
                .init(half: UInt32(half), sinesFirst: configuration.sinesFirst ? 1 : 0))
            let first = timeFirst.record(
                into: &recording, "linear1", embedding, rows: batch.single, activation: .silu)
            return timeSecond.record(into: &recording, "linear2", first, rows: batch.single, activation: .silu)
        }
    }

    private func concatenate(
        into recording: inout Recording, _ name: String, _ first: FeatureMap, _ second: FeatureMap,
        _ batch: PictureBatch
    ) throws(DeviceError) -> FeatureMap {
        let rows = try batch.rows(first)
        let channels = first.channels + second.channels
        let result = recording.transient(.f32, count: rows.capacity * channels, name + ".concatenated")
        recording.dispatch(
            Concatenate.self, name + ".concatenate",
            .init(rows: rows.buffer, first: first.buffer, second: second.buffer, result: result),
            .init(
                rowCapacity: UInt32(rows.capacity), firstWidth: UInt32(first.channels),
                secondWidth: UInt32(second.channels)), rows: rows)
        return first.with(result, channels: channels)
    }

    // MARK: Texts

    /// Memory for the keys and values of texts, by transformer block.
    public func makeContext(
        device: any Device, images: Int, tokens: Int
    ) throws(DeviceError) -> [KeysAndValues] {
        var context: [KeysAndValues] = []
        for block in blocks {
            let count = block.attention.elementCount(sequences: images, length: tokens)
            func memory(_ label: String) throws(DeviceError) -> Buffer {
                try device.makeBuffer(.f32, count: count, placement: .device, label: "context\(block.site).\(label)")
            }
            context.append(KeysAndValues(keys: try memory("keys"), values: try memory("values"), count: tokens))
        }
        return context
    }

    /// Appends the keys and values of texts for all blocks, which stay the same for all evaluations.
    /// - Parameters:
    ///   - text: [images · tokens, text width].
    ///   - rows: of all texts.
    public func recordContext(
        into recording: inout Recording, text: Buffer, rows: Counted, images: Int, tokens: Int,
        context: [KeysAndValues]
    ) {
        for block in blocks {
            recording.scope("context\(block.site)") { recording in
                block.recordContext(
                    into: &recording, text: text, rows: rows, images: images, tokens: tokens,
                    keptIn: context[block.site])
            }
        }
    }

    /// Channels of what the way back brings to a branch's map, and the map's size in a network over a sample: what a
    /// cache of deep features holds.
    public func features(
        branch: Int, sampleHeight: Int, sampleWidth: Int
    ) -> (height: Int, width: Int, channels: Int) {
        var (height, width) = (sampleHeight, sampleWidth)
        var channels = [configuration.levels[0].channels]
        for step in inward.prefix(branch) {
            switch step {
            case .layer(let layer): channels.append(layer.residual.secondConvolution.weights.columns)
            case .downsample:
                (height, width) = ((height + 1) / 2, (width + 1) / 2)
                channels.append(channels[channels.count - 1])
            }
        }
        let joined = outward[outward.count - 1 - branch].layer.residual.firstConvolution.channels
        return (height, width, joined - channels[branch])
    }

    // MARK: Loading

    public init(configuration: Configuration, loader: WeightLoader) throws {
        var loader = loader
        let c = configuration
        self.configuration = c
        let first = c.levels[0].channels
        let half = first / 2
        frequencies = try loader.device.makeBuffer(
            .floats(
                (0..<half).map {
                    Float(exp(-log(10_000.0) * Double($0) / (Double(half) - c.frequencyShift)))
                }), label: "time.frequencies")
        func time(_ name: String, _ inputs: Int) throws -> Linear {
            let name = "time_embedding." + name
            return try loader.linear([name], inputs: inputs, outputs: [c.timeWidth], hasBias: true, label: name)
        }
        timeFirst = try time("linear_1", first)
        timeSecond = try time("linear_2", c.timeWidth)
        input = try loader.convolution("conv_in", channels: c.inputChannels, outputs: first)

        var blocks: [TransformerBlock] = []
        func layer(_ block: String, _ index: Int, _ channels: Int, _ level: Configuration.Level, _ count: Int)
            throws -> Layer
        {
            let residual = try loader.residualBlock(
                "\(block).resnets.\(index)", channels: channels, outputs: level.channels, timeWidth: c.timeWidth,
                groupCount: c.groupCount, epsilon: c.normEpsilon)
            var transformer: SpatialTransformer?
            if count > 0 {
                let made = try loader.spatialTransformer(
                    "\(block).attentions.\(index)",
                    attention: SequenceAttention(
                        headCount: level.headCount, headSize: level.channels / level.headCount),
                    textWidth: c.textWidth, blockCount: count, usesLinearProjection: c.usesLinearProjection,
                    groupCount: c.groupCount, site: blocks.count)
                blocks += made.blocks
                transformer = made
            }
            return Layer(name: "\(block).\(index)", residual: residual, transformer: transformer)
        }
        // Channels of each map that the way in makes.
        var channels = [first]
        var inward: [Inward] = []
        for (index, level) in c.levels.enumerated() {
            let name = "down_blocks.\(index)"
            for number in 0..<level.layerCount {
                inward.append(
                    .layer(try layer(name, number, channels[channels.count - 1], level, level.blockCount)))
                channels.append(level.channels)
            }
            if index < c.levels.count - 1 {
                inward.append(
                    .downsample(
                        name + ".downsample",
                        try loader.convolution(
                            name + ".downsamplers.0.conv", channels: level.channels, outputs: level.channels,
                            stride: 2)))
                channels.append(level.channels)
            }
        }
        let deepest = c.levels[c.levels.count - 1]
        middle = [
            try layer("mid_block", 0, deepest.channels, deepest, c.middleBlockCount),
            try layer("mid_block", 1, deepest.channels, deepest, 0),
        ]
        var brought = deepest.channels
        var outward: [Outward] = []
        for index in c.levels.indices {
            let number = c.levels.count - 1 - index
            let level = c.levels[number]
            let name = "up_blocks.\(index)"
            for step in 0...level.layerCount {
                let made = try layer(name, step, brought + channels.removeLast(), level, c.upBlockCounts[number])
                brought = level.channels
                outward.append(
                    Outward(
                        layer: made,
                        upsampler: step < level.layerCount || number == 0
                            ? nil
                            : try loader.convolution(
                                name + ".upsamplers.0.conv", channels: level.channels, outputs: level.channels)))
            }
        }
        self.inward = inward
        self.outward = outward
        self.blocks = blocks
        norm = try loader.groupNorm(
            "conv_norm_out", channels: first, groupCount: c.groupCount, epsilon: c.normEpsilon)
        output = try loader.convolution("conv_out", channels: first, outputs: c.outputChannels)
        parameterCount = loader.parameterCount
    }
}
