import VkdynCore
import VkdynKernels
public import VkdynModels

/// What tomesd merges, and how much.
public struct ToMeSDOptions: Sendable, Equatable {
    /// The share of a block's tokens that merge away.
    public var ratio: Double
    /// One token of each cell of so many tokens is one that others merge into.
    public var cellHeight: Int
    public var cellWidth: Int
    /// Blocks whose maps are at most so many times smaller than the sample along each side merge; 1 for those of the
    /// sample's own size alone.
    public var maxDownsample: Int
    /// Whether a cell's token is drawn anew in each step and block, by the seed; else it is the top left one.
    public var randomDestinations: Bool
    public var includesAttention: Bool
    public var includesCrossAttention: Bool
    public var includesFeedForward: Bool

    public init(
        ratio: Double = 0.5, cellHeight: Int = 2, cellWidth: Int = 2, maxDownsample: Int = 1,
        randomDestinations: Bool = true, includesAttention: Bool = true, includesCrossAttention: Bool = false,
        includesFeedForward: Bool = false
    ) throws(ToMeSDError) {
        guard ratio >= 0, ratio <= 1 else { throw .ratio(ratio) }
        guard cellHeight >= 1, cellWidth >= 1 else { throw .cell(height: cellHeight, width: cellWidth) }
        guard maxDownsample >= 1 else { throw .downsample(maxDownsample) }
        self.ratio = ratio
        self.cellHeight = cellHeight
        self.cellWidth = cellWidth
        self.maxDownsample = maxDownsample
        self.randomDestinations = randomDestinations
        self.includesAttention = includesAttention
        self.includesCrossAttention = includesCrossAttention
        self.includesFeedForward = includesFeedForward
    }
}

public enum ToMeSDError: UserFacingError, Equatable {
    case ratio(Double)
    case cell(height: Int, width: Int)
    case downsample(Int)

    public var description: String {
        switch self {
        case .ratio(let ratio): "the merging ratio is \(ratio), expected 0 to 1"
        case .cell(let height, let width): "the merging cell is \(height)×\(width) tokens, expected 1×1 or more"
        case .downsample(let limit): "the largest downsampling that merges is \(limit), expected 1 or more"
        }
    }
}

/// Token merging in a diffusion U-Net (Bolya and Hoffman, "Token Merging for Fast Stable Diffusion", arXiv:2303.17604):
/// at the beginning of a transformer block tokens merge by what enters the block, and each part of the block that takes
/// part works on the merged ones and gives every token its group's result.
public struct ToMeSD: TokenUnion {
    public let options: ToMeSDOptions
    /// One `StepParameters`, with the step and the seed that random destinations follow from.
    private let stepParameters: Buffer

    public init(_ options: ToMeSDOptions, stepParameters: Buffer) {
        self.options = options
        self.stepParameters = stepParameters
    }

    public var includesAttention: Bool { options.includesAttention }
    public var includesCrossAttention: Bool { options.includesCrossAttention }
    public var includesFeedForward: Bool { options.includesFeedForward }

    /// How many times a map is smaller than the sample along each side: ⌈√⌊sample pixels / map pixels⌋⌉.
    static func downsampling(samplePixels: Int, mapPixels: Int) -> Int {
        let quotient = samplePixels / mapPixels
        var root = 0
        while root * root < quotient { root += 1 }
        return root
    }

    public func unite(
        _ tokens: FeatureMap, sample: FeatureMap, site: Int, batch: PictureBatch, into recording: inout Recording
    ) throws(DeviceError) -> (any UnitedTokens)? {
        let merged = Int(Double(tokens.pixelCount) * options.ratio)
        let level = Self.downsampling(samplePixels: sample.pixelCount, mapPixels: tokens.pixelCount)
        let hasCells = tokens.height >= options.cellHeight && tokens.width >= options.cellWidth
        let isUsed = includesAttention || includesCrossAttention || includesFeedForward
        guard merged > 0, level <= options.maxDownsample, hasCells, isUsed else { return nil }
        let rows = try batch.rows(tokens.pixelCount)
        return recording.scope("merge") { recording in
            let sets = TokenSets.cells(
                height: tokens.height, width: tokens.width, cellHeight: options.cellHeight,
                cellWidth: options.cellWidth, step: options.randomDestinations ? stepParameters : nil, site: site,
                into: &recording)
            let metric = recording.transient(.f32, count: rows.capacity * tokens.channels, "metric")
            recording.dispatch(
                MatchingMetric.self, "metric", .init(rows: rows.buffer, source: tokens.buffer, result: metric),
                .init(
                    rowCapacity: UInt32(rows.capacity), width: UInt32(tokens.channels), headCount: 1,
                    sourceStride: UInt32(tokens.channels), sourceOffset: 0), rows: rows)
            return TokenMerge.record(
                into: &recording, metric: metric, width: tokens.channels, sets: sets, r: merged, images: batch.images
            ).map(MergedPixels.init)
        }
    }
}

/// tomesd's merges: to the plain mean, and back by copying.
private struct MergedPixels: UnitedTokens {
    let tokens: TokenMerge

    var rowCount: Int { tokens.rowCount }

    func merge(_ source: Buffer, width: Int, _ label: String, into recording: inout Recording) -> Buffer {
        tokens.merge(source, width: width, sizes: nil, label, into: &recording)
    }

    func unmerge(
        _ source: Buffer, width: Int, residual: Buffer?, _ label: String, into recording: inout Recording
    ) -> Buffer {
        tokens.unmerge(source, width: width, residual: residual, label, into: &recording)
    }
}
