import Foundation
import Testing
import VkdynKernels

/// Measures the ulp bounds that `Functions` states, against libm in double.
@Suite struct FunctionsTests {
    // The bounds are those of a sweep over every input; FUNCTIONS_STRIDE=1 repeats it, the tests take a part.

    /// The largest error in ulp over every `stride`-th bit pattern, and the input that has it.
    private func worst(
        stride: UInt32, in inputs: (Float) -> Bool = { _ in true }, _ function: (Float) -> Float,
        _ exact: (Double) -> Double
    ) -> (ulp: Double, input: Float) {
        var worst = (ulp: 0.0, input: Float(0))
        var bits: UInt32 = 0
        while true {
            let x = Float(bitPattern: bits)
            if !x.isNaN, inputs(x) {
                let error = errorInULP(function(x), exact(Double(x)))
                if error > worst.ulp { worst = (error, x) }
            }
            let (next, overflows) = bits.addingReportingOverflow(stride)
            if overflows { return worst }
            bits = next
        }
    }

    private func errorInULP(_ value: Float, _ exact: Double) -> Double {
        if exact.isNaN || value.isNaN { return exact.isNaN && value.isNaN ? 0 : .infinity }
        // Half an ulp beyond the largest number, rounding gives infinity.
        let overflow = 0x1.ffffffp127
        if value.isInfinite || abs(exact) >= overflow {
            let limit = Double(sign: .plus, exponent: 128, significand: 1)
            if value.isInfinite && abs(exact) >= overflow { return (value < 0) == (exact < 0) ? 0 : .infinity }
            let shown = value.isInfinite ? (value < 0 ? -limit : limit) : Double(value)
            return abs(shown - (abs(exact) > limit ? (exact < 0 ? -limit : limit) : exact)) / ulp(0x1p127)
        }
        return abs(Double(value) - exact) / ulp(exact)
    }

    private func expect(
        _ name: String, bound: Double, _ function: (Float) -> Float, _ exact: (Double) -> Double
    ) {
        let stride = ProcessInfo.processInfo.environment["FUNCTIONS_STRIDE"].flatMap { UInt32($0) } ?? 2039
        let found = worst(stride: stride, function, exact)
        #expect(found.ulp <= bound, "\(name)(\(found.input)) is \(found.ulp) ulp off")
    }

    @Test func reciprocal() { expect("reciprocal", bound: 1.25, Functions.reciprocal) { 1 / $0 } }

    @Test func inverseSquareRoot() {
        expect("inverseSquareRoot", bound: 1.25, Functions.inverseSquareRoot) { 1 / $0.squareRoot() }
    }

    @Test func exponential() { expect("exponential", bound: 1.02, Functions.exponential, exp) }

    @Test func logarithm() { expect("logarithm", bound: 0.81, Functions.logarithm, log) }

    @Test func hyperbolicTangent() { expect("hyperbolicTangent", bound: 1.6, Functions.hyperbolicTangent, tanh) }

    @Test func errorFunction() { expect("errorFunction", bound: 1.3, Functions.errorFunction, erf) }

    @Test func sine() { expect("sine", bound: 1.5, Functions.sine) { $0.isInfinite ? .nan : sin($0) } }

    @Test func cosine() { expect("cosine", bound: 1.5, Functions.cosine) { $0.isInfinite ? .nan : cos($0) } }

    /// Where a quarter turn nearly cancels an f32: there little is left of it.
    @Test func sineAndCosineNearQuarterTurns() {
        var worst = 0.0
        for quarter in 1...100_000 {
            let nearest = Float(Double(quarter) * .pi / 2)
            for x in [nearest.nextDown, nearest, nearest.nextUp] {
                worst = max(worst, errorInULP(Functions.sine(x), sin(Double(x))))
                worst = max(worst, errorInULP(Functions.cosine(-x), cos(Double(x))))
            }
        }
        #expect(worst <= 1.5, "\(worst) ulp")
        // The f32 that lies closest to a multiple of π/2 beside its size.
        let closest: Float = 16_367_173 * 0x1p72
        #expect(errorInULP(Functions.cosine(closest), cos(Double(closest))) <= 1.5)
        #expect(errorInULP(Functions.sine(closest), sin(Double(closest))) <= 1.5)
    }

    @Test func specialValues() {
        #expect(Functions.sine(-0.0).bitPattern == (-Float.zero).bitPattern && Functions.sine(0).bitPattern == 0)
        #expect(Functions.cosine(0) == 1 && Functions.cosine(-0.0) == 1)
        #expect(Functions.sine(.infinity).isNaN && Functions.sine(-.infinity).isNaN && Functions.sine(.nan).isNaN)
        #expect(Functions.cosine(.infinity).isNaN && Functions.cosine(.nan).isNaN)
        #expect(Functions.reciprocal(0) == .infinity)
        #expect(Functions.reciprocal(-0.0) == -.infinity)
        #expect(Functions.reciprocal(-.infinity).bitPattern == (-Float.zero).bitPattern)
        #expect(Functions.reciprocal(.nan).isNaN)
        #expect(Functions.inverseSquareRoot(0) == .infinity)
        #expect(Functions.inverseSquareRoot(-0.0) == -.infinity)
        #expect(Functions.inverseSquareRoot(.infinity) == 0)
        #expect(Functions.inverseSquareRoot(-1).isNaN && Functions.inverseSquareRoot(.nan).isNaN)
        #expect(Functions.exponential(0) == 1 && Functions.exponential(-0.0) == 1)
        #expect(Functions.exponential(-.infinity).bitPattern == 0 && Functions.exponential(.infinity) == .infinity)
        #expect(Functions.exponential(.nan).isNaN)
        #expect(Functions.logarithm(1).bitPattern == 0 && Functions.logarithm(0) == -.infinity)
        #expect(Functions.logarithm(.infinity) == .infinity && Functions.logarithm(-1).isNaN)
        #expect(Functions.hyperbolicTangent(-.infinity) == -1 && Functions.errorFunction(.infinity) == 1)
        #expect(Functions.hyperbolicTangent(-0.0).sign == .minus && Functions.errorFunction(-0.0).sign == .minus)
        #expect(Functions.hyperbolicTangent(.nan).isNaN && Functions.errorFunction(.nan).isNaN)
    }

    @Test func orderKeys() {
        let ascending: [Float] = [
            .nan, -.infinity, -.greatestFiniteMagnitude, -1, -.leastNonzeroMagnitude, -0.0, 0, .leastNonzeroMagnitude,
            1, .greatestFiniteMagnitude, .infinity,
        ]
        let keys = ascending.map(Functions.orderKey)
        #expect(keys == keys.sorted() && Set(keys).count == keys.count)
        for (value, key) in zip(ascending, keys) {
            let back = Functions.fromOrderKey(key)
            #expect(back.bitPattern == value.bitPattern || (back.isNaN && value.isNaN))
        }
    }
}
