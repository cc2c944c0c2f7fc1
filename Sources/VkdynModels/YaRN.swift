import Foundation
import VkdynFormats

extension RotaryConfiguration {
    /// YaRN (Peng et al., arXiv:2309.00071), as transformers and DeepSeek compute it: frequencies that turn often over
    /// the original context are kept, those that turn seldom are divided by the factor, those between are blended;
    /// cosines and sines grow with the logarithm of the factor.
    public struct YaRN: Sendable, Equatable {
        /// How many times as long as the original one the context is.
        public var factor: Double
        /// Positions for which the model was first trained.
        public var originalContext: Double
        /// Turns over the original context from which on a frequency is kept.
        public var keptTurns: Double  // beta_fast
        /// Turns up to which it is divided.
        public var dividedTurns: Double  // beta_slow
        /// Whether the two pairs between which frequencies are blended are whole numbers.
        public var hasWholeRange: Bool  // truncate
        /// What cosines and sines are multiplied by.
        public var attentionFactor: Double
        /// What the softmax's scale is multiplied by in DeepSeek's models; 1 where the configuration asks for none.
        public var softmaxFactor: Double

        /// - Parameters:
        ///   - object: `rope_scaling` or `rope_parameters`.
        ///   - config: the whole configuration, which has the lengths that the object does not state.
        init(_ object: ConfigObject, _ config: ConfigObject) throws(FormatError) {
            let name = "original_max_position_embeddings"
            let stated = try object.optionalInteger(name)
            let outer = try config.optionalInteger(name)
            let context = try config.optionalInteger("max_position_embeddings")
            guard let original = outer ?? stated ?? context else {
                throw object.error(name, "is missing, as is max_position_embeddings; expected one of them")
            }
            originalContext = Double(original)
            if let factor = try object.optionalNumber("factor", in: 1e-6...1e6) {
                self.factor = factor
            } else if let context {
                factor = Double(context) / originalContext
            } else {
                throw object.error("factor", "is missing, as is max_position_embeddings; expected one of them")
            }
            let turns = 0...1e6
            // 0 is none in transformers, here and below.
            let fast = try object.number("beta_fast", in: turns, default: 0)
            let slow = try object.number("beta_slow", in: turns, default: 0)
            (keptTurns, dividedTurns) = (fast == 0 ? 32 : fast, slow == 0 ? 1 : slow)
            guard keptTurns >= dividedTurns else {
                throw object.error("beta_fast", "\(keptTurns) is below beta_slow (\(dividedTurns))")
            }
            hasWholeRange = try object.boolean("truncate", default: true)
            let magnitudes = 0...1e6
            let own = try object.number("mscale", in: magnitudes, default: 0)
            let all = try object.number("mscale_all_dim", in: magnitudes, default: 0)
            let growth = { [factor] (weight: Double) in factor <= 1 ? 1 : 0.1 * weight * log(factor) + 1 }
            let implied = own > 0 && all > 0 ? growth(own) / growth(all) : growth(1)
            attentionFactor = try object.optionalNumber("attention_factor", in: 1e-6...1e6) ?? implied
            softmaxFactor = all > 0 ? growth(all) * growth(all) : 1
        }

        /// Radians a position.
        func frequency(ofPair pair: Int, theta: Float, headSize: Int) -> Float {
            // The pair, not rounded, whose dimensions turn so often over the original context.
            func pairOf(turns: Double) -> Double {
                Double(headSize) * log(originalContext / (turns * 2 * .pi)) / (2 * log(Double(theta)))
            }
            var (low, high) = (pairOf(turns: keptTurns), pairOf(turns: dividedTurns))
            if hasWholeRange { (low, high) = (floor(low), ceil(high)) }
            (low, high) = (max(low, 0), min(high, Double(headSize - 1)))
            let width = Float(low == high ? 0.001 : high - low)
            let radius = Float(pow(Double(theta), Double(Float(2 * pair) / Float(headSize))))
            let kept = 1 - min(max((Float(pair) - Float(low)) / width, 0), 1)
            return 1 / (Float(factor) * radius) * (1 - kept) + 1 / radius * kept
        }
    }
}
