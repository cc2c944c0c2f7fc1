import Foundation
import Testing
import VkdynFormats

/// `vkdyn run moe` as its users call it.
@Suite(.serialized) struct MoECommandTests {
    /// The promised JSON, by structures of its own, so that a renamed key fails.
    struct Report: Decodable {
        struct Other: Decodable {
            let identical: Bool?
            let bytesReadPerToken: Double
            let expertsTouchedPerPass: Double
            let rounds: Int
        }
        struct Result: Decodable {
            let prompt: String
            let promptTokens: [Int]
            let tokens: [Int]
            let text: String
            let experts: [[[Int]]]
            let bytesReadPerToken: Double
            let expertsTouchedPerPass: Double
            let submits: Int
            let readbacks: Int
            let dense: Other?
            let speculative: Other?
            let droppedAssignments: Int
        }
        struct Cache: Decodable {
            let slots: Int
            let bytes: Int
            let hitRate: Double
            let uploadedBytes: Int
            let readbacks: Int
        }
        struct Layer: Decodable {
            let layer: Int
            let stack: String?
            let tokensPerExpert: [Int]
            let imbalance: Double
            let unusedExperts: Int
        }
        struct Summary: Decodable {
            let activeParameters: Int
            let totalParameters: Int
            let expertCount: Int
            let chosenCount: Int
            let expertCapacity: Int?
            let capacityFactor: Double?
            let droppedAssignments: Int
            let layers: [Layer]
            let expertCache: Cache?
            let cacheBytesPerToken: Int
            let fullHeadCacheBytesPerToken: Int
            let identical: Bool
            let lockstepDispatches: Int?
            let lockstepValues: Int?
        }
        let results: [Result]
        let summary: Summary
    }

    private func run(_ arguments: String...) throws -> Program.Outcome {
        try Program.run(["run", "moe"] + arguments, environment: ["VKDYN_MODELS": Program.shipped])
    }

    /// A fixture with the shipped tokenizer, which knows all its ids and more.
    private func model(_ name: String) throws -> Scratch {
        let scratch = try Scratch(copying: Program.fixtures + "/experts-" + name)
        for file in ["tokenizer.json", "tokenizer_config.json"] {
            try FileManager.default.copyItem(
                atPath: Program.shipped + "/prose-target/" + file, toPath: scratch.path + "/" + file)
        }
        return scratch
    }

    private func report(_ outcome: Program.Outcome) throws -> Report {
        #expect(outcome.status == 0, "\(outcome.error)")
        return try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
    }

    /// The fixtures have no text: tokens in, tokens out.
    private let prompt = ["--prompt-tokens", "3,17,5,9,40,2,11", "--max-new-tokens", "12", "--json"]

    private func report(model name: String, _ more: String...) throws -> Report {
        let model = try model(name)
        return try report(
            try Program.run(
                ["run", "moe", "--model", model.path] + prompt + more, environment: ["VKDYN_MODELS": Program.shipped]))
    }

    @Test(arguments: ["mixtral", "qwen2-moe", "deepseek-v2", "deepseek-v3"])
    func theRunOfAllExpertsGivesTheSameBitsAndReadsMore(name: String) throws {
        let found = try report(model: name)
        let result = try #require(found.results.first)
        let dense = try #require(result.dense)
        #expect(found.summary.identical && dense.identical == true)
        #expect(dense.bytesReadPerToken > result.bytesReadPerToken)
        // One row a step: each layer has the experts of one token, or all.
        let layers = found.summary.layers.count
        #expect(result.expertsTouchedPerPass == Double(layers * found.summary.chosenCount))
        #expect(dense.expertsTouchedPerPass == Double(layers * found.summary.expertCount))
        #expect(found.summary.activeParameters < found.summary.totalParameters)
        #expect(result.submits == result.tokens.count, "one submit a step")
        // All tokens but the last, every layer, different experts.
        #expect(result.experts.count == result.promptTokens.count + result.tokens.count - 1)
        for token in result.experts {
            #expect(token.count == layers)
            for chosen in token {
                #expect(Set(chosen).count == found.summary.chosenCount)
                #expect(chosen.allSatisfy { (0..<found.summary.expertCount).contains($0) })
            }
        }
        for (index, layer) in found.summary.layers.enumerated() {
            #expect(layer.stack == nil)
            var counts = [Int](repeating: 0, count: found.summary.expertCount)
            for token in result.experts { for expert in token[index] { counts[expert] += 1 } }
            #expect(layer.tokensPerExpert == counts)
            #expect(layer.unusedExperts == counts.count { $0 == 0 })
        }
    }

    @Test(arguments: [[], ["--model", "prose-deepseek"]])
    func theShippedModelsWriteTextAndUseTheirExperts(arguments: [String]) throws {
        let outcome = try Program.run(
            ["run", "moe", "--json", "--prompt", "The file", "--max-new-tokens", "40"] + arguments,
            environment: ["VKDYN_MODELS": Program.shipped])
        let found = try report(outcome)
        #expect(found.summary.identical && found.results[0].text.count > 20)
        for layer in found.summary.layers {
            #expect(layer.tokensPerExpert.count { $0 > 0 } > found.summary.chosenCount, "one set of experts for all")
        }
    }

