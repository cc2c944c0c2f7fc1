/// What the parts of a round cost on a device, in seconds; `measure` times them there.
///
/// A round of k drafts is one submit: a first draft step, k − 1 further ones, and a pass of the target over k + 1 rows.
public struct SpeculationCosts: Sendable, Equatable, Codable {
    /// A submit with the target's pass over n rows, their choices and their acceptance, at index n − 1.
    public var verifySeconds: [Double]
    /// What a round's first draft adds; prompt lookup finds all drafts of a round in it.
    public var firstDraftSeconds: Double
    /// What each draft after it adds.
    public var nextDraftSeconds: Double
    /// Tokens of the sequence that the passes attended to.
    public var contextLength: Int

    /// - Parameter verifySeconds: of one row first; not empty.
    public init(
        verifySeconds: [Double], firstDraftSeconds: Double, nextDraftSeconds: Double, contextLength: Int
    ) {
        precondition(!verifySeconds.isEmpty, "a decoding step is a pass over one row")
        self.verifySeconds = verifySeconds
        self.firstDraftSeconds = firstDraftSeconds
        self.nextDraftSeconds = nextDraftSeconds
        self.contextLength = contextLength
    }

    /// Plain decoding of one token: a pass over one row.
    public var decodeSeconds: Double { verifySeconds[0] }

    /// The longest draft whose verifying pass was measured.
    public var maximumDraftLength: Int { verifySeconds.count - 1 }

    /// A round of `draftLength` drafts, 0 to `maximumDraftLength`; with 0 it is a decoding step.
    public func roundSeconds(draftLength: Int) -> Double {
        let drafts = draftLength == 0 ? 0 : firstDraftSeconds + Double(draftLength - 1) * nextDraftSeconds
        return drafts + verifySeconds[draftLength]
    }
}

/// Whether drafting pays, from what the parts of a round cost.
///
/// With drafts accepted independently of each other with probability α, a round of k drafts gives
///
///     E(α, k) = 1 + α + α² + … + αᵏ = (1 − αᵏ⁺¹) / (1 − α)
///
/// tokens on average: the accepted drafts up to the first rejected one, and one token of the target's own (Leviathan,
/// Kalman and Matias, arXiv:2211.17192, equation 1). Drafting is as much faster than plain decoding as
///
///     E(α, k) · decodeSeconds / roundSeconds(k)
///
/// where the paper's equation for it has measured costs in place of its assumption that a pass over k + 1 rows costs a
/// decoding step. Independence is an assumption: drafts after an accepted one are often easier. Where positions were
/// observed, `DraftAcceptance.expectedTokens(draftLength:)` does without it.
///
/// Where only a share of the rounds finds drafts, as with prompt lookup, the others give one token for a decoding step and
/// the search, and tokens and seconds are those of the mixture.
public struct SpeculationEconomics: Sendable, Equatable {
    public let costs: SpeculationCosts
    /// Of the rounds, those with drafts; 1 for a draft model.
    public let draftingShare: Double

    /// - Parameter draftingShare: above 0, at most 1.
    public init(_ costs: SpeculationCosts, draftingShare: Double = 1) {
        precondition(draftingShare > 0 && draftingShare <= 1, "no rounds with drafts")
        self.costs = costs
        self.draftingShare = draftingShare
    }

    /// E(α, k), from 1 to k + 1.
    /// - Parameter acceptance: α, 0 to 1.
    public static func expectedTokens(acceptance: Double, draftLength: Int) -> Double {
        // The sum rather than the quotient, which is 0/0 at α = 1.
        (0..<draftLength).reduce(1) { tokens, _ in 1 + acceptance * tokens }
    }

    /// How many times as fast as plain decoding rounds of `draftLength` drafts are.
    public func speedUp(acceptance: Double, draftLength: Int) -> Double {
        speedUp(
            expectedTokens: Self.expectedTokens(acceptance: acceptance, draftLength: draftLength),
            draftLength: draftLength)
    }

    /// The same for rounds that give `expectedTokens` tokens on average, where they have drafts.
    public func speedUp(expectedTokens: Double, draftLength: Int) -> Double {
        guard draftLength > 0 else { return 1 }
        let tokens = 1 + draftingShare * (expectedTokens - 1)
        return tokens * costs.decodeSeconds / meanRoundSeconds(draftLength: draftLength)
    }

    /// A round of up to `draftLength` drafts, 1 or more, with and without drafts in their shares.
    public func meanRoundSeconds(draftLength: Int) -> Double {
        draftingShare * costs.roundSeconds(draftLength: draftLength)
            + (1 - draftingShare) * (costs.firstDraftSeconds + costs.decodeSeconds)
    }

    /// The acceptance from which on drafts of this length, 1 or more, pay, 0 to 1; nil where they would not even if all were
    /// accepted.
    public func breakEvenAcceptance(draftLength: Int) -> Double? {
        let tokens = meanRoundSeconds(draftLength: draftLength) / costs.decodeSeconds
        return Self.acceptance(giving: 1 + (tokens - 1) / draftingShare) {
            Self.expectedTokens(acceptance: $0, draftLength: draftLength)
        }
    }

    /// The fastest draft length at this acceptance, the shortest among equals; 0 where plain decoding is as fast.
    public func bestDraftLength(acceptance: Double) -> Int {
        bestDraftLength { Self.expectedTokens(acceptance: acceptance, draftLength: $0) }
    }

    /// The same where a round of k drafts gives `expectedTokens(k)` tokens on average.
    public func bestDraftLength(expectedTokens: (Int) -> Double) -> Int {
        var best = (draftLength: 0, speedUp: 1.0)
        for draftLength in 1..<max(1, costs.maximumDraftLength + 1) {
            let speedUp = speedUp(expectedTokens: expectedTokens(draftLength), draftLength: draftLength)
            if speedUp > best.speedUp { best = (draftLength, speedUp) }
        }
        return best.draftLength
    }

    /// The smallest acceptance at which a round gives `tokens` tokens, by bisection; nil if it never does.
    /// - Parameter expected: tokens at an acceptance, never falling from 0 to 1.
    static func acceptance(giving tokens: Double, _ expected: (Double) -> Double) -> Double? {
        if expected(0) >= tokens { return 0 }
        // Not `<`: a time of NaN gives no break-even either.
        guard expected(1) >= tokens else { return nil }
        var (low, high) = (0.0, 1.0)
        for _ in 0..<60 {
            let middle = (low + high) / 2
            if expected(middle) >= tokens { high = middle } else { low = middle }
        }
        return high
    }
}
