import Foundation
public import VkdynModels

/// What the experts of a generation did: which tokens had which, how evenly the experts were used, and what reading
/// their weights took against a run that computes all of them. Made on the host, of what `ExpertLog` gave it.
public struct ExpertReport: Sendable, Equatable, Codable {
    /// One layer that has experts.
    public struct Layer: Sendable, Equatable, Codable {
        /// Its number in its stack.
        public let layer: Int
        public let stack: ExpertConfiguration.Stack
        /// Tokens that each expert had, [experts], of those that stayed in the text.
        public let tokenCounts: [Int]
        /// What the passes over the prompt, all but its last token, took.
        public let prompt: LayerTally
        /// What the rounds took, rejected drafts included.
        public let rounds: LayerTally

        public var unusedCount: Int { tokenCounts.count { $0 == 0 } }

        /// The tokens of the busiest expert over the mean: 1 when all have as many; 0 without tokens.
        public var imbalance: Double {
            let sum = tokenCounts.reduce(0, +)
            return sum == 0 ? 0 : Double((tokenCounts.max() ?? 0) * tokenCounts.count) / Double(sum)
        }

        /// The entropy of the experts' shares over that of equal ones: 1 when all have as many tokens, 0 when one has
        /// all; 0 without tokens or with one expert.
        public var evenness: Double {
            let sum = Double(tokenCounts.reduce(0, +))
            guard sum > 0, tokenCounts.count > 1 else { return 0 }
            let entropy = tokenCounts.reduce(0.0) { entropy, count in
                let share = Double(count) / sum
                return count == 0 ? entropy : entropy - share * log(share)
            }
            return entropy / log(Double(tokenCounts.count))
        }
    }

    public let layers: [Layer]
    /// Experts to choose from in a layer, and of each token.
    public let expertCount: Int
    public let chosenCount: Int
    /// Weights of one expert as they are stored, scales included.
    public let expertBytes: Int
    /// Tokens that the rounds put out.
    public let generatedTokens: Int
    private let trace: ExpertTrace

    /// - Parameters:
    ///   - trace: of one generation.
    ///   - configuration: of the model that made it.
    ///   - expertBytes: as the model has them, `DecoderModel.expertByteCount`.
    public init(
        _ trace: ExpertTrace, configuration: ExpertConfiguration, expertBytes: Int, generatedTokens: Int
    ) {
        precondition(trace.layerCount == configuration.layerCount, "a trace of another model")
        self.trace = trace
        self.expertBytes = expertBytes
        self.generatedTokens = generatedTokens
        expertCount = configuration.count
        chosenCount = configuration.chosenCount
        layers = configuration.allLayers.enumerated().map { ordinal, place in
            var counts = [Int](repeating: 0, count: configuration.count)
            for position in 0..<trace.positionCount {
                for expert in trace.experts(position: position, layer: ordinal) where expert < counts.count {
                    counts[Int(expert)] += 1
                }
            }
            return Layer(
                layer: place.layer, stack: place.stack, tokenCounts: counts, prompt: trace.prompt[ordinal], rounds: trace.rounds[ordinal])
        }
    }

    /// Tokens that were read: all but the last.
    public var tokenCount: Int { trace.positionCount }

    /// The experts of a token, in descending score.
    /// - Parameter layer: counted over the layers that have experts.
    public func experts(token: Int, layer: Int) -> [Int] { trace.experts(position: token, layer: layer).map(Int.init) }

    /// Experts' weights that the rounds read for each token that they put out, in bytes: every expert once a pass in
    /// which any row has it.
    public var expertBytesPerToken: Double {
        let touched = layers.reduce(0) { $0 + $1.rounds.touchedExperts }
        return generatedTokens == 0 ? 0 : Double(touched) * Double(expertBytes) / Double(generatedTokens)
    }

    /// The same for the same rounds with all experts computed.
    public var denseExpertBytesPerToken: Double {
        let passes = layers.reduce(0) { $0 + $1.rounds.passes }
        return generatedTokens == 0
            ? 0 : Double(passes * expertCount) * Double(expertBytes) / Double(generatedTokens)
    }

    /// Experts' weights read of those that computing all experts would read, 0 to 1.
    public var readShare: Double {
        denseExpertBytesPerToken == 0 ? 0 : expertBytesPerToken / denseExpertBytesPerToken
    }
}
