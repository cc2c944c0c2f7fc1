/// The Swift mirror of `trigonometry.glsl`.
extension Functions {
    /// 1/(2π) = 0.00101000… in words of 32 bits, as far as f32 needs it.
    private static let turnWords: [UInt32] = [
        0x28BE_60DB, 0x9391_054A, 0x7F09_D5F4, 0x7D4D_3770, 0x36D8_A566, 0x4F10_E410,
    ]

    /// What is left of |x| after the nearest quarter turn, −π/4 … π/4, and that quarter modulo 4. For finite x: the
    /// product with 1/(2π) is made of the 96 bits that reach a fraction of a turn, after Payne and Hanek, SIGNUM
    /// Newsletter 18 (1983).
    private static func reduceTurns(_ x: Float) -> (rest: Float, quarter: UInt32) {
        let bits = x.bitPattern & 0x7FFF_FFFF
        // Up to π/4 nothing is taken away.
        if bits <= 0x3F49_0FDA { return (Float(bitPattern: bits), 0) }
        let exponent = bits >> 23 - 126
        let (word, shift) = (Int(exponent >> 5), exponent & 31)
        func window(_ high: UInt32, _ low: UInt32) -> UInt64 {
            UInt64(high << shift | (low >> 1) >> (31 - shift))
        }
        let w0 = word > 0 ? turnWords[word - 1] : 0
        let (w1, w2, w3) = (turnWords[word], turnWords[word + 1], turnWords[min(word + 2, 5)])
        let mantissa = UInt64(bits << 8 | 0x8000_0000)
        // The fraction of a turn in 64 bits.
        var fraction = (mantissa &* window(w0, w1)) << 32
        fraction = fraction &+ mantissa &* window(w1, w2) &+ (mantissa &* window(w2, w3)) >> 32
        let quarter = (fraction &+ 0x2000_0000_0000_0000) >> 62
        fraction = fraction &- quarter << 62
        let isNegative = fraction >> 63 != 0
        if isNegative { fraction = 0 &- fraction }
        // Its first 32 bits, which no f32 leaves all zero, times π/2, rounded to 24 bits.
        var lost = UInt32(fraction.leadingZeroBitCount)
        let product = ((fraction << UInt64(lost)) >> 32) * 0xC90F_DAA2
        var high = UInt32(product >> 32)
        if high & 0x8000_0000 == 0 {
            high = UInt32(product >> 31)
            lost += 1
        }
        let magnitude = Float(high >> 8 + (high >> 7) & 1)
        let rest = magnitude * Float(bitPattern: (106 - lost) << 23)
        return (isNegative ? -rest : rest, UInt32(quarter & 3))
    }

    /// sin r for −π/4 … π/4; the sign of zero is kept.
    private static func quarterSine(_ r: Float) -> Float {
        let s = r * r
        var p: Float = -0.00019518286
        p = p * s + 0.0083321892
        p = p * s + -0.16666655
        return Float(bitPattern: (r + r * (s * p)).bitPattern | r.bitPattern & 0x8000_0000)
    }

    /// cos r for −π/4 … π/4.
    private static func quarterCosine(_ r: Float) -> Float {
        let s = r * r
        var p: Float = 0.000024432564
        p = p * s + -0.0013887311
        p = p * s + 0.041666646
        let h = 0.5 * s
        let w = 1 - h
        return w + (((1 - w) - h) + (s * s) * p)
    }

    /// sin x, for every finite x. At most 1.5 ulp; the sign of zero is kept. Infinity gives NaN.
    public static func sine(_ x: Float) -> Float {
        if x.bitPattern & 0x7FFF_FFFF >= infinityBits { return quietNaN }
        let (r, quarter) = reduceTurns(x)
        let y = quarter & 1 != 0 ? quarterCosine(r) : quarterSine(r)
        return Float(bitPattern: y.bitPattern ^ (quarter & 2) << 30 ^ x.bitPattern & 0x8000_0000)
    }

    /// cos x, for every finite x. At most 1.5 ulp. Infinity gives NaN.
    public static func cosine(_ x: Float) -> Float {
        if x.bitPattern & 0x7FFF_FFFF >= infinityBits { return quietNaN }
        let (r, quarter) = reduceTurns(x)
        let y = quarter & 1 != 0 ? quarterSine(r) : quarterCosine(r)
        return Float(bitPattern: y.bitPattern ^ ((quarter + 1) & 2) << 30)
    }
}
