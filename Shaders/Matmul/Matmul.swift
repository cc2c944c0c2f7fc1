public import VkdynCore

/// Matrix product with an epilogue, for each matrix b of a batch:
/// `result[b, r, n] = residual[b, r, n] + activation(bias[b, n] + Σₖ source[b, r, k] · weights[b, k, n])`.
///
/// | buffer   | shape                                                | type                 |
/// |----------|------------------------------------------------------|----------------------|
/// | rows     | one `RowCount`                                       | u32                  |
/// | source   | depth values from sourceOffset + b · sourceBatchStride + r · sourceStride on | f32 |
/// | weights  | [batchCount] matrices, each packed as `PackedLayout` states | f32, f16, bf16, int8 |
/// | scales   | [batchCount, ⌈depth/groupSize⌉, 4⌈columns/4⌉], optional | f32, f16          |
/// | bias     | [batchCount, columns], optional                      | f32                  |
/// | residual | as result, optional                                  | f32                  |
/// | result   | columns values from resultOffset + b · resultBatchStride + r · resultStride on | f32 |
///
/// Offsets and strides count elements. With scales the weight of k and n is weights[k, n] · scales[k/groupSize, n]: a
/// group is groupSize consecutive k's (the depth, for one scale a column), which divides the chunk of 256 or is a
/// multiple of it; the constant `largeGroups` says that it is longer than a chunk. Activations stay f32.
/// Reduction order: products are added in ascending k within chunks of 256, chunk sums in ascending order, both
/// from +0. With scales a group's sum is made so and enters as `multiplyAdd(scale, group sum, total)`, in ascending
/// order from +0; groups of up to a chunk are chunks. Then bias, activation, residual. All variants, one row or a
/// thousand, one piece of the columns or all: the same bits.
/// Edge cases: rows beyond the count are neither read nor touched. A depth of 0 gives the epilogue of +0. Padded weights
/// and scales reach no result. NaN and infinity follow IEEE 754.
/// Source: the packing after llama.cpp's and GGML's repacked weights; group scales after LLM.int8(), arXiv 2208.07339.
/// Error of the sum: at most (256 + depth/256 + 1) · 2⁻²⁴ · Σ|source·weights| in the separate flavour, and with scales
/// 2 · 2⁻²⁴ a group more.
public enum Matmul: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(
            (Int(parameters.columns) + 3) / 4, Int(parameters.rowCapacity), Int(parameters.batchCount), rowAxis: .y)
    }

    public static func cost(_ call: KernelCall<Matmul>) -> Cost {
        let p = call.parameters
        let (rows, depth, columns) = (Int(p.rowCapacity), Int(p.depth), Int(p.columns))
        let groups = call.elements.scales == nil ? 0 : (depth + Int(p.groupSize) - 1) / Int(p.groupSize)
        return Cost(
            operations: 2 * rows * depth * columns * Int(p.batchCount),
            bytes: Int(p.batchCount)
                * (rows * depth * 4 + depth * columns * call.elements.weights.byteCount
                    + groups * columns * (call.elements.scales?.byteCount ?? 0) + rows * columns * 4))
    }

    public static func variants(_ call: KernelCall<Matmul>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let wholeTexels = [p.depth, p.sourceStride, p.sourceOffset, p.sourceBatchStride].allSatisfy { $0 % 4 == 0 }
        guard wholeTexels, call.elements.scales == nil || p.groupSize % 4 == 0 else { return ["general"] }
        let rows = Int(p.rowCapacity)
        let tiles = RegisterTile.ordered(
            rows: rows, quads: (Int(p.columns) + 3) / 4, batches: Int(p.batchCount),
            names: interface.variants.map(\.name), kind: traits.kind)
        let splits = RegisterTile.smallestFirst([1, 2, 4, 8], holding: rows).map { "split_rows\($0)" }
        let shared = traits.maximumWorkgroupInvocations < 256 ? [] : ["shared_rows64"]
        if traits.kind == .cpu { return tiles + splits + shared + ["general"] }
        if rows <= 8 { return splits + tiles + shared + ["general"] }
        return (rows < 32 ? tiles + shared : shared + tiles) + splits + ["general"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<Matmul>) {
        switch call.flavour {
        case .separate: product(b, call, SeparateArithmetic.self)
        case .fused: product(b, call, FusedArithmetic.self)
        }
    }

    private static func product<A: Arithmetic>(_ b: Views, _ call: KernelCall<Matmul>, _: A.Type) {
        let p = call.parameters
        let columns = Int(p.columns)
        let layout = PackedLayout(depth: Int(p.depth), columns: columns, elementType: call.elements.weights)
        let rowCount = min(Int(b.rows.pointee.count), Int(p.rowCapacity))
        let activation = Activation(rawValue: call.constants.activation) ?? .none
        let groupCount = call.elements.scales == nil ? 0 : (layout.depth + Int(p.groupSize) - 1) / Int(p.groupSize)
        for batch in 0..<Int(p.batchCount) {
            let firstSource = Int(p.sourceOffset) + batch * Int(p.sourceBatchStride)
            let scale = { (group: Int, column: Int) in
                b.scales[(batch * groupCount + group) * layout.paddedColumns + column]
            }
            let sums = PackedProduct.sums(
                rows: (0..<rowCount).map { b.source.baseAddress! + firstSource + $0 * Int(p.sourceStride) },
                weights: b.weights, firstElement: batch * layout.elementCount, layout: layout,
                groupSize: Int(p.groupSize), scale: groupCount == 0 ? nil : scale, A.self)
            for row in 0..<rowCount {
                let place = Int(p.resultOffset) + batch * Int(p.resultBatchStride) + row * Int(p.resultStride)
                for column in 0..<columns {
                    var value = sums[row * layout.paddedColumns + column]
                    if !b.bias.isEmpty { value += b.bias[batch * columns + column] }
                    value = activation(value)
                    if !b.residual.isEmpty { value += b.residual[place + column] }
                    b.result[place + column] = value
                }
            }
        }
    }
}
