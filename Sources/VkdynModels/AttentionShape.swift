import VkdynCore
import VkdynKernels

/// Shapes of one attention layer.
public struct AttentionShape: Sendable, Hashable {
    public var headCount: Int
    public var keyValueHeadCount: Int
    public var headSize: Int
    /// Tokens that a row sees, itself included; nil for all.
    public var window: Int?
    /// Factor of the scores; nil for headSize^-½.
    public var scale: Float?

    public init(headCount: Int, keyValueHeadCount: Int, headSize: Int, window: Int? = nil, scale: Float? = nil) {
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headSize = headSize
        self.window = window
        self.scale = scale
    }

    /// Columns of queries, keys and values side by side.
    var fusedColumns: Int { (headCount + 2 * keyValueHeadCount) * headSize }
    var keyOffset: Int { headCount * headSize }
    var valueOffset: Int { (headCount + keyValueHeadCount) * headSize }

    /// Keys and values of one sequence, in the layout that `KVAppend` states.
    struct Cache {
        let keys: Buffer
        let values: Buffer
        /// Slots: a multiple of 64.
        let capacity: Int
    }

    /// Which keys a row attends to.
    enum Keys {
        /// Those up to its own position, [rows].
        case upTo(positions: Buffer)
        /// As many as this `RowCount` says.
        case first(Buffer)
    }

    /// What is added to the scores.
    struct Bias {
        let table: Buffer
        let layout: Attention.BiasLayout
    }

    /// Appends keys and values to the cache and attends to it, every row to those up to its own position.
    /// - Parameter fused: [rows, fusedColumns], queries, keys, values.
    /// - Returns: [rows, headCount · headSize].
    func record(
        into recording: inout Recording, fused: Buffer, pass: DecoderPass, cache: KeyValueCache, layer: Int,
        bias: Bias? = nil
    ) -> Buffer {
        let (keys, values) = cache.keysAndValues(layer: layer)
        let places = Cache(keys: keys, values: values, capacity: cache.capacity)
        recordAppend(into: &recording, fused, keyOffset: keyOffset, pass: pass, cache: places)
        return recordAttention(
            into: &recording, fused, stride: fusedColumns, rows: pass.rows, cache: places,
            keys: .upTo(positions: pass.positions), bias: bias)
    }

    /// Stores keys and values of a pass's rows at their positions.
    /// - Parameter source: [rows, keyOffset + 2 · keyValueHeadCount · headSize], keys and then values from `keyOffset`
    ///   on.
    func recordAppend(
        into recording: inout Recording, _ source: Buffer, keyOffset: Int, pass: DecoderPass, cache: Cache
    ) {
        let width = keyValueHeadCount * headSize
        recording.dispatch(
            KVAppend.self, "append",
            .init(
                rows: pass.rows.buffer, slots: pass.positions, source: source, keyCache: cache.keys,
                valueCache: cache.values),
            .init(
                rowCapacity: UInt32(pass.rows.capacity), sequenceRows: 0, kvHeadCount: UInt32(keyValueHeadCount),
                headSize: UInt32(headSize), valueSize: UInt32(headSize), keyOffset: UInt32(keyOffset),
                valueOffset: UInt32(keyOffset + width), stride: UInt32(keyOffset + 2 * width),
                cacheCapacity: UInt32(cache.capacity)),
            rows: pass.rows)
    }

    /// - Parameter source: [rows, stride], queries first.
    /// - Returns: [rows, headCount · headSize].
    func recordAttention(
        into recording: inout Recording, _ source: Buffer, stride: Int, rows: Counted, cache: Cache, keys: Keys,
        bias: Bias? = nil
    ) -> Buffer {
        let result = recording.transient(.f32, count: rows.capacity * headCount * headSize, "attention")
        var positions: Buffer?
        var keyCount: Buffer?
        switch keys {
        case .upTo(let buffer): positions = buffer
        case .first(let buffer): keyCount = buffer
        }
        recording.dispatch(
            Attention.self, "attention",
            .init(
                rows: rows.buffer, positions: positions, source: source, keyCache: cache.keys,
                valueCache: cache.values, bias: bias?.table, keyCounts: keyCount, result: result),
            .init(
                rowCapacity: rows.capacity, headCount: headCount, kvHeadCount: keyValueHeadCount, headSize: headSize,
                sourceStride: stride, cacheCapacity: cache.capacity,
                scale: scale ?? 1 / Float(headSize).squareRoot(), window: window ?? 0, bias: bias?.layout ?? .init()),
            rows: rows)
        return result
    }
}
