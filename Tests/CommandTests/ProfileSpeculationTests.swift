import Foundation
import Testing

@Suite(.serialized) struct ProfileSpeculationTests {
    private struct Report: Decodable {
        struct Pass: Decodable {
            let rows: Int
            let seconds: Double
            let steps: Double
        }

        struct Round: Decodable {
            let draftTokens: Int
            let seconds: Double
            let steps: Double
            let breakEvenAcceptance: Double?
            let speedup: Double?
            let speedupByPosition: Double?
        }

        struct Seen: Decodable {
            struct Position: Decodable {
                let drafted: Int
                let tried: Int
                let accepted: Int
            }

            let rounds: Int
            let tokensPerRound: Double
            let positions: [Position]
        }

        let contextLength: Int
        let decodeSeconds: Double
        let passes: [Pass]
        let rounds: [Round]
        let acceptance: Double?
        let isAcceptanceGiven: Bool
        let bestDraftTokens: Int?
        let bestSpeedup: Double?
        let seen: Seen?
    }

    private func run(_ arguments: String...) throws -> Program.Outcome {
        try Program.run(["profile", "speculation"] + arguments, environment: ["VKDYN_MODELS": Program.shipped])
    }

    private func report(_ outcome: Program.Outcome) throws -> Report {
        #expect(outcome.status == 0, "\(outcome.error)")
        return try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
    }

    @Test func theShippedPairIsMeasuredAndItsFiguresFitTogether() throws {
        let report = try report(try run("--json"))
        #expect(report.contextLength == 64 && !report.isAcceptanceGiven)
        #expect(report.passes.map(\.rows) == Array(1...17) && report.rounds.map(\.draftTokens) == Array(1...16))
        #expect(report.passes[0].seconds == report.decodeSeconds && report.passes[0].steps == 1)
        let acceptance = try #require(report.acceptance)
        #expect(acceptance > 0 && acceptance < 1)
        for round in report.rounds {
            #expect(abs(round.seconds / report.decodeSeconds - round.steps) < 1e-9)
            // A round is its pass and its drafts.
            #expect(round.seconds >= report.passes[round.draftTokens].seconds)
            let speedup = try #require(round.speedup)
            // It pays where the acceptance is above the break-even, and only there.
            #expect((speedup > 1) == (round.breakEvenAcceptance.map { acceptance > $0 } ?? false))
            #expect(round.speedupByPosition != nil)
        }
        let best = try #require(report.bestDraftTokens)
        let fastest = max(1, report.rounds.compactMap(\.speedup).max() ?? 0)
        #expect(report.bestSpeedup == fastest)
        if best > 0 { #expect(report.rounds[best - 1].speedup == fastest) }
        let seen = try #require(report.seen)
        let accepted = seen.positions.reduce(0) { $0 + $1.accepted }
        #expect(abs(Double(accepted) / Double(seen.positions.reduce(0) { $0 + $1.tried }) - acceptance) < 1e-12)
        #expect(seen.rounds > 0 && seen.tokensPerRound > 1)
    }

    @Test func aGivenAcceptanceNeedsNoRun() throws {
        let report = try report(try run("--json", "--acceptance", "0", "--context", "20"))
        #expect(report.isAcceptanceGiven && report.seen == nil && report.acceptance == 0)
        #expect(report.contextLength == 20 && report.rounds.allSatisfy { $0.speedupByPosition == nil })
        // A round then gives one token, whatever the draft. Whether that pays is for the clock to say.
        for round in report.rounds {
            #expect(abs(try #require(round.speedup) * round.seconds / report.decodeSeconds - 1) < 1e-9)
        }
    }

    @Test func promptLookupIsMeasuredAndShown() throws {
        let outcome = try run("--draft", "prompt-lookup", "--acceptance", "0.5", "--context", "20")
        #expect(outcome.status == 0, "\(outcome.error)")
        for part in ["prompt lookup", "verified rows", "break-even acceptance", "acceptance 0.50 (given)"] {
            #expect(outcome.output.contains(part), "\(outcome.output)")
        }
        // 17 passes, 16 draft lengths.
        #expect(outcome.output.split(separator: "\n").count { $0.first == " " } == 33, "\(outcome.output)")
    }

    @Test(arguments: [
        ["--acceptance", "1.5"], ["--acceptance", "-0.1"], ["--acceptance", "nan"], ["--context", "0"],
        ["--context", "496"], ["--weights", "i64"], ["--draft", "/some/folder"], ["--device", "no such gpu"],
    ])
    func flagsOutsideTheirRangeAreNamedAndNothingIsPrinted(arguments: [String]) throws {
        let outcome = try Program.run(
            ["profile", "speculation"] + arguments, environment: ["VKDYN_MODELS": Program.shipped])
        #expect(outcome.status != 0 && outcome.output == "")
        #expect(outcome.error.contains(arguments[0]), "\(outcome.error)")
    }
}
