import Foundation
import Testing
import VkdynFormats
import VkdynModels
import VkdynTechniques

/// Small vision transformers and what timm, transformers and the authors' ToMe computed with them:
/// `tools/fixtures/vision.py` wrote it.
struct VisionFixture: Decodable {
    struct Run: Decodable {
        let kind: String
        let r: [Double]
        let tokensPerLayer: [Int]
        let gap: Double?
        let largestLogit: Float
        /// [images, classes], base64 of little-endian f32.
        let logits: String
        let sourceMap: [[UInt32]]

        var schedule: MergeSchedule {
            switch kind {
            case "perLayer": .perLayer(r.map { Int($0) })
            case "inflected": .inflected(Int(r[0]), inflection: r[1])
            default: .constant(Int(r[0]))
            }
        }
    }

    struct Case: Decodable {
        let name: String
        let imageSize: [Int]
        let runs: [Run]

        /// [images] of [patches, patch size].
        func images(_ configuration: VisionTransformer.Configuration) throws -> [[Float]] {
            let values = try Safetensors(path: VisionFixture.path("images.safetensors")).tensor(name).floats()
            let count = imageSize.reduce(1, *)
            return stride(from: 0, to: values.count, by: count).map {
                configuration.patches(of: Array(values[$0..<$0 + count]))
            }
        }

        var folder: String { VisionFixture.path(name) }
    }

    let images: Int
    let classes: Int
    let parameters: [String: Int]
    let cases: [Case]

    static let names = ["class", "average", "gap", "distilled", "deit3", "clip", "hugging-face"]

    static func path(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/vision/\(name)")
            .path
    }

    static func load() throws -> VisionFixture {
        try JSONDecoder().decode(
            VisionFixture.self, from: Data(contentsOf: URL(fileURLWithPath: path("expected.json"))))
    }

    static func load(_ name: String) throws -> Case {
        try #require(try load().cases.first { $0.name == name })
    }
}
