public import VkdynCore
import VkdynFormats
import VkdynKernels

/// Tokens of which some stand for several, for the time of a layer.
public protocol UnitedTokens: Sendable {
    /// Rows of one picture.
    var rowCount: Int { get }
    /// One row for each group of tokens: [images, tokens, width] to [images, rowCount, width].
    func merge(_ source: Buffer, width: Int, _ label: String, into recording: inout Recording) -> Buffer
    /// Gives every token its group's row, and adds the residual: [images, rowCount, width] to [images, tokens, width].
    func unmerge(
        _ source: Buffer, width: Int, residual: Buffer?, _ label: String, into recording: inout Recording
    ) -> Buffer
}

/// What unites tokens at the beginning of a transformer block, and where in the block they stay united.
public protocol TokenUnion: Sendable {
    var includesAttention: Bool { get }
    var includesCrossAttention: Bool { get }
    var includesFeedForward: Bool { get }

    /// Appends the matching of a block's tokens, by what enters the block.
    /// - Parameters:
    ///   - tokens: the block's input.
    ///   - sample: the picture that the network was given.
    ///   - site: the number of the block in the network.
    /// - Returns: nil, and nothing recorded, where none unite.
    func unite(
        _ tokens: FeatureMap, sample: FeatureMap, site: Int, batch: PictureBatch, into recording: inout Recording
    ) throws(DeviceError) -> (any UnitedTokens)?
}

/// Attention of every pixel to all pixels, attention to a text, and a feed-forward gated by GELU, diffusers'
/// BasicTransformerBlock.
struct TransformerBlock: Sendable {
    let selfNorm: LayerNormLayer  // norm1
    let fused: Linear  // attn1.{to_q,to_k,to_v}
    let selfOutput: Linear  // attn1.to_out.0
    let crossNorm: LayerNormLayer  // norm2
    let crossQueries: Linear  // attn2.to_q
    let crossKeysAndValues: Linear  // attn2.{to_k,to_v}
    let crossOutput: Linear  // attn2.to_out.0
    let feedForwardNorm: LayerNormLayer  // norm3
    let feedForward: GatedFeedForward  // ff.net.0.proj, its halves exchanged; ff.net.2
    let attention: SequenceAttention
    /// Its number among the network's blocks.
    let site: Int

    /// What of a network's pass the blocks need.
    struct Pass {
        let batch: PictureBatch
        let sample: FeatureMap
        /// By site.
        let context: [KeysAndValues]
        let union: (any TokenUnion)?
    }

    private var width: Int { attention.width }

    /// The keys and values of a text, which stay the same for a whole picture.
    /// - Parameter text: [images · tokens, text width].
    func recordContext(
        into recording: inout Recording, text: Buffer, rows: Counted, images: Int, tokens: Int,
        keptIn kept: KeysAndValues
    ) {
        let both = crossKeysAndValues.record(into: &recording, "key_value", text, rows: rows)
        _ = attention.recordKeysAndValues(
            into: &recording, both, stride: 2 * width, keyOffset: 0, rows: rows, sequences: images, length: tokens,
            keptIn: kept)
    }

    func record(into recording: inout Recording, _ source: FeatureMap, _ pass: Pass) throws(DeviceError) -> FeatureMap {
        let batch = pass.batch
        let united = try pass.union?.unite(
            source, sample: pass.sample, site: site, batch: batch, into: &recording)
        var hidden = source.buffer
        hidden = try residual(
            into: &recording, "attention", selfNorm, selfOutput, hidden, source.pixelCount,
            pass.union?.includesAttention == true ? united : nil, batch
        ) { recording, normed, rows, count in
            let projected = fused.record(into: &recording, "query_key_value", normed, rows: rows)
            return attention.record(
                into: &recording, fused: projected, rows: rows, sequences: batch.images.capacity, length: count)
        }
        hidden = try residual(
            into: &recording, "cross_attention", crossNorm, crossOutput, hidden, source.pixelCount,
            pass.union?.includesCrossAttention == true ? united : nil, batch
        ) { recording, normed, rows, count in
            let queries = crossQueries.record(into: &recording, "query", normed, rows: rows)
            return attention.recordAttention(
                into: &recording, queries: queries, stride: width, to: pass.context[site], rows: rows,
                sequenceRows: count)
        }
        hidden = try residual(
            into: &recording, "feed_forward", feedForwardNorm, feedForward.down, hidden, source.pixelCount,
            pass.union?.includesFeedForward == true ? united : nil, batch
        ) { recording, normed, rows, _ in
            feedForward.recordGated(into: &recording, normed, rows: rows)
        }
        return source.with(hidden, channels: source.channels)
    }

