import VkdynCore
import VkdynKernels

/// Linear layers of one shape without biases, one for each expert or head, packed one after the other; in pieces of
/// their columns where one view cannot hold them all.
public struct LinearStack: Sendable {
    /// Each piece holds some columns of every layer.
    public let pieces: [Linear.Piece]
    public let count: Int
    public let depth: Int
    public let columns: Int

    /// Of all layers, scales included.
    var byteCount: Int { pieces.reduce(0) { $0 + $1.weights.byteCount + ($1.scales?.byteCount ?? 0) } }

    /// Bytes of one layer, scales included.
    var layerByteCount: Int { byteCount / count }

    /// Each layer over a part of its own of the rows, as heads are.
    /// - Parameters:
    ///   - source: [rows, stride]; layer i reads `depth` columns from `offset` + i · depth on.
    /// - Returns: [rows, count, columns].
    func record(
        into recording: inout Recording, _ label: String, _ source: Buffer, rows: Counted, stride: Int, offset: Int
    ) -> Buffer {
        let result = recording.transient(.f32, count: rows.capacity * count * columns, label)
        for piece in pieces {
            recording.dispatch(
                Matmul.self, label,
                .init(
                    rows: rows.buffer, source: source, weights: piece.weights, scales: piece.scales, result: result),
                .init(
                    rowCapacity: UInt32(rows.capacity), depth: UInt32(depth), columns: UInt32(piece.columns.count),
                    batchCount: UInt32(count), sourceStride: UInt32(stride), sourceOffset: UInt32(offset),
                    sourceBatchStride: UInt32(depth), resultStride: UInt32(count * columns),
                    resultOffset: UInt32(piece.columns.lowerBound), resultBatchStride: UInt32(columns),
                    groupSize: UInt32(PackedWeights.groupSize)),
                rows: rows)
        }
        return result
    }

    /// What the rows of a source are.
    enum SourceRows { case rows, positions }

    /// Each layer over the rows that were grouped for it.
    /// - Parameters:
    ///   - source: [rows, depth] as the pass has them, or [positions, depth] as an earlier product left them.
    ///   - slots: where each expert's layer lies, [experts]; nil where layer e is expert e's.
    ///   - result: of an earlier wave, whose rows are kept; nil for a new one.
    /// - Returns: [positions, columns].
    func record(
        into recording: inout Recording, _ label: String, _ source: Buffer, of sourceRows: SourceRows,
        groups: ExpertGroups, slots: Buffer? = nil, result: Buffer? = nil
    ) -> Buffer {
        let positions = groups.positions.capacity
        let result = result ?? recording.transient(.f32, count: positions * columns, label)
        for piece in pieces {
            recording.dispatch(
                GroupedMatmul.self, label,
                .init(
                    tileCount: groups.tileCount.buffer, tiles: groups.tiles,
                    sourceRows: sourceRows == .rows ? groups.assignments : nil, slots: slots, source: source,
                    weights: piece.weights, scales: piece.scales, result: result),
                .init(
                    tileCapacity: UInt32(groups.tileCount.capacity), tileRows: UInt32(groups.tileRows),
                    positionCount: UInt32(positions),
                    rowCount: UInt32(sourceRows == .rows ? positions / groups.chosenCount : positions),
                    divisor: UInt32(groups.chosenCount), depth: UInt32(depth),
                    columns: UInt32(piece.columns.count), resultStride: UInt32(columns),
                    resultOffset: UInt32(piece.columns.lowerBound), groupSize: UInt32(PackedWeights.groupSize)),
                rows: groups.tileCount)
        }
        return result
    }
}
