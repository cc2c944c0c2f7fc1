public import VkdynCore
import VkdynKernels
public import VkdynModels

/// Token merging in a vision transformer (Bolya et al., "Token Merging: Your ViT But Faster", arXiv:2210.09461): after
/// a layer's attention the r tokens that are most like another, by the mean of their keys over heads, merge into it by
/// their sizes. Later layers work on the tokens that are left, and attend to them in proportion to their sizes.
///
/// How many tokens each layer has is known before the run, so that nothing is counted on the device.
public struct ToMe: TokenReduction {
    /// Tokens of an image after each layer.
    public let tokensPerLayer: [Int]
    private let counts: [Int]
    private let configuration: VisionTransformer.Configuration
    private let sourceMap: Buffer?

    /// - Parameters:
    ///   - sourceMap: where the map after the last merge goes, [images, tokenCount]; nil for no map. Not written when
    ///     nothing merges.
    /// - Throws: for a schedule that does not fit the model.
    public init(
        _ schedule: MergeSchedule, configuration: VisionTransformer.Configuration, sourceMap: Buffer? = nil
    ) throws(MergeScheduleError) {
        counts = try schedule.counts(layerCount: configuration.layerCount)
        self.configuration = configuration
        self.sourceMap = sourceMap
        var (tokens, tokensPerLayer) = (configuration.tokenCount, [Int]())
        for count in counts {
            tokens -= Self.sets(configuration, tokens).mergedCount(count)
            tokensPerLayer.append(tokens)
        }
        self.tokensPerLayer = tokensPerLayer
    }

    /// Whether any tokens merge at all.
    public var merges: Bool { tokensPerLayer.last.map { $0 < configuration.tokenCount } ?? false }

    /// Multiply-adds of one image through the model, those of the matching included.
    public var multiplyAdds: Int {
        var total = configuration.multiplyAdds(tokensPerLayer: tokensPerLayer)
        var tokens = configuration.tokenCount
        for after in tokensPerLayer {
            if after < tokens { total += (tokens + 1) / 2 * (tokens / 2) * configuration.headSize }
            tokens = after
        }
        return total
    }

    private static func sets(_ configuration: VisionTransformer.Configuration, _ tokens: Int) -> TokenSets {
        .alternating(
            tokenCount: tokens, classToken: configuration.hasClassToken,
            distillationToken: configuration.hasDistillationToken)
    }

    public func reduce(
        _ tokens: ImageTokens, keys: TokenKeys, layer: Int, batch: ImageBatch, into recording: inout Recording
    ) -> ImageTokens {
        let sets = Self.sets(configuration, tokens.count)
        guard sets.mergedCount(counts[layer]) > 0 else { return tokens }
        let rows = batch.rows(tokens.count)
        return recording.scope("merge.layer\(layer)") { recording in
            let metric = recording.transient(.f32, count: rows.capacity * keys.headSize, "metric")
            recording.dispatch(
                MatchingMetric.self, "metric", .init(rows: rows.buffer, source: keys.source, result: metric),
                .init(
                    rowCapacity: UInt32(rows.capacity), width: UInt32(keys.headSize), headCount: UInt32(keys.headCount),
                    sourceStride: UInt32(keys.stride), sourceOffset: UInt32(keys.offset)), rows: rows)
            guard
                let merge = TokenMerge.record(
                    into: &recording, metric: metric, width: keys.headSize, sets: sets, r: counts[layer],
                    images: batch.images)
            else { return tokens }
            let (hidden, sizes) = merge.mergeWithSizes(
                tokens.hidden, width: configuration.width, sizes: tokens.sizes, "hidden", into: &recording)
            var merged = ImageTokens(hidden: hidden, count: merge.rowCount)
            merged.sizes = sizes
            merged.keyBias = recordBias(into: &recording, sizes, merge, layer)
            if let sourceMap {
                merged.sourceMap = merge.sourceMap(
                    tokens.sourceMap, originalCount: configuration.tokenCount, "source_map",
                    keptIn: merge.rowCount == tokensPerLayer.last ? sourceMap : nil, into: &recording)
            }
            return merged
        }
    }

    /// The logarithms of sizes, which later layers add to their scores; nil after the last layer.
    private func recordBias(
        into recording: inout Recording, _ sizes: Buffer, _ merge: TokenMerge, _ layer: Int
    ) -> Buffer? {
        guard layer + 1 < counts.count else { return nil }
        let result = recording.transient(.f32, count: sizes.count, "log_sizes")
        recording.dispatch(
            Logarithm.self, "log_sizes", .init(rows: merge.images.buffer, source: sizes, result: result),
            .init(rowCapacity: UInt32(merge.images.capacity), width: UInt32(merge.rowCount)), rows: merge.images)
        return result
    }
}
