import VkdynCore
import VkdynFormats
import VkdynKernels
import VkdynSchedule

/// Sizes of multi-head latent attention (DeepSeek-AI, arXiv:2405.04434, section 2.1), in elements.
public struct LatentAttentionShape: Sendable, Equatable {
    public var headCount: Int
    /// What a token keeps instead of the keys and values of its heads.
    public var latentSize: Int
    /// The part of a head's query and key that carries no position ("nope").
    public var nopeSize: Int
    /// The part that is rotated; its key is shared by all heads.
    public var rotarySize: Int
    public var valueSize: Int
    /// Factor of the scores.
    public var scale: Float

    /// A head's query.
    var querySize: Int { nopeSize + rotarySize }
    var rotaryColumns: Int { headCount * rotarySize }
    var nopeColumns: Int { headCount * nopeSize }
    /// A token in the cache.
    var cachedSize: Int { latentSize + rotarySize }
}

/// Multi-head latent attention: tokens keep a latent, from which the keys and values of all heads follow by one
/// product, and one rotated key.
///
/// A pass over a prompt makes keys and values of all that is cached and attends to them as any other model (the plain
/// form). A round's pass takes the product to the other side, to its few rows' queries and to what they attended to,
/// and attends to the latents themselves (the absorbed form), which reads a fraction of the bytes. The sums are the
/// same but for their order.
struct LatentAttentionLayer: Sendable {
    let shape: LatentAttentionShape
    let compressed: (down: Linear, norm: RMSNormLayer)?  // q_a_proj, q_a_layernorm
    /// The rotated part of all heads; the shared key, where queries are not compressed; the plain part of all heads.
    let query: Linear  // q_proj with the last rows of kv_a_proj_with_mqa, or q_b_proj
    let sharedKey: Linear?  // the last rows of kv_a_proj_with_mqa
    let latent: Linear  // the first rows of kv_a_proj_with_mqa
    let latentNorm: RMSNormLayer  // kv_a_layernorm
    /// The plain keys of all heads, then their values.
    let expansion: Linear  // kv_b_proj
    /// By head: from plain queries to queries of latents.
    let keyAbsorption: LinearStack  // kv_b_proj
    /// By head: from latents to values.
    let valueAbsorption: LinearStack  // kv_b_proj
    let output: Linear  // o_proj

    /// Bytes of the weights that a round's pass reads, which takes the absorbed form.
    var roundByteCount: Int {
        let linears = [compressed?.down, query, sharedKey, latent, output]
        return linears.reduce(keyAbsorption.byteCount + valueAbsorption.byteCount) { $0 + ($1?.byteCount ?? 0) }
    }

    /// - Parameters:
    ///   - source: [rows, width], normed.
    ///   - residual: [rows, width], added last.
    /// - Returns: [rows, width].
    func record(
        into recording: inout Recording, _ source: Buffer, residual: Buffer, pass: DecoderPass, angles: RotaryTable,
        cache: KeyValueCache, layer: Int
    ) -> Buffer {
        let rows = pass.rows
        let s = shape
        var input = source
        if let compressed {
            let down = compressed.down.record(into: &recording, "query_down", source, rows: rows)
            input = compressed.norm.record(
                into: &recording, "query_norm", down, width: compressed.down.columns, rows: rows)
        }
        let query = query.record(into: &recording, "query", input, rows: rows)
        var key = (buffer: query, stride: self.query.columns, offset: s.rotaryColumns)
        if let sharedKey {
            key = (sharedKey.record(into: &recording, "shared_key", source, rows: rows), s.rotarySize, 0)
            recordRotary(&recording, query, heads: s.headCount, stride: self.query.columns, pass, angles)
            recordRotary(&recording, key.buffer, heads: 1, stride: key.stride, pass, angles)
        } else {
            recordRotary(&recording, query, heads: s.headCount + 1, stride: key.stride, pass, angles)
        }
        let latent = latent.record(into: &recording, "latent", source, rows: rows)
        let normed = latentNorm.record(into: &recording, "latent_norm", latent, width: s.latentSize, rows: rows)
        let latents = cache.latents(layer: layer)
        recording.dispatch(
            LatentAppend.self, "append",
            .init(rows: rows.buffer, slots: pass.positions, latent: normed, rotary: key.buffer, cache: latents),
            .init(
                rowCapacity: UInt32(rows.capacity), latentSize: UInt32(s.latentSize), rotarySize: UInt32(s.rotarySize),
                rotaryStride: UInt32(key.stride), rotaryOffset: UInt32(key.offset),
                cacheCapacity: UInt32(cache.capacity)), rows: rows)
        let attended = pass.isPrefill
            ? recordPlain(&recording, query, pass, latents, capacity: cache.capacity)
            : recordAbsorbed(&recording, query, pass, latents, capacity: cache.capacity)
        return output.record(into: &recording, "output", attended, rows: rows, residual: residual)
    }

