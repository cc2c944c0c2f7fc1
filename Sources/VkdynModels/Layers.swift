public import VkdynCore
public import VkdynKernels

/// One pass of a model, or of its encoder, over consecutive tokens of a sequence.
public struct DecoderPass: Sendable {
    public let rows: Counted
    /// Token ids, [rows].
    public let tokens: Buffer
    /// Logical positions in the sequence, [rows]; also the slots of the key-value cache.
    public let positions: Buffer
    /// Whether the pass reads a piece of the prompt, all but its last token: many rows once, where others are few rows
    /// often. Some models compute the two in different forms, so that a token's bits may depend on which it was read
    /// in; never on how many rows its pass had.
    public let isPrefill: Bool
    /// The numbers of all experts for every row, [at least rows.capacity, experts], as
    /// `ExpertConfiguration.everyExpert` makes them: a pass that has it computes all experts for all rows, and sums up
    /// those that the rows chose. Its bits are those of a pass without it, which is what it is for: to time what
    /// choosing saves.
    public let everyExpert: Buffer?
    /// The most rows that an expert takes; nil leaves it to the configuration.
    public let expertCapacity: Int?

    public init(
        rows: Counted, tokens: Buffer, positions: Buffer, isPrefill: Bool = false, everyExpert: Buffer? = nil,
        expertCapacity: Int? = nil
    ) {
        self.rows = rows
        self.tokens = tokens
        self.positions = positions
        self.isPrefill = isPrefill
        self.everyExpert = everyExpert
        self.expertCapacity = expertCapacity
    }
}

/// A linear layer: packed weights and an optional bias, in pieces where one view cannot hold them.
public struct Linear: Sendable {
    /// Some of the outputs. Their bits do not depend on how a layer is divided.
    public struct Piece: Sendable {
        public let weights: Buffer
        /// Of int8 weights.
        public let scales: Buffer?
        public let bias: Buffer?
        public let columns: Range<Int>
    }

    public let pieces: [Piece]
    public let depth: Int
    public let columns: Int

    /// Of weights, scales and biases as they are stored.
    public var byteCount: Int {
        pieces.reduce(0) { $0 + $1.weights.byteCount + ($1.scales?.byteCount ?? 0) + ($1.bias?.byteCount ?? 0) }
    }

    /// - Parameters:
    ///   - source: [rows, depth].
    ///   - residual: [rows, columns], added last.
    /// - Returns: [rows, columns].
    public func record(
        into recording: inout Recording, _ label: String, _ source: Buffer, rows: Counted,
        activation: Activation = .none, residual: Buffer? = nil
    ) -> Buffer {
        let result = recording.transient(.f32, count: rows.capacity * columns, label)
        record(
            into: &recording, label, source, rows: rows, activation: activation, residual: residual, result: result)
        return result
    }

    /// - Parameters:
    ///   - sourceStride: from one row of the source to the next, whose first `depth` elements are read; nil for depth.
    ///   - result: [rows, columns].
    public func record(
        into recording: inout Recording, _ label: String, _ source: Buffer, sourceStride: Int? = nil, rows: Counted,
        activation: Activation = .none, residual: Buffer? = nil, result: Buffer
    ) {
        for piece in pieces {
            recording.dispatch(
                Matmul.self, label,
                .init(
                    rows: rows.buffer, source: source, weights: piece.weights, scales: piece.scales, bias: piece.bias,
                    residual: residual, result: result),
                .init(
                    rowCapacity: UInt32(rows.capacity), depth: UInt32(depth), columns: UInt32(piece.columns.count),
                    batchCount: 1, sourceStride: UInt32(sourceStride ?? depth), sourceOffset: 0, sourceBatchStride: 0,
                    resultStride: UInt32(columns), resultOffset: UInt32(piece.columns.lowerBound),
                    resultBatchStride: 0, groupSize: UInt32(PackedWeights.groupSize)),
                constants: .init(activation: activation.rawValue), rows: rows)
        }
    }

    /// Looks tokens up, with the outputs for tokens: the layer is the output projection of a tied embedding.
    /// - Parameters:
    ///   - positionTable: [positions, depth], added at the pass's positions.
    /// - Returns: [rows, depth].
    func recordEmbedding(
        into recording: inout Recording, _ label: String, pass: DecoderPass, positionTable: Buffer? = nil
    ) -> Buffer {
        let result = recording.transient(.f32, count: pass.rows.capacity * depth, label)
        for piece in pieces {
            recording.dispatch(
                Embedding.self, label,
                .init(
                    rows: pass.rows.buffer, tokens: pass.tokens, table: piece.weights, scales: piece.scales,
                    positions: positionTable == nil ? nil : pass.positions, positionTable: positionTable,
                    result: result),
                .init(
                    rowCapacity: UInt32(pass.rows.capacity), width: UInt32(depth),
                    groupSize: UInt32(PackedWeights.groupSize), positionOffset: 0,
                    firstToken: UInt32(piece.columns.lowerBound), tokenCount: UInt32(piece.columns.count)),
                constants: .init(packed: true), rows: pass.rows)
        }
        return result
    }
}

/// Layer norm with a weight and an optional bias.
public struct LayerNormLayer: Sendable {
    public let weight: Buffer?
    public let bias: Buffer?
    public let epsilon: Float

    /// - Parameter kept: where the result goes; nil for a transient buffer.
    public func record(
        into recording: inout Recording, _ label: String, _ source: Buffer, width: Int, rows: Counted,
        result kept: Buffer? = nil
    ) -> Buffer {
        let result = kept ?? recording.transient(.f32, count: rows.capacity * width, label)
        recording.dispatch(
            LayerNorm.self, label,
            .init(rows: rows.buffer, source: source, weight: weight, bias: bias, result: result),
            .init(rowCapacity: UInt32(rows.capacity), width: UInt32(width), epsilon: epsilon), rows: rows)
        return result
    }
}

/// Root-mean-square norm with a weight.
public struct RMSNormLayer: Sendable {
    public let weight: Buffer
    public let epsilon: Float

    public func record(
        into recording: inout Recording, _ label: String, _ source: Buffer, width: Int, rows: Counted
    ) -> Buffer {
        let result = recording.transient(.f32, count: rows.capacity * width, label)
        recording.dispatch(
            RMSNorm.self, label, .init(rows: rows.buffer, source: source, weight: weight, result: result),
            .init(rowCapacity: UInt32(rows.capacity), width: UInt32(width), epsilon: epsilon), rows: rows)
        return result
    }
}
