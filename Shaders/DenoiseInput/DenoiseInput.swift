public import VkdynCore

/// What a denoising net reads: copy c of picture b is `result[c · n + b, i] = sample[b, i] · inputScale`, with n the
/// count of pictures.
///
/// | buffer  | shape                  | type |
/// |---------|------------------------|------|
/// | images  | one `RowCount`         | u32  |
/// | denoise | one `DenoiseParameters` | u32 |
/// | sample  | [n, elements]          | f32  |
/// | result  | [copies · n, elements] | f32  |
///
/// copies is 1, or 2 with guidance: the first n pictures are then those without their prompt. No units. No reduction.
/// Edge cases: nothing is written beyond row copies · n; NaN and infinity follow IEEE 754.
/// Source: guidance, Ho and Salimans, arXiv 2207.12598; scaled inputs, Karras et al., arXiv 2206.00364.
/// Error: half an ulp.
public enum DenoiseInput: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.elements), 1, Int(parameters.imageCapacity), rowAxis: .z)
    }

    public static func cost(_ call: KernelCall<DenoiseInput>) -> Cost {
        let p = call.parameters
        let count = Int(p.imageCapacity) * Int(p.elements)
        return Cost(operations: count, bytes: 4 * count * (1 + Int(p.copies)))
    }

    public static func twin(_ b: Views, _ call: KernelCall<DenoiseInput>) {
        let elements = Int(call.parameters.elements)
        let count = min(Int(b.images.pointee.count), Int(call.parameters.imageCapacity))
        for row in 0..<Int(call.parameters.copies) * count {
            for i in 0..<elements {
                b.result[row * elements + i] = b.sample[row % count * elements + i] * b.denoise.pointee.inputScale
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 75)
        return DenoiseCase.all.map { makeCase($0, &random) }
    }

    public static var shapes: ShapeSpace { ShapeSpace(DenoiseCase.axes) }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(DenoiseCase(shape, &random), &random)
    }

    private static func makeCase(_ o: DenoiseCase, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            o.label,
            Contents(
                images: o.rowContents, denoise: .structure(DenoiseParameters(inputScale: random.float(scale: 2))),
                sample: .floats(o.rows(1, &random)), result: .unwritten(o.copies * o.capacity * o.elements)),
            Parameters(
                imageCapacity: UInt32(o.capacity), elements: UInt32(o.elements), copies: UInt32(o.copies)))
    }
}
