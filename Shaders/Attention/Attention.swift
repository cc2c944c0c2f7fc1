public import VkdynCore

/// Softmax attention of rows over a key/value cache: row r at logical position p and query head h, which reads
/// key/value head h / (headCount/kvHeadCount), gives
/// `result[r, h] = Σⱼ e^(scoreⱼ − max) · value[j] / Σⱼ e^(scoreⱼ − max)` with `scoreⱼ = (query[r, h] · key[j]) · scale`,
/// over the logical positions j from `max(0, p + 1 − window)` (0 without a window) to p.
///
/// | buffer     | shape                                              | type |
/// |------------|----------------------------------------------------|------|
/// | rows       | one `RowCount`                                     | u32  |
/// | positions  | [rows]                                             | u32  |
/// | source     | [rows, sourceStride], query head h from h·headSize on | f32 |
/// | keyCache   | [kvHeadCount, cacheCapacity/64, headSize/4, 64, 4] | f32  |
/// | valueCache | [kvHeadCount, cacheCapacity, headSize]             | f32  |
/// | ancestors  | base, then [rows, maxDepth], optional              | u32  |
/// | result     | [rows, headCount, headSize]                        | f32  |
///
/// Positions, windows and slots count tokens; a window of 0 means none. The caches lie as `KVAppend` leaves them. A row
/// that has every position set to the last one attends all of them, as an encoder does. Without ancestors position j
/// lies in slot j. With them, positions below base do too, and position j from base on lies in slot
/// `ancestors[1 + r · maxDepth + (j − base)]`: the row's path through a tree of drafts, itself included.
/// headSize is 4 to 256 and a multiple of 4, headCount a multiple of kvHeadCount, cacheCapacity a multiple of 64,
/// maxDepth at least 1 with ancestors.
///
/// Reduction order: positions fall into blocks of 64 counted from position 0. A score is the dot product in ascending
/// dimension from +0 (one chunk, the head being no longer than `dotProductChunk`), in the call's flavour, times scale.
/// A block has the maximum m of its scores by order key, the weights `exponential(score − m)`, their sum l in
/// ascending j from +0, and the output o, which adds weight times value in ascending j from +0 in the call's flavour.
/// The first block's (m, l, o) are taken as they are; each further one, in ascending order, combines as
/// `M′ = max(M, m)` by order key, `a = exponential(M − M′)`, `b = exponential(m − M′)`, `L′ = L·a + l·b`,
/// `O′ = O·a + o·b`, every operation rounded. The result is `O · reciprocal(L)`. Where a subtracted maximum is −∞,
/// +0 is subtracted instead. Variants tile over rows, heads, positions and blocks; none of it changes a bit.
/// Edge cases: rows beyond the count are neither read nor touched. Positions outside a row's range are skipped by
/// selection, whatever their memory holds. A score of −∞ has weight 0; a row of them alone, and a row with a NaN or +∞
/// score, is NaN. A weight of 0 still multiplies its value. Ties need no rule. A slot at or beyond cacheCapacity reads
/// the last slot, a depth at or beyond maxDepth the last one: memory-safe, but a mistake of the caller.
/// Source: Vaswani et al., arXiv 1706.03762; blocks after FlashAttention, arXiv 2205.14135; shared key/value heads,
/// arXiv 2305.13245; ancestors after SpecInfer, arXiv 2305.09781.
/// Error: at most 2⁻²⁴ · (2 · (headSize + 3) · Σ_d|query·key| · scale + blocks + 80) · Σⱼ softmaxⱼ · |value|, in the
/// separate flavour.
public enum Attention: Kernel {
    /// Logical positions of a block.
    static let block = 64

    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.headCount), Int(parameters.rowCapacity), rowAxis: .y)
    }

    public static func cost(_ call: KernelCall<Attention>) -> Cost {
        let p = call.parameters
        let (rows, heads, headSize) = (Int(p.rowCapacity), Int(p.headCount), Int(p.headSize))
        // Rows are taken to attend the whole cache, or their window.
        let attended = p.window == 0 ? Int(p.cacheCapacity) : min(Int(p.window), Int(p.cacheCapacity))
        return Cost(
            operations: rows * heads * attended * (4 * headSize + 24),
            bytes: (2 * rows * heads + 2 * Int(p.kvHeadCount) * attended) * headSize * 4)
    }

    public static func variants(_ call: KernelCall<Attention>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let rows = Int(p.rowCapacity)
        let sharing = Int(p.headCount / max(p.kvHeadCount, 1))
        let hasAncestors = call.elements.ancestors != nil
        let size = p.headSize <= 64 ? 64 : p.headSize <= 128 ? 128 : 256
        // Rows with ancestors have caches of their own and share no loads.
        let isLegal = { (name: String) -> Bool in
            name.hasSuffix("_size\(size)") && !(hasAncestors && name.contains("rows") && !name.contains("rows1"))
                && (headTile(name).map { sharing % $0 == 0 } ?? true)
        }
        let cacheElements = Int(p.kvHeadCount) * Int(p.cacheCapacity) * Int(p.headSize)
        let names = interface.variants.map(\.name).filter(isLegal)
        var texels = names.filter { $0.hasPrefix("texels_") && p.sourceStride % 4 == 0 }
        var storage = names.filter { !$0.hasPrefix("texels_") }
        // 512 invocations, and up to 31 KiB of shared memory.
        if traits.maximumWorkgroupInvocations < 512 || traits.sharedMemoryBytes < 32 * 1024 {
            storage.removeAll { $0.hasPrefix("split") }
        }
        if cacheElements / 4 > traits.maximumTexels { texels = [] }
        if cacheElements > traits.maximumStorageBytes / 4, !texels.isEmpty { storage = [] }

        // Most queries a tile that the rows, or the heads of one key/value head, can fill.
        func fullest(_ names: [String]) -> [String] {
            func value(_ name: String) -> Int {
                let tile = interface.variant(named: name)!.tile
                if tile.y > 1 { return tile.y < 2 * rows ? tile.y : -tile.y }
                return tile.x
            }
            return names.enumerated().sorted { (value($0.element), -$0.offset) > (value($1.element), -$1.offset) }
                .map(\.element)
        }
        texels = fullest(texels)
        // Few workgroups are better split over blocks.
        let isSplit = rows * Int(p.headCount) < 256
        storage = fullest(storage.filter { $0.hasPrefix("split") == isSplit })
            + fullest(storage.filter { $0.hasPrefix("split") != isSplit })
        return traits.kind == .cpu ? texels + storage : storage + texels
    }

    private static func headTile(_ name: String) -> Int? {
        name.split(separator: "_").first { $0.hasPrefix("heads") }.flatMap { Int($0.dropFirst("heads".count)) }
    }

    public static func twin(_ b: Views, _ call: KernelCall<Attention>) {
        switch call.flavour {
        case .separate: attend(b, call.parameters, SeparateArithmetic.self)
        case .fused: attend(b, call.parameters, FusedArithmetic.self)
        }
    }

    /// What is subtracted from scores before the exponential.
    @inline(__always)
    private static func shift(_ key: UInt32) -> Float {
        let maximum = Functions.fromOrderKey(key)
        return maximum == -.infinity ? 0 : maximum
    }

    private static func attend<A: Arithmetic>(_ b: Views, _ p: Parameters, _: A.Type) {
        let (headSize, headCount, capacity) = (Int(p.headSize), Int(p.headCount), Int(p.cacheCapacity))
        let sharing = headCount / Int(p.kvHeadCount)
        var slots = [Int](repeating: 0, count: block)
        var scores = [Float](repeating: 0, count: block)
        var output = [Float](repeating: 0, count: headSize)
        var total = [Float](repeating: 0, count: headSize)
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let position = Int(b.positions[row])
            let lower = p.window == 0 ? 0 : max(0, position + 1 - Int(p.window))
            for head in 0..<headCount {
                let kvHead = head / sharing
                let query = b.source.baseAddress! + row * Int(p.sourceStride) + head * headSize
                var totalKey: UInt32 = 0
                var totalSum: Float = 0
                for blockIndex in lower / block...position / block {
                    // The attended positions of this block, which are never none.
                    let first = max(lower, blockIndex * block)
                    let count = min(position + 1, (blockIndex + 1) * block) - first
                    for j in 0..<count { slots[j] = slot(of: first + j, row: row, b, p) }
                    var key: UInt32 = 0
                    for j in 0..<count {
                        let start = KVAppend.keyIndex(
                            head: kvHead, slot: slots[j], dimension: 0, headSize: headSize, cacheCapacity: capacity)
                        var score: Float = 0
                        for d in 0..<headSize {
                            score = A.multiplyAdd(b.keyCache[start + d / 4 * 256 + d % 4], query[d], score)
                        }
                        scores[j] = score * p.scale
                        key = max(key, Functions.orderKey(scores[j]))
                    }
                    var sum: Float = 0
                    for d in 0..<headSize { output[d] = 0 }
                    let subtracted = shift(key)
                    for j in 0..<count {
                        let weight = Functions.exponential(scores[j] - subtracted)
                        let value = b.valueCache.baseAddress! + (kvHead * capacity + slots[j]) * headSize
                        sum += weight
                        for d in 0..<headSize { output[d] = A.multiplyAdd(value[d], weight, output[d]) }
                    }
                    if blockIndex == lower / block {
                        (totalKey, totalSum) = (key, sum)
                        swap(&total, &output)
                        continue
                    }
                    let both = max(totalKey, key)
                    let a = Functions.exponential(Functions.fromOrderKey(totalKey) - shift(both))
                    let c = Functions.exponential(Functions.fromOrderKey(key) - shift(both))
                    totalKey = both
                    totalSum = totalSum * a + sum * c
                    for d in 0..<headSize { total[d] = total[d] * a + output[d] * c }
                }
                let factor = Functions.reciprocal(totalSum)
                for d in 0..<headSize { b.result[(row * headCount + head) * headSize + d] = total[d] * factor }
            }
        }
    }

    @inline(__always)
    private static func slot(of position: Int, row: Int, _ b: Views, _ p: Parameters) -> Int {
        var slot = position
        if !b.ancestors.isEmpty {
            let base = Int(b.ancestors[0])
            let depth = Int(p.maxDepth)
            if position >= base { slot = Int(b.ancestors[1 + row * depth + min(position - base, depth - 1)]) }
        }
        return min(slot, Int(p.cacheCapacity) - 1)
    }
}
