import VkdynCore
import VkdynFormats
import VkdynKernels

/// Keys and values of sequences of equal length, as `Attention` reads them.
public struct KeysAndValues: Sendable {
    /// [sequences, heads, slots/64, headSize/4, 64, 4]
    public let keys: Buffer
    /// [sequences, heads, slots, headSize]
    public let values: Buffer
    /// Keys of one sequence.
    public let count: Int

    /// Room for the keys of one sequence; what no key fills is never read.
    static func slots(_ count: Int) -> Int { KeyValueCache.slots(count) }
}

/// Attention between sequences of equal length that keep nothing for a later pass: encoders, pictures, and what they
/// attend to.
public struct SequenceAttention: Sendable, Hashable {
    public let headCount: Int
    public let headSize: Int

    public init(headCount: Int, headSize: Int) {
        self.headCount = headCount
        self.headSize = headSize
    }

    var width: Int { headCount * headSize }

    /// Elements of the keys, and of the values, of so many sequences.
    func elementCount(sequences: Int, length: Int) -> Int { sequences * KeysAndValues.slots(length) * width }

    /// Lays keys and values out for `recordAttention`.
    /// - Parameters:
    ///   - source: [sequences · length, stride]: keys from `keyOffset` on, values behind them.
    ///   - kept: persistent memory of `elementCount` elements each; nil for transient buffers.
    func recordKeysAndValues(
        into recording: inout Recording, _ source: Buffer, stride: Int, keyOffset: Int, rows: Counted, sequences: Int,
        length: Int, keptIn kept: KeysAndValues? = nil
    ) -> KeysAndValues {
        let count = elementCount(sequences: sequences, length: length)
        let result =
            kept
            ?? KeysAndValues(
                keys: recording.transient(.f32, count: count, "keys"),
                values: recording.transient(.f32, count: count, "values"), count: length)
        recording.dispatch(
            KVAppend.self, "append",
            .init(rows: rows.buffer, source: source, keyCache: result.keys, valueCache: result.values),
            .init(
                rowCapacity: UInt32(rows.capacity), sequenceRows: UInt32(length), kvHeadCount: UInt32(headCount),
                headSize: UInt32(headSize), valueSize: UInt32(headSize), keyOffset: UInt32(keyOffset),
                valueOffset: UInt32(keyOffset + width), stride: UInt32(stride),
                cacheCapacity: UInt32(KeysAndValues.slots(length))), rows: rows)
        return result
    }

    /// - Parameters:
    ///   - queries: [rows, stride], the heads side by side from the row's beginning on.
    ///   - sequenceRows: rows of one sequence.
    ///   - positions: [rows]; a row at position p attends keys 0 … p. Nil: all.
    ///   - keyBias: what is added to every score of a key, [sequences, keys]; nil for nothing.
    /// - Returns: [rows, headCount · headSize].
    func recordAttention(
        into recording: inout Recording, queries: Buffer, stride: Int, to keys: KeysAndValues, rows: Counted,
        sequenceRows: Int, positions: Buffer? = nil, keyBias: Buffer? = nil
    ) -> Buffer {
        let result = recording.transient(.f32, count: rows.capacity * width, "attention")
        recording.dispatch(
            Attention.self, "attention",
            .init(
                rows: rows.buffer, positions: positions, source: queries, keyCache: keys.keys, valueCache: keys.values,
                bias: keyBias, result: result),
            .init(
                rowCapacity: rows.capacity, sequenceRows: sequenceRows, headCount: headCount, kvHeadCount: headCount,
                headSize: headSize, sourceStride: stride, cacheCapacity: KeysAndValues.slots(keys.count),
                scale: 1 / Float(headSize).squareRoot(), keyCount: keys.count,
                bias: .init(sequenceStride: keys.count)), rows: rows)
        return result
    }

    /// Self-attention.
    /// - Parameter fused: [rows, 3 · width]: queries, keys, values.
    /// - Returns: [rows, width].
    func record(
        into recording: inout Recording, fused: Buffer, rows: Counted, sequences: Int, length: Int,
        positions: Buffer? = nil, keyBias: Buffer? = nil
    ) -> Buffer {
        let keys = recordKeysAndValues(
            into: &recording, fused, stride: 3 * width, keyOffset: width, rows: rows, sequences: sequences,
            length: length)
        return recordAttention(
            into: &recording, queries: fused, stride: 3 * width, to: keys, rows: rows, sequenceRows: length,
            positions: positions, keyBias: keyBias)
    }
}

extension ConfigObject {
    /// Throws unless heads over a width have a size that `Attention` takes.
    /// - Parameter field: the width's name.
    func requireHeads(_ headCount: Int, width: Int, _ field: String) throws(FormatError) {
        let size = width / headCount
        guard width % headCount == 0, size % 4 == 0, (4...512).contains(size) else {
            throw error(field, "\(width) over \(headCount) heads gives no head size of 4 to 512 in steps of 4")
        }
    }
}
