import Foundation
import Testing
import VkdynCore
import VkdynTechniques

@Suite struct SpeculationEconomicsTests {
    /// Rounds of `draftLength` drafts, each draft accepted with the probability of its place.
    private func simulate(_ rates: [Double], rounds: Int, seed: UInt64) -> DraftAcceptance {
        var random = CaseGenerator(seed: seed)
        var acceptance = DraftAcceptance()
        for _ in 0..<rounds {
            let accepted = rates.firstIndex { Double.random(in: 0..<1, using: &random) >= $0 } ?? rates.count
            acceptance.record(drafted: rates.count, accepted: accepted)
        }
        return acceptance
    }

    private func tokensPerRound(_ acceptance: DraftAcceptance) -> Double {
        1 + Double(acceptance.positions.reduce(0) { $0 + $1.accepted }) / Double(acceptance.rounds)
    }

    private func randomCosts(_ random: inout CaseGenerator) -> SpeculationCosts {
        var verify = [Double.random(in: 0.001...0.01, using: &random)]
        for _ in 0..<16 { verify.append(verify[verify.count - 1] * Double.random(in: 1...1.3, using: &random)) }
        return SpeculationCosts(
            verifySeconds: verify, firstDraftSeconds: Double.random(in: 0...0.003, using: &random),
            nextDraftSeconds: Double.random(in: 0...0.003, using: &random), contextLength: 64)
    }

    @Test(arguments: [
        (0.5, 3, 1.875), (0.8, 4, 3.3616), (1, 4, 5), (0, 7, 1), (0.9, 1, 1.9), (0.3, 0, 1), (0.25, 2, 1.3125),
    ])
    func expectedTokensEqualValuesComputedByHand(acceptance: Double, draftLength: Int, tokens: Double) {
        let found = SpeculationEconomics.expectedTokens(acceptance: acceptance, draftLength: draftLength)
        #expect(abs(found - tokens) < 1e-12)
        if acceptance < 1 {
            let closed = (1 - pow(acceptance, Double(draftLength + 1))) / (1 - acceptance)
            #expect(abs(found - closed) < 1e-12)
        }
    }

    @Test(arguments: [(0.2, 3), (0.6, 4), (0.6, 9), (0.85, 16), (0.95, 2)])
    func expectedTokensEqualTheMeanOfSimulatedRounds(acceptance: Double, draftLength: Int) {
        let rounds = 100_000
        let found = simulate([Double](repeating: acceptance, count: draftLength), rounds: rounds, seed: 7)
        let expected = SpeculationEconomics.expectedTokens(acceptance: acceptance, draftLength: draftLength)
        // Five standard errors; a round gives 1 to k + 1 tokens, so that a deviation is at most k/2.
        let bound = 5 * Double(draftLength) / 2 / Double(rounds).squareRoot()
        #expect(abs(tokensPerRound(found) - expected) < bound)
        // The estimate of α has at least one trial a round, of a variance of at most 1/4.
        let rate = found.rate ?? .nan
        #expect(abs(rate - acceptance) < 5 * 0.5 / Double(rounds).squareRoot())
    }

    @Test func acceptanceIsNotTheShareOfDraftsAccepted() {
        var acceptance = DraftAcceptance()
        // Of 4 drafts the second is rejected, the last two are never tried.
        acceptance.record(drafted: 4, accepted: 1)
        #expect(acceptance.rate == 0.5)
        #expect(acceptance.positions.map(\.drafted) == [1, 1, 1, 1])
        #expect(acceptance.positions.map(\.tried) == [1, 1, 0, 0])
        #expect(acceptance.positions.map(\.accepted) == [1, 0, 0, 0])
        acceptance.record(drafted: 2, accepted: 2)
        acceptance.record(drafted: 0, accepted: 0)
        #expect(acceptance.rate == 3.0 / 4)
        #expect(acceptance.rates == [1, 0.5])
        #expect(acceptance.rounds == 3 && acceptance.meanDraftLength == 2)
        #expect(DraftAcceptance().rate == nil)
    }

