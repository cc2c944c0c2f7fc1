import Synchronization
public import VkdynCore
public import VkdynFormats
public import VkdynSchedule

/// Device memory for some of a model's experts, whose weights come from the checkpoint when a token needs them: for
/// models whose experts are larger than the device's memory (Eliseev and Mazur, arXiv:2312.17238).
///
/// Each pass over an expert layer pauses once its router has chosen. The host reads which experts have rows, packs those
/// that are not there into the slots that were used least recently, and tells the grouped products where each expert
/// lies. Where a pass needs more experts than there are slots, they come in waves, each with products of its own. No bit
/// depends on the number of slots.
public final class ExpertCache: Sendable {
    /// What happened so far.
    public struct Statistics: Sendable, Equatable, Codable {
        /// Experts that a pass needed and that were there, and those that were not.
        public var hits = 0
        public var misses = 0
        public var uploadedBytes = 0
        /// Pauses in which the host read which experts are needed.
        public var readbacks = 0

        public init() {}

        /// 0 to 1; 1 before anything was needed.
        public var hitRate: Double { hits + misses == 0 ? 1 : Double(hits) / Double(hits + misses) }

        public static func - (a: Statistics, b: Statistics) -> Statistics {
            var result = Statistics()
            result.hits = a.hits - b.hits
            result.misses = a.misses - b.misses
            result.uploadedBytes = a.uploadedBytes - b.uploadedBytes
            result.readbacks = a.readbacks - b.readbacks
            return result
        }
    }

    public let slotCount: Int
    /// Slots instead of experts; all layers share them.
    let gateAndUp: LinearStack
    let down: LinearStack
    private let expertCount: Int
    private let device: any Device
    private let type: ElementType
    private let layers: [Layer]
    private let state: Mutex<State>

    /// What the device and the host tell each other about one expert layer.
    struct Layer: Sendable {
        /// First positions of the experts, [experts + 1], as `GroupExperts` gives them.
        let offsets: Buffer
        /// Where each expert lies, [experts]; 0xFFFFFFFF for one that is not computed in this wave.
        let slots: Buffer
    }

    fileprivate struct Resident: Hashable {
        let layer: Int
        let expert: Int
    }

    fileprivate struct State {
        var slots: [Resident: Int] = [:]
        var occupants: [Resident?]
        /// When each slot was last used, in pauses.
        var lastUses: [Int]
        var clock = 0
        /// Experts that the running pass has rows for, in the layer that pauses.
        var touched: [Int] = []
        var statistics = Statistics()
        /// Where the experts of each layer come from: the checkpoint's own bytes, mapped and not held.
        var matrices: [ExpertMatrices?]
    }

    /// - Parameters:
    ///   - gateAndUp: memory of the slots, of any content.
    ///   - layerCount: layers with experts.
    ///   - type: of the slots.
    init(
        gateAndUp: LinearStack, down: LinearStack, layerCount: Int, expertCount: Int, type: ElementType,
        device: any Device
    ) throws(DeviceError) {
        precondition(gateAndUp.count == down.count && gateAndUp.count > 0, "slots hold whole experts")
        slotCount = gateAndUp.count
        self.gateAndUp = gateAndUp
        self.down = down
        self.expertCount = expertCount
        self.device = device
        self.type = type
        var layers: [Layer] = []
        for layer in 0..<layerCount {
            layers.append(
                Layer(
                    offsets: try device.makeBuffer(
                        .u32, count: expertCount + 1, placement: .shared, label: "expert_cache.layer\(layer).offsets"),
                    slots: try device.makeBuffer(
                        .u32, count: expertCount, placement: .shared, label: "expert_cache.layer\(layer).slots")))
        }
        self.layers = layers
        state = Mutex(
            State(
                occupants: [Resident?](repeating: nil, count: slotCount),
                lastUses: [Int](repeating: 0, count: slotCount),
                matrices: [ExpertMatrices?](repeating: nil, count: layerCount)))
    }

