public import VkdynCore

/// Reuses a cached feature map, alone or blended with a fresh one: `result[r, i] = cache[r, i]`, or
/// `result[r, i] = cachedScale · cache[r, i] + freshScale · fresh[r, i]`, if
/// `stamps[feature] = plannedStamps[feature]`.
///
/// | buffer        | shape                        | type       |
/// |---------------|------------------------------|------------|
/// | rows          | one `RowCount`               | u32        |
/// | cache         | [rows, width], as `FeatureStore` leaves it | f32 or f16 |
/// | stamps        | [features]                   | u32        |
/// | plannedStamps | [features]                   | u32        |
/// | fresh         | [rows, width], optional      | f32        |
/// | featureError  | one `FeatureError`           | u32        |
/// | result        | [rows, width]                | f32        |
///
/// Stamps are steps. The planned ones are written by the host before a step, as plans are replayed. Without a fresh map
/// the scales mean nothing. Both products are rounded, then their sum. No reduction; no flavours.
/// Edge cases: where the stamps differ, or the feature was never stored, the result is NaN throughout, and the error
/// record names the feature and both stamps, unless it names a lower or the same feature already; so the lowest one
/// stays, in whatever order calls run, until the host clears the record. Rows beyond the count are not touched; with no
/// rows no error is noted. NaN and infinity follow IEEE 754. A cache read as texels holds a multiple of four elements.
/// Source: DeepCache, arXiv 2312.00858; Pyramid Attention Broadcast, arXiv 2408.12588, adds with both scales 1.
/// Error: exact, blended at most 1.5 ulp of the larger product or the sum.
public enum FeatureReuse: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        Elementwise.work(rowCapacity: parameters.rowCapacity, width: max(parameters.width, 1))
    }

    public static func cost(_ call: KernelCall<FeatureReuse>) -> Cost {
        let count = Int(call.parameters.rowCapacity) * Int(call.parameters.width)
        let hasFresh = call.elements.fresh != nil
        return Cost(
            operations: hasFresh ? 3 * count : 0,
            bytes: count * (call.elements.cache.byteCount + (hasFresh ? 8 : 4)))
    }

    public static func variants(_ call: KernelCall<FeatureReuse>, _ traits: DeviceTraits) -> [String] {
        Elementwise.variants(
            isQuadWidth: call.parameters.width % 4 == 0, rows: Int(call.parameters.rowCapacity), traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<FeatureReuse>) {
        let p = call.parameters
        let rows = min(Int(b.rows.pointee.count), Int(p.rowCapacity))
        if rows == 0 { return }
        let isPlanned = FeatureStamp.isPlanned(
            p.feature, stamps: b.stamps, planned: b.plannedStamps, error: b.featureError)
        for i in 0..<rows * Int(p.width) {
            var value = Float.nan
            if isPlanned {
                value = b.cache[i]
                if !b.fresh.isEmpty { value = p.cachedScale * value + p.freshScale * b.fresh[i] }
            }
            b.result[i] = value
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 311)
        var cases: [KernelCase] = []
        for (index, shape) in Elementwise.shapes.enumerated() {
            for type in [ElementType.f32, .f16] {
                cases.append(
                    makeCase(
                        shape.label + ", \(type.rawValue)", shape.rowContents,
                        cached: shape.source(width: shape.width, random: &random),
                        fresh: (index % 2 == 0) == (type == .f32)
                            ? shape.source(width: shape.width, random: &random) : nil,
                        shape.capacity, shape.width, type, .all[0], &random))
            }
        }
        for width in [12, 7, 300] {
            for (index, feature) in FeatureCase.all.enumerated() {
                for rows in [0, 6] {
                    cases.append(
                        makeCase(
                            "rows \(rows) of 6, width \(width)" + feature.label,
                            .structure(RowCount(count: UInt32(rows), capacity: 6)),
                            cached: random.floats(6 * width), fresh: index % 2 == 1 ? random.floats(6 * width) : nil, 6,
                            width, .f32, feature, &random))
                }
            }
        }
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace(
            [
                ShapeAxis("rows", 0...70, standard: 4096), ShapeAxis("width", 0...700, multiple: 4, standard: 320),
                ShapeAxis("case", 0...FeatureCase.all.count - 1, standard: 0), .flag("fresh"), .flag("ragged"),
            ], storage: [.f32, .f16])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, width) = (shape["rows"], shape["width"] + shape["ragged"])
        return makeCase(
            "\(shape)", .structure(RowCount(count: UInt32(rows), capacity: UInt32(rows))),
            cached: random.floats(rows * width, scale: 9),
            fresh: shape.has("fresh") ? random.floats(rows * width, scale: 9) : nil, rows, width, shape.storage,
            FeatureCase.all[shape["case"]], &random)
    }

    private static func makeCase(
        _ label: String, _ rows: BufferContents, cached: [Float], fresh: [Float]?, _ capacity: Int, _ width: Int,
        _ type: ElementType, _ feature: FeatureCase, _ random: inout CaseGenerator
    ) -> KernelCase {
        makeCase(
            label + (fresh == nil ? "" : ", fresh"),
            Contents(
                rows: rows, cache: .floats(wholeTexels(cached), as: type), stamps: feature.stamps,
                plannedStamps: feature.plannedStamps, fresh: fresh.map { .floats($0) },
                featureError: .structure(feature.error), result: .unwritten(capacity * width)),
            Parameters(
                rowCapacity: UInt32(capacity), width: UInt32(width), feature: feature.feature,
                cachedScale: random.floats(1, scale: 2)[0], freshScale: random.floats(1, scale: 2)[0]))
    }

    /// Padded with NaN to a multiple of four elements.
    static func wholeTexels(_ values: [Float]) -> [Float] {
        values + [Float](repeating: .nan, count: (4 - values.count % 4) % 4)
    }
}
