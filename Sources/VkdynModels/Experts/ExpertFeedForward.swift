import VkdynCore
import VkdynKernels

/// A feed-forward layer of experts, of which every token has some: `Σⱼ weightⱼ · expertⱼ(x) + shared(x)`, summed by
/// ascending expert, the shared expert last. Rows are grouped by expert on the device and none is left out (Gale et
/// al., arXiv:2211.15841), unless the configuration has a capacity.
struct ExpertFeedForward: Sendable {
    let configuration: ExpertConfiguration
    /// The layer's number among those that have experts.
    let ordinal: Int
    let router: Linear
    /// [experts].
    let choiceBias: Buffer?
    /// One for each expert, or for each slot of the cache; up alone where nothing is gated.
    let gateAndUp: LinearStack
    let down: LinearStack
    /// nil where all experts lie in memory.
    let cache: ExpertCache?
    let shared: GatedFeedForward?
    /// One column.
    let sharedGate: Linear?

    /// - Parameters:
    ///   - source: [rows, width], normed.
    ///   - residual: [rows, width], added last.
    ///   - log: where the choices are kept.
    /// - Returns: [rows, width].
    func record(
        into recording: inout Recording, _ source: Buffer, residual: Buffer, pass: DecoderPass, log: ExpertLog?
    ) -> Buffer {
        let rows = pass.rows
        let (c, k, width) = (configuration, configuration.chosenCount, down.columns)
        let capacity = pass.expertCapacity ?? c.capacity
        let (chosen, weights) = recordChoice(&recording, source, rows: rows)
        let groups: ExpertGroups
        let positions: Buffer
        if let everyExpert = pass.everyExpert {
            precondition(!c.mayDrop(rows: rows.capacity), "a capacity drops what a run of all experts computes")
            groups = ExpertGroups(
                into: &recording, experts: everyExpert, chosenCount: c.count, expertCount: c.count,
                offsets: cache?.layer(ordinal).offsets, rows: rows)
            positions = recording.transient(.u32, count: rows.capacity * k, "chosen_positions")
            recording.dispatch(
                GatherColumns.self, "chosen_positions",
                .init(rows: rows.buffer, indices: chosen, source: groups.positionOfAssignment, result: positions),
                .init(rowCapacity: UInt32(rows.capacity), width: UInt32(c.count), k: UInt32(k)), rows: rows)
        } else {
            groups = ExpertGroups(
                into: &recording, experts: chosen, chosenCount: k, expertCount: c.count, capacity: capacity,
                offsets: cache?.layer(ordinal).offsets, rows: rows)
            positions = groups.positionOfAssignment
        }
        let outputs = recordProducts(&recording, source, groups: groups)
        let sharedRows = recordShared(&recording, source, rows: rows)
        let result = recording.transient(.f32, count: rows.capacity * width, "combine")
        recording.dispatch(
            CombineExperts.self, "combine",
            .init(
                rows: rows.buffer, positions: positions, experts: chosen, weights: weights, source: outputs,
                sharedRows: sharedRows, residual: residual, result: result),
            .init(
                rowCapacity: UInt32(rows.capacity), width: UInt32(width), k: UInt32(k),
                positionCount: UInt32(groups.positions.capacity)), rows: rows)
        if let log { recordTally(&recording, pass, chosen: chosen, offsets: groups.offsets, log: log) }
        return result
    }

    /// - Returns: the experts' outputs, [positions, width].
    private func recordProducts(
        _ recording: inout Recording, _ source: Buffer, groups: ExpertGroups
    ) -> Buffer {
        guard let cache else {
            let both = gateAndUp.record(into: &recording, "experts_gate_up", source, of: .rows, groups: groups)
            let inner = recording.inner(both, configuration.inner, width: configuration.width, rows: groups.positions)
            return down.record(into: &recording, "experts_down", inner, of: .positions, groups: groups)
        }
        // A wave leaves the rows of the others as they are: those before have been, those after will be.
        let places = groups.positions.capacity
        let both = recording.transient(.f32, count: places * gateAndUp.columns, "experts_gate_up")
        let outputs = recording.transient(.f32, count: places * down.columns, "experts_down")
        let slots = cache.layer(ordinal).slots
        for wave in 0..<cache.waveCount(assignments: places) {
            recording.scope("wave\(wave)") { recording in
                let ordinal = ordinal
                recording.pause("experts") { () throws(DeviceError) in try cache.provide(layer: ordinal, wave: wave) }
                _ = gateAndUp.record(
                    into: &recording, "experts_gate_up", source, of: .rows, groups: groups, slots: slots, result: both)
                let inner = recording.inner(
                    both, configuration.inner, width: configuration.width, rows: groups.positions)
                _ = down.record(
                    into: &recording, "experts_down", inner, of: .positions, groups: groups, slots: slots,
                    result: outputs)
            }
        }
        return outputs
    }

