import VkdynCore
import VkdynKernels

/// Chooses each call's variant and turns calls over device-counted rows into indirect dispatches.
///
/// Each time a count is written, one `DispatchSetup` turns it into the workgroup counts of every call that runs over
/// it until it is written again; a count of zero skips them all.
enum IndirectPass {
    struct Result {
        var steps: [Plan.Step]
        var tables: [Plan.Table]
        /// Positions count steps.
        var pauses: [HostPause]
    }

    /// - Parameter choose: the variant of a call.
    static func lower(
        _ recording: Recording, choose: (Dispatch) -> VariantInterface?
    ) throws(DeviceError) -> Result {
        var steps: [Plan.Step] = []
        // How many steps are before each call.
        var positions: [Int] = []
        for dispatch in recording.dispatches {
            positions.append(steps.count)
            let work = dispatch.kernel.work(parameters: dispatch.parameters)
            // A call without work is no call.
            if work.isEmpty { continue }
            steps.append(try step(dispatch, work, choose))
        }
        positions.append(steps.count)
        let (lowered, tables, setups) = try insertSetups(steps)
        let pauses = recording.pauses.map { pause in
            let position = positions[pause.position]
            // A set-up before the next step is after the pause, which may have written its count.
            return HostPause(
                label: pause.label, position: position + setups.count { $0 < position }, work: pause.work)
        }
        return Result(steps: lowered, tables: tables, pauses: pauses)
    }

    private static func step(
        _ dispatch: Dispatch, _ work: WorkExtent, _ choose: (Dispatch) -> VariantInterface?
    ) throws(DeviceError) -> Plan.Step {
        guard let variant = choose(dispatch) else {
            throw .noVariant(kernel: dispatch.kernel.interface.name, call: dispatch.label)
        }
        return Plan.Step(
            dispatch: dispatch, variant: variant, grid: .fixed(work.divided(by: variant.tile)), needsBarrier: false)
    }

    /// The steps over one value of a count.
    private struct Group {
        let rows: Counted
        var members: [Int]
    }

    /// - Returns: all steps, and before which of the given ones a set-up was put.
    private static func insertSetups(
        _ steps: [Plan.Step]
    ) throws(DeviceError) -> (steps: [Plan.Step], tables: [Plan.Table], setups: [Int]) {
        var groups: [Group] = []
        var open: [Int: Int] = [:]
        for (index, step) in steps.enumerated() {
            if let rows = step.dispatch.rows, rows.isIndirect,
                step.dispatch.kernel.work(parameters: step.dispatch.parameters).rowAxis != nil
            {
                if let group = open[rows.buffer.id] {
                    groups[group].members.append(index)
                } else {
                    open[rows.buffer.id] = groups.count
                    groups.append(Group(rows: rows, members: [index]))
                }
            }
            for (binding, buffer) in zip(step.dispatch.kernel.interface.bindings, step.dispatch.buffers) {
                if binding.access.writes, let buffer { open[buffer.id] = nil }
            }
        }
        var result = steps
        var tables: [Plan.Table] = []
        var setups: [(position: Int, step: Plan.Step)] = []
        for (number, group) in groups.enumerated() {
            let label = "\(group.rows.buffer.label).dispatch\(number)"
            let arguments = Buffer(elementType: .u32, count: group.members.count * 3, label: label + ".arguments")
            var words: [UInt32] = []
            for (slot, member) in group.members.enumerated() {
                let dispatch = steps[member].dispatch
                let tile = steps[member].variant.tile
                let work = dispatch.kernel.work(parameters: dispatch.parameters)
                let groups = work.divided(by: tile)
                let axis = work.rowAxis ?? .x
                words += [
                    UInt32(groups.x), UInt32(groups.y), UInt32(groups.z), UInt32(axis.rawValue), UInt32(tile[axis]),
                ]
                result[member] = Plan.Step(
                    dispatch: dispatch, variant: steps[member].variant,
                    grid: .indirect(arguments, byteOffset: slot * 12), needsBarrier: false)
            }
            let table = Plan.Table(
                buffer: Buffer(elementType: .u32, count: words.count, label: label + ".entries"), words: words)
            tables.append(table)
            let setup = Dispatch(
                kernel: DispatchSetup.self, buffers: [group.rows.buffer, table.buffer, arguments],
                parameters: [UInt32(group.members.count)], constants: [], rows: nil, label: label)
            let work = DispatchSetup.work(parameters: setup.parameters)
            setups.append((group.members[0], try step(setup, work) { _ in DispatchSetup.interface.variants.first }))
        }
        for (position, step) in setups.sorted(by: { $0.position > $1.position }) {
            result.insert(step, at: position)
        }
        return (result, tables, setups.map(\.position))
    }
}
