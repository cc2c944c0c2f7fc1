import Testing
import VkdynCore

/// Widening and narrowing of storage types against the values that the formats define, in double precision.
@Suite struct NarrowTests {
    /// The value of f16 bits by its definition; nil for NaN.
    private func value(f16 bits: UInt16) -> Double? {
        let (exponent, mantissa) = (Int(bits >> 10 & 0x1F), Double(bits & 0x3FF))
        let sign: Double = bits & 0x8000 == 0 ? 1 : -1
        if exponent == 31 { return mantissa == 0 ? sign * .infinity : nil }
        let scale = Double(sign: .plus, exponent: max(exponent, 1) - 25, significand: 1)
        return sign * (exponent == 0 ? mantissa : mantissa + 1024) * scale
    }

    /// Bits for which a property fails; an expectation for each of all would take seconds.
    private func wrong(_ bits: some Sequence<UInt16>, _ holds: (UInt16) -> Bool) -> [UInt16] {
        bits.filter { !holds($0) }
    }

    @Test func everyF16AndBF16IsWidenedExactlyAndComesBack() {
        let halves = wrong(UInt16.min...UInt16.max) { bits in
            let half = Narrow.widenF16(bits)
            guard let value = value(f16: bits) else { return half.isNaN && Narrow.toF16(half) == 0x7E00 }
            return Double(half) == value && (half.sign == .minus) == (bits >= 0x8000) && Narrow.toF16(half) == bits
        }
        #expect(halves == [])
        let brains = wrong(UInt16.min...UInt16.max) { bits in
            let brain = Narrow.widenBF16(bits)
            return brain.bitPattern == UInt32(bits) << 16 && Narrow.toBF16(brain) == (brain.isNaN ? 0x7FC0 : bits)
        }
        #expect(brains == [])
    }

    /// Whether values between two neighbours go to the nearer one, the middle to the one with the even last bit.
    private func rounds(_ bits: UInt16, _ widen: (UInt16) -> Float, _ narrow: (Float) -> UInt16) -> Bool {
        let (low, high) = (widen(bits), widen(bits + 1))
        guard low.isFinite, high.isFinite else { return true }
        let middle = Float((Double(low) + Double(high)) / 2)
        let even = bits & 1 == 0 ? bits : bits + 1
        return narrow(middle) == even && narrow(middle.nextDown) == (low < high ? bits : bits + 1)
            && narrow(middle.nextUp) == (low < high ? bits + 1 : bits)
    }

    @Test func everyTieGoesToTheEvenNeighbourAndAllElseToTheNearest() {
        // Both signs; neighbours in bits are neighbours in value, from zero through denormals to the largest.
        for sign: UInt16 in [0, 0x8000] {
            #expect(wrong(0..<0x7C00) { rounds($0 | sign, Narrow.widenF16, Narrow.toF16) } == [])
            #expect(wrong(0..<0x7F80) { rounds($0 | sign, Narrow.widenBF16, Narrow.toBF16) } == [])
        }
    }

    @Test func whatIsTooLargeIsInfinite() {
        #expect(Narrow.toF16(65504) == 0x7BFF && Narrow.toF16(Float(65520).nextDown) == 0x7BFF)
        #expect(Narrow.toF16(65520) == 0x7C00 && Narrow.toF16(-65520) == 0xFC00)
        #expect(Narrow.toF16(.greatestFiniteMagnitude) == 0x7C00 && Narrow.toF16(-.infinity) == 0xFC00)
        #expect(Narrow.toBF16(.greatestFiniteMagnitude) == 0x7F80 && Narrow.toBF16(.infinity) == 0x7F80)
        // Half of the smallest denormal rounds to zero, just above it up.
        #expect(Narrow.toF16(0x1p-25) == 0 && Narrow.toF16(Float(0x1p-25).nextUp) == 1 && Narrow.toF16(-0x1p-25) == 0x8000)
    }
}
