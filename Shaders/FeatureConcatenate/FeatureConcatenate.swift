public import VkdynCore

/// Puts a cached and a fresh feature map side by side, channels next to channels: `result[r] = [cache[r], fresh[r]]`,
/// or `[fresh[r], cache[r]]` with `freshFirst` not 0, if `stamps[feature] = plannedStamps[feature]`.
///
/// | buffer        | shape                              | type       |
/// |---------------|------------------------------------|------------|
/// | rows          | one `RowCount`                     | u32        |
/// | cache         | [rows, cachedWidth], as `FeatureStore` leaves it | f32 or f16 |
/// | stamps        | [features]                         | u32        |
/// | plannedStamps | [features]                         | u32        |
/// | fresh         | [rows, freshWidth]                 | f32        |
/// | featureError  | one `FeatureError`                 | u32        |
/// | result        | [rows, cachedWidth + freshWidth]   | f32        |
///
/// Stamps are steps; `FeatureReuse` says how they are planned. No reduction.
/// Edge cases: where the stamps differ, or the feature was never stored, the result is NaN throughout, fresh channels
/// included, and the error record is as `FeatureReuse` leaves it. Rows beyond the count are not touched; with no rows
/// no error is noted. A cache read as texels holds a multiple of four elements.
/// Source: DeepCache, Ma et al., arXiv 2312.00858, equation 7: a cached up-block feature beside a skip connection.
/// Error: exact.
public enum FeatureConcatenate: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        Elementwise.work(
            rowCapacity: parameters.rowCapacity, width: max(parameters.cachedWidth + parameters.freshWidth, 1))
    }

    public static func cost(_ call: KernelCall<FeatureConcatenate>) -> Cost {
        let p = call.parameters
        return Cost(
            operations: 0,
            bytes: Int(p.rowCapacity)
                * (Int(p.cachedWidth) * (4 + call.elements.cache.byteCount) + 8 * Int(p.freshWidth)))
    }

    public static func variants(_ call: KernelCall<FeatureConcatenate>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        return Elementwise.variants(
            isQuadWidth: p.cachedWidth % 4 == 0 && p.freshWidth % 4 == 0, rows: Int(p.rowCapacity), traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<FeatureConcatenate>) {
        let p = call.parameters
        let (cachedWidth, freshWidth) = (Int(p.cachedWidth), Int(p.freshWidth))
        let rows = min(Int(b.rows.pointee.count), Int(p.rowCapacity))
        if rows == 0 { return }
        let isPlanned = FeatureStamp.isPlanned(
            p.feature, stamps: b.stamps, planned: b.plannedStamps, error: b.featureError)
        for row in 0..<rows {
            let cached = row * (cachedWidth + freshWidth) + (p.freshFirst != 0 ? freshWidth : 0)
            let fresh = row * (cachedWidth + freshWidth) + (p.freshFirst != 0 ? 0 : cachedWidth)
            for i in 0..<cachedWidth { b.result[cached + i] = isPlanned ? b.cache[row * cachedWidth + i] : .nan }
            for i in 0..<freshWidth { b.result[fresh + i] = isPlanned ? b.fresh[row * freshWidth + i] : .nan }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 312)
        var cases: [KernelCase] = []
        for (index, shape) in Elementwise.shapes.enumerated() {
            for type in [ElementType.f32, .f16] {
                let freshWidth = [0, 8, 300, 4, 5][(index + (type == .f32 ? 0 : 1)) % 5]
                cases.append(
                    makeCase(
                        shape.label + ", \(type.rawValue)", shape.rowContents,
                        cached: shape.source(width: shape.width, random: &random),
                        fresh: random.floats(shape.capacity * freshWidth), shape.capacity, shape.width, freshWidth,
                        type, isFreshFirst: index % 2 == 0, .all[0]))
            }
        }
        for width in [12, 7] {
            for (index, feature) in FeatureCase.all.enumerated() {
                for rows in [0, 6] {
                    cases.append(
                        makeCase(
                            "rows \(rows) of 6, width \(width)" + feature.label,
                            .structure(RowCount(count: UInt32(rows), capacity: 6)), cached: random.floats(6 * width),
                            fresh: random.floats(6 * 8), 6, width, 8, .f32, isFreshFirst: index % 2 == 0, feature))
                }
            }
        }
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace(
            [
                ShapeAxis("rows", 0...70, standard: 4096), ShapeAxis("cached", 0...400, multiple: 4, standard: 320),
                ShapeAxis("fresh", 0...400, multiple: 4, standard: 320),
                ShapeAxis("case", 0...FeatureCase.all.count - 1, standard: 0), .flag("freshFirst"), .flag("ragged"),
            ], storage: [.f32, .f16])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, cached, fresh) = (shape["rows"], shape["cached"] + shape["ragged"], shape["fresh"])
        return makeCase(
            "\(shape)", .structure(RowCount(count: UInt32(rows), capacity: UInt32(rows))),
            cached: random.floats(rows * cached, scale: 9), fresh: random.floats(rows * fresh), rows, cached, fresh,
            shape.storage, isFreshFirst: shape.has("freshFirst"), FeatureCase.all[shape["case"]])
    }

    private static func makeCase(
        _ label: String, _ rows: BufferContents, cached: [Float], fresh: [Float], _ capacity: Int, _ cachedWidth: Int,
        _ freshWidth: Int, _ type: ElementType, isFreshFirst: Bool, _ feature: FeatureCase
    ) -> KernelCase {
        makeCase(
            label + ", beside \(freshWidth)" + (isFreshFirst ? " in front" : ""),
            Contents(
                rows: rows, cache: .floats(FeatureReuse.wholeTexels(cached), as: type), stamps: feature.stamps,
                plannedStamps: feature.plannedStamps, fresh: .floats(fresh), featureError: .structure(feature.error),
                result: .unwritten(capacity * (cachedWidth + freshWidth))),
            Parameters(
                rowCapacity: UInt32(capacity), cachedWidth: UInt32(cachedWidth), freshWidth: UInt32(freshWidth),
                feature: feature.feature, freshFirst: isFreshFirst ? 1 : 0))
    }
}
