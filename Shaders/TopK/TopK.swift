public import VkdynCore

/// The k largest of each row: `indices[r, j]` is the index of its j-th largest element, `largest[r, j]` that element.
///
/// | buffer  | shape                                                 | type |
/// |---------|-------------------------------------------------------|------|
/// | rows    | one `RowCount`                                        | u32  |
/// | source  | rows by the strides below                             | f32  |
/// | indices | [rows, k]                                             | u32  |
/// | largest | [rows, k]                                             | f32, as bits |
///
/// Element i of row r is
/// `source[(r / rowsPerGroup) · groupStride + (r % rowsPerGroup) · rowStride + i · elementStride]`, strides in elements.
/// `TopK.rows` are the rows of a [rows, width] matrix. `TopK.columns` are the columns of each [width, columns] matrix of
/// several, one row a column: so each expert chooses among the tokens of a sequence.
/// By descending value, ties to the lowest index; the constant `indexOrder` gives the same elements by ascending index,
/// as tokens of a sequence need. NaN is lowest, +0 and −0 tie; elements keep their bits.
/// Reduction order: keys and counts are integers, exact in any order.
/// Edge cases: rows beyond the count are not touched. Where k exceeds the width, the last places hold the index
/// 0xFFFFFFFF and NaN, in either order.
/// Source: expert choice, Zhou et al., arXiv 2202.09368; Mixture-of-Depths, Raposo et al., arXiv 2404.02258. Exact.
public enum TopK: Kernel {
    /// The rows of a [rows, width] matrix.
    public static func rows(capacity: Int, width: Int, k: Int) -> Parameters {
        Parameters(
            rowCapacity: UInt32(capacity), width: UInt32(width), k: UInt32(k), rowsPerGroup: 1,
            groupStride: UInt32(width), rowStride: 0, elementStride: 1)
    }

    /// The columns of `capacity / columns` matrices of [width, columns], those of the first matrix first.
    public static func columns(capacity: Int, columns: Int, width: Int, k: Int) -> Parameters {
        Parameters(
            rowCapacity: UInt32(capacity), width: UInt32(width), k: UInt32(k), rowsPerGroup: UInt32(columns),
            groupStride: UInt32(width * columns), rowStride: 1, elementStride: UInt32(columns))
    }

    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<TopK>) -> Cost {
        let (rows, width, k) = (call.parameters.rowCapacity, call.parameters.width, call.parameters.k)
        return Cost(operations: 0, bytes: Int(rows) * (4 * Int(width) + 8 * Int(k)))
    }

    /// lavapipe ends an invocation's loops after 65,535 rounds altogether, which limits what few lanes may do.
    public static func variants(_ call: KernelCall<TopK>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let isCPU = traits.kind == .cpu
        var lanes: [String] = []
        if p.k <= 8, p.width <= 8192 {
            let sizes = p.k <= 2 ? ["k2", "k8"] : ["k8"]
            if canTexels(p, traits) { lanes += sizes.map { "texels8_\($0)" } }
            lanes += sizes.map { "lanes8_\($0)" } + ["lanes64_k8"]
        }
        var counts = p.width <= 256 ? ["count64", "count256"] : ["count256", "count64"]
        if traits.maximumWorkgroupInvocations < 256 { counts.removeAll { $0 == "count256" } }
        if p.width > 1024 { counts = [] }
        let few = p.width <= 32_768 ? ["select16"] : []
        if isCPU {
            let others = p.width <= 64 ? counts + few : few + counts
            return lanes + others + ["select128"]
        }
        // Columns of neighbouring lanes lie side by side.
        if p.elementStride != 1, lanes.contains("lanes64_k8") {
            return ["lanes64_k8"] + counts + ["select128"] + lanes.filter { $0 != "lanes64_k8" } + few
        }
        return counts + ["select128"] + lanes + few
    }

    private static func canTexels(_ p: Parameters, _ traits: DeviceTraits) -> Bool {
        let isAligned = [p.width, p.groupStride, p.rowStride].allSatisfy { $0 % 4 == 0 }
        let groups = (Int(p.rowCapacity) + Int(p.rowsPerGroup) - 1) / Int(p.rowsPerGroup)
        return p.elementStride == 1 && isAligned && p.width > 0
            && groups * Int(p.groupStride) / 4 <= traits.maximumTexels
    }

    public static func twin(_ b: Views, _ call: KernelCall<TopK>) {
        let p = call.parameters
        let (width, k, rowsPerGroup) = (Int(p.width), Int(p.k), Int(p.rowsPerGroup))
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let start = row / rowsPerGroup * Int(p.groupStride) + row % rowsPerGroup * Int(p.rowStride)
            let values = (0..<width).map { b.source[start + $0 * Int(p.elementStride)] }
            var chosen = Order.indices(of: values.map(Choice.key), isDescending: true).prefix(k)
            if call.constants.indexOrder { chosen.sort() }
            for place in 0..<k {
                b.indices[row * k + place] = place < chosen.count ? chosen[place] : .max
                b.largest[row * k + place] =
                    place < chosen.count ? values[Int(chosen[place])].bitPattern : 0x7FC0_0000
            }
        }
    }
}