    /// Where the plain part of the queries begins in a row.
    private var nopeOffset: Int { query.columns - shape.nopeColumns }

    private func recordRotary(
        _ recording: inout Recording, _ data: Buffer, heads: Int, stride: Int, _ pass: DecoderPass,
        _ angles: RotaryTable
    ) {
        let rows = pass.rows
        recording.dispatch(
            Rotary.self, "rotary",
            .init(
                rows: rows.buffer, positions: pass.positions, cosine: angles.cosine, sine: angles.sine, data: data),
            .init(
                rowCapacity: UInt32(rows.capacity), headCount: UInt32(heads), headSize: UInt32(shape.rotarySize),
                rotarySize: UInt32(shape.rotarySize), stride: UInt32(stride)), rows: rows)
    }

    /// - Returns: [rows, headCount · valueSize].
    private func recordAbsorbed(
        _ recording: inout Recording, _ query: Buffer, _ pass: DecoderPass, _ latents: Buffer, capacity: Int
    ) -> Buffer {
        let rows = pass.rows
        let s = shape
        let queries = keyAbsorption.record(
            into: &recording, "absorb_key", query, rows: rows, stride: self.query.columns, offset: nopeOffset)
        let attended = recording.transient(.f32, count: rows.capacity * s.headCount * s.latentSize, "attention")
        recording.dispatch(
            LatentAttention.self, "attention",
            .init(
                rows: rows.buffer, positions: pass.positions, latentQueries: queries, rotaryQueries: query,
                cache: latents, result: attended),
            .init(
                rowCapacity: UInt32(rows.capacity), headCount: UInt32(s.headCount), latentSize: UInt32(s.latentSize),
                rotarySize: UInt32(s.rotarySize), rotaryStride: UInt32(self.query.columns), rotaryOffset: 0,
                cacheCapacity: UInt32(capacity), scale: s.scale), rows: rows)
        return valueAbsorption.record(
            into: &recording, "absorb_value", attended, rows: rows, stride: s.headCount * s.latentSize, offset: 0)
    }

    /// - Returns: [rows, headCount · valueSize].
    private func recordPlain(
        _ recording: inout Recording, _ query: Buffer, _ pass: DecoderPass, _ latents: Buffer, capacity: Int
    ) -> Buffer {
        let rows = pass.rows
        let s = shape
        let cached = Counted(
            buffer: recording.transient(.u32, count: RowCount.wordCount, "cached"), capacity: capacity,
            isIndirect: true)
        recording.dispatch(
            CachedRows.self, "cached",
            .init(rows: rows.buffer, positions: pass.positions, cached: cached.buffer),
            .init(rowCapacity: UInt32(rows.capacity), cacheCapacity: UInt32(capacity)))
        let expanded = recording.transient(.f32, count: capacity * expansion.columns, "expanded")
        expansion.record(
            into: &recording, "expanded", latents, sourceStride: s.cachedSize, rows: cached, result: expanded)
        let keys = recording.transient(.f32, count: s.headCount * capacity * s.querySize, "keys")
        let values = recording.transient(.f32, count: s.headCount * capacity * s.valueSize, "values")
        recording.dispatch(
            LatentExpand.self, "keys_values",
            .init(rows: cached.buffer, source: expanded, cache: latents, keyCache: keys, valueCache: values),
            .init(
                rowCapacity: UInt32(capacity), headCount: UInt32(s.headCount), nopeSize: UInt32(s.nopeSize),
                valueSize: UInt32(s.valueSize), latentSize: UInt32(s.latentSize), rotarySize: UInt32(s.rotarySize),
                cacheCapacity: UInt32(capacity)),
            rows: cached)
        let queries = recording.transient(.f32, count: rows.capacity * s.headCount * s.querySize, "queries")
        recording.dispatch(
            JoinHeads.self, "queries", .init(rows: rows.buffer, source: query, result: queries),
            .init(
                rowCapacity: UInt32(rows.capacity), headCount: UInt32(s.headCount), firstSize: UInt32(s.nopeSize),
                secondSize: UInt32(s.rotarySize), stride: UInt32(self.query.columns),
                firstOffset: UInt32(nopeOffset), secondOffset: 0), rows: rows)
        let result = recording.transient(.f32, count: rows.capacity * s.headCount * s.valueSize, "attention")
        recording.dispatch(
            Attention.self, "attention",
            .init(
                rows: rows.buffer, positions: pass.positions, source: queries, keyCache: keys, valueCache: values,
                result: result),
            .init(
                rowCapacity: rows.capacity, headCount: s.headCount, kvHeadCount: s.headCount, headSize: s.querySize,
                valueSize: s.valueSize, sourceStride: s.headCount * s.querySize, cacheCapacity: capacity,
                scale: s.scale), rows: rows)
        return result
    }
}