    @Test func countsOfTwoRunsAddUp() {
        let (a, b) = (simulate([0.9, 0.5], rounds: 40, seed: 1), simulate([0.9, 0.8, 0.7, 0.1], rounds: 30, seed: 2))
        let sum = a + b
        #expect(sum.rounds == 70 && sum.positions.count == 4)
        #expect(sum == b + a)
        #expect(sum.positions[1].tried == a.positions[1].tried + b.positions[1].tried)
        #expect(sum.positions[3] == b.positions[3])
    }

    /// By its positions' own rates, rounds of one length are predicted exactly, however unlike the positions are.
    @Test func positionsPredictTheRoundsThatTheyWereCountedIn() {
        let found = simulate([0.3, 0.95, 0.9, 0.95, 0.9], rounds: 500, seed: 11)
        #expect(abs(found.expectedTokens(draftLength: 5) - tokensPerRound(found)) < 1e-12)
        // One rate for all misses such rounds.
        let pooled = SpeculationEconomics.expectedTokens(acceptance: found.rate ?? 0, draftLength: 5)
        #expect(abs(pooled - tokensPerRound(found)) > 0.05)
        // Beyond what was seen the common rate goes on.
        let further = found.expectedTokens(draftLength: 6) - found.expectedTokens(draftLength: 5)
        let last = found.expectedTokens(draftLength: 5) - found.expectedTokens(draftLength: 4)
        #expect(abs(further - last * (found.rate ?? 0)) < 1e-12)
    }

    @Test func breakEvenEqualsValuesComputedByHand() throws {
        // A decoding step of 1, a draft of 0.25: rounds of 1.5, 2 and 4.
        let economics = SpeculationEconomics(
            SpeculationCosts(
                verifySeconds: [1, 1.25, 1.5, 3.25], firstDraftSeconds: 0.25, nextDraftSeconds: 0.25,
                contextLength: 1))
        #expect((0...3).map { economics.costs.roundSeconds(draftLength: $0) } == [1, 1.5, 2, 4])
        // 1 + α = 1.5; 1 + α + α² = 2; 1 + α + α² + α³ = 4.
        #expect(abs(try #require(economics.breakEvenAcceptance(draftLength: 1)) - 0.5) < 1e-9)
        let golden = (5.0.squareRoot() - 1) / 2
        #expect(abs(try #require(economics.breakEvenAcceptance(draftLength: 2)) - golden) < 1e-9)
        #expect(abs(try #require(economics.breakEvenAcceptance(draftLength: 3)) - 1) < 1e-9)
        #expect(abs(economics.speedUp(acceptance: 0.8, draftLength: 2) - 2.44 / 2) < 1e-12)
    }

    @Test func roundsThatFindNoDraftsCountWithTheirShare() throws {
        let costs = SpeculationCosts(
            verifySeconds: [1, 1.25], firstDraftSeconds: 0.25, nextDraftSeconds: 0, contextLength: 1)
        let economics = SpeculationEconomics(costs, draftingShare: 0.5)
        // Half the rounds take 1.5 and give 1 + α, half take 1.25 and give 1.
        #expect(economics.meanRoundSeconds(draftLength: 1) == 1.375)
        #expect(abs(economics.speedUp(acceptance: 0.5, draftLength: 1) - 1.25 / 1.375) < 1e-12)
        #expect(abs(try #require(economics.breakEvenAcceptance(draftLength: 1)) - 0.75) < 1e-9)
        #expect(economics.bestDraftLength(acceptance: 0.5) == 0 && economics.bestDraftLength(acceptance: 0.8) == 1)
        var acceptance = DraftAcceptance()
        #expect(acceptance.draftingShare == 0)
        for drafted in [0, 3, 0, 1] { acceptance.record(drafted: drafted, accepted: 0) }
        #expect(acceptance.draftingShare == 0.5)
    }

    @Test func draftsThatCostMoreThanTheyCanGiveNeverBreakEven() {
        let economics = SpeculationEconomics(
            SpeculationCosts(
                verifySeconds: [1, 2.1, 1], firstDraftSeconds: 0, nextDraftSeconds: 0, contextLength: 1))
        #expect(economics.breakEvenAcceptance(draftLength: 1) == nil)
        #expect(economics.breakEvenAcceptance(draftLength: 2) == 0)
        #expect(economics.bestDraftLength(acceptance: 0) == 0)
        #expect(economics.bestDraftLength(acceptance: 0.01) == 2)
    }

