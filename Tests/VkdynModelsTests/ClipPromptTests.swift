import Foundation
import Testing

@testable import VkdynModels

@Suite struct ClipPromptTests {
    /// CLIP's prompts, from the tokenizers' fixtures: padded by the end or by "!", and cut at 77 tokens.
    @Test(arguments: ["clip", "clip-2"]) func promptsAreTransformers(name: String) throws {
        let folder = ModelFixture.path("../../VkdynFormatsTests/Fixtures/Tokenizers/" + name)
        let encoder = try ClipPromptEncoder(folder: folder)
        let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/expected.json"))
        let root = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let rows = try #require(root["prompts"] as? [[String]])
        #expect(encoder.length == 77 && rows.count == 9)
        for row in rows {
            let prompt = encoder.encode(row[0])
            #expect(prompt.ids == row[1].split(separator: " ").compactMap { Int($0) }, "\(row[0].prefix(60))")
            #expect(prompt.cutOff ?? "" == row[2], "\(row[0].prefix(60))")
        }
        #expect(rows.contains { !$0[2].isEmpty } && rows.contains { $0[2].isEmpty })
    }
}
