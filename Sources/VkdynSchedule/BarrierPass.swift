import VkdynCore

/// Places a barrier before each step that conflicts with one since the last barrier; steps between two barriers
/// may run at once.
enum BarrierPass {
    static func place(in steps: inout [Plan.Step], arena: [Int: Plan.Placement]) {
        var open: [Access] = []
        for index in steps.indices {
            let accesses = steps[index].accesses(arena: arena)
            let conflicts = accesses.contains { access in open.contains { $0.conflicts(with: access) } }
            steps[index].needsBarrier = conflicts
            if conflicts { open.removeAll(keepingCapacity: true) }
            open += accesses
        }
    }
}
