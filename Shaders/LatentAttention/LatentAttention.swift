public import VkdynCore

/// Softmax attention of rows over a cache of latents, in the absorbed form of multi-head latent attention: row r at
/// position p and head h give `result[r, h] = Σⱼ e^(scoreⱼ − max) · latentⱼ / Σⱼ e^(scoreⱼ − max)` over j = 0 … p, with
/// `scoreⱼ = (latentQueries[r, h] · latentⱼ + rotaryQueries[r, h] · rotaryⱼ) · scale`, where
/// `[latentⱼ, rotaryⱼ] = cache[j]`.
///
/// | buffer        | shape                                                                | type |
/// |---------------|----------------------------------------------------------------------|------|
/// | rows          | one `RowCount`                                                       | u32  |
/// | positions     | [rows]                                                               | u32  |
/// | latentQueries | [rows, headCount, latentSize]                                        | f32  |
/// | rotaryQueries | [rows, rotaryStride], head h from rotaryOffset + h · rotarySize on   | f32  |
/// | cache         | [cacheCapacity, latentSize + rotarySize]                             | f32  |
/// | result        | [rows, headCount, latentSize]                                        | f32  |
///
/// Positions count tokens from the sequence's first, and are the slots of the cache, as `LatentAppend` leaves it; all
/// rows are of one sequence. All heads share the cache. latentSize is 4 to 512, rotarySize 4 to 128, both multiples of
/// 4, headCount 1 to 256; sizes, strides and offsets count elements. The heads' own projections of keys and values are
/// outside: that of the keys is applied to the queries before, that of the values to the result after. `LatentExpand`
/// and `Attention` are the plain form, which rounds differently.
///
/// Reduction order: a dot product runs over the latent dimensions and then the rotary ones, products in ascending
/// dimension from +0 within chunks of 256 (`dotProductChunk`), in the call's flavour, chunk sums in ascending order
/// from +0; then times scale. Positions fall into blocks of 64 counted from position 0, which are made and combined as
/// `AttentionBlocks` states, the value of a position being its latent. The result is `O · reciprocal(L)`. Variants tile
/// over heads, positions and blocks; none of it changes a bit. Where latentSize + rotarySize is at most 256, the bits
/// are those of `Attention` with one key/value head.
/// Edge cases: rows beyond the count are neither read nor touched; slots beyond a row's position are not read. A
/// position at or beyond cacheCapacity attends what the last slot would. A score of −∞ has weight 0; a row of them
/// alone, and a row with a NaN or +∞ score, is NaN. A weight of 0 still multiplies its latent. Ties need no rule.
/// Source: DeepSeek-V2, arXiv 2405.04434, section 2.1; blocks after FlashAttention, arXiv 2205.14135.
/// Error: at most 2⁻²⁴ · (2 · (latentSize + rotarySize + 4) · Σ_d|query·key| · scale + blocks + 80) ·
/// Σⱼ softmaxⱼ·|latentⱼ| in the separate flavour.
public enum LatentAttention: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.headCount), Int(parameters.rowCapacity), rowAxis: .y)
    }

    public static func cost(_ call: KernelCall<LatentAttention>) -> Cost {
        let p = call.parameters
        // Rows are taken to attend the whole cache.
        return cost(
            entries: Int(p.rowCapacity) * Int(p.cacheCapacity), cached: Int(p.cacheCapacity),
            rows: Int(p.rowCapacity), p)
    }

    /// - Parameters:
    ///   - entries: positions that the rows attend, added up.
    ///   - cached: positions that any row attends.
    static func cost(entries: Int, cached: Int, rows: Int, _ p: Parameters) -> Cost {
        let (heads, latentSize, rotarySize) = (Int(p.headCount), Int(p.latentSize), Int(p.rotarySize))
        return Cost(
            operations: entries * heads * (2 * (2 * latentSize + rotarySize) + 24),
            bytes: (rows * heads * (2 * latentSize + rotarySize) + cached * (latentSize + rotarySize)) * 4)
    }

    public static func variants(_ call: KernelCall<LatentAttention>, _ traits: DeviceTraits) -> [String] {
        LatentAttentionTile.ordered(call, traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<LatentAttention>) {
        switch call.flavour {
        case .separate: attend(b, call.parameters, SeparateArithmetic.self)
        case .fused: attend(b, call.parameters, FusedArithmetic.self)
        }
    }

    private static func attend<A: Arithmetic>(_ b: Views, _ p: Parameters, _: A.Type) {
        let (heads, latentSize, rotarySize) = (Int(p.headCount), Int(p.latentSize), Int(p.rotarySize))
        let size = latentSize + rotarySize
        let blocks = AttentionBlocks<A>(valueSize: latentSize)
        var query = [Float](repeating: 0, count: size)
        var scores = [Float](repeating: 0, count: Attention.block)
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let stop = min(Int(b.positions[row]) + 1, Int(p.cacheCapacity))
            for head in 0..<heads {
                let place = row * heads + head
                let rotary = row * Int(p.rotaryStride) + Int(p.rotaryOffset) + head * rotarySize
                for d in 0..<latentSize { query[d] = b.latentQueries[place * latentSize + d] }
                for d in 0..<rotarySize { query[latentSize + d] = b.rotaryQueries[rotary + d] }
                blocks.begin()
                for start in stride(from: 0, to: stop, by: Attention.block) {
                    let count = min(Attention.block, stop - start)
                    for j in 0..<count {
                        let key = (start + j) * size
                        var score: Float = 0
                        for chunk in stride(from: 0, to: size, by: dotProductChunk) {
                            var sum: Float = 0
                            for d in chunk..<min(chunk + dotProductChunk, size) {
                                sum = A.multiplyAdd(b.cache[key + d], query[d], sum)
                            }
                            score += sum
                        }
                        scores[j] = score * p.scale
                    }
                    blocks.add(scores[..<count]) { b.cache.baseAddress! + (start + $0) * size }
                }
                blocks.finish(into: b.result.baseAddress! + place * latentSize)
            }
        }
    }
}
