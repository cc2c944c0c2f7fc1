public import VkdynCore

/// What a device can multiply and add in int32 when it loads nothing, for `vkdyn profile ceilings` and `vkdyn bench`:
/// `result[c, i] = f(f(… f(x₀)))`, `stepCount` times, in int32 that wraps.
///
/// | buffer | shape           | type |
/// |--------|-----------------|------|
/// | result | [chainCount, 4] | u32  |
///
/// With the constant `packed`, `f(x) = addend + Σⱼ xⱼ · factorⱼ` over the four int8 of which x and factor consist: 4
/// products of int8 and 4 additions, an instruction on devices with dot products of packed int8. Without it
/// `f(x) = x · factor + addend`: what remains where int8 is widened once for many products.
/// `x₀ = (4c + i) · 0x9E3779B9`. The steps of a chain follow each other, the chains are independent. Factor and addend
/// come with the call, so that no compiler can shorten the chain. No step gives x₀. Integers are exact in any order.
public enum IntegerCeiling: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(Int(parameters.chainCount)) }

    public static func cost(_ call: KernelCall<IntegerCeiling>) -> Cost {
        let (chains, steps) = (Int(call.parameters.chainCount), Int(call.parameters.stepCount))
        return Cost(operations: (call.constants.packed ? 32 : 8) * chains * steps, bytes: 16 * chains)
    }

    public static func variants(_ call: KernelCall<IntegerCeiling>, _ traits: DeviceTraits) -> [String] {
        let kinds = call.constants.packed && traits.hasIntegerDotProduct ? ["dot", "lanes"] : ["lanes"]
        let lanes = traits.kind == .cpu ? [8, 64] : [64, 8]
        let names = interface.variants.map { $0.name }
        return kinds.flatMap { kind in
            lanes.flatMap { count in names.filter { $0.hasPrefix("\(kind)\(count)_") } }
        }
    }

    public static func twin(_ b: Views, _ call: KernelCall<IntegerCeiling>) {
        let p = call.parameters
        let factors = bytes(p.factor)
        for index in 0..<4 * Int(p.chainCount) {
            var x = Int32(truncatingIfNeeded: index &* 0x9E37_79B9)
            for _ in 0..<p.stepCount {
                x = (call.constants.packed ? (bytes(x) &* factors).wrappedSum() : x &* p.factor) &+ p.addend
            }
            b.result[index] = UInt32(bitPattern: x)
        }
    }

    /// The four int8 of a word, the lowest first, widened.
    private static func bytes(_ word: Int32) -> SIMD4<Int32> {
        (SIMD4(repeating: word) &<< SIMD4(24, 16, 8, 0)) &>> 24
    }

    public static var cases: [KernelCase] {
        let shapes: [(chains: Int, steps: Int)] = [
            (0, 8), (1, 0), (1, 1), (2, 7), (15, 8), (16, 9), (17, 40), (64, 16), (257, 100), (513, 33), (5000, 10),
        ]
        // −128 in every place meets itself; one that the plain product turns to 0; one that leaves x as it is.
        let edges: [(factor: UInt32, addend: Int32)] = [(0x8080_8080, 0), (0, -1), (1, 0), (0x7F01_FF80, .min)]
        return [true, false].flatMap { packed in
            shapes.map {
                makeCase(chains: $0.chains, steps: $0.steps, factor: 0x5DA3_1C8D, addend: 0x3C6E_F35F, packed: packed)
            } + edges.map { makeCase(chains: 9, steps: 50, factor: $0.factor, addend: $0.addend, packed: packed) }
        }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("chains", 0...2000, standard: 8192), ShapeAxis("steps", 0...300, standard: 1024), .flag("packed"),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        // Odd: then no product loses a bit of the number before it.
        makeCase(
            chains: shape["chains"], steps: shape["steps"], factor: UInt32(truncatingIfNeeded: random.next()) | 1,
            addend: Int32(truncatingIfNeeded: random.next()), packed: shape.has("packed"))
    }

    private static func makeCase(
        chains: Int, steps: Int, factor: UInt32, addend: Int32, packed: Bool
    ) -> KernelCase {
        makeCase(
            "\(chains) chains of \(steps) steps, factor \(factor)" + (packed ? ", packed" : ""),
            Contents(result: .unwritten(4 * chains, as: .u32)),
            Parameters(
                chainCount: UInt32(chains), stepCount: UInt32(steps), factor: Int32(bitPattern: factor),
                addend: addend),
            Constants(packed: packed))
    }
}
