import Foundation
import VkdynCore
import VkdynFormats
import VkdynKernels
import VkdynSchedule

/// T5's relative positions (Raffel et al., arXiv:1910.10683): what a head adds to a score depends on how far the key is
/// from the query, by buckets that are as wide as 1 near by and grow with the logarithm of the distance.
struct RelativePositions: Sendable, Equatable {
    var bucketCount: Int
    /// From this distance on all have one bucket.
    var maximumDistance: Int
    /// Whether keys may lie after the query, which then have half of the buckets.
    var isBidirectional: Bool

    /// - Parameter distance: the key's position minus the query's.
    func bucket(_ distance: Int) -> Int {
        let count = isBidirectional ? bucketCount / 2 : bucketCount
        let first = isBidirectional && distance > 0 ? count : 0
        let steps = isBidirectional ? abs(distance) : max(-distance, 0)
        let exactCount = count / 2
        if steps < exactCount { return first + steps }
        // In f32, as the checkpoints were trained: a bucket's edge lies where that rounds it to.
        let share = log(Float(steps) / Float(exactCount))
            / Float(log(Double(maximumDistance) / Double(exactCount)))
        return first + min(exactCount + Int(share * Float(count - exactCount)), count - 1)
    }

    /// Biases by distance: [heads, 2 · length - 1] from 1 - length on where the view is bidirectional, else
    /// [heads, length], whose last is the distance 0.
    /// - Parameter weights: [bucketCount, heads].
    func table(_ weights: [Float], heads: Int, length: Int) -> [Float] {
        let buckets = (1 - length...(isBidirectional ? length - 1 : 0)).map(bucket)
        return (0..<heads).flatMap { head in buckets.map { weights[$0 * heads + head] } }
    }

    /// How `Attention` finds a bias in `table`: by the row's number where the rows are the whole sequence, by its
    /// position where they are some of it.
    func layout(length: Int) -> Attention.BiasLayout {
        isBidirectional
            ? .init(offset: length - 1, headStride: 2 * length - 1, rowStride: -1)
            : .init(offset: length - 1, headStride: length, positionStride: -1)
    }
}

extension WeightLoader {
    /// The biases of a stack's attention, which all its layers share.
    /// - Parameters:
    ///   - name: the tensor without its `.weight`.
    ///   - length: of the longest sequence.
    mutating func relativeBias(
        _ name: String, _ positions: RelativePositions, heads: Int, length: Int
    ) throws -> AttentionShape.Bias {
        let weights = try floats(name + ".weight", shape: [positions.bucketCount, heads])
        return AttentionShape.Bias(
            table: try device.makeBuffer(
                .floats(positions.table(weights, heads: heads, length: length)), label: name),
            layout: positions.layout(length: length))
    }
}
