/// A set of byte strings, numbered in the order of insertion, with lookup in constant time.
///
/// All bytes lie in one array: a vocabulary of 128,000 tokens costs three allocations. Keys are compared byte
/// by byte, never by canonical equivalence.
struct ByteTable: Sendable {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    /// Index of an entry plus one, or 0; the count is a power of two, at most half of it used.
    private var slots: [Int32]

    /// Number of entries.
    var count: Int { ends.count }

    init(minimumCapacity: Int = 8) {
        slots = [Int32](repeating: 0, count: Self.slotCount(for: minimumCapacity))
    }

    /// The bytes of entry `index`.
    func range(of index: Int) -> Range<Int> { (index == 0 ? 0 : ends[index - 1])..<ends[index] }

    /// Calls `body` with the bytes of entry `index`.
    func withBytes<Result>(of index: Int, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        let range = range(of: index)
        return bytes.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[range])) }
    }

    /// Entry `index` as a string; the table holds well-formed UTF-8 only.
    func string(of index: Int) -> String { String(decoding: bytes[range(of: index)], as: UTF8.self) }

    /// The index of `key`, or nil.
    @inline(__always)
    func index(of key: UnsafeBufferPointer<UInt8>) -> Int? {
        let entry = slots[slot(of: key)]
        return entry == 0 ? nil : Int(entry) - 1
    }

    /// The index of `key`, or nil.
    func index(of key: String) -> Int? {
        var copy = key
        return copy.withUTF8 { index(of: $0) }
    }

    /// The index of `key`, which is added when it is new.
    mutating func insert(_ key: UnsafeBufferPointer<UInt8>) -> (index: Int, isNew: Bool) {
        if (count + 1) * 2 > slots.count { grow() }
        let slot = slot(of: key)
        if slots[slot] != 0 { return (Int(slots[slot]) - 1, false) }
        bytes.append(contentsOf: key)
        ends.append(bytes.count)
        slots[slot] = Int32(count)
        return (count - 1, true)
    }

    /// The index of `key`, which is added when it is new.
    mutating func insert(_ key: String) -> (index: Int, isNew: Bool) {
        var copy = key
        return copy.withUTF8 { insert($0) }
    }

    /// The slot that holds `key`, or the free one where it belongs.
    @inline(__always)
    private func slot(of key: UnsafeBufferPointer<UInt8>) -> Int {
        let mask = slots.count - 1
        var slot = Self.hash(key) & mask
        while slots[slot] != 0, !equals(Int(slots[slot]) - 1, key) { slot = (slot + 1) & mask }
        return slot
    }

    @inline(__always)
    private func equals(_ index: Int, _ key: UnsafeBufferPointer<UInt8>) -> Bool {
        let range = range(of: index)
        guard range.count == key.count else { return false }
        for offset in 0..<key.count where bytes[range.lowerBound + offset] != key[offset] { return false }
        return true
    }

    private mutating func grow() {
        slots = [Int32](repeating: 0, count: Self.slotCount(for: count * 2))
        for index in 0..<count {
            let slot = withBytes(of: index) { key -> Int in self.slot(of: key) }
            slots[slot] = Int32(index + 1)
        }
    }

    /// Seeded a process, so that no file can be made whose keys all collide.
    @inline(__always)
    private static func hash(_ key: UnsafeBufferPointer<UInt8>) -> Int {
        var hasher = Hasher()
        hasher.combine(bytes: UnsafeRawBufferPointer(key))
        return hasher.finalize()
    }

    private static func slotCount(for entries: Int) -> Int {
        var count = 16
        while count < entries * 2 { count *= 2 }
        return count
    }
}
