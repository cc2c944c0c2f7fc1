import Foundation
import Testing

/// `vkdyn profile run`, as a user runs it. Counts and names are asserted, times are not.
@Suite(.serialized) struct ProfileCommandTests {
    private struct Document: Decodable {
        struct Plan: Decodable {
            struct Step: Decodable {
                let label: String
                let kernel: String
                let phase: String
                let sampleCount: Int
                let needsBarrier: Bool
            }

            let label: String
            let runCount: Int
            let barrierCount: Int
            let steps: [Step]
        }

        struct Span: Decodable {
            let phase: String
        }

        struct Counters: Decodable {
            let submits: Int
            let dispatches: Int
        }

        let formatVersion: Int
        let command: [String]
        let mode: String
        let wallSeconds: Double
        let counters: Counters
        let peakDeviceBytes: Int
        let plans: [Plan]
        let spans: [Span]
    }

    private let speculative = ["speculative", "--prompt", "A file is", "--max-new-tokens", "8"]

    private func run(_ arguments: [String]) throws -> Program.Outcome {
        try Program.run(["profile", "run"] + arguments, environment: ["VKDYN_MODELS": Program.shipped])
    }

    private func document(_ arguments: [String]) throws -> Document {
        let outcome = try run(["--json"] + arguments)
        #expect(outcome.status == 0, "\(outcome.error)")
        return try JSONDecoder().decode(Document.self, from: Data(outcome.output.utf8))
    }

    @Test func everyPhaseOfASpeculativeRunIsNamed() throws {
        let document = try document(speculative)
        #expect(document.formatVersion == 1 && document.mode == "sampled")
        #expect(document.command == ["run"] + speculative)
        let phases = Set(document.spans.map(\.phase))
        let expected = [
            "open", "load", "plan", "record", "submit", "wait", "read", "write", "sample", "tokenise", "detokenise",
            "output",
        ]
        #expect(phases == Set(expected))
        let rounds = document.plans.filter { $0.label == "round4" }
        #expect(rounds.count == 1 && rounds[0].runCount > 0)
        #expect(Set(rounds[0].steps.map(\.phase)) == ["draft", "verify", "accept"])
        #expect(rounds[0].barrierCount == rounds[0].steps.count { $0.needsBarrier })
        // The barriers are the plan's own.
        #expect(rounds[0].barrierCount < rounds[0].steps.count)
        #expect(document.counters.dispatches >= document.plans.reduce(0) { $0 + $1.runCount * $1.steps.count })
        #expect(document.counters.submits >= document.plans.reduce(0) { $0 + $1.runCount })
        #expect(document.peakDeviceBytes > 10_000_000)
    }

    @Test func everyPhaseOfMergingRunsIsNamed() throws {
        let document = try document(["tome", "--r", "0,8", "--repetitions", "1", "--batch", "10"])
        let phases = ["open", "load", "image", "plan", "record", "submit", "wait", "read", "write", "output"]
        #expect(Set(document.spans.map(\.phase)) == Set(phases))
        #expect(document.plans.map(\.label) == ["images, off", "images, r 0", "images, r 8"])
        #expect(document.plans.allSatisfy { $0.runCount == 2 })
        let (off, merging) = (document.plans[0], document.plans[2])
        #expect(Set(off.steps.map(\.phase)) == ["embed", "encode", "classify"])
        #expect(Set(merging.steps.map(\.phase)) == ["embed", "encode", "merge", "classify"])
        let merges = merging.steps.filter { $0.phase == "merge" }
        #expect(merges.count == merging.steps.count - off.steps.count)
        #expect((0..<8).allSatisfy { layer in merges.contains { $0.label == "merge.layer\(layer).hidden" } })
    }

    @Test func isolatedStampsEveryDispatchBehindABarrier() throws {
        let document = try document(["--isolated"] + speculative)
        #expect(document.mode == "isolated")
        for plan in document.plans {
            #expect(plan.barrierCount == plan.steps.count)
            // All runs but the first, where there are others, and the ones without stamps that show what these take.
            let expected = plan.runCount == 1 ? 1 : (0..<plan.runCount).count { $0 > 0 && $0 % 32 != 2 }
            #expect(plan.steps.allSatisfy { $0.sampleCount == expected })
        }
    }

    @Test func theTwinsHaveNoTimestamps() throws {
        let document = try document(["speculative", "--device", "reference", "--prompt", "A", "--max-new-tokens", "1"])
        #expect(document.mode == "none")
        #expect(document.plans.allSatisfy { $0.steps.allSatisfy { $0.sampleCount == 0 } })
    }

    @Test func theTablesFollowTheCommandsOwnOutputAndTheFileHoldsTheDocument() throws {
        let folder = try Scratch()
        let path = folder.path + "/profile.json"
        let outcome = try run(["--all", "--output", path] + speculative)
        #expect(outcome.status == 0, "\(outcome.error)")
        for words in ["tokens in", "profile of run speculative", "by kernel", "by layer", "by phase", "unnamed", "accept"] {
            #expect(outcome.output.contains(words), "\(words)")
        }
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        let document = try JSONDecoder().decode(Document.self, from: data)
        #expect(document.mode == "all" && document.wallSeconds > 0)
    }

    @Test func underItsOwnJSONTheCommandHasStandardOutputToItself() throws {
        let outcome = try run(speculative + ["--json"])
        #expect(outcome.status == 0)
        #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) }
        #expect(outcome.error.contains("by kernel"))
    }

    @Test func mistakesAreRefusedInOneLineBeforeAnythingRuns() throws {
        let wrong: [(arguments: [String], words: String)] = [
            ([], "needs a technique"), (["telepathy"], "telepathy"), (["--all", "--isolated"] + speculative, "--isolated"),
            (["--output", "/nowhere/profile.json"] + speculative, "/nowhere/profile.json"),
            (["speculative", "--max-new-tokens", "0"], "--max-new-tokens 0"),
            (["speculative", "--target", "/nowhere", "--draft", "prompt-lookup"], "/nowhere"),
        ]
        for (arguments, words) in wrong {
            let outcome = try run(arguments)
            #expect(outcome.status != 0 && outcome.output == "", "\(arguments)")
            #expect(outcome.error.contains(words), "\(arguments): \(outcome.error)")
            let lines = outcome.error.split(separator: "\n").filter { !$0.hasPrefix("Usage:") && !$0.hasPrefix("  See") }
            #expect(lines.count == 1, "\(outcome.error)")
        }
    }
}
