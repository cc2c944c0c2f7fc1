/// Streams of random numbers, so that no two decisions about one position share a number; those of `sampling.glsl`.
public enum RandomStream: UInt32, Sendable, CaseIterable {
    /// Tokens that a model samples: Gumbel noise (target and draft alike) or a categorical draw.
    case sample = 0
    /// Tokens that a draft samples on its own, for rejection sampling.
    case draft = 1
    /// Whether a draft token is accepted, by rejection sampling.
    case accept = 2
    /// What replaces a rejected draft token, or follows the last accepted one.
    case residual = 3
    /// Which token of a cell is a destination of token merging; by step instead of position.
    case matching = 4
}

extension SamplingParameters {
    /// Words for indices 4·quad … 4·quad + 3 at an absolute position in the sequence.
    func randomWords(stream: UInt32, position: UInt32, quad: UInt32) -> SIMD4<UInt32> {
        Philox.words(key: SIMD2(seedLow, seedHigh), counter: SIMD4(quad, position, stream, 0))
    }
}

/// Probabilities as 30-bit fixed point integers, whose 64-bit sums are exact in any order. The mirror of
/// `sampling.glsl`, `wide.glsl` and `draw.glsl`.
enum FixedPoint {
    /// ⌊p · 2³⁰⌋ for p in [0, 1], more being taken for 1; 0 for NaN and less.
    static func weight(_ p: Float) -> UInt32 {
        if p >= 1 { return 1 << 30 }
        return p > 0 ? UInt32(p * 1_073_741_824) : 0
    }

    /// ⌊total · fraction / 2²⁴⌋, through 128 bits.
    static func scale(_ total: UInt64, by fraction: UInt32) -> UInt64 {
        let product = total.multipliedFullWidth(by: UInt64(fraction))
        return product.high << 40 | product.low >> 24
    }

    /// The first index whose cumulative weight exceeds `fraction` · 2⁻²⁴ of the total; nil when the total is 0.
    static func draw(_ weights: some Collection<UInt32>, fraction: UInt32) -> UInt32? {
        let total = weights.reduce(UInt64(0)) { $0 + UInt64($1) }
        let threshold = scale(total, by: fraction)
        var sum: UInt64 = 0
        for (index, weight) in weights.enumerated() {
            sum += UInt64(weight)
            if sum > threshold { return UInt32(index) }
        }
        return nil
    }
}
