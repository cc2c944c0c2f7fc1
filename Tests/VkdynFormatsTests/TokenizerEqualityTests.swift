import Testing

@testable import VkdynFormats

/// Ids and texts equal to those of Hugging Face tokenizers, from `tools/fixtures/tokenizers_fixtures.py`.
@Suite struct TokenizerEqualityTests {
    static let families = ["gpt2", "opt", "llama3", "qwen2", "llama2", "mistral", "t5"]
    static let variants = [
        "nfkc_lowercase_strip_whitespace", "nfd_accents_digits_bert", "nfkd_digits_merged_with_previous_roberta",
        "metaspace_always", "metaspace_never", "replace_runs_split_contiguous",
        "split_merged_with_next_strip_tokens",
        "split_inverted", "affixes", "byte_level_prefix_space", "unigram_byte_fallback",
    ]

    @Test(arguments: families) func everyStringEncodesAndDecodesAsThere(family: String) throws {
        let strings = try Fixture.strings()
        #expect(strings.count >= 2000)
        try check(Fixture.folder("Tokenizers/" + family), strings: strings)
    }

    @Test(arguments: variants) func everyPartOfThePipelineWorksAsThere(name: String) throws {
        let all = try Fixture.strings()
        let indices = try Fixture.json("Tokenizers/variants/string_indices.json").integers()
        try check(Fixture.folder("Tokenizers/variants/" + name), strings: indices.map { all[$0] })
    }

    /// CLIP's, as Stable Diffusion 1 and 2 publish it, and as one tokenizer.json; 2 pads with "!", which so becomes a
    /// token of its own wherever it stands.
    @Test(arguments: ["clip", "clip-json", "clip-2"]) func clipEncodesAsThere(name: String) throws {
        let strings = try Fixture.strings()
        let tokenizer = try Tokenizer(folder: Fixture.folder("Tokenizers/" + name))
        let first = try #require(Fixture.json("Tokenizers/clip/expected.json").object)
        var expected = try #require(first["ids"]?.array).map { try $0.idList() }
        var around = first
        if name == "clip-2" {
            around = try #require(Fixture.json("Tokenizers/clip-2/expected.json").object)
            let others = try #require(around["otherIds"]?.object)
            #expect(others.members.count > 20)
            for other in others.members { expected[try #require(Int(other.key))] = try other.value.idList() }
        }
        try #require(expected.count == strings.count && strings.count >= 2000)
        let prefix = try #require(around["prefix"]).integers()
        let suffix = try #require(around["suffix"]).integers()
        #expect(tokenizer.padTokenID == around["padding"]?.integer)
        let differing = strings.indices.filter { index in
            tokenizer.encode(strings[index], addSpecialTokens: false) != expected[index]
                || tokenizer.encode(strings[index]) != prefix + expected[index] + suffix
        }
        #expect(
            differing.isEmpty,
            "\(differing.count) differ: \(differing.prefix(5).map { strings[$0].debugDescription })")
    }

    private func check(_ folder: String, strings: [String]) throws {
        let tokenizer = try Tokenizer(folder: folder)
        let expected = try #require(Fixture.json(folder + "/expected.json").object)
        let prefix = try #require(expected["prefix"]).integers()
        let suffix = try #require(expected["suffix"]).integers()
        let ids = try #require(expected["ids"]?.array).map { try $0.idList() }
        let decoded = try #require(expected["decoded"]?.object)
        try #require(ids.count == strings.count)

        var differences: [String] = []
        for (index, string) in strings.enumerated() {
            let plain = tokenizer.encode(string, addSpecialTokens: false)
            let full = tokenizer.encode(string)
            let text = tokenizer.decode(full)
            let expectedText = decoded[String(index)]?.string ?? string
            if plain != ids[index] || full != prefix + ids[index] + suffix {
                differences.append("\(index) \(string.debugDescription): \(plain) instead of \(ids[index])")
            }
            if !text.utf8.elementsEqual(expectedText.utf8) {
                differences.append(
                    "\(index): \(text.debugDescription) instead of \(expectedText.debugDescription)")
            }
        }
        for row in try #require(expected["sequences"]?.array) {
            let row = try #require(row.array)
            let ids = try row[0].idList()
            for (skips, expected) in [(true, row[1]), (false, row[row.count - 1])] {
                let text = tokenizer.decode(ids, skipSpecialTokens: skips)
                if !text.utf8.elementsEqual(try #require(expected.string).utf8) {
                    differences.append("\(ids) \(skips): \(text.debugDescription) instead of \(expected.summary)")
                }
                var stream = tokenizer.streamingDecoder(skipSpecialTokens: skips)
                let streamed = ids.map { stream.push($0) }.joined() + stream.finish()
                if !streamed.utf8.elementsEqual(text.utf8) { differences.append("streamed \(ids)") }
            }
        }
        #expect(
            differences.isEmpty, "\(differences.count) differ: \(differences.prefix(8).joined(separator: "\n"))")
    }
}
