/// The Swift mirror of `functions.glsl`: the same operations in the same order, hence the same bits.
///
/// Each is built from add, subtract, multiply, compare, round-to-even and integer operations alone. Bounds are
/// against the exact result and hold with denormals kept.
public enum Functions {
    static let quietNaN = Float(bitPattern: 0x7FC0_0000)
    static let infinityBits: UInt32 = 0x7F80_0000

    @inline(__always)
    static func isNaN(_ x: Float) -> Bool { x.bitPattern & 0x7FFF_FFFF > infinityBits }

    /// x · 2ⁿ for n in −252…254, rounded once.
    @inline(__always)
    static func scaleByPower(_ x: Float, _ n: Int32) -> Float {
        let half = n >> 1
        let first = Float(bitPattern: UInt32(bitPattern: half + 127) << 23)
        let second = Float(bitPattern: UInt32(bitPattern: n - half + 127) << 23)
        return (x * first) * second
    }

    /// 1 / x. At most 1.25 ulp. Zero gives infinity, infinity gives zero, with the sign kept.
    public static func reciprocal(_ x: Float) -> Float {
        let bits = x.bitPattern
        let sign = bits & 0x8000_0000
        var magnitude = bits & 0x7FFF_FFFF
        if magnitude > infinityBits { return quietNaN }
        if magnitude == infinityBits { return Float(bitPattern: sign) }
        if magnitude == 0 { return Float(bitPattern: sign | infinityBits) }
        var exponent = Int32(magnitude >> 23)
        if exponent == 0 {
            magnitude = (Float(bitPattern: magnitude) * 8_388_608).bitPattern
            exponent = Int32(magnitude >> 23) - 23
        }
        let m = Float(bitPattern: magnitude & 0x007F_FFFF | 0x3F80_0000)
        var r = Float(bitPattern: 0x7EF3_11C7 - m.bitPattern)
        r = r * (2 - m * r)
        r = r * (2 - m * r)
        r = r * (2 - m * r)
        r = r + r * (1 - m * r)
        return Float(bitPattern: scaleByPower(r, 127 - exponent).bitPattern | sign)
    }

    /// 1 / √x. At most 1.25 ulp. Negative numbers give NaN, ±0 gives ±∞.
    public static func inverseSquareRoot(_ x: Float) -> Float {
        let bits = x.bitPattern
        if bits & 0x7FFF_FFFF == 0 { return Float(bitPattern: bits & 0x8000_0000 | infinityBits) }
        if bits > infinityBits { return quietNaN }
        if bits == infinityBits { return 0 }
        var x = x
        var scale: Float = 1
        if bits < 0x0100_0000 {
            x = x * 16_777_216
            scale = 4096
        }
        let halfX = 0.5 * x
        var y = Float(bitPattern: 0x5F37_5A86 - (x.bitPattern >> 1))
        y = y * (1.5 - (halfX * y) * y)
        y = y * (1.5 - (halfX * y) * y)
        y = y * (1.5 - (halfX * y) * y)
        y = y + y * (0.5 - (halfX * y) * y)
        return y * scale
    }

    /// eˣ. At most 1.02 ulp; overflows to infinity, underflows through denormals to zero.
    public static func exponential(_ x: Float) -> Float {
        if isNaN(x) { return quietNaN }
        if x > 88.72284 { return .infinity }
        if x < -103.97208 { return 0 }
        let k = (x * 1.442695).rounded(.toNearestOrEven)
        let r = (x - k * 0.693359375) - k * -0.00021219444
        var p: Float = 0.00139504916
        p = p * r + 0.0083688898
        p = p * r + 0.041666206
        p = p * r + 0.16666518
        p = p * r + 0.5
        let y = ((r * r) * p + r) + 1
        return scaleByPower(y, Int32(k))
    }

    /// ln x. At most 0.81 ulp. Negative numbers give NaN, ±0 gives −∞.
    public static func logarithm(_ x: Float) -> Float {
        var bits = x.bitPattern
        if bits & 0x7FFF_FFFF == 0 { return -.infinity }
        if bits > infinityBits { return quietNaN }
        if bits == infinityBits { return x }
        var exponent = Int32(bits >> 23) - 127
        if exponent == -127 {
            bits = (x * 8_388_608).bitPattern
            exponent = Int32(bits >> 23) - 150
        }
        var m = Float(bitPattern: bits & 0x007F_FFFF | 0x3F80_0000)
        if m > 1.4142135 {
            m = m * 0.5
            exponent += 1
        }
        let t = m - 1
        let e = Float(exponent)
        var p: Float = 0.06915425
        p = p * t + -0.11789835
        p = p * t + 0.11872966
        p = p * t + -0.12384343
        p = p * t + 0.14218658
        p = p * t + -0.16669251
        p = p * t + 0.20002227
        p = p * t + -0.24999987
        p = p * t + 0.3333331
        let square = t * t
        var y = (t * square) * p
        y = y + e * -0.00021219444
        y = y - 0.5 * square
        return (t + y) + e * 0.693359375
    }

    /// tanh x. At most 1.6 ulp; the sign of zero is kept.
    public static func hyperbolicTangent(_ x: Float) -> Float {
        let bits = x.bitPattern
        let sign = bits & 0x8000_0000
        let a = Float(bitPattern: bits & 0x7FFF_FFFF)
        if isNaN(x) { return quietNaN }
        if a < 0.625 {
            let s = x * x
            var p: Float = -0.005717045
            p = p * s + 0.020650586
            p = p * s + -0.053743497
            p = p * s + 0.13331491
            p = p * s + -0.33333284
            return Float(bitPattern: (x + x * (s * p)).bitPattern | sign)
        }
        var value: Float = 1
        if a < 9.5 { value = 1 - 2 * reciprocal(exponential(2 * a) + 1) }
        return Float(bitPattern: value.bitPattern | sign)
    }

    /// erf x. At most 1.3 ulp; the sign of zero is kept.
    public static func errorFunction(_ x: Float) -> Float {
        let bits = x.bitPattern
        let sign = bits & 0x8000_0000
        let a = Float(bitPattern: bits & 0x7FFF_FFFF)
        if isNaN(x) { return quietNaN }
        if a < 0.925 {
            let s = x * x
            var p: Float = -0.0005986786
            p = p * s + 0.0049928953
            p = p * s + -0.026766848
            p = p * s + 0.11281837
            p = p * s + -0.37612498
            p = p * s + 0.12837915
            return x + x * p
        }
        var value: Float = 1
        if a < 4 {
            var p: Float = -0.00019718165
            p = p * a + 0.0030556067
            p = p * a + -0.022277085
            p = p * a + 0.10403735
            p = p * a + 0.63705975
            p = p * a + 0.12774956
            p = p * a + 0.0001774955
            value = 1 - exponential(-(a + p))
        }
        return Float(bitPattern: value.bitPattern | sign)
    }

    /// An order-preserving key: NaN lowest, then −∞ … −0, +0 … +∞. Maxima of keys are exact in any order.
    @inline(__always)
    public static func orderKey(_ x: Float) -> UInt32 {
        let bits = x.bitPattern
        if bits & 0x7FFF_FFFF > infinityBits { return 0 }
        return bits & 0x8000_0000 != 0 ? ~bits : bits | 0x8000_0000
    }

    @inline(__always)
    public static func fromOrderKey(_ key: UInt32) -> Float {
        if key == 0 { return quietNaN }
        return Float(bitPattern: key & 0x8000_0000 != 0 ? key & 0x7FFF_FFFF : ~key)
    }
}
