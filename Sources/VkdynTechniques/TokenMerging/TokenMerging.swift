public import VkdynCore
import VkdynKernels

/// The two sets that bipartite matching divides the tokens of an image into.
public struct TokenSets: Sendable {
    /// [sourceCount + destinationCount], sources first; nil for even tokens as sources and odd ones as destinations.
    public let buffer: Buffer?
    public let sourceCount: Int
    public let destinationCount: Int
    /// Token 0 is a class token, which never merges.
    public let hasClassToken: Bool
    /// Token 1 is a distillation token, which nothing merges into.
    public let hasDistillationToken: Bool

    public var tokenCount: Int { sourceCount + destinationCount }

    /// ToMe's sets.
    public static func alternating(tokenCount: Int, classToken: Bool, distillationToken: Bool) -> TokenSets {
        TokenSets(
            buffer: nil, sourceCount: (tokenCount + 1) / 2, destinationCount: tokenCount / 2, hasClassToken: classToken,
            hasDistillationToken: distillationToken)
    }

    /// tomesd's sets: one destination in every cell of a picture of height × width tokens.
    /// - Parameters:
    ///   - step: one `StepParameters`, for random destinations; nil for the top left ones.
    ///   - site: a number for the place in the model, where places shall differ within a step.
    public static func cells(
        height: Int, width: Int, cellHeight: Int, cellWidth: Int, step: Buffer?, site: Int,
        into recording: inout Recording
    ) -> TokenSets {
        let destinations = (height / cellHeight) * (width / cellWidth)
        let sets = recording.transient(.u32, count: height * width, "sets")
        recording.dispatch(
            MatchingSets.self, "sets", .init(stepParameters: step, sets: sets),
            .init(
                height: UInt32(height), width: UInt32(width), cellHeight: UInt32(cellHeight),
                cellWidth: UInt32(cellWidth), site: UInt32(site)))
        return TokenSets(
            buffer: sets, sourceCount: height * width - destinations, destinationCount: destinations,
            hasClassToken: false, hasDistillationToken: false)
    }

    /// How many tokens are merged away when r are asked for: with ToMe's sets at most half of the tokens that are not
    /// protected, with cells at most all sources, of which there must be a destination for.
    public func mergedCount(_ r: Int) -> Int {
        guard buffer == nil else { return destinationCount == 0 ? 0 : max(0, min(r, sourceCount)) }
        let protected = (hasClassToken ? 1 : 0) + (hasDistillationToken ? 1 : 0)
        return max(0, min(r, (tokenCount - protected) / 2))
    }
}

/// One recorded matching: which tokens of each image merge, and the kernels that merge and unmerge by it.
///
/// Buffers are transient: everything that uses them belongs to the same recording.
public struct TokenMerge: Sendable {
    /// The images of the batch; every one has equally many tokens.
    public let images: Counted
    /// Tokens of an image before the merge.
    public let tokenCount: Int
    /// Rows of an image after it.
    public let rowCount: Int
    /// [images, tokenCount]: each token's row.
    public let targets: Buffer
    /// [images, rowCount + 1]: where each row's members begin.
    public let offsets: Buffer
    /// [images, tokenCount]: tokens by row, ascending within it.
    public let members: Buffer

    /// Records a matching by a metric.
    /// - Parameters:
    ///   - metric: [images, tokenCount, width], rows of length 1, as `MatchingMetric` leaves them.
    ///   - r: the tokens to merge away; clamped by `TokenSets.mergedCount`.
    /// - Returns: nil, and nothing recorded, when nothing is to be merged.
    public static func record(
        into recording: inout Recording, metric: Buffer, width: Int, sets: TokenSets, r: Int, images: Counted
    ) -> TokenMerge? {
        let merged = sets.mergedCount(r)
        guard merged > 0 else { return nil }
        let (sources, tokens) = (sets.sourceCount, sets.tokenCount)
        let (classToken, distillationToken): (UInt32, UInt32) =
            (sets.hasClassToken ? 1 : 0, sets.hasDistillationToken ? 1 : 0)
        let scores = recording.transient(.f32, count: images.capacity * sources, "scores")
        let matches = recording.transient(.u32, count: images.capacity * sources, "matches")
        recording.dispatch(
            BestMatch.self, "best_match",
            .init(images: images.buffer, metric: metric, sets: sets.buffer, scores: scores, matches: matches),
            .init(
                imageCapacity: UInt32(images.capacity), tokenCount: UInt32(tokens), sourceCount: UInt32(sources),
                destinationCount: UInt32(sets.destinationCount), width: UInt32(width), classToken: classToken,
                distillationToken: distillationToken), rows: images)
        let order = sort(scores, width: sources, images, isDescending: true, "ranking", into: &recording)
        let targets = recording.transient(.u32, count: images.capacity * tokens, "targets")
        recording.dispatch(
            MergeTargets.self, "targets",
            .init(images: images.buffer, order: order, matches: matches, sets: sets.buffer, targets: targets),
            .init(
                imageCapacity: UInt32(images.capacity), sourceCount: UInt32(sources),
                destinationCount: UInt32(sets.destinationCount), mergedCount: UInt32(merged), classToken: classToken,
                distillationToken: distillationToken), rows: images)
        let members = sort(targets, width: tokens, images, isDescending: false, "members", into: &recording)
        let rowCount = tokens - merged
        let offsets = recording.transient(.u32, count: images.capacity * (rowCount + 1), "offsets")
        recording.dispatch(
            MergeOffsets.self, "offsets",
            .init(images: images.buffer, targets: targets, members: members, offsets: offsets),
            .init(imageCapacity: UInt32(images.capacity), tokenCount: UInt32(tokens), rowCount: UInt32(rowCount)),
            rows: images)
        return TokenMerge(
            images: images, tokenCount: tokens, rowCount: rowCount, targets: targets, offsets: offsets, members: members
        )
    }

