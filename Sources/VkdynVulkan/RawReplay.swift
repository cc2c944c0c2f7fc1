import CVulkan
import VkdynCore
public import VkdynSchedule

/// The peer of a plan: one call many times with a barrier between, recorded by hand.
///
/// One pipeline, descriptor set and command buffer, bound and recorded once, then submitted and awaited: as little as a
/// program that calls Vulkan itself could do, with none of what makes a plan. Only the memory of the call and its
/// compiled pipeline are the device's, so that both run the same program on the same bytes.
public final class RawReplay: PreparedPlan, @unchecked Sendable {
    // Sendable: everything is made in `init`, only the run number changes, and one thread at a time runs it.
    public let dispatchCount: Int
    /// Between the dispatches.
    public private(set) var barrierCount = 0
    /// Whether a timestamp follows each dispatch.
    public let isStamped: Bool

    private let owner: VulkanDevice
    private var descriptorPool: VkDescriptorPool?
    private var commandPool: VkCommandPool?
    private var commands: VkCommandBuffer?
    private var semaphore: VkSemaphore?
    private var queries: VkQueryPool?
    private var runCount: UInt64 = 0

    private var device: DeviceHandle { owner.device }

    /// - Parameters:
    ///   - plan: the same call in all steps, over storage buffers that are not transient.
    ///   - isStamped: writes a timestamp after each dispatch; the queue must have them.
    public init(_ plan: Plan, on owner: VulkanDevice, isStamped: Bool = false) throws(DeviceError) {
        guard let step = plan.steps.first, case .fixed(let groups) = step.grid else {
            preconditionFailure("\(plan.label): nothing to replay")
        }
        precondition(
            plan.arena.isEmpty && step.variant.kinds.allSatisfy { $0 == .storage }
                && plan.steps.allSatisfy {
                    $0.dispatch.kernel == step.dispatch.kernel && $0.dispatch.parameters == step.dispatch.parameters
                }, "\(plan.label): not one call many times")
        self.owner = owner
        self.isStamped = isStamped
        dispatchCount = plan.steps.count
        let pipeline = try owner.pipelines.pipeline(
            for: step, flavour: plan.flavour, emulatesFused: owner.options.emulatesFused)
        let set = try makeSet(pipeline, step.dispatch.buffers)
        if isStamped { try makeQueries() }
        try makeSemaphore()
        try record(pipeline, set, step.dispatch.parameters, groups)
    }

    deinit {
        device.functions.vkDestroyDescriptorPool(device.handle, descriptorPool, nil)
        device.functions.vkDestroyCommandPool(device.handle, commandPool, nil)
        device.functions.vkDestroySemaphore(device.handle, semaphore, nil)
        device.functions.vkDestroyQueryPool(device.handle, queries, nil)
    }

    /// Submits and waits. Not counted by the device; not while another thread submits.
    public func run() throws(DeviceError) {
        runCount += 1
        let result = withUnsafePointer(to: runCount) { value in
            withUnsafePointer(to: semaphore) { semaphore in
                withUnsafePointer(to: commands) { commands in
                    var timeline = VkTimelineSemaphoreSubmitInfo()
                    timeline.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO
                    timeline.signalSemaphoreValueCount = 1
                    timeline.pSignalSemaphoreValues = value
                    let submitted = withUnsafePointer(to: timeline) { timeline in
                        var info = VkSubmitInfo()
                        info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
                        info.pNext = UnsafeRawPointer(timeline)
                        info.commandBufferCount = 1
                        info.pCommandBuffers = commands
                        info.signalSemaphoreCount = 1
                        info.pSignalSemaphores = semaphore
                        return device.functions.vkQueueSubmit(device.queue, 1, &info, nil)
                    }
                    guard submitted == VK_SUCCESS else { return submitted }
                    var wait = VkSemaphoreWaitInfo()
                    wait.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO
                    wait.semaphoreCount = 1
                    wait.pSemaphores = semaphore
                    wait.pValues = value
                    return device.functions.vkWaitSemaphores(device.handle, &wait, UInt64.max)
                }
            }
        }
        try succeeded(result, "vkQueueSubmit")
    }

    // MARK: Making

    private func succeeded(_ result: VkResult, _ call: String) throws(DeviceError) {
        try check(result, call, device: device.physical.name, what: "a replay by hand")
    }

