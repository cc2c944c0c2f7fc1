public import VkdynCore

/// Softmax attention of rows over key/value caches: row r of sequence i and query head h, which reads key/value head
/// g = h / (headCount/kvHeadCount), gives
/// `result[r, h] = Σⱼ e^(scoreⱼ − max) · value[i, g, j] / Σⱼ e^(scoreⱼ − max)` with
/// `scoreⱼ = (query[r, h] · key[i, g, j]) · scale + bias(i, h, r, j)`, over the logical positions j that the row
/// attends.
///
/// | buffer     | shape                                                         | type     |
/// |------------|---------------------------------------------------------------|----------|
/// | rows       | one `RowCount`                                                | u32      |
/// | positions  | [rows], optional                                              | u32      |
/// | source     | [rows, sourceStride], query head h from h·headSize on         | f32      |
/// | keyCache   | [sequences, kvHeadCount, cacheCapacity/64, headSize/4, 64, 4] | f32, f16 |
/// | valueCache | [sequences, kvHeadCount, cacheCapacity, valueSize]            | as keys  |
/// | bias       | by strides, optional                                          | f32      |
/// | keyCounts  | by keyCountStride, optional                                   | u32      |
/// | ancestors  | bases [sequences], then [rows, maxDepth], optional            | u32      |
/// | result     | [rows, headCount, valueSize]                                  | f32      |
///
/// Positions, windows, counts and slots count tokens. Rows i·sequenceRows ..< (i+1)·sequenceRows are of sequence i, and
/// read its caches alone; with sequenceRows 0 all rows are of one sequence. The caches lie as `KVAppend` leaves them.
/// headSize and valueSize are 4 to 512 and multiples of 4, headCount a multiple of kvHeadCount, cacheCapacity a
/// multiple of 64, maxDepth at least 1 with ancestors.
///
/// Which positions a row attends: a sequence has n keys, n being `keyCounts[i · keyCountStride]` if those are bound (a
/// stride of 0 is one count for all, of 3 an array of `RowCount`), else keyCount. Without positions every row attends
/// 0 ..< n: encoders, and cross attention. With them, a row at position p attends 0 ..< min(p + 1, n), from
/// max(0, p + 1 − window) on unless the window is 0.
/// Where they lie: without ancestors position j lies in slot j. With them, positions below `ancestors[i]` do too, and
/// position j from there on lies in slot `ancestors[sequences + r · maxDepth + (j − ancestors[i])]`: the row's path
/// through a tree of drafts, itself included.
/// The bias of sequence i, head h, the r-th row of its sequence, at position p (0 without positions), and position j is
/// element `biasOffset + i · biasSequenceStride + h · biasHeadStride + r · biasRowStride + p · biasPositionStride
/// + j · biasKeyStride`, modulo 2³². So a full bias, a mask, relative positions (key stride 1, position or row stride
/// −1) and log sizes of keys (key stride 1 alone) are all read as they lie; elements outside a row's range are not read.
///
/// Reduction order: positions fall into blocks of 64 counted from position 0. A score is the dot product in ascending
/// dimension from +0, in the call's flavour, times scale, plus the bias if there is one; of a head longer than
/// `dotProductChunk` it is the sum of the first chunk's and the second's. A block has the maximum m of its scores by
/// order key, the weights `exponential(score − m)`, their sum l in ascending j from +0, and the output o, which adds
/// weight times value in ascending j from +0 in the call's flavour. The first block's (m, l, o) are taken as they are;
/// each further one, in ascending order, combines as `M′ = max(M, m)` by order key, `a = exponential(M − M′)`, `b =
/// exponential(m − M′)`, `L′ = L·a + l·b`, `O′ = O·a + o·b`, every operation rounded. A block in which the row attends
/// nothing is left out. The result is `O · reciprocal(L)`. Where a subtracted maximum is −∞, +0 is subtracted instead.
/// Variants tile over rows, heads, positions and blocks; none of it changes a bit.
/// Edge cases: rows beyond the count are neither read nor touched. Positions outside a row's range, and those with a
/// bias of −∞, are skipped by selection, whatever their memory holds. A row that so attends nothing gives +0. A score
/// of −∞ by its key has weight 0; a row of them alone, and a row with a NaN or +∞ score, is NaN. A weight of 0 still
/// multiplies its value. Ties need no rule. A slot at or beyond cacheCapacity reads the last slot, a depth at or beyond
/// maxDepth the last one: memory-safe, but a mistake of the caller.
/// Source: Vaswani et al., arXiv 1706.03762; blocks after FlashAttention, arXiv 2205.14135; shared key/value heads,
/// arXiv 2305.13245; ancestors after SpecInfer, arXiv 2305.09781; relative positions, arXiv 1910.10683; log sizes of
/// keys, arXiv 2210.09461.
/// Error: at most 2⁻²⁴ · (2 · (headSize + 4) · (Σ_d|query·key| · scale + |bias|) + blocks + 80) · Σⱼ softmaxⱼ·|value|,
/// in the separate flavour, for the widened caches.
public enum Attention: Kernel {
    /// Logical positions of a block.
    static let block = 64

