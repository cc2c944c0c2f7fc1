import VkdynKernels
public import VkdynModels

/// How a token is chosen from logits.
public enum TokenChoice: Sendable, Equatable {
    /// The most probable token, the lowest id among equals.
    case greedy
    case sampled(Sampling, acceptance: Acceptance)

    public var isGreedy: Bool { self == .greedy }

    /// What plans depend on; the parameters of sampling are data that they read.
    public enum Kind: Sendable, Hashable { case greedy, coupled, rejection }

    public var kind: Kind {
        switch self {
        case .greedy: .greedy
        case .sampled(_, .coupled): .coupled
        case .sampled(_, .rejection): .rejection
        }
    }

    /// Leviathan's rule needs probabilities; greedy and coupled drafts are compared with the target's own choice.
    var usesRejection: Bool {
        if case .sampled(_, .rejection) = self { true } else { false }
    }
}

/// How drafts of a sampled generation are accepted.
public enum Acceptance: String, Sendable, CaseIterable, Codable {
    /// Draft and target share each token's Gumbel noise, and a draft is accepted when it equals the target's own
    /// sample: the output equals plain sampling with the same seed, token for token.
    case coupled
    /// Leviathan et al. (arXiv:2211.17192), Chen et al. (arXiv:2302.01318): the output has the target's distribution.
    case rejection
}

public struct Sampling: Sendable, Equatable {
    /// Above 0.
    public var temperature: Float
    /// 0 keeps all tokens.
    public var topK: Int
    /// 1 keeps all tokens.
    public var topP: Float
    public var seed: UInt64

    public init(temperature: Float = 1, topK: Int = 0, topP: Float = 1, seed: UInt64 = 0) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.seed = seed
    }
}

/// Where drafts come from.
public enum DraftSource: Sendable {
    case model(any DecoderModel)
    /// What followed an earlier occurrence of the last tokens, for n-grams from `maximumLength` down to 1.
    case promptLookup(maximumLength: Int)
}

public struct GenerationOptions: Sendable {
    public var maximumNewTokens: Int
    /// Nil for the decoder's own; another must be of the same kind, with parameters and a seed of its own.
    public var choice: TokenChoice?
    public var stopTokens: Set<Int>

    public init(maximumNewTokens: Int = 80, choice: TokenChoice? = nil, stopTokens: Set<Int> = []) {
        self.maximumNewTokens = maximumNewTokens
        self.choice = choice
        self.stopTokens = stopTokens
    }
}

/// What a generation did: raw counts, with rates derived.
public struct GenerationTelemetry: Sendable, Equatable {
    public var promptTokens = 0
    public var generatedTokens = 0
    public var rounds = 0
    public var draftedTokens = 0
    public var acceptedTokens = 0
    /// What became of the drafts, position by position.
    public var acceptance = DraftAcceptance()
    /// Submits and readbacks after the prompt was read.
    public var submits = 0
    public var readbacks = 0
    public var prefillSeconds = 0.0
    public var decodeSeconds = 0.0

    public init() {}

    public var durationSeconds: Double { prefillSeconds + decodeSeconds }
    /// Accepted drafts of all drafts; 0 without drafts.
    public var acceptanceRate: Double {
        draftedTokens == 0 ? 0 : Double(acceptedTokens) / Double(draftedTokens)
    }
    public var tokensPerRound: Double { rounds == 0 ? 0 : Double(generatedTokens) / Double(rounds) }
    public var tokensPerSecond: Double { decodeSeconds == 0 ? 0 : Double(generatedTokens) / decodeSeconds }
}

/// Why a generation ended.
public enum StopReason: String, Sendable, Codable {
    case stopToken, tokenLimit, contextLimit, cancelled
}

public struct Generation: Sendable {
    public var tokens: [Int]
    public var stopReason: StopReason
    public var telemetry: GenerationTelemetry
    /// The target's logits from which the last token was chosen, [vocabulary].
    public var finalLogits: [Float]
    /// The experts of every token that the target read, which is all but the last; nil for a target without experts.
    public var experts: ExpertTrace?
}
