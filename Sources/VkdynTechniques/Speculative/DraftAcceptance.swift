/// What became of drafts, position by position: raw counts, with rates derived.
///
/// A draft is *tried* when all drafts before it in its round were accepted. One that follows a rejected draft is thrown
/// away whatever it says, and tells nothing about the draft's quality. `rate` is therefore the α of Leviathan et al.
/// (arXiv:2211.17192), which does not depend on the draft length; the share of all drafts that were accepted,
/// `GenerationTelemetry.acceptanceRate`, is smaller and falls with it.
public struct DraftAcceptance: Sendable, Equatable, Codable {
    /// The drafts at one place of their rounds, the first draft of each or the second of each and so on.
    public struct Position: Sendable, Equatable, Codable {
        public var drafted = 0
        /// Of the drafted: all before it were accepted.
        public var tried = 0
        /// Of the tried.
        public var accepted = 0

        public init() {}
    }

    /// Rounds with and without drafts.
    public private(set) var rounds = 0
    /// As many as the longest round drafted.
    public private(set) var positions: [Position] = []

    public init() {}

    /// Notes a round.
    /// - Parameter accepted: at most `drafted`.
    public mutating func record(drafted: Int, accepted: Int) {
        precondition(0 <= accepted && accepted <= drafted, "more drafts accepted than drafted")
        rounds += 1
        while positions.count < drafted { positions.append(Position()) }
        for index in 0..<drafted {
            positions[index].drafted += 1
            if index <= accepted { positions[index].tried += 1 }
            if index < accepted { positions[index].accepted += 1 }
        }
    }

    /// The counts of both.
    public static func + (a: DraftAcceptance, b: DraftAcceptance) -> DraftAcceptance {
        var sum = a
        sum.rounds += b.rounds
        while sum.positions.count < b.positions.count { sum.positions.append(Position()) }
        for (index, position) in b.positions.enumerated() {
            sum.positions[index].drafted += position.drafted
            sum.positions[index].tried += position.tried
            sum.positions[index].accepted += position.accepted
        }
        return sum
    }

    /// The probability that a draft is accepted when all before it were, 0 to 1, taken as the same at all positions:
    /// the maximum-likelihood estimate, accepted over tried. Nil when nothing was drafted.
    public var rate: Double? {
        let tried = positions.reduce(0) { $0 + $1.tried }
        return tried == 0 ? nil : Double(positions.reduce(0) { $0 + $1.accepted }) / Double(tried)
    }

    /// Each position's own estimate of that probability, the first draft's first; ends before the first position that
    /// was never tried.
    public var rates: [Double] {
        positions.prefix { $0.tried > 0 }.map { Double($0.accepted) / Double($0.tried) }
    }

    /// Drafts a round, 0 without rounds.
    public var meanDraftLength: Double {
        rounds == 0 ? 0 : Double(positions.reduce(0) { $0 + $1.drafted }) / Double(rounds)
    }

    /// Of the rounds, those with drafts; 0 without rounds.
    public var draftingShare: Double {
        rounds == 0 ? 0 : Double(positions.first?.drafted ?? 0) / Double(rounds)
    }

    /// Tokens that a round of `draftLength` drafts is expected to give, by each position's own rate and, beyond those
    /// that were seen, by `rate`: `1 + Σ over i ≤ k of a1·a2·…·ai`. 1 when nothing was drafted.
    public func expectedTokens(draftLength: Int) -> Double {
        let rates = rates
        let beyond = rate ?? 0
        var tokens = 1.0
        var survival = 1.0
        for index in 0..<draftLength {
            survival *= index < rates.count ? rates[index] : beyond
            tokens += survival
        }
        return tokens
    }

    /// Tokens a round that rounds with these draft lengths give when every draft is accepted with probability
    /// `acceptance`: `1 + Σ αⁱ·(share of rounds with i or more drafts)`.
    func expectedTokens(acceptance: Double) -> Double {
        guard rounds > 0 else { return 1 }
        var tokens = 1.0
        var survival = 1.0
        for position in positions {
            survival *= acceptance
            tokens += survival * Double(position.drafted) / Double(rounds)
        }
        return tokens
    }
}
