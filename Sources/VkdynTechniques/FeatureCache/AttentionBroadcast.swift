public import VkdynCore

/// Pyramid attention broadcast (Zhao et al., arXiv 2408.12588): which steps compute a kind of attention anew and which
/// reuse its last output. A pure state machine: steps are counted, and the timestep decides alone whether reuse is
/// allowed at all.
public struct AttentionBroadcast: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable, Codable { case spatial, temporal, cross }

    /// When one kind is computed anew: when it is not cached, at every `interval`-th step, and outside the timesteps
    /// between `lower` and `upper`, both excluded.
    public struct Rule: Sendable, Equatable {
        public let interval: Int
        public let lower: Int
        public let upper: Int

        public init(interval: Int, lower: Int, upper: Int) throws(AttentionBroadcastError) {
            guard interval >= 1 else { throw .interval(interval) }
            guard lower <= upper else { throw .timesteps(lower: lower, upper: upper) }
            self.interval = interval
            self.lower = lower
            self.upper = upper
        }

        fileprivate init(_ interval: Int, between timesteps: (Int, Int)) {
            self.interval = interval
            (lower, upper) = timesteps
        }
    }

    /// Open-Sora's ranges.
    public static let openSora: [Kind: Rule] = [
        .spatial: Rule(2, between: (450, 930)), .temporal: Rule(4, between: (450, 930)),
        .cross: Rule(6, between: (450, 930)),
    ]

    public let rules: [Kind: Rule]
    /// Steps counted so far, by kind.
    private var counts: [Kind: Int] = [:]
    /// The step whose output is cached, by kind.
    private var cached: [Kind: Int] = [:]

    /// Kinds without a rule are computed at every step.
    public init(_ rules: [Kind: Rule]) { self.rules = rules }

    /// The action of a kind at its next step; counts it. All layers of a kind do the same at a step.
    public mutating func next(_ kind: Kind, timestep: Int) -> FeatureAction {
        let step = counts[kind, default: 0]
        counts[kind] = step + 1
        if let rule = rules[kind], let from = cached[kind], step % rule.interval != 0, timestep > rule.lower,
            timestep < rule.upper
        {
            return .reuse(from: from)
        }
        cached[kind] = step
        return .compute
    }
}

public enum AttentionBroadcastError: UserFacingError, Equatable {
    case interval(Int)
    case timesteps(lower: Int, upper: Int)

    public var description: String {
        switch self {
        case .interval(let interval): "the broadcast interval is \(interval), expected 1 or more"
        case .timesteps(let lower, let upper):
            "attention is to be broadcast between the timesteps \(lower) and \(upper), expected the lower one first"
        }
    }
}