    public static func work(_ parameters: Parameters) -> WorkExtent {
        let (heads, rows) = (Int(parameters.headCount), Int(parameters.rowCapacity))
        guard parameters.sequenceRows > 0 else { return WorkExtent(heads, rows, rowAxis: .y) }
        return WorkExtent(heads, min(Int(parameters.sequenceRows), rows), parameters.sequenceCount)
    }

    public static func cost(_ call: KernelCall<Attention>) -> Cost {
        let p = call.parameters
        let (rows, heads) = (Int(p.rowCapacity), Int(p.headCount))
        let (headSize, valueSize) = (Int(p.headSize), Int(p.valueSize))
        // Rows are taken to attend all keys, or their window; counts of the device are taken to be the capacity.
        let keys = Int(call.elements.keyCounts == nil ? min(p.keyCount, p.cacheCapacity) : p.cacheCapacity)
        let attended = p.window == 0 || call.elements.positions == nil ? keys : min(Int(p.window), keys)
        let cached = p.sequenceCount * Int(p.kvHeadCount) * attended * (headSize + valueSize)
        return Cost(
            operations: rows * heads * attended * (2 * (headSize + valueSize) + 24),
            bytes: rows * heads * (headSize + valueSize) * 4 + cached * call.elements.keyCache.byteCount)
    }

    public static func twin(_ b: Views, _ call: KernelCall<Attention>) {
        switch call.flavour {
        case .separate: AttentionTwin<SeparateArithmetic>(b, call).run()
        case .fused: AttentionTwin<FusedArithmetic>(b, call).run()
        }
    }
}

extension Attention {
    /// How the bias of a call lies: the element for sequence, head, row, position and key 0, and the distances along
    /// each of them, in elements. They may be negative.
    public struct BiasLayout: Sendable, Hashable {
        public var offset: Int
        public var sequenceStride: Int
        public var headStride: Int
        public var rowStride: Int
        public var positionStride: Int
        public var keyStride: Int

        public init(
            offset: Int = 0, sequenceStride: Int = 0, headStride: Int = 0, rowStride: Int = 0, positionStride: Int = 0,
            keyStride: Int = 1
        ) {
            self.offset = offset
            self.sequenceStride = sequenceStride
            self.headStride = headStride
            self.rowStride = rowStride
            self.positionStride = positionStride
            self.keyStride = keyStride
        }
    }
}

extension Attention.Parameters {
    /// - Parameters:
    ///   - sequenceRows: rows of one sequence; 0 when all rows are of one.
    ///   - valueSize: headSize when nil.
    ///   - keyCount: keys of a sequence; the cache's capacity when nil, which leaves the choice to positions.
    ///   - window: tokens that a row sees, itself included; 0 for all.
    public init(
        rowCapacity: Int, sequenceRows: Int = 0, headCount: Int, kvHeadCount: Int, headSize: Int, valueSize: Int? = nil,
        sourceStride: Int, cacheCapacity: Int, scale: Float, keyCount: Int? = nil, keyCountStride: Int = 0,
        window: Int = 0, maxDepth: Int = 0, bias: Attention.BiasLayout = .init()
    ) {
        func word(_ value: Int) -> UInt32 { UInt32(truncatingIfNeeded: value) }
        self.init(
            rowCapacity: word(rowCapacity), sequenceRows: word(sequenceRows), headCount: word(headCount),
            kvHeadCount: word(kvHeadCount), headSize: word(headSize), valueSize: word(valueSize ?? headSize),
            sourceStride: word(sourceStride), cacheCapacity: word(cacheCapacity), scale: scale,
            keyCount: word(keyCount ?? cacheCapacity), keyCountStride: word(keyCountStride), window: word(window),
            maxDepth: word(maxDepth), biasOffset: word(bias.offset), biasSequenceStride: word(bias.sequenceStride),
            biasHeadStride: word(bias.headStride), biasRowStride: word(bias.rowStride),
            biasPositionStride: word(bias.positionStride), biasKeyStride: word(bias.keyStride))
    }

    /// Sequences that the rows may be of.
    var sequenceCount: Int {
        sequenceRows == 0 ? 1 : (Int(rowCapacity) + Int(sequenceRows) - 1) / Int(sequenceRows)
    }
}
