public import VkdynCore

/// Stores a feature map in its cache, with the step that it is of: `cache[r, i] = source[r, i]`,
/// `stamps[feature] = stepParameters.step`.
///
/// | buffer         | shape                | type                          |
/// |----------------|----------------------|-------------------------------|
/// | rows           | one `RowCount`       | u32                           |
/// | stepParameters | one `StepParameters` | u32                           |
/// | source         | [rows, width]        | f32                           |
/// | cache          | [rows, width]        | f32 or f16, as words of bits  |
/// | stamps         | [features]           | u32                           |
///
/// Steps are counted from 0; before the first store the host sets stamps to `FeatureStamp.none`. In f16 values are
/// narrowed to the nearest, even for ties, with denormals kept, and the width is even. No reduction.
/// Edge cases: rows beyond the count are not touched; with no rows the stamp is not either. Other features' stamps are
/// left alone. In f16 every NaN becomes one quiet NaN and 65520 and more infinity.
/// Source: DeepCache, Ma et al., arXiv 2312.00858; stamps: none. Error: exact; in f16 half an ulp of f16.
public enum FeatureStore: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        // A row of no elements still has its stamp.
        Elementwise.work(rowCapacity: parameters.rowCapacity, width: max(parameters.width, 1))
    }

    public static func cost(_ call: KernelCall<FeatureStore>) -> Cost {
        let count = Int(call.parameters.rowCapacity) * Int(call.parameters.width)
        return Cost(operations: 0, bytes: count * (4 + call.elements.cache.byteCount))
    }

    public static func variants(_ call: KernelCall<FeatureStore>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let isHalf = call.elements.cache == .f16
        return Elementwise.variants(
            isQuadWidth: p.width % 4 == 0 && Int(p.rowCapacity) * Int(p.width) / 4 <= traits.maximumTexels,
            rows: Int(p.rowCapacity), traits
        ).map { isHalf ? "half_" + $0 : $0 }
    }

    public static func twin(_ b: Views, _ call: KernelCall<FeatureStore>) {
        let p = call.parameters
        let rows = min(Int(b.rows.pointee.count), Int(p.rowCapacity))
        if rows == 0 { return }
        b.stamps[Int(p.feature)] = b.stepParameters.pointee.step
        if call.elements.cache == .f16 {
            precondition(p.width % 2 == 0, "rows of f16 features are whole words")
            for i in stride(from: 0, to: rows * Int(p.width), by: 2) {
                b.cache[i / 2] = UInt32(Narrow.toF16(b.source[i])) | UInt32(Narrow.toF16(b.source[i + 1])) << 16
            }
        } else {
            for i in 0..<rows * Int(p.width) { b.cache[i] = b.source[i].bitPattern }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 310)
        return [ElementType.f32, .f16].flatMap { type in
            Elementwise.shapes.map { shape in
                // Even widths for f16.
                let width = type == .f16 ? (shape.width + 1) / 2 * 2 : shape.width
                return makeCase(
                    "rows \(shape.rows) of \(shape.capacity), width \(width), \(type.rawValue)"
                        + (shape.isSpecial ? ", special values" : ""),
                    shape.rowContents, shape.source(width: width, random: &random), shape.capacity, width, type,
                    feature: UInt32(shape.width % 5))
            } + [
                makeCase(
                    "values about f16's range, \(type.rawValue)", .structure(RowCount(count: 1, capacity: 1)),
                    halfEdges, 1, halfEdges.count, type, feature: 0)
            ]
        }
    }

    /// Ties between neighbours, the ends of the range and of the denormals.
    private static let halfEdges: [Float] = [
        65504, 65519, 65519.996, 65520, 65536, -65520, 0x1p-14, 0x1.FFCp-15, 0x1.FFEp-15, 0x1p-24, 0x1p-25,
        0x1.000002p-25,
        0x1.8p-24, 0x1p-26, 0x1.004p0, 0x1.002p0, 0x1.006p0, 0x1.002002p0, -0x1p-24, 0x1p-149,
    ]

    public static var shapes: ShapeSpace {
        ShapeSpace(
            [
                ShapeAxis("rows", 0...70, standard: 4096), ShapeAxis("width", 0...700, multiple: 2, standard: 320),
                ShapeAxis("feature", 0...6, standard: 0),
            ], storage: [.f32, .f16])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, width) = (shape["rows"], shape["width"])
        return makeCase(
            "\(shape)", .structure(RowCount(count: UInt32(rows), capacity: UInt32(rows))),
            random.floats(rows * width, scale: 9), rows, width, shape.storage, feature: UInt32(shape["feature"]))
    }

    private static func makeCase(
        _ label: String, _ rows: BufferContents, _ source: [Float], _ capacity: Int, _ width: Int, _ type: ElementType,
        feature: UInt32
    ) -> KernelCase {
        makeCase(
            label,
            Contents(
                rows: rows, stepParameters: .structure(StepParameters(step: 17, seedLow: 1, seedHigh: 2)),
                source: .floats(source), cache: .unwritten(capacity * width, as: type),
                stamps: .words((0..<7).map { 100 + $0 })),
            Parameters(rowCapacity: UInt32(capacity), width: UInt32(width), feature: feature))
    }
}