    /// `hidden + output(body(norm(hidden)))`, with united tokens from the norm to the output.
    /// - Parameter body: takes normed rows and how many a picture has.
    private func residual(
        into recording: inout Recording, _ label: String, _ norm: LayerNormLayer, _ output: Linear, _ hidden: Buffer,
        _ tokens: Int, _ united: (any UnitedTokens)?, _ batch: PictureBatch,
        body: (inout Recording, Buffer, Counted, Int) -> Buffer
    ) throws(DeviceError) -> Buffer {
        let rows = try batch.rows(tokens)
        let fewerRows = try united.map { united throws(DeviceError) in try batch.rows(united.rowCount) } ?? rows
        return recording.scope(label) { recording in
            var normed = norm.record(into: &recording, "norm", hidden, width: width, rows: rows)
            guard let united else {
                let inner = body(&recording, normed, rows, tokens)
                return output.record(into: &recording, "output", inner, rows: rows, residual: hidden)
            }
            normed = united.merge(normed, width: width, "merge", into: &recording)
            let inner = body(&recording, normed, fewerRows, united.rowCount)
            let result = output.record(into: &recording, "output", inner, rows: fewerRows)
            return united.unmerge(result, width: width, residual: hidden, "unmerge", into: &recording)
        }
    }
}

/// Transformer blocks over the pixels of a feature map, diffusers' Transformer2DModel.
struct SpatialTransformer: Sendable {
    let norm: GroupNormLayer
    let projectIn: Linear  // proj_in
    let blocks: [TransformerBlock]
    let projectOut: Linear  // proj_out

    func record(
        into recording: inout Recording, _ source: FeatureMap, _ pass: TransformerBlock.Pass
    ) throws(DeviceError) -> FeatureMap {
        let rows = try pass.batch.rows(source)
        let normed = try norm.record(into: &recording, "norm", source, batch: pass.batch)
        var hidden = source.with(
            projectIn.record(into: &recording, "project_in", normed.buffer, rows: rows), channels: projectIn.columns)
        for (index, block) in blocks.enumerated() {
            hidden = try recording.scope("block\(index)") { recording throws(DeviceError) in
                try block.record(into: &recording, hidden, pass)
            }
        }
        return source.with(
            projectOut.record(
                into: &recording, "project_out", hidden.buffer, rows: rows, residual: source.buffer),
            channels: source.channels)
    }
}

extension WeightLoader {
    /// - Parameters:
    ///   - textWidth: of what the blocks attend to.
    ///   - site: the number of the first block in its network.
    mutating func spatialTransformer(
        _ name: String, attention: SequenceAttention, textWidth: Int, blockCount: Int, usesLinearProjection: Bool,
        groupCount: Int, site: Int
    ) throws -> SpatialTransformer {
        let width = attention.width
        func linear(
            _ loader: inout WeightLoader, _ names: [String], _ inputs: Int = width, hasBias: Bool
        ) throws -> Linear {
            try loader.linear(
                names, inputs: inputs, outputs: names.map { _ in width }, hasBias: hasBias, label: names[0])
        }
        let norm = try groupNorm(name + ".norm", channels: width, groupCount: groupCount, epsilon: 1e-6)
        let projectIn = try pixelwise(
            name + ".proj_in", inputs: width, outputs: width, isConvolution: !usesLinearProjection)
        var blocks: [TransformerBlock] = []
        for index in 0..<blockCount {
            let block = name + ".transformer_blocks.\(index)"
            blocks.append(
                TransformerBlock(
                    selfNorm: try layerNorm(block + ".norm1", width: width),
                    fused: try linear(&self, ["q", "k", "v"].map { block + ".attn1.to_\($0)" }, hasBias: false),
                    selfOutput: try linear(&self, [block + ".attn1.to_out.0"], hasBias: true),
                    crossNorm: try layerNorm(block + ".norm2", width: width),
                    crossQueries: try linear(&self, [block + ".attn2.to_q"], hasBias: false),
                    crossKeysAndValues: try linear(
                        &self, ["k", "v"].map { block + ".attn2.to_\($0)" }, textWidth, hasBias: false),
                    crossOutput: try linear(&self, [block + ".attn2.to_out.0"], hasBias: true),
                    feedForwardNorm: try layerNorm(block + ".norm3", width: width),
                    feedForward: try geluFeedForward(block + ".ff.net", width: width), attention: attention,
                    site: site + index))
        }
        return SpatialTransformer(
            norm: norm, projectIn: projectIn, blocks: blocks,
            projectOut: try pixelwise(
                name + ".proj_out", inputs: width, outputs: width, isConvolution: !usesLinearProjection))
    }

    /// diffusers' GEGLU, four times as wide inside: its first matrix gives the product, then the gate.
    private mutating func geluFeedForward(_ name: String, width: Int) throws -> GatedFeedForward {
        let inner = 4 * width
        let exchanged = Array(inner..<2 * inner) + Array(0..<inner)
        let both = try matrix(name + ".0.proj", outputs: 2 * inner, inputs: width)
        let bias = try floats(name + ".0.proj.bias", shape: [2 * inner])
        return GatedFeedForward(
            gateAndUp: try linear(
                [try both.selectingRows(exchanged)], bias: exchanged.map { bias[$0] }, label: name + ".0.proj"),
            down: try linear([name + ".2"], inputs: inner, outputs: [width], hasBias: true, label: name + ".2"),
            activation: .geluErf)
    }
}
