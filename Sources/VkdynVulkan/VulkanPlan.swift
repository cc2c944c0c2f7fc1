import CVulkan
import VkdynCore
import VkdynSchedule

/// A plan with its arena, descriptor sets and command buffer, ready to be submitted again and again.
final class VulkanPlan: SteppablePlan, @unchecked Sendable {
    // Sendable: everything is made in `init` and only read afterwards.
    private let plan: Plan
    private let owner: VulkanDevice
    private let arena: VulkanBuffer?
    private var tables: [Int: Buffer] = [:]
    private var pipelines: [Pipeline] = []
    private var views: [VkBufferView] = []
    private var pool: VkDescriptorPool?
    /// One a step; steps may share one.
    private var sets: [VkDescriptorSet?] = []
    /// Different ones.
    private(set) var setCount = 0
    /// One a segment of the plan, or one a step.
    private var commands: [CommandBuffer] = []
    private let isStepping: Bool

    private var device: DeviceHandle { owner.device }

    /// - Parameter stepping: makes one command buffer a step instead of one a segment.
    init(_ plan: Plan, device owner: VulkanDevice, stepping: Bool) throws(DeviceError) {
        self.plan = plan
        self.owner = owner
        isStepping = stepping
        if let memory = plan.arenaMemory {
            arena = owner.storage(memory)
        } else {
            arena =
                plan.arenaByteCount == 0
                ? nil
                : try VulkanBuffer(
                    device: owner.device, pool: owner.pool, byteCount: plan.arenaByteCount, placement: .device,
                    label: "arena of \(plan.label)")
        }
        if stepping { try fillArena() }
        for table in plan.tables {
            let buffer = try owner.makeBuffer(.words(table.words), label: table.buffer.label)
            tables[table.buffer.id] = buffer
        }
        for step in plan.steps {
            pipelines.append(
                try owner.pipelines.pipeline(
                    for: step, flavour: plan.flavour, emulatesFused: owner.options.emulatesFused))
        }
        try makeSets()
        if stepping {
            for index in plan.steps.indices { commands.append(try record(index..<index + 1)) }
        } else {
            for segment in plan.segments { commands.append(try record(segment)) }
        }
    }

    deinit {
        for view in views { device.functions.vkDestroyBufferView(device.handle, view, nil) }
        if let pool { device.functions.vkDestroyDescriptorPool(device.handle, pool, nil) }
    }

    func run() throws(DeviceError) {
        for (number, segment) in plan.segments.enumerated() {
            if number > 0 { try plan.pauses[number - 1].work() }
            if isStepping {
                for step in segment { try run(step: step) }
            } else {
                try owner.submit(commands[number].handle, dispatches: segment.count)
            }
        }
    }

    /// As `run`, for a plan that has no pauses and was not prepared for stepping.
    func runTimed() throws(DeviceError) -> SubmitTimes {
        precondition(plan.pauses.isEmpty && !isStepping, "\(plan.label): not one submit")
        return try owner.submit(commands[0].handle, dispatches: plan.steps.count)
    }

    func run(step: Int) throws(DeviceError) {
        try owner.submit(commands[step].handle, dispatches: 1)
    }

