public import VkdynCore

/// Softmax over rows: `result[r, i] = e^(source[r, i] − max) · 1/Σᵢ e^(source[r, i] − max)`, with the maximum over i.
///
/// | buffer | shape                                              | type |
/// |--------|----------------------------------------------------|------|
/// | rows   | one `RowCount`                                     | u32  |
/// | source | [rows, width]                                      | f32  |
/// | result | [rows, width], from element `resultOffset` on      | f32  |
///
/// The source holds natural logarithms of unnormalised probabilities; the result probabilities.
/// Reduction order: the maximum is taken on order keys, exact in any order; the sum by `Reduction`'s 64 strided lanes
/// and tree.
/// Edge cases: rows beyond the count are not touched. −∞ gives exactly 0. A row with a NaN or a +∞, and a row of −∞
/// alone, is NaN throughout, as in PyTorch. +0 and −0 tie.
/// Source: the safe softmax of Milakov and Gimelshein, arXiv 1805.02867, section 2.
/// Error: at most 5 + (width/64 + 6)/2 ulp, plus |source − max| · 2⁻²⁴ relative from the rounded difference, above the
/// denormals.
public enum Softmax: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<Softmax>) -> Cost {
        let (rows, width) = (Int(call.parameters.rowCapacity), Int(call.parameters.width))
        // An exponential counts as twenty operations, as its polynomial and scaling do.
        return Cost(operations: 44 * rows * width, bytes: 2 * rows * width * 4)
    }

    public static func variants(_ call: KernelCall<Softmax>, _ traits: DeviceTraits) -> [String] {
        guard call.parameters.width % 4 == 0 else { return ["lanes"] }
        return traits.kind == .cpu ? ["quads", "lanes"] : ["lanes", "quads"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<Softmax>) {
        let p = call.parameters
        let width = Int(p.width)
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let start = row * width
            let maximum = Functions.fromOrderKey(Reduction.maximumKey(count: width) { b.source[start + $0] })
            let sum = Reduction.sum(count: width) { Functions.exponential(b.source[start + $0] - maximum) }
            let scale = Functions.reciprocal(sum)
            for i in 0..<width {
                b.result[Int(p.resultOffset) + start + i] =
                    Functions.exponential(b.source[start + i] - maximum) * scale
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 20)
        var cases: [KernelCase] = []
        for (rows, width) in [
            (0, 8), (2, 0), (1, 1), (1, 4), (2, 63), (3, 64), (1, 65), (4, 60), (2, 68), (5, 132), (7, 300), (1, 1000), (9, 8),
            (65, 16), (1, 4096),
        ] {
            cases.append(
                makeCase(
                    "rows \(rows), width \(width)", rows: rows, capacity: rows, width: width, offset: rows % 3,
                    random: &random))
        }
        cases.append(makeCase("rows 3 of 8", rows: 3, capacity: 8, width: 72, random: &random))
        cases.append(makeCase("rows 0 of 5", rows: 0, capacity: 5, width: 72, random: &random))
        cases.append(makeCase("rows 9 over a capacity of 5", rows: 9, capacity: 5, width: 36, random: &random))
        for width in [68, 67] {
            cases.append(
                makeCase(
                    "special values, width \(width)", rows: 7, capacity: 7, width: width, offset: 5, random: &random
                ) {
                    $0[3] = .nan
                    $0[width + 5] = .infinity
                    for i in stride(from: 2 * width, to: 3 * width, by: 3) { $0[i] = -.infinity }
                    for i in 3 * width..<4 * width { $0[i] = -.infinity }
                    for i in 4 * width..<5 * width { $0[i] = i % 2 == 0 ? 0.0 : -0.0 }
                    for i in 5 * width..<6 * width { $0[i] = 7.25 }
                    for i in 6 * width..<7 * width { $0[i] *= 1e37 }
                })
        }
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...40, standard: 12 * 197), ShapeAxis("width", 1...1100, standard: 197),
            ShapeAxis("offset", 0...9, standard: 0),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, width) = (shape["rows"], shape["width"])
        let capacity = random.capacity(for: rows)
        return makeCase(
            "rows \(rows) of \(capacity), width \(width)", rows: rows, capacity: capacity, width: width,
            offset: shape["offset"], random: &random)
    }

    private static func makeCase(
        _ label: String, rows: Int, capacity: Int, width: Int, offset: Int = 0, random: inout CaseGenerator,
        change: (inout [Float]) -> Void = { _ in }
    ) -> KernelCase {
        var source = random.floats(capacity * width, scale: 30)
        for i in min(rows, capacity) * width..<capacity * width { source[i] = .nan }
        change(&source)
        return makeCase(
            label,
            Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))), source: .floats(source),
                result: .unwritten(offset + capacity * width)),
            Parameters(rowCapacity: UInt32(capacity), width: UInt32(width), resultOffset: UInt32(offset)))
    }
}
