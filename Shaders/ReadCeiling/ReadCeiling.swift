public import VkdynCore

/// How fast a device reads, by each kind of load, for `vkdyn bench` to compare with:
/// `result[s] ← result[s] ⊕ ⨁ᵢ bits(source[i])`, i over the elements of segment s.
///
/// | buffer | shape              | type               |
/// |--------|--------------------|--------------------|
/// | source | [quadCount, 4]     | f32, f16 |
/// | result | [⌈quadCount/8192⌉] | u32, updated in place |
///
/// `bits` are those of the element as f32, with f16 widened. A segment has 8192 quads of elements. Exclusive or is exact in any order, and every element changes the result, so that nothing can be left out.
/// No quads leave the result as it was. Exact by definition, where no f16 is NaN: the bits of a widened NaN are the
/// device's.
public enum ReadCeiling: Kernel {
    static let segment = 8192

    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent((Int(parameters.quadCount) + segment - 1) / segment)
    }

    public static func cost(_ call: KernelCall<ReadCeiling>) -> Cost {
        let quads = Int(call.parameters.quadCount)
        return Cost(operations: 0, bytes: 4 * quads * call.elements.source.byteCount + 8 * work(call.parameters).x)
    }

    public static func variants(_ call: KernelCall<ReadCeiling>, _ traits: DeviceTraits) -> [String] {
        let kinds = call.elements.source == .f16 ? ["texels"] : ["bits", "texels", "storage"]
        let lanes = traits.kind == .cpu ? [8, 64] : [64, 8]
        return kinds.flatMap { kind in lanes.map { "\(kind)_lanes\($0)" } }
    }

    public static func twin(_ b: Views, _ call: KernelCall<ReadCeiling>) {
        let bytes = UnsafeRawBufferPointer(b.source)
        for index in 0..<4 * Int(call.parameters.quadCount) {
            let bits: UInt32
            switch call.elements.source {
            case .f16: bits = Narrow.widenF16(bytes.load(fromByteOffset: 2 * index, as: UInt16.self)).bitPattern
            default: bits = b.source[index]
            }
            b.result[index / (4 * segment)] ^= bits
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 31)
        return [0, 1, 7, 8, 9, 63, 64, 65, 511, 512, 513, 8191, 8192, 8193, 18000].flatMap { quads in
            shapes.storage.map { makeCase(quads: quads, type: $0, &random) }
        }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([ShapeAxis("quads", 0...20_000, standard: 1 << 21)], storage: [.f32, .f16])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(quads: shape["quads"], type: shape.storage, &random)
    }

    private static func makeCase(quads: Int, type: ElementType, _ random: inout CaseGenerator) -> KernelCase {
        // Never NaN: finite numbers of 24 bits, of both signs.
        let values = (0..<4 * quads).map { _ in Float(Int32(truncatingIfNeeded: random.next() >> 40) - (1 << 23)) }
        let source = BufferContents.floats(values.map { $0 * 0x1p-23 }, as: type)
        let segments = (quads + segment - 1) / segment
        return makeCase(
            "\(quads) quads, \(type.rawValue)",
            Contents(source: source, result: .words((0..<segments).map { UInt32($0) &* 0x9E37_79B9 })),
            Parameters(quadCount: UInt32(quads)))
    }
}
