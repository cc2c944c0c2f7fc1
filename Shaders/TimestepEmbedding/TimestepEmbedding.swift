public import VkdynCore

/// The sinusoidal embedding of a step's time: `result = [cos(t · f) | sin(t · f)]` for each frequency f, or with
/// `sinesFirst` not 0 the sines first.
///
/// | buffer      | shape                   | type |
/// |-------------|-------------------------|------|
/// | denoise     | one `DenoiseParameters` | u32  |
/// | frequencies | [half]             | f32  |
/// | result      | [2 · half]         | f32  |
///
/// t is `timestep`; frequencies are radians a timestep. No reduction.
/// Edge cases: an infinite or NaN angle gives NaN.
/// Source: Vaswani et al., arXiv 1706.03762; of timesteps, Ho et al., arXiv 2006.11239.
/// Error: that of `Functions.sine` and `cosine`, and half an ulp of the angle.
public enum TimestepEmbedding: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(Int(parameters.half)) }

    public static func cost(_ call: KernelCall<TimestepEmbedding>) -> Cost {
        let count = Int(call.parameters.half)
        return Cost(operations: 60 * count, bytes: 12 * count)
    }

    public static func twin(_ b: Views, _ call: KernelCall<TimestepEmbedding>) {
        let half = Int(call.parameters.half)
        let firstCosine = call.parameters.sinesFirst != 0 ? half : 0
        for i in 0..<half {
            let angle = b.denoise.pointee.timestep * b.frequencies[i]
            b.result[firstCosine + i] = Functions.cosine(angle)
            b.result[half - firstCosine + i] = Functions.sine(angle)
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 77)
        var cases: [KernelCase] = []
        for (index, half) in [0, 1, 63, 64, 65, 160, 300].enumerated() {
            for timestep: Float in [0, 1, 981, 999.5, 65_536] {
                cases.append(makeCase(half, timestep: timestep, sinesFirst: index % 2 == 0, &random))
            }
        }
        // Angles of every size: with a timestep of 1 the frequencies are the angles.
        let angles: [Float] = [
            .nan, .infinity, -.infinity, 0, -0.0, 0x1p-149, -0x1p-140, 0x1p-126, 1e-8, 0.785398, 0.7853982, 1.5707964,
            -1.5707964, 3.1415927, 4.712389, 6.2831855, 1e5, -1e6, 0x1p24, 1.6367e7, 0x1p40, 5.3e30, 3.4e38, -3.4e38,
        ]
        cases.append(makeCase("angles of every size", timestep: 1, frequencies: angles, sinesFirst: true))
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("half", 0...700, standard: 160), ShapeAxis("timestep", 0...100_000, standard: 981),
            ShapeAxis("sinesFirst", 0...1, standard: 0, maximum: 1),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(shape["half"], timestep: Float(shape["timestep"]), sinesFirst: shape.has("sinesFirst"), &random)
    }

    private static func makeCase(
        _ half: Int, timestep: Float, sinesFirst: Bool, _ random: inout CaseGenerator
    ) -> KernelCase {
        makeCase(
            "\(half) frequencies", timestep: timestep, frequencies: random.floats(half), sinesFirst: sinesFirst)
    }

    private static func makeCase(
        _ label: String, timestep: Float, frequencies: [Float], sinesFirst: Bool
    ) -> KernelCase {
        makeCase(
            "\(label), timestep \(timestep)" + (sinesFirst ? ", sines first" : ""),
            Contents(
                denoise: .structure(DenoiseParameters(timestep: timestep)), frequencies: .floats(frequencies),
                result: .unwritten(2 * frequencies.count)),
            Parameters(half: UInt32(frequencies.count), sinesFirst: sinesFirst ? 1 : 0))
    }
}
