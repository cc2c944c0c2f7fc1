public import VkdynTechniques

/// What to generate, and how.
///
/// A change of the kind of `choice` (greedy, coupled, rejection) or of `drafting` from one generation to the next
/// prepares new plans, a fraction of a second; a change of anything else costs nothing.
public struct GenerateOptions: Sendable, Equatable {
    /// Tokens to generate at most; at least 1. The model's `contextLength` may end a generation earlier.
    public var maximumNewTokens: Int
    /// Greedy, or sampled with a temperature, limits and a seed.
    public var choice: TokenChoice
    /// How many tokens to draft a round, 1 to 16; nil decodes plainly, with the same tokens (greedy and coupled), in
    /// more time. Without effect on a model that was loaded without a draft.
    public var drafting: DraftSchedule.Policy?
    /// Ids that end a text and are its last; nil for those that the model's folder names.
    public var stopTokens: Set<Int>?

    public init(
        maximumNewTokens: Int = 80, choice: TokenChoice = .greedy,
        drafting: DraftSchedule.Policy? = .constant(length: 4), stopTokens: Set<Int>? = nil
    ) {
        self.maximumNewTokens = maximumNewTokens
        self.choice = choice
        self.drafting = drafting
        self.stopTokens = stopTokens
    }

    func check() throws(InvalidOption) {
        func require(_ isValid: Bool, _ option: String, _ value: Any, _ expected: String) throws(InvalidOption) {
            if !isValid { throw InvalidOption(option: option, value: "\(value)", expected: expected) }
        }
        try require(maximumNewTokens >= 1, "maximumNewTokens", maximumNewTokens, "at least 1")
        if case .sampled(let sampling, _) = choice {
            let temperature = sampling.temperature
            try require(temperature > 0 && temperature.isFinite, "temperature", temperature, "a number above 0")
            try require(sampling.topK >= 0, "topK", sampling.topK, "at least 0")
            try require(sampling.topP > 0 && sampling.topP <= 1, "topP", sampling.topP, "above 0 and at most 1")
        }
        let lengths = 1...16
        let expected = "1 to 16"
        switch drafting {
        case .constant(let length): try require(lengths.contains(length), "drafting length", length, expected)
        case .heuristic(let initial, let maximum):
            try require(lengths.contains(maximum), "drafting maximum", maximum, expected)
            try require((1...maximum).contains(initial), "drafting initial", initial, "1 to the maximum")
        case .confidence(let threshold, let maximum):
            try require(lengths.contains(maximum), "drafting maximum", maximum, expected)
            try require((0...1).contains(threshold), "drafting threshold", threshold, "0 to 1")
        case nil: break
        }
    }
}

/// An option outside its range.
public struct InvalidOption: UserFacingError, Equatable {
    public let option: String
    public let value: String
    public let expected: String

    public var description: String { "\(option) is \(value), expected \(expected)" }
}
