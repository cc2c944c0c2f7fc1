public import VkdynCore

/// Symmetric int8 of each row: `result[r, i] = roundEven(source[r, i] · 127/max|source[r]|)`, `scales[r] = max|source[r]| · (1/127)`.
///
/// | buffer | shape                                                    | type |
/// |--------|----------------------------------------------------------|------|
/// | rows   | one `RowCount`                                           | u32  |
/// | source | [rows, width]                                            | f32  |
/// | result | [rows, ⌈width/4⌉] words of four numbers, the first in the lowest bits | int8 |
/// | scales | [rows]                                                   | f32  |
///
/// A row is quantised by itself, so that its numbers do not depend on its batch. What pads the last word is 0.
/// Reduction order: the maximum is one of integers, exact in any order. The factor is `127 · reciprocal(max)`, then one
/// rounded product and one rounding to an integer; the scale is one product with 0x3C010204, the f32 next to 1/127.
/// Edge cases: rows beyond the count are neither read nor touched. A row with a NaN or an infinity has the scale NaN and
/// numbers of 0, so that every product with it is NaN. A row whose largest magnitude lies below 2⁻¹⁰⁰ is zero, with the
/// scale 0. Ties round to even.
/// Source: Dettmers et al., LLM.int8(), arXiv 2208.07339, vector-wise quantisation.
/// Error: numbers are within 1 of the nearest integer to the exact quotient's, and equal to it but near ties; the scale
/// is within 1 ulp.
public enum QuantizeRows: Kernel {
    /// The f32 next to 1/127.
    static let inverse = Float(bitPattern: 0x3C01_0204)
    /// Bits of 2⁻¹⁰⁰.
    static let smallest: UInt32 = 0x0D80_0000

    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<QuantizeRows>) -> Cost {
        let (rows, width) = (Int(call.parameters.rowCapacity), Int(call.parameters.width))
        return Cost(operations: 2 * rows * width, bytes: rows * (5 * width + 4))
    }

    public static func variants(_ call: KernelCall<QuantizeRows>, _ traits: DeviceTraits) -> [String] {
        guard call.parameters.width % 4 == 0 else { return ["lanes"] }
        return traits.kind == .cpu ? ["quads", "lanes"] : ["lanes", "quads"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<QuantizeRows>) {
        let width = Int(call.parameters.width)
        let words = (width + 3) / 4
        for row in 0..<min(Int(b.rows.pointee.count), Int(call.parameters.rowCapacity)) {
            let start = row * width
            var maximum: UInt32 = 0
            for i in 0..<width { maximum = max(maximum, b.source[start + i].bitPattern & 0x7FFF_FFFF) }
            let isFinite = maximum < 0x7F80_0000
            let isZero = maximum < smallest || !isFinite
            let magnitude = Float(bitPattern: maximum)
            let factor = isZero ? 0 : 127 * Functions.reciprocal(magnitude)
            b.scales[row] = !isFinite ? .nan : isZero ? 0 : magnitude * inverse
            for word in 0..<words {
                var packed: UInt32 = 0
                for part in 0..<4 where word * 4 + part < width && !isZero {
                    let number = Int32((b.source[start + word * 4 + part] * factor).rounded(.toNearestOrEven))
                    packed |= (UInt32(bitPattern: number) & 0xFF) << (8 * part)
                }
                b.result[row * words + word] = packed
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 137)
        var cases: [KernelCase] = []
        for (rows, capacity, width) in [
            (0, 3, 8), (1, 1, 1), (1, 1, 4), (2, 2, 3), (3, 5, 31), (2, 2, 32), (5, 4, 36), (3, 3, 255), (2, 2, 256),
            (3, 3, 260), (2, 2, 1100),
        ] {
            cases.append(makeCase(rows: rows, capacity: capacity, width: width, &random))
        }
        for width in [68, 67] {
            cases.append(
                makeCase(rows: 9, capacity: 9, width: width, &random) {
                    $0[5] = .nan
                    $0[width + 6] = -.infinity
                    for i in 2 * width..<3 * width { $0[i] = i % 2 == 0 ? 0 : -0.0 }
                    for i in 3 * width..<4 * width { $0[i] *= 0x1p-130 }
                    for i in 4 * width..<5 * width { $0[i] *= 0x1p-99 }
                    for i in 5 * width..<6 * width { $0[i] *= 0x1p127 }
                    // Halves: ties to even.
                    for i in 6 * width..<7 * width { $0[i] = Float(i % 255 - 127) + 0.5 }
                    $0[6 * width] = 127
                    for i in 7 * width..<8 * width { $0[i] = -3.75 }
                })
        }
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([ShapeAxis("rows", 0...60, standard: 512), ShapeAxis("width", 1...900, standard: 768)])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            rows: shape["rows"], capacity: random.capacity(for: shape["rows"]), width: shape["width"], &random)
    }

    private static func makeCase(
        rows: Int, capacity: Int, width: Int, _ random: inout CaseGenerator,
        change: (inout [Float]) -> Void = { _ in }
    ) -> KernelCase {
        var source = random.floats(capacity * width, scale: 5)
        for i in min(rows, capacity) * width..<capacity * width { source[i] = .nan }
        change(&source)
        return makeCase(
            "rows \(rows) of \(capacity), width \(width)",
            Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))), source: .floats(source),
                result: .unwritten(capacity * ((width + 3) / 4) * 4, as: .i8), scales: .unwritten(capacity)),
            Parameters(rowCapacity: UInt32(capacity), width: UInt32(width)))
    }
}
