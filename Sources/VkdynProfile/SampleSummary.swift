/// Any number of times in bounded memory: count, sum and minimum exactly, the median from a random part of them.
struct SampleSummary: Sendable {
    static let reservoirCount = 128

    private(set) var count = 0
    private(set) var sum = 0.0
    private(set) var minimum = Double.infinity
    /// Each of the times so far with the same probability (Vitter, "Random Sampling with a Reservoir", algorithm R).
    private var reservoir: [Double] = []
    private var random: UInt64 = 0x9E37_79B9_7F4A_7C15

    mutating func add(_ seconds: Double) {
        count += 1
        sum += seconds
        minimum = min(minimum, seconds)
        if reservoir.count < Self.reservoirCount {
            reservoir.append(seconds)
            return
        }
        // Marsaglia's xorshift; a profile of the same times is the same.
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        let place = Int(random % UInt64(count))
        if place < Self.reservoirCount { reservoir[place] = seconds }
    }

    var mean: Double { count == 0 ? 0 : sum / Double(count) }

    var median: Double {
        if reservoir.isEmpty { return 0 }
        let sorted = reservoir.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}
