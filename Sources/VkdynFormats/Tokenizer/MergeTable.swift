/// The merges of a byte-pair encoding: from two neighbouring ids to the merge's rank and the id it makes.
struct MergeTable: Sendable {
    private static let free = UInt64.max

    private var keys: [UInt64]
    /// Rank in the upper half, id in the lower half.
    private var values: [UInt64]
    private let seed: UInt64
    private let shift: UInt64

    /// Room for `capacity` merges.
    init(capacity: Int) {
        var bits: UInt64 = 4
        while (1 << bits) < capacity + capacity / 2 + 1 { bits += 1 }
        keys = [UInt64](repeating: Self.free, count: 1 << bits)
        values = [UInt64](repeating: 0, count: 1 << bits)
        // Seeded, so that no file can be made whose pairs all collide.
        seed = .random(in: 0 ... .max)
        shift = 64 - bits
    }

    /// Sets the merge of a pair; a later one replaces an earlier one.
    mutating func insert(_ first: Int32, _ second: Int32, rank: Int, id: Int32) {
        let key = Self.key(first, second)
        let slot = slot(of: key)
        keys[slot] = key
        values[slot] = UInt64(rank) << 32 | UInt64(UInt32(bitPattern: id))
    }

    /// The rank (upper half) and id (lower half) of the merge of a pair, or nil.
    @inline(__always)
    func merge(_ first: Int32, _ second: Int32) -> UInt64? {
        let key = Self.key(first, second)
        let slot = slot(of: key)
        return keys[slot] == key ? values[slot] : nil
    }

    @inline(__always)
    private static func key(_ first: Int32, _ second: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: first)) << 32 | UInt64(UInt32(bitPattern: second))
    }

    @inline(__always)
    private func slot(of key: UInt64) -> Int {
        var mixed = (key ^ seed) &* 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ mixed >> 29) &* 0xBF58_476D_1CE4_E5B9
        var slot = Int(truncatingIfNeeded: mixed >> shift)
        while keys[slot] != key, keys[slot] != Self.free { slot = (slot + 1) & (keys.count - 1) }
        return slot
    }
}
