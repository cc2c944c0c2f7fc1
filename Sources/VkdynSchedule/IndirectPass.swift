import VkdynCore

/// Chooses each call's variant and turns calls over device-counted rows into indirect dispatches.
enum IndirectPass {
    static func lower(
        _ dispatches: [Dispatch], traits: DeviceTraits, choose: ([VariantInterface]) -> VariantInterface?
    ) -> (steps: [Plan.Step], tables: [Plan.Table]) {
        var steps: [Plan.Step] = []
        for dispatch in dispatches {
            let work = dispatch.kernel.work(parameters: dispatch.parameters)
            // A call without work is no call.
            if work.isEmpty { continue }
            let variants = dispatch.kernel.variants(
                parameters: dispatch.parameters, constants: dispatch.constants,
                elements: dispatch.buffers.map { $0?.elementType }, traits: traits)
            guard let variant = choose(variants) else { preconditionFailure("\(dispatch.kernel.interface.name) offers no variant for \(dispatch.label)") }
            steps.append(
                Plan.Step(
                    dispatch: dispatch, variant: variant, grid: .fixed(work.divided(by: variant.tile)),
                    needsBarrier: false))
        }
        return (steps, [])
    }
}