    /// - Returns: the experts of each row in descending score, [rows, k], and their weights.
    private func recordChoice(
        _ recording: inout Recording, _ source: Buffer, rows: Counted
    ) -> (experts: Buffer, weights: Buffer) {
        let c = configuration
        let logits = router.record(into: &recording, "router", source, rows: rows)
        let experts = recording.transient(.u32, count: rows.capacity * c.chosenCount, "chosen")
        let weights = recording.transient(.f32, count: rows.capacity * c.chosenCount, "weights")
        recording.dispatch(
            Route.self, "route",
            .init(rows: rows.buffer, logits: logits, bias: choiceBias, experts: experts, weights: weights),
            .init(
                rowCapacity: UInt32(rows.capacity), expertCount: UInt32(c.count), k: UInt32(c.chosenCount),
                groupCount: UInt32(c.groupCount), keptGroups: UInt32(c.keptGroupCount), scale: c.scale),
            constants: .init(
                score: c.score.rawValue, groupScore: c.groupScore.rawValue, normalisation: c.normalisation.rawValue),
            rows: rows)
        return (experts, weights)
    }

    /// - Returns: the shared expert's output, [rows, width]; nil without one.
    private func recordShared(_ recording: inout Recording, _ source: Buffer, rows: Counted) -> Buffer? {
        guard let shared else { return nil }
        return recording.scope("shared") { recording in
            let output = shared.record(into: &recording, source, rows: rows)
            guard let sharedGate else { return output }
            let gate = sharedGate.record(into: &recording, "gate", source, rows: rows)
            let result = recording.transient(.f32, count: rows.capacity * down.columns, "gated_output")
            recording.dispatch(
                SigmoidGate.self, "gated_output",
                .init(rows: rows.buffer, gate: gate, source: output, result: result),
                .init(rowCapacity: UInt32(rows.capacity), width: UInt32(down.columns)), rows: rows)
            return result
        }
    }

    private func recordTally(
        _ recording: inout Recording, _ pass: DecoderPass, chosen: Buffer, offsets: Buffer, log: ExpertLog
    ) {
        recording.dispatch(
            TallyExperts.self, "tally",
            .init(
                rows: pass.rows.buffer, positions: pass.positions, experts: chosen, offsets: offsets, log: log.choices,
                tally: log.tally),
            .init(
                rowCapacity: UInt32(pass.rows.capacity), k: UInt32(configuration.chosenCount),
                expertCount: UInt32(configuration.count), layer: UInt32(ordinal),
                layerCount: UInt32(log.layerCount), logCapacity: UInt32(log.capacity)))
    }
}

/// Rows grouped by their experts: what grouped products, and the gathers before and after them, go by.
struct ExpertGroups: Sendable {
    /// The position of each row's assignments, [rows, chosenCount].
    let positionOfAssignment: Buffer
    /// Assignments, row · chosenCount + slot, by position.
    let assignments: Buffer
    /// [experts + 1], first positions.
    let offsets: Buffer
    let positions: Counted
    let tiles: Buffer
    let tileCount: Counted
    let tileRows: Int
    /// Experts of each row.
    let chosenCount: Int

    /// Rows of one expert that a product takes at once. Bits do not depend on it.
    private static let largestTile = 16

    /// - Parameters:
    ///   - experts: [rows, chosenCount], different ones for each row.
    ///   - capacity: the most rows that an expert takes; nil for all.
    ///   - offsets: where first positions go that the host reads too, [experts + 1].
    init(
        into recording: inout Recording, experts: Buffer, chosenCount: Int, expertCount: Int, capacity: Int? = nil,
        offsets: Buffer? = nil, rows: Counted
    ) {
        let places = rows.capacity * chosenCount
        self.chosenCount = chosenCount
        tileRows = max(min(Self.largestTile, rows.capacity), 1)
        positionOfAssignment = recording.transient(.u32, count: places, "positions")
        assignments = recording.transient(.u32, count: places, "assignments")
        let offsets = offsets ?? recording.transient(.u32, count: expertCount + 1, "offsets")
        self.offsets = offsets
        positions = Counted(
            buffer: recording.transient(.u32, count: RowCount.wordCount, "position_count"), capacity: places,
            isIndirect: rows.isIndirect || capacity != nil)
        recording.dispatch(
            GroupExperts.self, "group",
            .init(
                rows: rows.buffer, experts: experts, sources: assignments, positions: positionOfAssignment,
                counts: recording.transient(.u32, count: expertCount, "counts"), offsets: offsets,
                grouped: positions.buffer, dropped: recording.transient(.u32, count: 1, "dropped")),
            .init(
                rowCapacity: UInt32(rows.capacity), k: UInt32(chosenCount), expertCount: UInt32(expertCount),
                sequenceRows: 0, expertCapacity: capacity.map(UInt32.init(clamping:)) ?? .max, droppedIndex: 0))
        let tileCapacity = ExpertTiles.capacity(positions: places, experts: expertCount, tileRows: tileRows)
        tiles = recording.transient(.u32, count: tileCapacity * ExpertTile.wordCount, "tiles")
        // One row has as many tiles as experts; several share them.
        tileCount = Counted(
            buffer: recording.transient(.u32, count: RowCount.wordCount, "tile_count"), capacity: tileCapacity,
            isIndirect: positions.isIndirect || rows.capacity > 1)
        recording.dispatch(
            ExpertTiles.self, "tiles", .init(offsets: offsets, tiles: tiles, tileCount: tileCount.buffer),
            .init(
                expertCount: UInt32(expertCount), tileRows: UInt32(tileRows), tileCapacity: UInt32(tileCapacity)))
    }
}
