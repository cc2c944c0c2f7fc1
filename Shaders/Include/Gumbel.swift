/// Standard Gumbel noise, the mirror of `gumbel.glsl`.
///
/// A token's logit plus such noise is largest with exactly the probability that softmax gives the token, which makes
/// sampling an argmax. With u = 1 − v, noise is −ln(−ln u). The word gives v: below 2²³ as (word + ½) · 2⁻³², so that
/// the largest noise, which decides, comes in fine steps and reaches 22.9 (24 equal bits would end at 16.6, and
/// rounding would make one u of 1, an infinite noise); above, as (⌊word / 2⁹⌋ + ½) · 2⁻²³, where 1 − v is exact.
/// Noise is finite, at least −2.82. Error: at most 2 ulp of the exact noise of v, or 2⁻²³ where that is more.
public enum Gumbel {
    public static func noise(_ word: UInt32) -> Float {
        let exponentialVariate: Float
        if word < 0x0080_0000 {
            let v = (Float(word) + 0.5) * 2.3283064365386963e-10
            exponentialVariate = v + (v * v) * (0.5 + v * 0.33333334)
        } else {
            let u = (Float(0x007F_FFFF - (word >> 9)) + 0.5) * 1.1920928955078125e-07
            exponentialVariate = -Functions.logarithm(u)
        }
        return -Functions.logarithm(exponentialVariate)
    }
}
