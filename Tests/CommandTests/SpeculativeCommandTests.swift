import Foundation
import Testing

@Suite(.serialized) struct SpeculativeCommandTests {
    private struct Report: Decodable {
        struct Output: Decodable {
            let tokens: [Int]
            let text: String
            let durationSeconds: Double
            let rounds: Int?
            let draftedTokens: Int?
            let acceptedTokens: Int?
        }

        struct Result: Decodable {
            let prompt: String
            let promptTokens: [Int]
            let standard: Output
            let speculative: Output
            let identical: Bool?
            let speedup: Double
        }

        struct Summary: Decodable {
            let submitsPerRound: Double
            let readbacksPerRound: Double
            let draftShare: Double
            let identical: Bool
            let lockstepValues: Int?
            let acceptanceRates: [String: Double]?
            let speedup: Double
            let tokensPerRound: Double
            let economics: Economics?
        }

        struct Economics: Decodable {
            let speedUp: Double
            let tokensPerRound: Double
            let decodeStepSeconds: Double
            let roundSeconds: Double
            let acceptance: Double?
            let breakEvenAcceptance: Double?
            let estimatedBestDraftLength: Int?
            let warning: String?
        }

        let device: String
        let target: String
        let draft: String
        let results: [Result]
        let summary: Summary
    }

    private func report(_ arguments: String...) throws -> Report {
        let outcome = try Program.run(
            ["run", "speculative", "--json"] + arguments, environment: ["VKDYN_MODELS": Program.shipped])
        #expect(outcome.status == 0, "\(outcome.error)")
        return try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
    }

    @Test func theShippedPairGivesIdenticalTextWithOneSubmitAndOneReadbackARound() throws {
        let report = try report("--max-new-tokens", "24")
        #expect(report.results.count == 3 && report.summary.identical)
        #expect(report.summary.submitsPerRound == 1 && report.summary.readbacksPerRound == 1)
        #expect(report.summary.draftShare > 0 && report.summary.draftShare < 0.5)
        for result in report.results {
            #expect(result.identical == true)
            #expect(result.standard.tokens == result.speculative.tokens)
            #expect(result.standard.text == result.speculative.text && !result.standard.text.isEmpty)
            #expect(result.standard.tokens.count <= 24 && result.standard.durationSeconds > 0)
            #expect(!result.promptTokens.isEmpty && result.speedup > 0)
        }
    }

    /// What is warned of is decided by the figures, whichever way they come out here.
    @Test func whetherDraftingPaidIsReportedAndWarnedOfWhereItDidNot() throws {
        let arguments = ["--max-new-tokens", "24", "--draft-tokens", "4"]
        let outcome = try Program.run(
            ["run", "speculative", "--json"] + arguments, environment: ["VKDYN_MODELS": Program.shipped])
        let report = try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
        let economics = try #require(report.summary.economics)
        #expect(abs(economics.speedUp - report.summary.speedup) < 1e-9)
        #expect(abs(economics.tokensPerRound - report.summary.tokensPerRound) < 1e-9)
        #expect(economics.decodeStepSeconds > 0 && economics.roundSeconds > 0)
        // A draft after a rejected one is not tried, so that more of the tried are accepted than of all.
        let drafted = report.results.reduce(0) { $0 + ($1.speculative.draftedTokens ?? 0) }
        let accepted = report.results.reduce(0) { $0 + ($1.speculative.acceptedTokens ?? 0) }
        #expect(try #require(economics.acceptance) > Double(accepted) / Double(drafted))
        #expect((0...4).contains(try #require(economics.estimatedBestDraftLength)))
        #expect((economics.warning == nil) == (economics.speedUp >= 1))
        #expect(outcome.error.contains("drafting did not pay") == (economics.warning != nil))
    }

    @Test func theReferenceDeviceGivesTheDevicesTokens() throws {
        let arguments = ["--prompt", "The kernel", "--max-new-tokens", "6"]
        let device = try report(arguments[0], arguments[1], arguments[2], arguments[3])
        let twins = try report(arguments[0], arguments[1], arguments[2], arguments[3], "--device", "reference")
        #expect(device.results[0].standard.tokens == twins.results[0].standard.tokens)
        #expect(twins.device == "reference")
    }

    @Test func promptTokensPromptLookupAndLockstepRun() throws {
        let report = try report(
            "--prompt-tokens", "5,6,7,5,6,7,5,6", "--draft", "prompt-lookup", "--max-new-tokens", "4", "--lockstep")
        #expect(report.draft == "prompt-lookup" && report.results[0].promptTokens == [5, 6, 7, 5, 6, 7, 5, 6])
        #expect((report.summary.lockstepValues ?? 0) > 10_000)
        #expect(report.summary.economics == nil, "times under lockstep are those of the twins")
    }

    @Test func sampledTextIsIdenticalAndBothAcceptanceRatesAreReported() throws {
        let report = try report(
            "--temperature", "0.9", "--top-k", "50", "--top-p", "0.95", "--seed", "7", "--max-new-tokens", "16",
            "--prompt", "A file is")
        #expect(report.results[0].identical == true)
        #expect(report.summary.acceptanceRates?.keys.sorted() == ["coupled", "rejection"])
    }

    @Test func theRejectionRuleRunsAndClaimsNoIdentity() throws {
        let report = try report(
            "--temperature", "0.9", "--acceptance", "rejection", "--max-new-tokens", "12", "--prompt", "A file is")
        #expect(report.results[0].identical == nil)
    }
}