    func read(_ buffer: Buffer) throws(DeviceError) -> [UInt8] {
        let (storage, offset) = memory(of: buffer)
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(buffer.byteCount, 1), alignment: 16)
        defer { bytes.deallocate() }
        let range = UnsafeMutableRawBufferPointer(rebasing: bytes[..<buffer.byteCount])
        try owner.read(storage, byteOffset: offset, into: range)
        return Array(range)
    }

    // MARK: Making

    /// The pattern of memory that nobody wrote, as in the reference executor, so that lockstep may compare whole
    /// buffers.
    private func fillArena() throws(DeviceError) {
        guard let arena else { return }
        let words = [UInt32](repeating: 0x7FFA_7FFA, count: arena.byteCount / 4)
        let buffer = Buffer(elementType: .u32, count: words.count, label: "arena", storage: arena)
        try owner.write(words, to: buffer)
    }

    private func memory(of buffer: Buffer) -> (storage: VulkanBuffer, byteOffset: Int) {
        if let arena, let placement = plan.arena[buffer.id] { return (arena, placement.byteOffset) }
        return (owner.storage(tables[buffer.id] ?? buffer), 0)
    }

    /// Memory as a descriptor shows it.
    private struct Resource: Hashable {
        let kind: BindingKind
        let buffer: VkBuffer
        let byteOffset: Int
        let byteCount: Int
        /// Of a texel view, which decides its format.
        let element: ElementType?
    }

    /// Steps that bind the same memory in the same way share a set: thousands of calls of one layer's kernels with
    /// nothing but other parameters need one, and a command buffer binds it once.
    private func makeSets() throws(DeviceError) {
        guard !plan.steps.isEmpty else { return }
        var resources: [[Resource]] = []
        var layouts: [VkDescriptorSetLayout?] = []
        var places: [[Resource]: Int] = [:]
        var setIndices: [Int] = []
        for (index, step) in plan.steps.enumerated() {
            var bound: [Resource] = []
            for (binding, kind) in step.variant.kinds.enumerated() {
                bound.append(try resource(step.dispatch.buffers[binding], kind: kind))
            }
            if places[bound] == nil {
                places[bound] = resources.count
                resources.append(bound)
                layouts.append(pipelines[index].setLayout)
            }
            setIndices.append(places[bound] ?? 0)
        }
        let kinds = resources.flatMap { $0.map(\.kind) }
        let storageCount = kinds.count { $0 == .storage }
        var sizes: [VkDescriptorPoolSize] = []
        if storageCount > 0 {
            sizes.append(.init(type: VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, descriptorCount: UInt32(storageCount)))
        }
        if kinds.count > storageCount {
            sizes.append(
                .init(
                    type: VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER,
                    descriptorCount: UInt32(kinds.count - storageCount)))
        }
        let poolResult = sizes.withUnsafeBufferPointer { sizes in
            var info = VkDescriptorPoolCreateInfo()
            info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO
            info.maxSets = UInt32(layouts.count)
            info.poolSizeCount = UInt32(sizes.count)
            info.pPoolSizes = sizes.baseAddress
            return device.functions.vkCreateDescriptorPool(device.handle, &info, nil, &pool)
        }
        try check(poolResult, "vkCreateDescriptorPool", device: device.physical.name)
        var made = [VkDescriptorSet?](repeating: nil, count: layouts.count)
        let result = layouts.withUnsafeBufferPointer { layouts in
            var info = VkDescriptorSetAllocateInfo()
            info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO
            info.descriptorPool = pool
            info.descriptorSetCount = UInt32(layouts.count)
            info.pSetLayouts = layouts.baseAddress
            return device.functions.vkAllocateDescriptorSets(device.handle, &info, &made)
        }
        try check(result, "vkAllocateDescriptorSets", device: device.physical.name)
        for (set, bound) in zip(made, resources) {
            for (binding, resource) in bound.enumerated() {
                try bind(resource, set: set, binding: UInt32(binding))
            }
        }
        sets = setIndices.map { made[$0] }
        setCount = made.count
    }

    private func resource(_ buffer: Buffer?, kind: BindingKind) throws(DeviceError) -> Resource {
        let (storage, byteOffset) = buffer.map(memory) ?? (owner.absent, 0)
        let byteCount = min(max((buffer?.byteCount ?? 16) + 15, 16) / 16 * 16, storage.byteCount - byteOffset)
        let element = buffer?.elementType ?? .f32
        let texelByteCount = kind == .texelUInt ? 16 : 4 * element.byteCount
        let traits = device.physical.traits
        let limit = kind == .storage ? traits.maximumStorageBytes : traits.maximumTexels * texelByteCount
        if byteCount > limit {
            throw .bufferTooLarge(what: buffer?.label ?? "a buffer", byteCount: byteCount, limit: limit)
        }
        return Resource(
            kind: kind, buffer: storage.handle, byteOffset: byteOffset, byteCount: byteCount,
            element: kind == .storage ? nil : element)
    }

    private func bind(
        _ resource: Resource, set: VkDescriptorSet?, binding: UInt32
    ) throws(DeviceError) {
        var write = VkWriteDescriptorSet()
        write.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET
        write.dstSet = set
        write.dstBinding = binding
        write.descriptorCount = 1
        write.descriptorType = resource.kind.descriptorType
        guard let element = resource.element else {
            var info = VkDescriptorBufferInfo(
                buffer: resource.buffer, offset: VkDeviceSize(resource.byteOffset),
                range: VkDeviceSize(resource.byteCount))
            withUnsafePointer(to: &info) {
                write.pBufferInfo = $0
                device.functions.vkUpdateDescriptorSets(device.handle, 1, &write, 0, nil)
            }
            return
        }
        var info = VkBufferViewCreateInfo()
        info.sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO
        info.buffer = resource.buffer
        info.format = resource.kind.format(element)
        info.offset = VkDeviceSize(resource.byteOffset)
        info.range = VkDeviceSize(resource.byteCount)
        var view: VkBufferView?
        try check(
            device.functions.vkCreateBufferView(device.handle, &info, nil, &view), "vkCreateBufferView",
            device: device.physical.name)
        if let view { views.append(view) }
        withUnsafePointer(to: &view) {
            write.pTexelBufferView = $0
            device.functions.vkUpdateDescriptorSets(device.handle, 1, &write, 0, nil)
        }
    }

    /// - Parameter stamps: notes the time at boundaries between steps; see `StampPool`.
    func record(_ range: Range<Int>, stamps: StampPool? = nil) throws(DeviceError) -> CommandBuffer {
        let commands = try CommandBuffer(device)
        let functions = device.functions
        try commands.begin()
        stamps?.reset(in: commands)
        commands.fullBarrier()
        stamps?.write(boundary: range.lowerBound, in: commands)
        // What the step before has bound stays bound, and drivers on the CPU bind again at every replay.
        for index in range {
            let step = plan.steps[index]
            let previous = index > range.lowerBound ? index - 1 : nil
            let keepsPipeline = previous.map { pipelines[$0] === pipelines[index] } ?? false
            if step.needsBarrier, previous != nil { commands.kernelBarrier() }
            if !keepsPipeline {
                functions.vkCmdBindPipeline(commands.handle, VK_PIPELINE_BIND_POINT_COMPUTE, pipelines[index].handle)
            }
            if !keepsPipeline || previous.map({ sets[$0] != sets[index] }) ?? true {
                var set = sets[index]
                functions.vkCmdBindDescriptorSets(
                    commands.handle, VK_PIPELINE_BIND_POINT_COMPUTE, pipelines[index].layout, 0, 1, &set, 0, nil)
            }
            let parameters = step.dispatch.parameters
            let keepsParameters = keepsPipeline && previous.map { plan.steps[$0].dispatch.parameters } == parameters
            if !parameters.isEmpty, !keepsParameters {
                functions.vkCmdPushConstants(
                    commands.handle, pipelines[index].layout,
                    VkShaderStageFlags(VK_SHADER_STAGE_COMPUTE_BIT.rawValue), 0, UInt32(parameters.count * 4),
                    parameters)
            }
            switch step.grid {
            case .fixed(let groups):
                functions.vkCmdDispatch(commands.handle, UInt32(groups.x), UInt32(groups.y), UInt32(groups.z))
            case .indirect(let arguments, let byteOffset):
                let (storage, base) = memory(of: arguments)
                functions.vkCmdDispatchIndirect(commands.handle, storage.handle, VkDeviceSize(base + byteOffset))
            }
            stamps?.write(boundary: index + 1, in: commands)
        }
        commands.fullBarrier()
        try commands.end()
        return commands
    }
}
