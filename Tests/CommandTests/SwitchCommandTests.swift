import Foundation
import Testing

/// `vkdyn run moe` with a Switch Transformer: an encoder and a decoder, and a tokenizer as T5's.
@Suite(.serialized) struct SwitchCommandTests {
    private typealias Report = MoECommandTests.Report

    private struct Expected: Decodable {
        struct Prompt: Decodable {
            let tokens: [Int]
            let greedy: [Int]
            let encoderExperts: [Int]
            let decoderExperts: [Int]
            let encoderDropped: [Int]
        }
        let prompts: [Prompt]
    }

    /// The fixture, with a unigram tokenizer of its 64 tokens.
    private func model() throws -> Scratch {
        let scratch = try Scratch(copying: Program.fixtures + "/experts-switch")
        var tokens = ["<pad>", "</s>", "<unk>", "▁"] + "abcdefghijklmnopqrstuvwxyz".map(String.init)
        tokens += ["▁the", "th", "in", "er", "an", "▁a"]
        tokens += (0..<64 - tokens.count).map { "<extra_id_\($0)>" }
        let vocabulary = tokens.enumerated().map { "[\"\($1)\",\($0 < 3 ? "0" : "-\($1.count == 1 ? 4 : 5).5")]" }
        try Data(
            """
            {"added_tokens":[{"id":1,"content":"</s>","special":true,"normalized":false}],
            "pre_tokenizer":{"type":"Metaspace","replacement":"▁","add_prefix_space":true},
            "decoder":{"type":"Metaspace","replacement":"▁","add_prefix_space":true},
            "post_processor":{"type":"TemplateProcessing",
            "single":[{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"</s>"}}],
            "special_tokens":{"</s>":{"id":"</s>","ids":[1]}}},
            "model":{"type":"Unigram","unk_id":2,"vocab":[\(vocabulary.joined(separator: ","))]}}
            """.utf8
        ).write(to: URL(fileURLWithPath: scratch.path + "/tokenizer.json"))
        return scratch
    }

    private func expected() throws -> [Expected.Prompt] {
        let path = Program.fixtures + "/experts-switch/expected.json"
        return try JSONDecoder().decode(Expected.self, from: Data(contentsOf: URL(fileURLWithPath: path))).prompts
    }

    private func run(_ arguments: [String]) throws -> Program.Outcome {
        let model = try model()
        return try Program.run(["run", "moe", "--model", model.path] + arguments)
    }

    private func report(_ arguments: String...) throws -> Report {
        let outcome = try run(arguments + ["--json"])
        #expect(outcome.status == 0, "\(outcome.error)")
        return try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
    }

    /// Both of the fixture's prompts, with all tokens that it has.
    private func prompts(count: Int = 64) throws -> [String] {
        try expected().flatMap { ["--prompt-tokens", $0.tokens.map(String.init).joined(separator: ",")] }
            + ["--max-new-tokens", "\(count)"]
    }

    @Test func bothStacksAreReportedAndWhatTheirExpertsLeftOut() throws {
        let outcome = try run(try prompts() + ["--json"])
        #expect(outcome.status == 0, "\(outcome.error)")
        let found = try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
        let expected = try expected()
        #expect(found.results.count == expected.count && found.summary.identical)
        for (result, expected) in zip(found.results, expected) {
            #expect(result.tokens == expected.greedy && result.droppedAssignments == expected.encoderDropped.count)
            let lists = expected.encoderExperts.map { [[$0], []] } + expected.decoderExperts.map { [[], [$0]] }
            #expect(result.experts == lists)
            #expect(result.expertsTouchedPerPass == 1 && result.submits == 64)
            let dense = try #require(result.dense)
            #expect(dense.identical == true && dense.expertsTouchedPerPass == 4)
            #expect(dense.bytesReadPerToken > result.bytesReadPerToken)
        }
        #expect(found.summary.layers.map(\.stack) == ["encoder", "decoder"])
        #expect(found.summary.layers.map(\.layer) == [1, 1])
        #expect(found.summary.layers[0].tokensPerExpert.reduce(0, +) == expected.reduce(0) { $0 + $1.tokens.count })
        #expect(found.summary.layers[1].tokensPerExpert.reduce(0, +) == 128)
        #expect(found.summary.expertCapacity == 11 && found.summary.droppedAssignments == 20)
    }

