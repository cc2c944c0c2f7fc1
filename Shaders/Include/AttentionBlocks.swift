import VkdynCore

/// The blocks of one row and head, combined in ascending order: the twin of `attention_block.glsl`.
///
/// A block has the maximum m of its scores by order key, the weights `exponential(score − m)`, their sum l in ascending
/// position from +0, and the output o, which adds weight times value in ascending position from +0 in the flavour. The
/// first block's (m, l, o) are taken as they are; each further one combines as `M′ = max(M, m)` by order key,
/// `a = exponential(M − M′)`, `b = exponential(m − M′)`, `L′ = L·a + l·b`, `O′ = O·a + o·b`, every operation rounded.
/// Where a subtracted maximum is −∞, +0 is subtracted instead.
final class AttentionBlocks<A: Arithmetic> {
    private let valueSize: Int
    private var output: UnsafeMutableBufferPointer<Float>
    private var total: UnsafeMutableBufferPointer<Float>
    private var totalKey: UInt32 = 0
    private var totalSum: Float = 0
    private var isFirst = true

    init(valueSize: Int) {
        self.valueSize = valueSize
        output = .allocate(capacity: valueSize)
        total = .allocate(capacity: valueSize)
    }

    deinit {
        output.deallocate()
        total.deallocate()
    }

    /// Forgets the blocks of another row or head.
    func begin() {
        (totalKey, totalSum, isFirst) = (0, 0, true)
        for d in 0..<valueSize { total[d] = 0 }
    }

    /// Adds the next block; one without positions is left out.
    ///
    /// - Parameters:
    ///   - scores: of the positions that are attended, in ascending order.
    ///   - value: where the valueSize numbers of a score's position begin, by the score's index.
    func add(_ scores: ArraySlice<Float>, value: (Int) -> UnsafePointer<Float>) {
        if scores.isEmpty { return }
        var key: UInt32 = 0
        for score in scores { key = max(key, Functions.orderKey(score)) }
        var sum: Float = 0
        for d in 0..<valueSize { output[d] = 0 }
        let subtracted = Self.shift(key)
        for index in scores.indices {
            let weight = Functions.exponential(scores[index] - subtracted)
            let numbers = value(index)
            sum += weight
            for d in 0..<valueSize { output[d] = A.multiplyAdd(numbers[d], weight, output[d]) }
        }
        if isFirst {
            (totalKey, totalSum, isFirst) = (key, sum, false)
            swap(&total, &output)
            return
        }
        let both = max(totalKey, key)
        let a = Functions.exponential(Functions.fromOrderKey(totalKey) - Self.shift(both))
        let b = Functions.exponential(Functions.fromOrderKey(key) - Self.shift(both))
        totalKey = both
        totalSum = totalSum * a + sum * b
        for d in 0..<valueSize { total[d] = total[d] * a + output[d] * b }
    }

    /// Stores `O · reciprocal(L)`, or +0 when no block had a position.
    func finish(into result: UnsafeMutablePointer<Float>) {
        let factor = isFirst ? 0 : Functions.reciprocal(totalSum)
        for d in 0..<valueSize { result[d] = total[d] * factor }
    }

    /// What is subtracted from scores before the exponential.
    @inline(__always)
    private static func shift(_ key: UInt32) -> Float {
        let maximum = Functions.fromOrderKey(key)
        return maximum == -.infinity ? 0 : maximum
    }
}