    @Test func fasterWithEveryAcceptanceAndAtTheBreakEvenAsFastAsPlainDecoding() throws {
        var random = CaseGenerator(seed: 23)
        var neverPays = 0
        for _ in 0..<300 {
            let costs = randomCosts(&random)
            let economics = SpeculationEconomics(costs)
            for draftLength in 1...16 {
                let speeds = (0...20).map { economics.speedUp(acceptance: Double($0) / 20, draftLength: draftLength) }
                #expect(zip(speeds, speeds.dropFirst()).allSatisfy { $0 < $1 })
                guard let breakEven = economics.breakEvenAcceptance(draftLength: draftLength) else {
                    neverPays += 1
                    #expect(speeds[20] < 1)
                    continue
                }
                #expect(abs(economics.speedUp(acceptance: breakEven, draftLength: draftLength) - 1) < 1e-9)
                // What costs more breaks even later.
                var dearer = costs
                dearer.firstDraftSeconds += 0.0001
                if let later = SpeculationEconomics(dearer).breakEvenAcceptance(draftLength: draftLength) {
                    #expect(later > breakEven)
                }
            }
            for acceptance in [0, 0.3, 0.6, 0.9, 1] {
                let speeds = [1] + (1...16).map { economics.speedUp(acceptance: acceptance, draftLength: $0) }
                let best = economics.bestDraftLength(acceptance: acceptance)
                #expect(best == speeds.firstIndex(of: speeds.max() ?? 0))
            }
        }
        #expect(neverPays > 0)
    }

    @Test func longerDraftsGiveMoreTokensAndNeverMoreThanTheirNumberAndOne() {
        for acceptance in [0.1, 0.5, 0.99] {
            let tokens = (0...16).map {
                SpeculationEconomics.expectedTokens(acceptance: acceptance, draftLength: $0)
            }
            #expect(zip(tokens, tokens.dropFirst()).allSatisfy { $0 < $1 })
            #expect(tokens.enumerated().allSatisfy { $1 <= Double($0 + 1) })
        }
    }
}

/// The warning of `run speculative`, on figures given by hand.
@Suite struct SpeculationVerdictTests {
    private func plain(tokens: Int, seconds: Double, prefill: Double = 0.1) -> GenerationTelemetry {
        var telemetry = GenerationTelemetry()
        telemetry.rounds = tokens
        telemetry.generatedTokens = tokens
        telemetry.decodeSeconds = seconds
        telemetry.prefillSeconds = prefill
        return telemetry
    }

    /// Rounds of `drafted` drafts, of which each accepts as many as its number says.
    private func speculative(
        drafted: Int, accepted: [Int], seconds: Double, prefill: Double = 0.1
    ) -> GenerationTelemetry {
        var telemetry = plain(tokens: 0, seconds: seconds, prefill: prefill)
        for count in accepted {
            telemetry.rounds += 1
            telemetry.generatedTokens += count + 1
            telemetry.acceptance.record(drafted: drafted, accepted: count)
        }
        return telemetry
    }