    @Test func textGoesInAndTextOfItsOwnComesOut() throws {
        let found = try report("--prompt", "the thin pan", "--max-new-tokens", "12")
        let result = try #require(found.results.first)
        // "▁the", "▁", "th", "in", "▁", "p", "an", "</s>".
        #expect(result.promptTokens == [30, 3, 31, 32, 3, 19, 34, 1])
        #expect(result.tokens.count == 12 && !result.text.hasPrefix("the thin"))
    }

    @Test func whatCouplesTokensIsSaidInOneLine() throws {
        let outcome = try run(try prompts(count: 4))
        #expect(outcome.status == 0, "\(outcome.error)")
        let lines = outcome.output.split(separator: "\n")
        let rule = try #require(lines.first { $0.hasPrefix("capacity:") })
        for words in ["(11)", "depends on those before it", "20 assignments were left out"] {
            #expect(rule.contains(words), "\(rule)")
        }
        for stack in ["encoder", "decoder"] { #expect(lines.contains { $0.hasPrefix("\(stack) layer 1") }) }
    }

    @Test func theCapacityIsTheConfigurationsAFactorOrNone() throws {
        let prompts = try prompts(count: 3)
        let fewer = try report("--capacity", "0.25", prompts[0], prompts[1], prompts[2], prompts[3])
        // ⌊5 / 4 · 0.25⌋ is less than one, ⌊37 / 4 · 0.25⌋ is two.
        let expected = try expected()
        for (result, (expected, capacity)) in zip(fewer.results, zip(expected, [1, 2])) {
            let counts = Dictionary(grouping: expected.encoderExperts) { $0 }.values.map(\.count)
            #expect(result.droppedAssignments == counts.reduce(0) { $0 + max(0, $1 - capacity) })
        }
        #expect(fewer.summary.capacityFactor == 0.25 && fewer.summary.expertCapacity == nil)
        let all = try report("--capacity", "none", "--draft", "prompt-lookup", prompts[2], prompts[3])
        #expect(all.summary.droppedAssignments == 0 && all.summary.identical)
        #expect(try #require(all.results[0].speculative).identical == true)
    }

    @Test func lockstepComparesEveryDispatch() throws {
        let prompts = try prompts(count: 4)
        let found = try report("--lockstep", prompts[2], prompts[3], prompts[4], prompts[5])
        #expect(try #require(found.summary.lockstepDispatches) > 300)
        #expect(try #require(found.summary.lockstepValues) > 100_000)
    }

    @Test(arguments: ["6K", "1G"]) func noTokenDependsOnTheSizeOfTheExpertCache(bytes: String) throws {
        let prompts = try prompts(count: 8)
        let found = try report("--expert-cache", bytes, prompts[2], prompts[3], prompts[4], prompts[5])
        #expect(try found.results[0].tokens == Array(expected()[1].greedy.prefix(8)))
        let cache = try #require(found.summary.expertCache)
        // Four experts in each of two layers; 6K hold one of them.
        #expect(cache.slots == (bytes == "1G" ? 8 : 1) && cache.readbacks > 0)
        #expect(found.summary.identical)
    }

    @Test func thePageHasBothStacks() throws {
        let folder = try Scratch()
        let path = folder.path + "/experts.html"
        let prompts = try prompts(count: 4)
        _ = try report("--report", path, prompts[2], prompts[3], prompts[4], prompts[5])
        let page = try String(contentsOfFile: path, encoding: .utf8)
        #expect(page.contains("encoder layer 1, expert 0") && page.contains("decoder layer 1, expert 3"))
        #expect(page.contains("<dt>Capacity</dt>"))
        #expect(page.components(separatedBy: "<rect ").count - 1 == 8)
    }

    @Test(arguments: [
        (["--capacity", "0"], "--capacity 0"), (["--capacity", "some"], "--capacity"),
        (["--draft", "prompt-lookup"], "at most 11 rows"),
    ]) func whatIsWrongIsNamedInOneLine(arguments: [String], name: String) throws {
        let outcome = try run(["--prompt", "a"] + arguments)
        #expect(outcome.status != 0 && outcome.output.split(separator: "\n").count <= 1)
        let line = try #require(outcome.error.split(separator: "\n").first)
        #expect(line.contains(name), "\(outcome.error)")
    }

    @Test func aModelWithAnEncoderCannotDraft() throws {
        let model = try model()
        let outcome = try Program.run(
            ["run", "speculative", "--target", model.path, "--draft", model.path, "--prompt", "a"])
        #expect(outcome.status != 0 && outcome.output == "")
        #expect(outcome.error.contains("model_type: is of an encoder and a decoder, which cannot draft"))
    }
}
