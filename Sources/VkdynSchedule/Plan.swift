public import VkdynCore

/// A recording made ready for a device: variants chosen, memory laid out, barriers placed.
///
/// Plain data, made by pure passes; an executor prepares it once and replays it.
public struct Plan: Sendable {
    public struct Step: Sendable {
        public let dispatch: Dispatch
        public let variant: VariantInterface
        public let grid: Grid
        /// Everything before must have finished and be visible before this step starts.
        public var needsBarrier: Bool
    }

    /// How many workgroups a step launches.
    public enum Grid: Sendable {
        case fixed(WorkExtent)
        /// Three u32 words that an earlier step of the plan writes.
        case indirect(Buffer, byteOffset: Int)
    }

    /// Where a transient buffer lies.
    public struct Placement: Sendable, Hashable {
        public let byteOffset: Int
        public let byteCount: Int
    }

    public let label: String
    public let flavour: Flavour
    public internal(set) var steps: [Step]
    /// What the host does between steps, in order: each divides the plan's submit once more.
    public let pauses: [HostPause]
    /// Transient buffers by identity.
    public internal(set) var arena: [Int: Placement]
    public internal(set) var arenaByteCount: Int
    /// Persistent memory of at least `arenaByteCount` that the arena lies in, so that plans which never run at once
    /// share one; nil for memory of the plan's own.
    public private(set) var arenaMemory: Buffer?
    /// The most bytes of transient buffers that are alive at one step: what no arena can be smaller than.
    public let liveByteCount: Int
    /// Tables that the passes made; the executor provides their memory.
    public internal(set) var tables: [Table]

    public struct Table: Sendable {
        public let buffer: Buffer
        public let words: [UInt32]
    }

    /// - Parameters:
    ///   - traits: the device that variants are chosen for; the bits do not depend on it.
    ///   - tuning: what was measured on the device; the bits do not depend on it either.
    ///   - variant: picks among the legal variants of each call, the best first; `verify` runs them all.
    /// - Throws: `noVariant` for a call that no variant of its kernel may run with these traits.
    public init(
        _ recording: Recording, label: String, traits: DeviceTraits, flavour: Flavour = .separate,
        tuning: Tuning = Tuning(), variant: ([VariantInterface]) -> VariantInterface? = { $0.first }
    ) throws(DeviceError) {
        self.label = label
        self.flavour = flavour
        let lowered = try IndirectPass.lower(recording) { dispatch in
            variant(
                tuning.variants(
                    dispatch.kernel, parameters: dispatch.parameters, constants: dispatch.constants,
                    elements: dispatch.buffers.map { $0?.elementType }, flavour: flavour, traits: traits))
        }
        steps = lowered.steps
        tables = lowered.tables
        pauses = lowered.pauses
        arena = [:]
        arenaByteCount = 0
        liveByteCount = ArenaPass.liveByteCount(steps, tables: Set(tables.map(\.buffer.id)))
        (arena, arenaByteCount) = ArenaPass.place(steps, tables: Set(tables.map(\.buffer.id)))
        BarrierPass.place(in: &steps, arena: arena)
    }

    /// The steps from one pause to the next: one more than there are pauses; some may be empty.
    public var segments: [Range<Int>] {
        let bounds = [0] + pauses.map(\.position) + [steps.count]
        return zip(bounds, bounds.dropFirst()).map { $0..<$1 }
    }

    /// The same plan with its arena in memory that other plans may have too.
    public func sharing(arena memory: Buffer) -> Plan {
        precondition(memory.byteCount >= arenaByteCount, "\(label): an arena of \(memory.byteCount) bytes is too small")
        var plan = self
        plan.arenaMemory = memory
        return plan
    }

    /// The same plan with a barrier before every step, so that no two run at once: for measurements.
    public func isolated() -> Plan {
        var plan = self
        for index in plan.steps.indices { plan.steps[index].needsBarrier = true }
        return plan
    }
}

/// Memory that a step reads or writes.
struct Access: Sendable {
    /// The arena, or the identity of a persistent buffer or table.
    enum Space: Hashable, Sendable {
        case arena
        case buffer(Int)
    }

    let space: Space
    let range: Range<Int>
    let writes: Bool

    func conflicts(with other: Access) -> Bool {
        (writes || other.writes) && space == other.space && range.overlaps(other.range)
    }
}

extension Plan.Step {
    /// Every access of the step, the grid's included.
    func accesses(arena: [Int: Plan.Placement]) -> [Access] {
        func access(_ buffer: Buffer, writes: Bool) -> Access {
            if let placement = arena[buffer.id] {
                let start = placement.byteOffset
                return Access(space: .arena, range: start..<start + placement.byteCount, writes: writes)
            }
            return Access(space: .buffer(buffer.id), range: 0..<max(buffer.byteCount, 1), writes: writes)
        }
        var accesses = zip(dispatch.kernel.interface.bindings, dispatch.buffers).compactMap { binding, buffer in
            buffer.map { access($0, writes: binding.access.writes) }
        }
        if case .indirect(let arguments, _) = grid { accesses.append(access(arguments, writes: false)) }
        return accesses
    }

    /// Every buffer of the step, the grid's included.
    var buffers: [Buffer] {
        var buffers = dispatch.buffers.compactMap { $0 }
        if case .indirect(let arguments, _) = grid { buffers.append(arguments) }
        return buffers
    }
}
