public import VkdynCore

/// What a device can multiply and add when it loads nothing, for `vkdyn bench` to compare with:
/// `result[c, i] = f(f(… f(x₀)))` with `f(x) = x · factor + addend`, `stepCount` times.
///
/// | buffer | shape           | type |
/// |--------|-----------------|------|
/// | result | [chainCount, 4] | f32  |
///
/// `x₀ = 1 + ((4c + i) mod 2¹⁶) · 2⁻¹⁶`. The steps of a chain follow each other, the chains are independent; variants
/// differ in how many of them an invocation has, and how many steps its program has in a row. Factor and addend come
/// with the call, so that no compiler can shorten the chain. No step gives x₀; NaN and infinity follow IEEE 754.
/// Error: each step rounds twice in the separate flavour and once in the fused one, to at most 2⁻²⁴ of its result.
public enum ArithmeticCeiling: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(Int(parameters.chainCount)) }

    public static func cost(_ call: KernelCall<ArithmeticCeiling>) -> Cost {
        let (chains, steps) = (Int(call.parameters.chainCount), Int(call.parameters.stepCount))
        return Cost(operations: 8 * chains * steps, bytes: 16 * chains)
    }

    public static func variants(_ call: KernelCall<ArithmeticCeiling>, _ traits: DeviceTraits) -> [String] {
        let names = interface.variants.map { $0.name }
        let (cpu, gpu) = (names.filter { $0.hasPrefix("lanes8_") }, names.filter { $0.hasPrefix("lanes64_") })
        return traits.kind == .cpu ? cpu + gpu : gpu + cpu
    }

    public static func twin(_ b: Views, _ call: KernelCall<ArithmeticCeiling>) {
        switch call.flavour {
        case .separate: chains(b, call.parameters, SeparateArithmetic.self)
        case .fused: chains(b, call.parameters, FusedArithmetic.self)
        }
    }

    private static func chains<A: Arithmetic>(_ b: Views, _ p: Parameters, _: A.Type) {
        for index in 0..<4 * Int(p.chainCount) {
            var x = 1 + Float(index & 0xFFFF) * 0x1p-16
            for _ in 0..<p.stepCount { x = A.multiplyAdd(x, p.factor, p.addend) }
            b.result[index] = x
        }
    }

    public static var cases: [KernelCase] {
        let shapes: [(chains: Int, steps: Int)] = [
            (0, 8), (1, 0), (1, 1), (2, 7), (15, 8), (16, 9), (17, 40), (64, 16), (257, 100), (513, 33), (20_000, 10),
        ]
        return shapes.map { makeCase(chains: $0.chains, steps: $0.steps, factor: -0.9990234375, addend: 2.75) } + [
            makeCase(chains: 5, steps: 200, factor: 1.5, addend: 0.25),
            makeCase(chains: 3, steps: 50, factor: .nan, addend: 1),
            makeCase(chains: 3, steps: 200, factor: 0.5, addend: 0),
        ]
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([ShapeAxis("chains", 0...2000, standard: 8192), ShapeAxis("steps", 0...300, standard: 1024)])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        // Chains that turn about a point without settling there: their values stay of ordinary size, all bits in use.
        makeCase(
            chains: shape["chains"], steps: shape["steps"], factor: -0.9990234375,
            addend: 2 + random.floats(1)[0])
    }

    private static func makeCase(chains: Int, steps: Int, factor: Float, addend: Float) -> KernelCase {
        makeCase(
            "\(chains) chains of \(steps) steps, factor \(factor)", Contents(result: .unwritten(4 * chains)),
            Parameters(chainCount: UInt32(chains), stepCount: UInt32(steps), factor: factor, addend: addend))
    }
}