    private func makeSet(_ pipeline: Pipeline, _ buffers: [Buffer?]) throws(DeviceError) -> VkDescriptorSet? {
        let poolResult = withUnsafePointer(
            to: VkDescriptorPoolSize(type: VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, descriptorCount: UInt32(buffers.count))
        ) { size in
            var info = VkDescriptorPoolCreateInfo()
            info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO
            info.maxSets = 1
            info.poolSizeCount = 1
            info.pPoolSizes = size
            return device.functions.vkCreateDescriptorPool(device.handle, &info, nil, &descriptorPool)
        }
        try succeeded(poolResult, "vkCreateDescriptorPool")
        var set: VkDescriptorSet?
        let setResult = withUnsafePointer(to: Optional(pipeline.setLayout)) { layout in
            var info = VkDescriptorSetAllocateInfo()
            info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO
            info.descriptorPool = descriptorPool
            info.descriptorSetCount = 1
            info.pSetLayouts = layout
            return device.functions.vkAllocateDescriptorSets(device.handle, &info, &set)
        }
        try succeeded(setResult, "vkAllocateDescriptorSets")
        for (binding, buffer) in buffers.enumerated() {
            let storage = buffer.map(owner.storage) ?? owner.absent
            var info = VkDescriptorBufferInfo(
                buffer: storage.handle, offset: 0, range: VkDeviceSize(storage.byteCount))
            withUnsafePointer(to: &info) { info in
                var write = VkWriteDescriptorSet()
                write.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET
                write.dstSet = set
                write.dstBinding = UInt32(binding)
                write.descriptorCount = 1
                write.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER
                write.pBufferInfo = info
                device.functions.vkUpdateDescriptorSets(device.handle, 1, &write, 0, nil)
            }
        }
        return set
    }

    private func makeQueries() throws(DeviceError) {
        var info = VkQueryPoolCreateInfo()
        info.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO
        info.queryType = VK_QUERY_TYPE_TIMESTAMP
        info.queryCount = UInt32(dispatchCount)
        try succeeded(
            device.functions.vkCreateQueryPool(device.handle, &info, nil, &queries), "vkCreateQueryPool")
    }

    private func makeSemaphore() throws(DeviceError) {
        var type = VkSemaphoreTypeCreateInfo()
        type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO
        type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE
        let result = withUnsafePointer(to: type) { type in
            var info = VkSemaphoreCreateInfo()
            info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO
            info.pNext = UnsafeRawPointer(type)
            return device.functions.vkCreateSemaphore(device.handle, &info, nil, &semaphore)
        }
        try succeeded(result, "vkCreateSemaphore")
    }

    private func record(
        _ pipeline: Pipeline, _ set: VkDescriptorSet?, _ parameters: [UInt32], _ groups: WorkExtent
    ) throws(DeviceError) {
        let functions = device.functions
        var poolInfo = VkCommandPoolCreateInfo()
        poolInfo.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO
        poolInfo.queueFamilyIndex = device.physical.queueFamily ?? 0
        try succeeded(
            functions.vkCreateCommandPool(device.handle, &poolInfo, nil, &commandPool), "vkCreateCommandPool")
        var info = VkCommandBufferAllocateInfo()
        info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO
        info.commandPool = commandPool
        info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY
        info.commandBufferCount = 1
        try succeeded(
            functions.vkAllocateCommandBuffers(device.handle, &info, &commands), "vkAllocateCommandBuffers")
        var begin = VkCommandBufferBeginInfo()
        begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO
        try succeeded(functions.vkBeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer")
        if let queries { functions.vkCmdResetQueryPool(commands, queries, 0, UInt32(dispatchCount)) }
        functions.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.handle)
        var set = set
        functions.vkCmdBindDescriptorSets(
            commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.layout, 0, 1, &set, 0, nil)
        if !parameters.isEmpty {
            functions.vkCmdPushConstants(
                commands, pipeline.layout, VkShaderStageFlags(VK_SHADER_STAGE_COMPUTE_BIT.rawValue), 0,
                UInt32(parameters.count * 4), parameters)
        }
        let compute = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT.rawValue
        var barrier = VkMemoryBarrier()
        barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER
        barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT.rawValue
        barrier.dstAccessMask = VK_ACCESS_SHADER_READ_BIT.rawValue | VK_ACCESS_SHADER_WRITE_BIT.rawValue
        for index in 0..<dispatchCount {
            if index > 0 {
                functions.vkCmdPipelineBarrier(commands, compute, compute, 0, 1, &barrier, 0, nil, 0, nil)
                barrierCount += 1
            }
            functions.vkCmdDispatch(commands, UInt32(groups.x), UInt32(groups.y), UInt32(groups.z))
            if let queries {
                functions.vkCmdWriteTimestamp(
                    commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, queries, UInt32(index))
            }
        }
        // For a host that reads what the dispatches wrote.
        barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT.rawValue
        functions.vkCmdPipelineBarrier(
            commands, compute, VK_PIPELINE_STAGE_HOST_BIT.rawValue, 0, 1, &barrier, 0, nil, 0, nil)
        try succeeded(functions.vkEndCommandBuffer(commands), "vkEndCommandBuffer")
    }
}

extension VulkanDevice {
    /// Whether the queue can write timestamps, so that a `RawReplay` may be stamped.
    public var canStamp: Bool { device.physical.hasTimestamps }
}
