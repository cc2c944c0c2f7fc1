import Foundation
import Testing

@testable import VkdynFormats

/// A short, seeded run of what `tools/fuzz` does at length: damaged copies of the corpus go through every parser,
/// which may refuse them but never trap.
@Suite struct MutationTests {
    private static let mutationCount = 4000

    @Test(arguments: ["safetensors", "config", "tokenizer", "text"]) func noDamageTraps(name: String) throws {
        let corpus = try seeds(name)
        try #require(!corpus.isEmpty)
        var generator = SplitMix64(state: 20_240_607)
        for round in 0..<Self.mutationCount {
            var bytes = corpus[round % corpus.count]
            if round >= corpus.count { mutate(&bytes, corpus, &generator) }
            bytes.withUnsafeBytes { bytes in
                switch name {
                case "safetensors": FuzzTargets.safetensors(bytes)
                case "config": FuzzTargets.config(bytes)
                case "tokenizer": FuzzTargets.tokenizer(bytes)
                default: FuzzTargets.text(bytes)
                }
            }
        }
    }

    private func seeds(_ name: String) throws -> [[UInt8]] {
        let folder = Fixture.folder("../../Fuzz/Corpus/" + name)
        return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { file in
            let mapped = try MappedFile(path: folder + "/" + file)
            return mapped.withUnsafeBytes { Array($0) }
        }
    }

    private func mutate(_ bytes: inout [UInt8], _ corpus: [[UInt8]], _ generator: inout SplitMix64) {
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
private struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
