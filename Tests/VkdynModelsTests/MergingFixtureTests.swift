import Foundation
import Testing
import VkdynCore
import VkdynFormats
import VkdynTechniques

/// Merges as the authors' own code makes them: `tools/fixtures/merging.py` wrote what they gave.
@Suite(.serialized) struct MergingFixtureTests {
    private struct Description: Decodable {
        struct ToMe: Decodable {
            struct Layer: Decodable {
                let r: Int
                let tokens: Int
                let rows: Int
                let gap: Double
            }

            let name: String
            let classToken: Bool
            let distillationToken: Bool
            let layers: [Layer]
        }

        struct ToMeSD: Decodable {
            let name: String
            let height: Int
            let width: Int
            let r: Int
            let rows: Int
            let gap: Double
        }

        let images: Int
        let heads: Int
        let channels: Int
        let tomeCases: [ToMe]
        let tomesdCases: [ToMeSD]

        enum CodingKeys: String, CodingKey {
            case images, heads, channels
            case tomeCases = "tome_cases"
            case tomesdCases = "tomesd_cases"
        }
    }

    private let description: Description
    private let tensors: Safetensors

    init() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/merging").path
        description = try JSONDecoder().decode(
            Description.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/merging.json")))
        tensors = try Safetensors(path: folder + "/merging.safetensors")
    }

    private func floats(_ name: String) throws -> [Float] { try tensors.tensor(name).floats() }

    private func words(_ name: String) throws -> [UInt32] {
        let bytes = try tensors.tensor(name).bytes
        return stride(from: 0, to: bytes.count, by: 4).map { bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self) }
    }

    private func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
        guard a.count == b.count else { return .infinity }
        return zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) }
    }

    /// Values are means of at most some tens of normal numbers: rounding and the quotient stay below this.
    private let tolerance: Float = 2e-6

    /// The same merges, layer upon layer; merged values within the tolerance, sizes exactly.
    @Test(arguments: TestDevices.Choice.allCases) func tokensMergeAsInToMe(choice: TestDevices.Choice) throws {
        let device = try TestDevices.device(choice)
        for found in description.tomeCases {
            let prefix = "tome.\(found.name)."
            var run = TokenMergeRun(
                source: try floats(prefix + "source"), images: description.images, tokens: found.layers[0].tokens,
                width: description.channels, r: 0,
                sets: .alternating(classToken: found.classToken, distillationToken: found.distillationToken))
            for (index, layer) in found.layers.enumerated() {
                let name = prefix + "\(index)."
                run.keys = (try floats(name + "keys"), description.heads)
                (run.r, run.tokens) = (layer.r, layer.tokens)
                let merged = try #require(try run.merge(on: device))
                #expect(layer.gap > 4e-6)
                #expect(merged.rowCount == layer.rows)
                #expect(merged.targets == (try words(name + "targets")), "\(name)")
                #expect(largestDifference(merged.rows, try floats(name + "merged")) <= tolerance, "\(name)")
                #expect(merged.sizes == (try floats(name + "sizes")), "\(name)")
                #expect(merged.sourceMap == (try words(name + "sourceMap")), "\(name)")
                (run.source, run.sizes, run.map) = (merged.rows, merged.sizes, merged.sourceMap)
            }
        }
    }

    @Test(arguments: TestDevices.Choice.allCases) func tokensMergeAsInToMeSD(choice: TestDevices.Choice) throws {
        let device = try TestDevices.device(choice)
        for found in description.tomesdCases {
            let prefix = "tomesd.\(found.name)."
            var run = TokenMergeRun(
                source: try floats(prefix + "source"), images: description.images, tokens: found.height * found.width,
                width: 2 * description.channels, r: found.r,
                sets: .cells(height: found.height, width: found.width, seed: nil))
            run.other = try floats(prefix + "other")
            let merged = try #require(try run.merge(on: device))
            #expect(found.gap > 4e-6)
            #expect(merged.rowCount == found.rows)
            #expect(merged.targets == (try words(prefix + "targets")), "\(prefix)")
            #expect(largestDifference(merged.rows, try floats(prefix + "merged")) <= tolerance, "\(prefix)")
            #expect(merged.unmerged == (try floats(prefix + "unmerged")), "\(prefix)")
        }
    }
}
