import Testing
import VkdynModels

@testable import VkdynTechniques

@Suite struct ExpertReportTests {
    private func report(_ kind: ExpertModel, _ decoder: (any DecoderModel) throws -> Decoder) throws -> (
        report: ExpertReport, generation: Generation, model: any DecoderModel
    ) {
        let model = try kind.load(on: TestDevices.reference)
        let generation = try decoder(model).generate(
            prompt: ExpertModel.tokens(10), options: .init(maximumNewTokens: 12))
        let report = ExpertReport(
            try #require(generation.experts), configuration: try #require(model.experts),
            expertBytes: model.expertByteCount, generatedTokens: generation.tokens.count)
        return (report, generation, model)
    }

    private func decoder(_ model: any DecoderModel, all: Bool = false, drafting: Bool = false) throws -> Decoder {
        try Decoder(
            device: TestDevices.reference, target: model,
            configuration: .init(
                draft: drafting ? .promptLookup(maximumLength: 1) : nil, contextLength: 40, prefillLength: 4,
                computesAllExperts: all))
    }

    @Test(arguments: ExpertModel.allCases) func everyTokenIsCountedAndEveryByte(kind: ExpertModel) throws {
        let (report, generation, model) = try report(kind) { try decoder($0) }
        let experts = try #require(model.experts)
        // Ten of the prompt, and eleven that were read to choose the next.
        #expect(report.tokenCount == 21)
        // Three matrices in f32; columns are padded to quads.
        #expect(report.expertBytes == 3 * 32 * experts.width * 4)
        #expect(report.layers.map(\.layer) == experts.layers)
        for (ordinal, layer) in report.layers.enumerated() {
            #expect(layer.tokenCounts.reduce(0, +) == 21 * experts.chosenCount)
            #expect(layer.prompt.passes == 3 && layer.prompt.rows == 9)
            #expect(layer.rounds.passes == generation.tokens.count && layer.rounds.rows == generation.tokens.count)
            let chosen = (0..<21).flatMap { report.experts(token: $0, layer: ordinal) }
            for expert in 0..<experts.count {
                #expect(layer.tokenCounts[expert] == chosen.count { $0 == expert })
            }
        }
        #expect(
            report.expertBytesPerToken
                == Double(experts.layers.count * experts.chosenCount * report.expertBytes))
        #expect(abs(report.readShare - Double(experts.chosenCount) / Double(experts.count)) < 1e-12)
    }

    @Test func aRunOfAllExpertsReadsAll() throws {
        let (report, _, model) = try report(.deepSeekV3) { try decoder($0, all: true) }
        let experts = try #require(model.experts)
        #expect(report.readShare == 1)
        #expect(report.expertBytesPerToken == Double(experts.layers.count * experts.count * report.expertBytes))
    }

    /// Rejected drafts read experts, too.
    @Test func draftsTouchMoreExpertsThanTheirTokensChose() throws {
        let plain = try report(.mixtral) { try decoder($0) }
        let fast = try report(.mixtral) { try decoder($0, drafting: true) }
        #expect(plain.generation.tokens == fast.generation.tokens)
        #expect(plain.report.layers.map(\.tokenCounts) == fast.report.layers.map(\.tokenCounts))
        let telemetry = fast.generation.telemetry
        #expect(telemetry.draftedTokens > 0)
        for layer in fast.report.layers {
            #expect(layer.rounds.passes == telemetry.rounds)
            #expect(layer.rounds.rows == telemetry.rounds + telemetry.draftedTokens)
        }
    }

    @Test func balanceIsThatOfTheCounts() {
        func layer(_ counts: [Int]) -> ExpertReport.Layer {
            .init(layer: 0, stack: .decoder, tokenCounts: counts, prompt: LayerTally(), rounds: LayerTally())
        }
        #expect(layer([5, 5, 5, 5]).imbalance == 1 && abs(layer([5, 5, 5, 5]).evenness - 1) < 1e-12)
        #expect(layer([0, 9, 0]).imbalance == 3 && layer([0, 9, 0]).evenness == 0 && layer([0, 9, 0]).unusedCount == 2)
        #expect(layer([0, 0]).imbalance == 0 && layer([0, 0]).evenness == 0)
        // Shares of a half, a quarter and a quarter: 1.5 bits of log₂ 3.
        #expect(abs(layer([4, 2, 2]).evenness - 1.5 / 1.584962500721156) < 1e-12)
    }
}
