/// Whether drafting paid in runs of the same prompts with and without it, and why not, from what the runs themselves
/// measured.
public struct SpeculationVerdict: Sendable, Equatable, Codable {
    /// Plain seconds over speculative seconds, the reading of the prompts included.
    public let speedUp: Double
    /// The same without the reading of the prompts.
    public let decodeSpeedUp: Double
    /// Plain decoding of one token.
    public let decodeStepSeconds: Double
    /// One round with its drafts.
    public let roundSeconds: Double
    public let tokensPerRound: Double
    /// Drafts a round.
    public let meanDraftLength: Double
    /// The probability that a draft is accepted when all before it in its round were; nil when nothing was drafted.
    public let acceptance: Double?
    /// The acceptance at which rounds of these draft lengths would cost what they give, drafts taken as independent;
    /// nil where even accepting all would not do.
    public let breakEvenAcceptance: Double?
    /// The draft length up to the run's that is fastest at the acceptance seen, 0 for none, if what a round costs
    /// beyond a decoding step grows in proportion to its drafts; nil when nothing was drafted.
    public let estimatedBestDraftLength: Int?
    /// How much longer the prompts took to read with the draft.
    public let prefillExtraSeconds: Double
    /// One line for a person where drafting did not pay; nil where it did.
    public let warning: String?

    /// What one round costs, in decoding steps.
    public var roundSteps: Double { roundSeconds / decodeStepSeconds }

    /// - Parameters:
    ///   - plain: of each prompt without drafts.
    ///   - speculative: of the same prompts with drafts.
    /// - Returns: nil where one side decoded nothing, or no time passed.
    public init?(plain: [GenerationTelemetry], speculative: [GenerationTelemetry]) {
        func sum<Value: AdditiveArithmetic>(
            _ telemetry: [GenerationTelemetry], _ value: (GenerationTelemetry) -> Value
        ) -> Value {
            telemetry.reduce(.zero) { $0 + value($1) }
        }
        let rounds = sum(speculative, \.rounds)
        let steps = sum(plain, \.rounds)
        let seconds = sum(speculative, \.decodeSeconds)
        let plainSeconds = sum(plain, \.decodeSeconds)
        guard rounds > 0, steps > 0, seconds > 0, plainSeconds > 0 else { return nil }
        let drafts = speculative.reduce(DraftAcceptance()) { $0 + $1.acceptance }

        decodeStepSeconds = plainSeconds / Double(steps)
        roundSeconds = seconds / Double(rounds)
        let roundSteps = roundSeconds / decodeStepSeconds
        tokensPerRound = Double(sum(speculative, \.generatedTokens)) / Double(rounds)
        decodeSpeedUp = tokensPerRound / roundSteps
        speedUp = sum(plain, \.durationSeconds) / sum(speculative, \.durationSeconds)
        prefillExtraSeconds = sum(speculative, \.prefillSeconds) - sum(plain, \.prefillSeconds)
        meanDraftLength = drafts.meanDraftLength
        acceptance = drafts.rate
        breakEvenAcceptance = SpeculationEconomics.acceptance(giving: roundSteps, drafts.expectedTokens(acceptance:))
        estimatedBestDraftLength = drafts.rate.map {
            Self.bestDraftLength(acceptance: $0, roundSteps: roundSteps, meanDraftLength: drafts.meanDraftLength)
        }
        warning = speedUp < 1 ? Self.reason(
            speedUp: speedUp, decodeSpeedUp: decodeSpeedUp, roundSteps: roundSteps, tokensPerRound: tokensPerRound,
            acceptance: drafts.rate, breakEven: breakEvenAcceptance, best: estimatedBestDraftLength,
            meanDraftLength: meanDraftLength, prefillExtraSeconds: prefillExtraSeconds) : nil
    }

    /// Between a decoding step and the rounds that were run, a round's cost is taken as a straight line.
    private static func bestDraftLength(acceptance: Double, roundSteps: Double, meanDraftLength: Double) -> Int {
        let longest = Int(meanDraftLength.rounded(.up))
        let line = (0...longest).map { 1 + (roundSteps - 1) * Double($0) / meanDraftLength }
        let costs = SpeculationCosts(
            verifySeconds: line, firstDraftSeconds: 0, nextDraftSeconds: 0, contextLength: 0)
        return SpeculationEconomics(costs).bestDraftLength(acceptance: acceptance)
    }

    private static func reason(
        speedUp: Double, decodeSpeedUp: Double, roundSteps: Double, tokensPerRound: Double, acceptance: Double?,
        breakEven: Double?, best: Int?, meanDraftLength: Double, prefillExtraSeconds: Double
    ) -> String {
        let start = "drafting did not pay (\(speedUp.rounded(2))x): "
        if decodeSpeedUp >= 1 {
            return start + "its rounds did (\(decodeSpeedUp.rounded(2))x), but reading the prompts took "
                + "\(prefillExtraSeconds.rounded(3)) s longer with the draft; longer outputs may pay"
        }
        let cost = "a round cost \(roundSteps.rounded(2)) decoding steps and gave \(tokensPerRound.rounded(2)) tokens"
        guard let acceptance, let best else { return start + cost + ", as nothing was drafted" }
        let needed = breakEven.map { "\($0.rounded(2)) would break even" } ?? "not even 1 would break even"
        let measure = "vkdyn profile speculation measures every draft length"
        let advice = best > 0 && Double(best) < meanDraftLength
            ? "--draft-tokens \(best) may pay; \(measure)" : measure
        return start + cost + "; drafts were accepted with probability \(acceptance.rounded(2)), \(needed); " + advice
    }
}

extension Double {
    /// With this many decimals, for people.
    fileprivate func rounded(_ digits: Int) -> String {
        let scale = (0..<digits).reduce(1) { scale, _ in scale * 10 }
        let value = Int((magnitude * Double(scale)).rounded())
        let fraction = String(value % scale)
        return (self < 0 ? "-" : "") + "\(value / scale)." + String(repeating: "0", count: digits - fraction.count)
            + fraction
    }
}
