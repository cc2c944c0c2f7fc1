public import VkdynCore

/// How fast a device reads, by each kind of load, for `vkdyn bench` to compare with:
/// `result[s] ← result[s] ⊕ ⨁ᵢ bits(source[i])`, i over the elements of segment s.
///
/// | buffer | shape              | type         |
/// |--------|--------------------|--------------|
/// | source | [quadCount, 4]     | f32, f16, u8 |
/// | result | [⌈quadCount/4096⌉] | u32, updated in place |
///
/// `bits` are those of the element as f32 (f16 is widened), or the number itself. A segment has 4096 quads of
/// elements. Exclusive or is exact in any order, and every element changes the result, so that nothing can be left out.
/// No quads leave the result as it was. Exact by definition, where no f16 is NaN: the bits of a widened NaN are the
/// device's.
public enum ReadCeiling: Kernel {
    static let segment = 4096

    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent((Int(parameters.quadCount) + segment - 1) / segment)
    }

    public static func cost(_ call: KernelCall<ReadCeiling>) -> Cost {
        let quads = Int(call.parameters.quadCount)
        return Cost(operations: 0, bytes: 4 * quads * call.elements.source.byteCount + 8 * work(call.parameters).x)
    }

    public static func variants(_ call: KernelCall<ReadCeiling>, _ traits: DeviceTraits) -> [String] {
        let kinds: [String]
        switch call.elements.source {
        case .u8: kinds = ["bits"]
        case .f16: kinds = ["texels"]
        default: kinds = ["texels", "storage"]
        }
        let lanes = traits.kind == .cpu ? [8, 64] : [64, 8]
        return kinds.flatMap { kind in lanes.map { "\(kind)_lanes\($0)" } }
    }

    public static func twin(_ b: Views, _ call: KernelCall<ReadCeiling>) {
        let bytes = UnsafeRawBufferPointer(b.source)
        for index in 0..<4 * Int(call.parameters.quadCount) {
            let bits: UInt32
            switch call.elements.source {
            case .u8: bits = UInt32(bytes[index])
            case .f16: bits = Narrow.widenF16(bytes.load(fromByteOffset: 2 * index, as: UInt16.self)).bitPattern
            default: bits = b.source[index]
            }
            b.result[index / (4 * segment)] ^= bits
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 31)
        return [0, 1, 7, 8, 9, 63, 64, 65, 511, 512, 513, 4095, 4096, 4097, 9000].flatMap { quads in
            [ElementType.f32, .f16, .u8].map { makeCase(quads: quads, type: $0, &random) }
        }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([ShapeAxis("quads", 0...20_000, standard: 1 << 21)], storage: [.f32, .f16, .u8])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(quads: shape["quads"], type: shape.storage, &random)
    }

    private static func makeCase(quads: Int, type: ElementType, _ random: inout CaseGenerator) -> KernelCase {
        let source: BufferContents
        if type == .u8 {
            let words = (0..<quads).map { _ in UInt32(truncatingIfNeeded: random.next()) }
            source = BufferContents(elementType: .u8, bytes: words.withUnsafeBytes { Array($0) })
        } else {
            source = .floats(random.floats(4 * quads), as: type)
        }
        let segments = (quads + segment - 1) / segment
        return makeCase(
            "\(quads) quads, \(type.rawValue)",
            Contents(source: source, result: .words((0..<segments).map { UInt32($0) &* 0x9E37_79B9 })),
            Parameters(quadCount: UInt32(quads)))
    }
}
