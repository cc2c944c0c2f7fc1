public import VkdynCore

/// Root-mean-square normalisation: `result[r, i] = weight[i] · (source[r, i] · 1/√(meanᵢ(source[r, i]²) + epsilon))`.
///
/// | buffer | shape          | type |
/// |--------|----------------|------|
/// | rows   | one `RowCount` | u32  |
/// | source | [rows, width]  | f32  |
/// | weight | [width]        | f32  |
/// | result | [rows, width]  | f32  |
///
/// No units; epsilon is that of the model and is added to the mean of squares.
/// Reduction order: squares are summed by `Reduction`'s 64 strided lanes and tree; the mean is the sum times
/// `reciprocal(Float(width))`.
/// Edge cases: rows beyond the count are not touched. A NaN makes its row NaN. With an infinity, or squares that
/// overflow, the factor is 0: finite elements give a zero, infinite ones NaN. A row of zeros gives zeros for a
/// positive epsilon, NaN for an epsilon of 0.
/// Source: Zhang and Sennrich, arXiv 1910.07467; the order of the products is Hugging Face's Llama's.
/// Error: at most 5 + (width/64 + 6)/2 ulp of the exact result, without underflow.
public enum RMSNorm: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<RMSNorm>) -> Cost {
        let (rows, width) = (Int(call.parameters.rowCapacity), Int(call.parameters.width))
        return Cost(operations: 4 * rows * width, bytes: (2 * rows + 1) * width * 4)
    }

    public static func variants(_ call: KernelCall<RMSNorm>, _ traits: DeviceTraits) -> [String] {
        guard call.parameters.width % 4 == 0 else { return ["lanes"] }
        return traits.kind == .cpu ? ["quads", "lanes"] : ["lanes", "quads"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<RMSNorm>) {
        let p = call.parameters
        let width = Int(p.width)
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let start = row * width
            let sum = Reduction.sum(count: width) { b.source[start + $0] * b.source[start + $0] }
            let mean = sum * Functions.reciprocal(Float(width))
            let factor = Functions.inverseSquareRoot(mean + p.epsilon)
            for i in 0..<width { b.result[start + i] = b.weight[i] * (b.source[start + i] * factor) }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 11)
        var cases: [KernelCase] = []
        for (rows, width) in [
            (0, 8), (2, 0), (1, 1), (1, 4), (2, 63), (3, 64), (1, 65), (4, 60), (2, 68), (5, 132), (7, 300), (1, 768), (9, 576),
            (65, 128), (2, 2048),
        ] {
            cases.append(
                makeCase("rows \(rows), width \(width)", rows: rows, capacity: rows, width: width, random: &random))
        }
        cases.append(makeCase("rows 3 of 8", rows: 3, capacity: 8, width: 72, random: &random))
        cases.append(makeCase("rows 0 of 5", rows: 0, capacity: 5, width: 72, random: &random))
        cases.append(makeCase("rows 9 over a capacity of 5", rows: 9, capacity: 5, width: 36, random: &random))
        cases.append(makeCase("zeros, epsilon 0", rows: 2, capacity: 2, width: 20, epsilon: 0, random: &random) { source in
            for i in 0..<20 { source[i] = 0 }
        })
        cases.append(makeCase("NaN, infinities, overflow, denormals", rows: 6, capacity: 6, width: 68, random: &random) {
            $0[3] = .nan
            $0[68 + 5] = .infinity
            $0[2 * 68 + 67] = -.infinity
            for i in 3 * 68..<4 * 68 { $0[i] *= 1e30 }
            for i in 4 * 68..<5 * 68 { $0[i] *= 0x1p-136 }
            for i in 5 * 68..<6 * 68 { $0[i] = -0.0 }
        })
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([ShapeAxis("rows", 0...40, standard: 512), ShapeAxis("width", 1...1100, standard: 768)])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, width) = (shape["rows"], shape["width"])
        let capacity = random.capacity(for: rows)
        return makeCase(
            "rows \(rows) of \(capacity), width \(width)", rows: rows, capacity: capacity, width: width,
            random: &random)
    }

    private static func makeCase(
        _ label: String, rows: Int, capacity: Int, width: Int, epsilon: Float = 1e-5, random: inout CaseGenerator,
        change: (inout [Float]) -> Void = { _ in }
    ) -> KernelCase {
        var source = random.floats(capacity * width)
        for i in min(rows, capacity) * width..<capacity * width { source[i] = .nan }
        change(&source)
        return makeCase(
            label,
            Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))), source: .floats(source),
                weight: .floats(random.floats(width)), result: .unwritten(capacity * width)),
            Parameters(rowCapacity: UInt32(capacity), width: UInt32(width), epsilon: epsilon))
    }
}