    @Test func aBadDraftIsWarnedOfWithItsReason() throws {
        // 100 steps of 10 ms against 80 rounds of 25 ms, which give 1.25 tokens: one in four accepts one draft.
        let verdict = try #require(
            SpeculationVerdict(
                plain: [plain(tokens: 60, seconds: 0.6), plain(tokens: 40, seconds: 0.4)],
                speculative: [
                    speculative(drafted: 4, accepted: [Int](repeating: 0, count: 60), seconds: 1.5),
                    speculative(drafted: 4, accepted: [Int](repeating: 1, count: 20), seconds: 0.5),
                ]))
        #expect(abs(verdict.decodeStepSeconds - 0.01) < 1e-12 && abs(verdict.roundSeconds - 0.025) < 1e-12)
        #expect(abs(verdict.roundSteps - 2.5) < 1e-9 && verdict.tokensPerRound == 1.25)
        // 20 accepted of 60 + 2·20 tried.
        #expect(verdict.acceptance == 0.2)
        let breakEven = try #require(verdict.breakEvenAcceptance)
        #expect(abs(SpeculationEconomics.expectedTokens(acceptance: breakEven, draftLength: 4) - 2.5) < 1e-9)
        #expect(abs(verdict.speedUp - 1.2 / 2.2) < 1e-12)
        // One draft would cost 1.375 steps and give 1.2 tokens.
        #expect(verdict.estimatedBestDraftLength == 0)
        #expect(
            verdict.warning == "drafting did not pay (0.55x): a round cost 2.50 decoding steps and gave 1.25 tokens; "
                + "drafts were accepted with probability 0.20, 0.64 would break even; "
                + "vkdyn profile speculation measures every draft length")
    }

    @Test func aGoodDraftIsNotWarnedOf() throws {
        let verdict = try #require(
            SpeculationVerdict(
                plain: [plain(tokens: 100, seconds: 1)],
                speculative: [speculative(drafted: 4, accepted: [Int](repeating: 3, count: 25), seconds: 0.5)]))
        #expect(verdict.warning == nil)
        #expect(abs(verdict.decodeSpeedUp - 2) < 1e-12 && verdict.acceptance == 0.75)
        // The same draft in rounds that are too dear.
        let dear = try #require(
            SpeculationVerdict(
                plain: [plain(tokens: 100, seconds: 1)],
                speculative: [speculative(drafted: 4, accepted: [Int](repeating: 3, count: 25), seconds: 1.5)]))
        #expect(dear.warning?.contains("not even 1 would break even") == true)
    }

    @Test func aShorterDraftIsProposedWhereItIsLikelyToPay() throws {
        // α = 0.6 in rounds of 16 drafts that cost 4 steps: 3/16 of a step a draft.
        let verdict = try #require(
            SpeculationVerdict(
                plain: [plain(tokens: 25, seconds: 0.25)],
                speculative: [
                    speculative(drafted: 16, accepted: [1, 2, 1, 2, 1, 2, 1, 2, 1, 2], seconds: 0.4)
                ]))
        let costs = SpeculationCosts(
            verifySeconds: (0...16).map { 1 + 3 * Double($0) / 16 }, firstDraftSeconds: 0, nextDraftSeconds: 0,
            contextLength: 0)
        let best = SpeculationEconomics(costs).bestDraftLength(acceptance: 0.6)
        #expect(best > 0 && best < 16)
        #expect(verdict.estimatedBestDraftLength == best)
        #expect(verdict.warning?.contains("--draft-tokens \(best) may pay") == true)
    }

    @Test func aSlowReadingOfThePromptIsNamedAsTheReason() throws {
        let verdict = try #require(
            SpeculationVerdict(
                plain: [plain(tokens: 10, seconds: 0.1, prefill: 1)],
                speculative: [
                    speculative(drafted: 4, accepted: [4, 4], seconds: 0.05, prefill: 1.25)
                ]))
        #expect(abs(verdict.decodeSpeedUp - 2) < 1e-12)
        #expect(
            verdict.warning == "drafting did not pay (0.85x): its rounds did (2.00x), but reading the prompts took "
                + "0.250 s longer with the draft; longer outputs may pay")
    }

    @Test func roundsWithoutDraftsAndRunsWithoutRoundsHaveNoAcceptance() throws {
        let verdict = try #require(
            SpeculationVerdict(
                plain: [plain(tokens: 10, seconds: 0.1)],
                speculative: [speculative(drafted: 0, accepted: [Int](repeating: 0, count: 10), seconds: 0.2)]))
        #expect(verdict.acceptance == nil && verdict.estimatedBestDraftLength == nil)
        #expect(verdict.warning?.hasSuffix("as nothing was drafted") == true)
        #expect(SpeculationVerdict(plain: [], speculative: []) == nil)
        #expect(SpeculationVerdict(plain: [plain(tokens: 3, seconds: 1)], speculative: []) == nil)
    }
}
