public import VkdynCore

/// Layer normalisation:
/// `result[r, i] = ((source[r, i] − mean) · 1/√(variance + epsilon)) · weight[i] + bias[i]`, with the mean over i and
/// the variance as the mean of `(source[r, i] − mean)²`.
///
/// | buffer | shape             | type |
/// |--------|-------------------|------|
/// | rows   | one `RowCount`    | u32  |
/// | source | [rows, width]     | f32  |
/// | weight | [width], optional | f32  |
/// | bias   | [width], optional | f32  |
/// | result | [rows, width]     | f32  |
///
/// No units; epsilon is that of the model and is added to the variance. An absent weight or bias is left out, not
/// replaced by one or zero.
/// Reduction order: the elements, then the squared differences, are summed by `Reduction`'s 64 strided lanes and
/// tree; a mean is a sum times `reciprocal(Float(width))`.
/// Edge cases: rows beyond the count are not touched. A NaN or an infinity makes its row NaN. A row of equal elements
/// gives the bias, within rounding of the mean.
/// Source: Ba, Kiros and Hinton, arXiv 1607.06450.
/// Error: at most (width/64 + 12) · 2⁻²⁴ · (maxᵢ|source| / √(variance + epsilon) + |exact|) · |weight| plus half an
/// ulp of the result; the first term is the cancellation in `source − mean`.
public enum LayerNorm: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<LayerNorm>) -> Cost {
        let (rows, width) = (Int(call.parameters.rowCapacity), Int(call.parameters.width))
        return Cost(operations: 8 * rows * width, bytes: (2 * rows + 2) * width * 4)
    }

    public static func variants(_ call: KernelCall<LayerNorm>, _ traits: DeviceTraits) -> [String] {
        guard call.parameters.width % 4 == 0 else { return ["lanes"] }
        return traits.kind == .cpu ? ["quads", "lanes"] : ["lanes", "quads"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<LayerNorm>) {
        let p = call.parameters
        let width = Int(p.width)
        let scale = Functions.reciprocal(Float(width))
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let start = row * width
            let mean = Reduction.sum(count: width) { b.source[start + $0] } * scale
            let squares = Reduction.sum(count: width) { i in
                let difference = b.source[start + i] - mean
                return difference * difference
            }
            let factor = Functions.inverseSquareRoot(squares * scale + p.epsilon)
            for i in 0..<width {
                var y = (b.source[start + i] - mean) * factor
                if !b.weight.isEmpty { y = y * b.weight[i] }
                if !b.bias.isEmpty { y = y + b.bias[i] }
                b.result[start + i] = y
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 12)
        var cases: [KernelCase] = []
        let shapes = [
            (0, 8), (2, 0), (1, 1), (1, 4), (2, 63), (3, 64), (1, 65), (4, 60), (2, 68), (5, 132), (7, 300), (1, 768), (9, 384),
            (65, 128), (2, 2048),
        ]
        for (index, (rows, width)) in shapes.enumerated() {
            cases.append(
                makeCase(
                    "rows \(rows), width \(width)", rows: rows, capacity: rows, width: width,
                    hasWeight: index % 4 != 3, hasBias: index % 2 == 0, random: &random))
        }
        cases.append(makeCase("rows 3 of 8", rows: 3, capacity: 8, width: 72, random: &random))
        cases.append(makeCase("rows 0 of 5", rows: 0, capacity: 5, width: 72, random: &random))
        cases.append(makeCase("rows 9 over a capacity of 5", rows: 9, capacity: 5, width: 36, random: &random))
        cases.append(
            makeCase("NaN, infinities, overflow, denormals, equal", rows: 7, capacity: 7, width: 68, random: &random) {
                $0[3] = .nan
                $0[68 + 5] = .infinity
                $0[2 * 68 + 67] = -.infinity
                for i in 3 * 68..<4 * 68 { $0[i] *= 1e30 }
                for i in 4 * 68..<5 * 68 { $0[i] *= 0x1p-136 }
                for i in 5 * 68..<6 * 68 { $0[i] = -0.0 }
                for i in 6 * 68..<7 * 68 { $0[i] = 0.3 }
            })
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...40, standard: 512), ShapeAxis("width", 1...1100, standard: 768), .flag("weight"),
            .flag("bias"),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, width) = (shape["rows"], shape["width"])
        let capacity = random.capacity(for: rows)
        return makeCase(
            "rows \(rows) of \(capacity), width \(width)", rows: rows, capacity: capacity, width: width,
            hasWeight: shape.has("weight"), hasBias: shape.has("bias"), random: &random)
    }

    private static func makeCase(
        _ label: String, rows: Int, capacity: Int, width: Int, hasWeight: Bool = true, hasBias: Bool = true,
        random: inout CaseGenerator, change: (inout [Float]) -> Void = { _ in }
    ) -> KernelCase {
        var source = random.floats(capacity * width)
        for i in min(rows, capacity) * width..<capacity * width { source[i] = .nan }
        change(&source)
        let weight = random.floats(width)
        let bias = random.floats(width)
        return makeCase(
            label + (hasWeight ? ", weight" : "") + (hasBias ? ", bias" : ""),
            Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))), source: .floats(source),
                weight: hasWeight ? .floats(weight) : nil, bias: hasBias ? .floats(bias) : nil,
                result: .unwritten(capacity * width)),
            Parameters(rowCapacity: UInt32(capacity), width: UInt32(width), epsilon: 1e-5))
    }
}