    /// Says where the experts of a layer come from.
    func add(_ matrices: ExpertMatrices, layer: Int) { state.withLock { $0.matrices[layer] = matrices } }

    public var statistics: Statistics { state.withLock { $0.statistics } }
    public var byteCount: Int { slotCount * (gateAndUp.layerByteCount + down.layerByteCount) }

    func layer(_ ordinal: Int) -> Layer { layers[ordinal] }

    /// Waves that a pass with so many assignments may need.
    func waveCount(assignments: Int) -> Int {
        (min(max(assignments, 1), expertCount) + slotCount - 1) / slotCount
    }

    /// Brings the experts of one wave, and says where they lie.
    /// - Parameters:
    ///   - layer: counted over the layers with experts.
    ///   - wave: in the order in which a pass has them; the first one reads what the pass needs.
    func provide(layer ordinal: Int, wave: Int) throws(DeviceError) {
        let layer = layers[ordinal]
        if wave == 0 {
            let offsets = try device.read(UInt32.self, from: layer.offsets, count: expertCount + 1)
            state.withLock { state in
                state.touched = (0..<expertCount).filter { offsets[$0] < offsets[$0 + 1] }
                state.statistics.readbacks += 1
            }
        }
        let (table, missing) = state.withLock { $0.assign(layer: ordinal, wave: wave, slotCount, expertCount) }
        for (expert, slot) in missing {
            try upload(layer: ordinal, expert: expert, to: slot)
        }
        try device.write(table, to: layer.slots)
    }

    private func upload(layer: Int, expert: Int, to slot: Int) throws(DeviceError) {
        guard let matrices = state.withLock({ $0.matrices[layer] }) else { preconditionFailure("a layer without experts") }
        for (stack, views) in [(gateAndUp, Result { try matrices.gateAndUp(expert) }), (down, Result { try matrices.down(expert) })] {
            for piece in stack.pieces {
                let weights: PackedWeights
                do {
                    weights = try PackedWeights(try views.get(), outputs: piece.columns, as: type)
                } catch {
                    state.withLock { $0.forget(slot) }
                    throw .unreadable("\(error)")
                }
                try device.write(bytes: weights.bytes, to: piece.weights, byteOffset: slot * weights.bytes.count)
                var count = weights.bytes.count
                if let scales = piece.scales {
                    try device.write(weights.scales, to: scales, at: slot * weights.scales.count)
                    count += weights.scales.count * 4
                }
                state.withLock { $0.statistics.uploadedBytes += count }
            }
        }
    }
}

extension ExpertCache.State {
    /// Gives the experts of a wave their slots.
    /// - Returns: the slot of every expert of the layer, and which of them are still to be filled.
    fileprivate mutating func assign(
        layer: Int, wave: Int, _ slotCount: Int, _ expertCount: Int
    ) -> (table: [UInt32], missing: [(expert: Int, slot: Int)]) {
        clock += 1
        let wanted = touched.dropFirst(wave * slotCount).prefix(slotCount)
        var table = [UInt32](repeating: .max, count: expertCount)
        var missing: [Int] = []
        // Those that are there first, so that none of them has to go for another of the same wave.
        for expert in wanted {
            if let slot = slots[.init(layer: layer, expert: expert)] {
                lastUses[slot] = clock
                table[expert] = UInt32(slot)
                statistics.hits += 1
            } else {
                missing.append(expert)
                statistics.misses += 1
            }
        }
        var filled: [(expert: Int, slot: Int)] = []
        for expert in missing {
            let slot = lastUses.indices.min { (lastUses[$0], $0) < (lastUses[$1], $1) } ?? 0
            forget(slot)
            let resident = ExpertCache.Resident(layer: layer, expert: expert)
            slots[resident] = slot
            occupants[slot] = resident
            lastUses[slot] = clock
            table[expert] = UInt32(slot)
            filled.append((expert, slot))
        }
        return (table, filled)
    }

    fileprivate mutating func forget(_ slot: Int) {
        if let occupant = occupants[slot] { slots[occupant] = nil }
        occupants[slot] = nil
    }
}
