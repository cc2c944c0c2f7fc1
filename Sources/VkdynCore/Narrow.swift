/// Conversions between f32 and its narrower storage types, by integer operations alone.
public enum Narrow {
    /// All 65,536 values of f16, widened exactly. NaN payloads keep their bits, shifted.
    private static let f16Table: [Float] = (0...UInt16.max).map { bits in
        let sign = UInt32(bits & 0x8000) << 16
        let exponent = UInt32(bits >> 10) & 0x1F
        let mantissa = UInt32(bits) & 0x3FF
        switch exponent {
        case 0:
            // Denormals are exact multiples of 2⁻²⁴.
            let magnitude = Float(mantissa) * Float(bitPattern: 0x3380_0000)
            return Float(bitPattern: sign | magnitude.bitPattern)
        case 0x1F:
            return Float(bitPattern: sign | 0x7F80_0000 | mantissa << 13)
        default:
            return Float(bitPattern: sign | (exponent + 112) << 23 | mantissa << 13)
        }
    }

    public static func widenF16(_ bits: UInt16) -> Float { f16Table[Int(bits)] }

    /// All 256 values of fp8 E4M3FN (Micikevicius et al., arXiv 2209.05433), widened exactly: exponents biased by 7,
    /// three bits of mantissa, no infinity; the magnitude of all ones is NaN.
    private static let e4m3Table: [Float] = (0...UInt8.max).map { bits in
        let sign = UInt32(bits & 0x80) << 24
        let (exponent, mantissa) = (UInt32(bits >> 3) & 0xF, UInt32(bits & 7))
        if bits & 0x7F == 0x7F { return Float(bitPattern: sign | 0x7FC0_0000) }
        // Denormals are exact multiples of 2⁻⁹.
        if exponent == 0 { return Float(bitPattern: sign | (Float(mantissa) * 0x1p-9).bitPattern) }
        return Float(bitPattern: sign | (exponent + 120) << 23 | mantissa << 20)
    }

    public static func widenE4M3(_ bits: UInt8) -> Float { e4m3Table[Int(bits)] }

    public static func widenBF16(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

    /// Nearest even, denormals kept, overflow to infinity, every NaN to 0x7E00 with its sign dropped.
    public static func toF16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
        let magnitude = bits & 0x7FFF_FFFF
        if magnitude > 0x7F80_0000 { return 0x7E00 }
        // 65520, from which on rounding gives infinity.
        if magnitude >= 0x477F_F000 { return sign | 0x7C00 }
        if magnitude >= 0x3880_0000 {
            let rounded = magnitude + 0xFFF + (magnitude >> 13 & 1)
            return sign | UInt16(truncatingIfNeeded: (rounded - 0x3800_0000) >> 13)
        }
        // Denormals: the mantissa with its hidden bit, shifted right with rounding to even.
        let shift = 126 - (magnitude >> 23)
        if shift > 24 { return sign }
        let mantissa = magnitude & 0x7F_FFFF | 0x80_0000
        let half: UInt32 = 1 << (shift - 1)
        let odd = mantissa >> shift & 1
        return sign | UInt16(truncatingIfNeeded: (mantissa + half - 1 + odd) >> shift)
    }

    /// Nearest even, denormals kept, every NaN to 0x7FC0.
    public static func toBF16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        if bits & 0x7FFF_FFFF > 0x7F80_0000 { return 0x7FC0 }
        return UInt16(truncatingIfNeeded: (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
    }
}
