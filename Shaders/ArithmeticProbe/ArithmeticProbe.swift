public import VkdynCore

/// Asks a device how it rounds: `sums = a + b; products = a · b; multiplyAdds = a · b + c; widened = halves`, and
/// `unpacked = halves` by `unpackHalf2x16`.
///
/// | buffer       | shape                    | type |
/// |--------------|--------------------------|------|
/// | operands     | [count, 3]: a, b, c      | f32  |
/// | halves       | [4·halfQuads]            | f16, through a texel view |
/// | sums         | [count]                  | f32  |
/// | products     | [count]                  | f32  |
/// | multiplyAdds | [count], in the flavour asked for | f32 |
/// | widened      | [4·halfQuads]            | f32  |
/// | halfWords    | [2·halfQuads]: the halves once more, two a word | u32 |
/// | unpacked     | [4·halfQuads]            | f32  |
///
/// A device is exact when all of it equals the twin: nearest even, denormals kept, f16 widened exactly. It truly fuses
/// when `multiplyAdds` equals the twin in the fused flavour. Nothing is reduced; NaN and infinity follow IEEE 754.
/// Source: IEEE 754-2019, section 5.4.1. Exact by definition.
public enum ArithmeticProbe: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(1) }

    public static func cost(_ call: KernelCall<ArithmeticProbe>) -> Cost {
        let (count, quads) = (Int(call.parameters.count), Int(call.parameters.halfQuads))
        return Cost(operations: 4 * count, bytes: 24 * count + 48 * quads)
    }

    public static func twin(_ b: Views, _ call: KernelCall<ArithmeticProbe>) {
        for i in 0..<Int(call.parameters.count) {
            let (x, y, z) = (b.operands[3 * i], b.operands[3 * i + 1], b.operands[3 * i + 2])
            b.sums[i] = x + y
            b.products[i] = x * y
            b.multiplyAdds[i] =
                call.flavour == .fused
                ? FusedArithmetic.multiplyAdd(x, y, z) : SeparateArithmetic.multiplyAdd(x, y, z)
        }
        for i in 0..<4 * Int(call.parameters.halfQuads) {
            b.widened[i] = b.halves[i]
            b.unpacked[i] = Narrow.widenF16(UInt16(truncatingIfNeeded: b.halfWords[i / 2] >> (i % 2 == 0 ? 0 : 16)))
        }
    }

    /// Operands whose sums, products and fused sums round in every direction, through denormals to infinity; and a
    /// number of f16 values, a multiple of four, from a first one on.
    private static func makeCase(
        count: Int, firstHalf: Int, halfCount: Int, _ random: inout CaseGenerator
    ) -> KernelCase {
        var operands: [Float] = []
        for i in 0..<count {
            switch i % 4 {
            case 0:
                // A product whose low half decides: c cancels its high half.
                let (a, b) = (random.floats(1)[0], random.floats(1)[0])
                operands += [a, b, -(a * b)]
            case 1:
                let tiny = Float(bitPattern: UInt32.random(in: 1..<0x0100_0000, using: &random))
                operands += [tiny, random.floats(1)[0], -tiny]
            case 2:
                operands += (0..<3).map { _ in Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &random)) }
            default:
                operands += random.floats(3, scale: 3)
            }
        }
        let halves = (firstHalf..<firstHalf + halfCount).withContiguousBits()
        // Two halves a word, the first in the low bits.
        let words = stride(from: firstHalf, to: firstHalf + halfCount, by: 2).map { UInt32($0) | UInt32($0 + 1) << 16 }
        return makeCase(
            "\(count) operands, \(halfCount) f16 from \(firstHalf)",
            Contents(
                operands: .floats(operands), halves: BufferContents(elementType: .f16, bytes: halves),
                sums: .unwritten(count), products: .unwritten(count), multiplyAdds: .unwritten(count),
                widened: .unwritten(halfCount), halfWords: .words(words), unpacked: .unwritten(halfCount)),
            Parameters(count: UInt32(count), halfQuads: UInt32(halfCount / 4)))
    }

    /// All values of f16 are in the first.
    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 754)
        return [
            makeCase(count: 4096, firstHalf: 0, halfCount: 1 << 16, &random),
            makeCase(count: 0, firstHalf: 0, halfCount: 4, &random),
            makeCase(count: 1, firstHalf: 0x7BFC, halfCount: 0, &random),
        ]
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("operands", 0...3000, standard: 4096),
            ShapeAxis("halves", 0...4000, multiple: 4, standard: 1 << 16),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            count: shape["operands"], firstHalf: Int.random(in: 0...(1 << 16) - shape["halves"], using: &random),
            halfCount: shape["halves"], &random)
    }
}

extension Range<Int> {
    /// The numbers of the range, little-endian.
    fileprivate func withContiguousBits() -> [UInt8] {
        flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
    }
}
