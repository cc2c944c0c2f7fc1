public import VkdynCore

/// What a device can multiply and add when one factor of each product is f16 in a register, widened for that product
/// alone, for `vkdyn profile ceilings`: `result[c, i] = Σₛ hₛ · factor`, s below `stepCount`.
///
/// | buffer | shape           | type |
/// |--------|-----------------|------|
/// | result | [chainCount, 4] | f32  |
///
/// All arithmetic is f32, so f16 has no products of its own: this is the ceiling of kernels that use a stored number
/// once, as a matrix product with one row does. Where many products share one widening, that of `ArithmeticCeiling`
/// holds. `hₛ` is half a word: components 0 and 1 of a chain (2 and 3 likewise) are the low and the high half of
/// `w + s · 0x00010001` (mod 2³²), w with `start + ((4c + i) mod 1024)` in each half; a start of 0x3400 is 1/4.
/// Reduction order: s ascending by `multiplyAdd(hₛ, factor, sum)` from +0. No step gives +0. Halves of 0x7C00 are
/// infinite, those above NaN.
/// Error: stepCount · 2⁻²⁴ · Σ|hₛ · factor| in either flavour, to first order.
public enum HalfCeiling: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(Int(parameters.chainCount)) }

    public static func cost(_ call: KernelCall<HalfCeiling>) -> Cost {
        let (chains, steps) = (Int(call.parameters.chainCount), Int(call.parameters.stepCount))
        return Cost(operations: 8 * chains * steps, bytes: 16 * chains)
    }

    public static func variants(_ call: KernelCall<HalfCeiling>, _ traits: DeviceTraits) -> [String] {
        let names = interface.variants.map { $0.name }
        let (cpu, gpu) = (names.filter { $0.hasPrefix("lanes8_") }, names.filter { $0.hasPrefix("lanes64_") })
        return traits.kind == .cpu ? cpu + gpu : gpu + cpu
    }

    public static func twin(_ b: Views, _ call: KernelCall<HalfCeiling>) {
        switch call.flavour {
        case .separate: sums(b, call.parameters, SeparateArithmetic.self)
        case .fused: sums(b, call.parameters, FusedArithmetic.self)
        }
    }

    private static func sums<A: Arithmetic>(_ b: Views, _ p: Parameters, _: A.Type) {
        for pair in 0..<2 * Int(p.chainCount) {
            let (first, second) = ((2 * pair) & 0x3FF, (2 * pair + 1) & 0x3FF)
            var word = p.start &* 0x0001_0001 &+ UInt32(first | second << 16)
            var (low, high) = (Float(0), Float(0))
            for _ in 0..<p.stepCount {
                low = A.multiplyAdd(Narrow.widenF16(UInt16(truncatingIfNeeded: word)), p.factor, low)
                high = A.multiplyAdd(Narrow.widenF16(UInt16(word >> 16)), p.factor, high)
                word &+= 0x0001_0001
            }
            b.result[2 * pair] = low
            b.result[2 * pair + 1] = high
        }
    }

    public static var cases: [KernelCase] {
        let shapes: [(chains: Int, steps: Int)] = [
            (0, 8), (1, 0), (1, 1), (2, 7), (15, 8), (16, 9), (17, 40), (64, 16), (257, 100), (513, 33), (3000, 10),
        ]
        return shapes.map { makeCase(chains: $0.chains, steps: $0.steps, factor: 0.7324219) } + [
            // The last half of component 0 is infinite, of the others NaN; then all are below infinity.
            makeCase(chains: 2, steps: 9, factor: 1.25, start: 0x7BF8),
            makeCase(chains: 2, steps: 9, factor: 0, start: 0x7BF8),
            makeCase(chains: 2, steps: 8, factor: 1.25, start: 0x7BF0),
            // Denormals, and through 0xFFFF into the next half.
            makeCase(chains: 2, steps: 9, factor: 1.25, start: 1),
            makeCase(chains: 2, steps: 9, factor: 1, start: 0xFFFB),
            makeCase(chains: 3, steps: 50, factor: .nan), makeCase(chains: 3, steps: 50, factor: -.infinity),
        ]
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([ShapeAxis("chains", 0...2000, standard: 8192), ShapeAxis("steps", 0...300, standard: 1024)])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(chains: shape["chains"], steps: shape["steps"], factor: random.floats(1)[0])
    }

    private static func makeCase(chains: Int, steps: Int, factor: Float, start: UInt32 = 0x3400) -> KernelCase {
        makeCase(
            "\(chains) sums of \(steps) products, factor \(factor), from \(start)",
            Contents(result: .unwritten(4 * chains)),
            Parameters(chainCount: UInt32(chains), stepCount: UInt32(steps), factor: factor, start: start))
    }
}
