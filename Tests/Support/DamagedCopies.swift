/// A seeded stream of damaged copies of files: what `tools/fuzz` does at length, in a test's time.
public struct DamagedCopies {
    private let corpus: [[UInt8]]
    private var generator: SplitMix64

    /// Copies of the files of `corpus`, which is not empty.
    public init(of corpus: [[UInt8]], seed: UInt64) {
        self.corpus = corpus
        generator = SplitMix64(state: seed)
    }

    /// Calls `body` with each file as it is, then with damaged copies of them in turn, `count` times in all.
    public mutating func forEach(count: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
        for round in 0..<count {
            var bytes = corpus[round % corpus.count]
            if round >= corpus.count { damage(&bytes) }
            bytes.withUnsafeBytes(body)
        }
    }

    private mutating func damage(_ bytes: inout [UInt8]) {
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let index = Int.random(in: 0...bytes.count, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0 where index < bytes.count: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 1 where index < bytes.count: bytes[index] = .random(in: 0...255, using: &generator)
            case 2: bytes.insert(.random(in: 0...255, using: &generator), at: index)
            case 3:
                bytes.removeSubrange(index..<min(index + Int.random(in: 1...8, using: &generator), bytes.count))
            case 4: bytes.removeSubrange(index...)
            default:
                let other = corpus[Int.random(in: 0..<corpus.count, using: &generator)]
                let start = Int.random(in: 0...other.count, using: &generator)
                bytes.insert(contentsOf: other[start...].prefix(20), at: index)
            }
        }
    }
}

/// Vigna's SplitMix64.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
