import Foundation
import TestSupport
import Testing

@testable import VkdynFormats

/// A short, seeded run of what `tools/fuzz` does at length: damaged copies of the corpus go through every parser,
/// which may refuse them but never trap.
@Suite struct MutationTests {
    private static let mutationCount = 4000

    @Test(arguments: ["safetensors", "config", "tokenizer", "text"]) func noDamageTraps(name: String) throws {
        let corpus = try seeds(name)
        try #require(!corpus.isEmpty)
        var copies = DamagedCopies(of: corpus, seed: 20_240_607)
        copies.forEach(count: Self.mutationCount) { bytes in
            switch name {
            case "safetensors": FuzzTargets.safetensors(bytes)
            case "config": FuzzTargets.config(bytes)
            case "tokenizer": FuzzTargets.tokenizer(bytes)
            default: FuzzTargets.text(bytes)
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
}
