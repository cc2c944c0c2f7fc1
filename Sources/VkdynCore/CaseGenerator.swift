/// A small seeded generator for cases (SplitMix64, by Steele, Lea and Flood): the same inputs everywhere.
public struct CaseGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64
    /// Whether floats and counts are now and then what they seldom are in use; `verify --random` wants that.
    public let isAdversarial: Bool

    public init(seed: UInt64, isAdversarial: Bool = false) {
        state = seed
        self.isAdversarial = isAdversarial
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// One float with a mantissa of full length, of either sign, below `scale` in magnitude.
    public mutating func float(scale: Float) -> Float {
        let unit = Float(sign: .plus, exponent: -23, significand: 1)
        return Float(Int32(truncatingIfNeeded: next() >> 40) - (1 << 23)) * unit * scale
    }

    /// Floats with mantissas of full length, of both signs, below `scale` in magnitude.
    ///
    /// - Parameter mayBeRare: false for most of what is drawn in many parts that all reach the same results, where one
    ///   part in six would make NaN of nearly every case: every NaN equals every NaN, and such a case checks nothing.
    public mutating func floats(_ count: Int, scale: Float = 1, mayBeRare: Bool = true) -> [Float] {
        var values = (0..<count).map { _ in float(scale: scale) }
        if isAdversarial, mayBeRare, count > 0, isOne(in: 6) { addRareValues(to: &values) }
        return values
    }

    /// A capacity for a count of rows: the count itself, or for adversarial cases at times more, or less.
    public mutating func capacity(for rows: Int) -> Int {
        guard isAdversarial, isOne(in: 4) else { return rows }
        return max(0, rows + Int.random(in: -3...5, using: &self))
    }

    private mutating func isOne(in count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }

    private enum RareValue: CaseIterable {
        case nan, infinity, negativeInfinity, denormal, zero, tie, level, large, tiny
    }

    /// Puts one kind of rare value into a stretch of any length, so that it is alone in a row, fills rows, or all.
    private mutating func addRareValues(to values: inout [Float]) {
        let kind = RareValue.allCases[Int.random(in: 0..<RareValue.allCases.count, using: &self)]
        // Lengths at equal chances in their logarithm.
        let bits = Int.bitWidth - values.count.leadingZeroBitCount
        let length = min(values.count, Int.random(in: 1...(1 << Int.random(in: 1...bits, using: &self)), using: &self))
        let start = Int.random(in: 0...values.count - length, using: &self)
        // All of the stretch, or one value in some.
        let step = [1, 1, 1, 2, 5, 31][Int.random(in: 0..<6, using: &self)]
        let tie = values[start]
        for index in stride(from: start, to: start + length, by: step) {
            let sign = next() & 0x8000_0000
            func signed(_ bits: UInt32) -> Float { Float(bitPattern: bits | UInt32(sign)) }
            values[index] =
                switch kind {
                case .nan: .nan
                case .infinity: signed(Float.infinity.bitPattern)
                case .negativeInfinity: -.infinity
                case .denormal: signed(UInt32.random(in: 0..<0x0080_0000, using: &self))
                case .zero: signed(0)
                case .tie: tie
                case .level: Float(Int.random(in: -2...2, using: &self))
                case .large: values[index] * 0x1p120
                case .tiny: values[index] * 0x1p-130
                }
        }
    }
}