extension WeightLoader {
    /// The latent attention of one layer.
    /// - Parameters:
    ///   - prefix: its name with its dot, as in `model.layers.3.self_attn.`.
    ///   - width: the model's.
    ///   - queryRank: of compressed queries; nil where they are not compressed.
    ///   - isInterleaved: whether the checkpoint rotates neighbours, where `Rotary` rotates halves.
    ///   - hasBias: whether the products of the model's width have one.
    mutating func latentAttention(
        _ shape: LatentAttentionShape, prefix: String, width: Int, queryRank: Int?, isInterleaved: Bool, hasBias: Bool
    ) throws -> LatentAttentionLayer {
        let s = shape
        func norm(_ name: String, _ loader: inout WeightLoader, _ count: Int) throws -> RMSNormLayer {
            // The model's own code leaves these norms at their default, whatever the others have.
            try loader.rmsNorm(prefix + name, width: count, epsilon: 1e-6)
        }
        let order = (0..<s.rotarySize).map { d in
            isInterleaved ? d % (s.rotarySize / 2) * 2 + d / (s.rotarySize / 2) : d
        }
        // Heads as the checkpoint has them: the plain part, then the rotated one.
        let rotaryRows = (0..<s.headCount).flatMap { head in order.map { head * s.querySize + s.nopeSize + $0 } }
        let nopeRows = (0..<s.headCount).flatMap { head in (0..<s.nopeSize).map { head * s.querySize + $0 } }
        let queries = try matrix(
            prefix + (queryRank == nil ? "q_proj" : "q_b_proj"), outputs: s.headCount * s.querySize,
            inputs: queryRank ?? width)
        let shared = try matrix(prefix + "kv_a_proj_with_mqa", outputs: s.cachedSize, inputs: width)
        let sharedBias = hasBias ? try floats(prefix + "kv_a_proj_with_mqa.bias", shape: [s.cachedSize]) : []
        let keyRows = order.map { s.latentSize + $0 }
        let key = try shared.selectingRows(keyRows)
        let keyBias = hasBias ? keyRows.map { sharedBias[$0] } : []
        let (rotated, plain) = (try queries.selectingRows(rotaryRows), try queries.selectingRows(nopeRows))
        let query: Linear
        var sharedKey: Linear?
        var compressed: (down: Linear, norm: RMSNormLayer)?
        if let queryRank {
            compressed = (
                try linear(
                    [prefix + "q_a_proj"], inputs: width, outputs: [queryRank], hasBias: hasBias,
                    label: prefix + "q_a_proj"), try norm("q_a_layernorm", &self, queryRank)
            )
            query = try linear([rotated, plain], bias: [], label: prefix + "q_b_proj")
            sharedKey = try linear([key], bias: keyBias, label: prefix + "shared_key")
        } else {
            func zeros(_ count: Int) -> [Float] { hasBias ? [Float](repeating: 0, count: count) : [] }
            query = try linear(
                [rotated, key, plain], bias: zeros(s.rotaryColumns) + keyBias + zeros(s.nopeColumns),
                label: prefix + "q_proj")
        }
        let latent = try linear(
            [try shared.selectingRows(Array(0..<s.latentSize))],
            bias: hasBias ? Array(sharedBias[..<s.latentSize]) : [], label: prefix + "latent")
        let latentNorm = try norm("kv_a_layernorm", &self, s.latentSize)
        let headSize = s.nopeSize + s.valueSize
        let pair = try matrix(prefix + "kv_b_proj", outputs: s.headCount * headSize, inputs: s.latentSize)
        func keys(_ head: Int) -> [Int] { Array(head * headSize..<head * headSize + s.nopeSize) }
        func values(_ head: Int) -> [Int] { Array(head * headSize + s.nopeSize..<(head + 1) * headSize) }
        // Groups of int8 weights would lie across different axes in the two forms, and their results apart.
        let keepsType = weightType == .i8
        let expansion = try linear(
            [
                try pair.selectingRows((0..<s.headCount).flatMap(keys)),
                try pair.selectingRows((0..<s.headCount).flatMap(values)),
            ], bias: [], keepsType: keepsType, label: prefix + "kv_b_proj")
        let keyAbsorption = try stack(
            count: s.headCount, keepsType: keepsType, isCopy: true, label: prefix + "absorb_key"
        ) { _, head in [try pair.selectingRows(keys(head)).transposed()] }
        let valueAbsorption = try stack(
            count: s.headCount, keepsType: keepsType, isCopy: true, label: prefix + "absorb_value"
        ) { _, head in [try pair.selectingRows(values(head))] }
        let output = try linear(
            [prefix + "o_proj"], inputs: s.headCount * s.valueSize, outputs: [width], hasBias: hasBias,
            label: prefix + "o_proj")
        return LatentAttentionLayer(
            shape: s, compressed: compressed, query: query, sharedKey: sharedKey, latent: latent,
            latentNorm: latentNorm, expansion: expansion, keyAbsorption: keyAbsorption,
            valueAbsorption: valueAbsorption, output: output)
    }
}