    @Test func latentsTakeFewerBytesThanHeads() throws {
        let latent = try report(model: "deepseek-v3").summary
        #expect(latent.cacheBytesPerToken < latent.fullHeadCacheBytesPerToken)
        let heads = try report(model: "mixtral").summary
        #expect(heads.cacheBytesPerToken == heads.fullHeadCacheBytesPerToken)
    }

    @Test func draftsChangeNothingAndTouchMoreExperts() throws {
        let found = try report(model: "mixtral", "--draft", "prompt-lookup", "--no-dense")
        let result = try #require(found.results.first)
        let drafted = try #require(result.speculative)
        #expect(drafted.identical == true && found.summary.identical && result.dense == nil)
        #expect(drafted.rounds <= result.tokens.count)
        #expect(drafted.expertsTouchedPerPass >= result.expertsTouchedPerPass)
    }

    @Test(arguments: ["mixtral", "deepseek-v3"]) func lockstepComparesEveryDispatch(name: String) throws {
        let found = try report(model: name, "--lockstep")
        #expect(try #require(found.summary.lockstepDispatches) > 500)
        #expect(try #require(found.summary.lockstepValues) > 10_000)
    }

    /// One expert at a time, some, and all.
    @Test(arguments: ["mixtral", "deepseek-v3"], [1, 3, 1000])
    func noBitDependsOnTheSizeOfTheExpertCache(name: String, experts: Int) throws {
        let whole = try report(model: name)
        let expertBytes = try expertByteCount(name)
        let cached = try report(model: name, "--expert-cache", "\(experts * expertBytes)", "--draft", "prompt-lookup")
        #expect(cached.results[0].tokens == whole.results[0].tokens)
        #expect(cached.results[0].experts == whole.results[0].experts)
        #expect(cached.summary.identical && whole.summary.expertCache == nil)
        let cache = try #require(cached.summary.expertCache)
        let all = whole.summary.layers.count * whole.summary.expertCount
        #expect(cache.slots == min(experts, all))
        #expect(cache.readbacks > 0 && cache.uploadedBytes > 0)
        // With room for all, each is uploaded once at most.
        if experts >= all { #expect(cache.uploadedBytes <= all * expertBytes && cache.hitRate > 0.5) }
        if experts == 1 { #expect(cache.hitRate < 0.5) }
        #expect(cached.results[0].readbacks > whole.results[0].readbacks)
    }

    /// Of one expert as it lies on the device, by a cache that has room for all.
    private func expertByteCount(_ name: String) throws -> Int {
        let cache = try #require(try report(model: name, "--expert-cache", "1G", "--no-dense").summary.expertCache)
        return cache.bytes / cache.slots
    }

    @Test func aCapacityLeavesAssignmentsOutAndSaysHowMany() throws {
        let none = try report(model: "mixtral", "--capacity", "0")
        let result = try #require(none.results.first)
        // All of the prompt and of the steps, in every layer.
        let rows = result.promptTokens.count + result.tokens.count - 1
        #expect(result.droppedAssignments == rows * none.summary.layers.count * none.summary.chosenCount)
        #expect(try report(model: "mixtral", "--capacity", "1000").results[0].droppedAssignments == 0)
    }

    @Test func thePageHoldsEveryExpertAndEveryToken() throws {
        let folder = try Scratch()
        let path = folder.path + "/experts.html"
        let found = try report(model: "mixtral", "--report", path)
        let page = try String(contentsOfFile: path, encoding: .utf8)
        #expect(page.hasPrefix("<!doctype html>") && !page.contains("http://") && !page.contains("https://"))
        let cells = found.summary.layers.count * found.summary.expertCount
        #expect(page.components(separatedBy: "<rect ").count - 1 == cells)
        #expect(page.components(separatedBy: "<tr").count - 2 == min(48, found.results[0].experts.count))
        #expect(page.contains("expert 0: \(found.summary.layers[0].tokensPerExpert[0]) tokens"))
    }

    @Test(arguments: [
        (["--capacity", "-1"], "--capacity"), (["--capacity", "1", "--draft", "prompt-lookup"], "--capacity"),
        (["--model", "no-such-model"], "no-such-model"), (["--draft-tokens", "17"], "--draft-tokens"),
        (["--max-new-tokens", "0"], "--max-new-tokens"), (["--report", "/no/such/folder/page.html"], "--report"),
        (["--draft", "/no/such/draft"], "/no/such/draft"), (["--expert-cache", "0"], "--expert-cache"),
        (["--expert-cache", "100"], "expert cache"), (["--expert-cache", "1T"], "--expert-cache"),
    ]) func whatIsWrongIsNamedInOneLine(arguments: [String], name: String) throws {
        let model = try model("mixtral")
        let outcome = try Program.run(
            ["run", "moe"] + (arguments.contains("--model") ? [] : ["--model", model.path]) + arguments,
            environment: ["VKDYN_MODELS": Program.shipped])
        #expect(outcome.status != 0 && outcome.output == "")
        let line = try #require(outcome.error.split(separator: "\n").first)
        #expect(line.contains(name), "\(outcome.error)")
    }

    @Test func aDenseModelIsSentElsewhere() throws {
        let outcome = try run("--model", "prose-target")
        #expect(outcome.status != 0 && outcome.error.contains("no experts") && outcome.output == "")
    }
}