    /// Rows from which on a sort is faster with ranks.
    private static let longSort = 2048

    private static func sort(
        _ keys: Buffer, width: Int, _ images: Counted, isDescending: Bool, _ label: String,
        into recording: inout Recording
    ) -> Buffer {
        let order = recording.transient(.u32, count: images.capacity * width, label)
        let ranks =
            width > longSort
            ? recording.transient(.u32, count: images.capacity * width, label + "_ranks") : nil
        recording.dispatch(
            Sort.self, label, .init(rows: images.buffer, keys: keys, order: order, ranks: ranks),
            .init(rowCapacity: UInt32(images.capacity), width: UInt32(width)),
            constants: .init(keysAreFloats: keys.elementType == .f32, descending: isDescending), rows: images)
        return order
    }

    // MARK: Use

    /// Merges rows: by the tokens' sizes where there are any, else to their plain mean.
    /// - Parameters:
    ///   - source: [images, tokenCount, width].
    ///   - sizes: [images, tokenCount], in patches; nil for 1 each.
    /// - Returns: [images, rowCount, width].
    public func merge(
        _ source: Buffer, width: Int, sizes: Buffer? = nil, _ label: String, into recording: inout Recording
    ) -> Buffer {
        merge(source, width: width, sizes: sizes, keepsSizes: false, label, into: &recording).result
    }

    /// The same, with the rows' own sizes, [images, rowCount].
    public func mergeWithSizes(
        _ source: Buffer, width: Int, sizes: Buffer?, _ label: String, into recording: inout Recording
    ) -> (result: Buffer, sizes: Buffer) {
        let (result, sizes) = merge(source, width: width, sizes: sizes, keepsSizes: true, label, into: &recording)
        guard let sizes else { preconditionFailure("\(label): sizes were asked for") }
        return (result, sizes)
    }

    private func merge(
        _ source: Buffer, width: Int, sizes: Buffer?, keepsSizes: Bool, _ label: String,
        into recording: inout Recording
    ) -> (result: Buffer, sizes: Buffer?) {
        let result = recording.transient(.f32, count: images.capacity * rowCount * width, label)
        let resultSizes =
            keepsSizes
            ? recording.transient(.f32, count: images.capacity * rowCount, label + "_sizes") : nil
        recording.dispatch(
            MergeTokens.self, label,
            .init(
                images: images.buffer, source: source, sizes: sizes, offsets: offsets, members: members, result: result,
                resultSizes: resultSizes),
            .init(
                imageCapacity: UInt32(images.capacity), tokenCount: UInt32(tokenCount), rowCount: UInt32(rowCount),
                width: UInt32(width)), rows: images)
        return (result, resultSizes)
    }

    /// Gives every token its row, and adds the residual: [images, tokenCount, width].
    public func unmerge(
        _ source: Buffer, width: Int, residual: Buffer? = nil, _ label: String, into recording: inout Recording
    ) -> Buffer {
        let result = recording.transient(.f32, count: images.capacity * tokenCount * width, label)
        recording.dispatch(
            UnmergeTokens.self, label,
            .init(images: images.buffer, source: source, targets: targets, residual: residual, result: result),
            .init(
                imageCapacity: UInt32(images.capacity), tokenCount: UInt32(tokenCount), rowCount: UInt32(rowCount),
                width: UInt32(width)), rows: images)
        return result
    }

    /// Which row each original token is part of, [images, originalCount], from the map before this merge; nil for the
    /// first merge, whose tokens are the original ones.
    /// - Parameter kept: where the result goes; nil for a transient buffer.
    public func sourceMap(
        _ previous: Buffer?, originalCount: Int, _ label: String, keptIn kept: Buffer? = nil,
        into recording: inout Recording
    ) -> Buffer {
        let result = kept ?? recording.transient(.u32, count: images.capacity * originalCount, label)
        recording.dispatch(
            SourceMap.self, label,
            .init(images: images.buffer, targets: targets, previous: previous, result: result),
            .init(
                imageCapacity: UInt32(images.capacity), tokenCount: UInt32(tokenCount),
                originalCount: UInt32(originalCount)), rows: images)
        return result
    }
}
