import CVulkan
import Synchronization
public import VkdynCore
public import VkdynSchedule

/// Runs plans on a Vulkan 1.2 device.
public final class VulkanDevice: SteppableDevice {
    public struct Options: Sendable {
        /// Turns the Khronos validation layer on, with synchronisation validation; see `ValidationMessages`.
        public var validation = false
        /// Runs the fused flavour through its exact emulation, for devices that do not fuse.
        public var emulatesFused = false
        /// Chooses variants by what `vkdyn bench --tune` has measured, where it has.
        public var usesTuning = true
        /// Numbers the lanes of kernels with barriers backwards, which changes no bit unless a barrier is missing.
        public var reversesLanes = false

        public init(
            validation: Bool = false, emulatesFused: Bool = false, usesTuning: Bool = true, reversesLanes: Bool = false
        ) {
            self.validation = validation
            self.emulatesFused = emulatesFused
            self.usesTuning = usesTuning
            self.reversesLanes = reversesLanes
        }
    }

    let device: DeviceHandle
    let pool: MemoryPool
    let pipelines: PipelineStore
    let options: Options
    /// Bound where an optional buffer is absent.
    let absent: VulkanBuffer
    /// Why the kept tuning was passed over; nil where nothing is wrong with it.
    public let tuningNote: String?
    private let tuningFile: TuningFile?
    private let tunings: Mutex<Tuning>
    private let timeline: Timeline
    private let submission = Mutex(Submission())

    private struct Submission {
        var counters = DeviceCounters()
        /// The value that the last submit signals.
        var value: UInt64 = 0
    }

    init(instance: Instance, physical: PhysicalDevice, options: Options) throws(DeviceError) {
        device = try DeviceHandle(instance: instance, physical: physical)
        pool = MemoryPool(device: device)
        pipelines = PipelineStore(device: device, reversesLanes: options.reversesLanes)
        self.options = options
        absent = try VulkanBuffer(device: device, pool: pool, byteCount: 256, placement: .device, label: "absent")
        timeline = try Timeline(device)
        tuningFile = CacheFile.url(physical, suffix: "tuning.json").map {
            TuningFile(url: $0, device: physical.description)
        }
        let kept = options.usesTuning ? tuningFile?.read() : nil
        tunings = Mutex(kept?.tuning ?? Tuning())
        tuningNote = kept?.note
    }

    deinit { pipelines.save() }

    // MARK: Device

    public var description: DeviceDescription { device.physical.description }
    /// Whether the exact emulation of fused multiply-add can run, which needs 64-bit floats.
    public var canEmulateFused: Bool { device.physical.hasFloat64 }
    public var traits: DeviceTraits { device.physical.traits }
    public var counters: DeviceCounters { submission.withLock { $0.counters } }
    public var memory: MemoryUse? { pool.use }
    public var tuning: Tuning { tunings.withLock { $0 } }

    /// Chooses variants by `tuning` from now on, and keeps it in the user's cache folder for this device and driver.
    /// - Returns: the file.
    @discardableResult
    public func keep(_ tuning: Tuning) throws(CacheFileError) -> String {
        guard let tuningFile else { throw CacheFileError(what: TuningFile.what, path: nil) }
        let all = try tuningFile.add(tuning)
        tunings.withLock { $0 = all }
        return tuningFile.url.path
    }

    public func makeBuffer(
        _ elementType: ElementType, count: Int, placement: BufferPlacement, label: String
    ) throws(DeviceError) -> Buffer {
        let byteCount = count * elementType.byteCount
        return Buffer(
            elementType: elementType, count: count, label: label,
            storage: try VulkanBuffer(
                device: device, pool: pool, byteCount: byteCount, placement: placement, label: label))
    }

    public func write(
        _ bytes: UnsafeRawBufferPointer, to buffer: Buffer, byteOffset: Int
    ) throws(DeviceError) {
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
        precondition(byteOffset + bytes.count <= buffer.byteCount, "write beyond \(buffer.label)")
        let target = storage(buffer)
        if let mapped = target.mapped {
            (mapped + byteOffset).copyMemory(from: source, byteCount: bytes.count)
            return
        }
        try staged(byteCount: bytes.count) { staging, range throws(DeviceError) in
            guard let mapped = staging.mapped else { return }
            mapped.copyMemory(from: source + range.lowerBound, byteCount: range.count)
            try copy(from: staging, at: 0, to: target, at: byteOffset + range.lowerBound, byteCount: range.count)
        }
    }

    public func read(_ parts: [BufferPart]) throws(DeviceError) -> [[UInt8]] {
        submission.withLock { $0.counters.readbacks += 1 }
        var results: [[UInt8]] = []
        for part in parts {
            // The array's own memory is written to once; its initialiser does not keep the error's type.
            var outcome = Result<Void, DeviceError>.success(())
            results.append(
                Array(unsafeUninitializedCapacity: part.byteRange.count) { bytes, count in
                    count = part.byteRange.count
                    let memory = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[..<count])
                    outcome = Result { () throws(DeviceError) in
                        try read(storage(part.buffer), byteOffset: part.byteRange.lowerBound, into: memory)
                    }
                })
            try outcome.get()
        }
        return results
    }

    func read(
        _ source: VulkanBuffer, byteOffset: Int, into destination: UnsafeMutableRawBufferPointer
    ) throws(DeviceError) {
        guard let target = destination.baseAddress, !destination.isEmpty else { return }
        precondition(byteOffset + destination.count <= source.byteCount, "read beyond a buffer")
        if let mapped = source.mapped {
            target.copyMemory(from: mapped + byteOffset, byteCount: destination.count)
            return
        }
        try staged(byteCount: destination.count) { staging, range throws(DeviceError) in
            try copy(from: source, at: byteOffset + range.lowerBound, to: staging, at: 0, byteCount: range.count)
            guard let mapped = staging.mapped else { return }
            (target + range.lowerBound).copyMemory(from: mapped, byteCount: range.count)
        }
    }

    public func prepare(_ plan: Plan) throws(DeviceError) -> any PreparedPlan {
        try VulkanPlan(plan, device: self, stepping: false)
    }

    public func prepareStepping(_ plan: Plan) throws(DeviceError) -> any SteppablePlan {
        try VulkanPlan(plan, device: self, stepping: true)
    }

    // MARK: Submitting

    /// Submits one command buffer and waits for it.
    @discardableResult
    func submit(_ commands: VkCommandBuffer, dispatches: Int) throws(DeviceError) -> SubmitTimes {
        let (result, times) = submission.withLock { submission -> (VkResult, SubmitTimes) in
            submission.value += 1
            submission.counters.submits += 1
            submission.counters.dispatches += dispatches
            let start = HostClock.now()
            var result = timeline.submit(commands, signalling: submission.value)
            let submitted = HostClock.now()
            if result == VK_SUCCESS { result = timeline.wait(for: submission.value) }
            return (result, SubmitTimes(start: start, submitted: submitted, finished: HostClock.now()))
        }
        try check(result, "vkQueueSubmit", device: device.physical.name)
        return times
    }

    private func staged(
        byteCount: Int, _ body: (VulkanBuffer, Range<Int>) throws(DeviceError) -> Void
    ) throws(DeviceError) {
        let pieceCount = min(byteCount, 16 << 20)
        let staging = try VulkanBuffer(
            device: device, pool: pool, byteCount: pieceCount, placement: .shared, label: "staging")
        var start = 0
        while start < byteCount {
            let end = min(start + pieceCount, byteCount)
            try body(staging, start..<end)
            start = end
        }
    }

    private func copy(
        from source: VulkanBuffer, at sourceOffset: Int, to target: VulkanBuffer, at targetOffset: Int,
        byteCount: Int
    ) throws(DeviceError) {
        let commands = try CommandBuffer(device)
        try commands.begin()
        var region = VkBufferCopy(
            srcOffset: VkDeviceSize(sourceOffset), dstOffset: VkDeviceSize(targetOffset),
            size: VkDeviceSize(byteCount))
        commands.fullBarrier()
        device.functions.vkCmdCopyBuffer(commands.handle, source.handle, target.handle, 1, &region)
        commands.fullBarrier()
        try commands.end()
        try submit(commands.handle, dispatches: 0)
    }

    func storage(_ buffer: Buffer) -> VulkanBuffer {
        guard let storage = buffer.storage as? VulkanBuffer else {
            preconditionFailure("\(buffer.label) belongs to another device")
        }
        return storage
    }
}

/// Before a submit, after it, and when the end of its work was seen, in seconds on `HostClock`.
struct SubmitTimes {
    let start: Double
    let submitted: Double
    let finished: Double
}

/// A timeline semaphore that counts submits.
private final class Timeline: @unchecked Sendable {
    // Sendable: a handle, never changed.
    private let semaphore: VkSemaphore
    private let device: DeviceHandle

    init(_ device: DeviceHandle) throws(DeviceError) {
        self.device = device
        var type = VkSemaphoreTypeCreateInfo()
        type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO
        type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE
        var semaphore: VkSemaphore?
        let result = withUnsafePointer(to: &type) { type in
            var info = VkSemaphoreCreateInfo()
            info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO
            info.pNext = UnsafeRawPointer(type)
            return device.functions.vkCreateSemaphore(device.handle, &info, nil, &semaphore)
        }
        try check(result, "vkCreateSemaphore", device: device.physical.name)
        guard let semaphore else { throw .failed(call: "vkCreateSemaphore", code: 0) }
        self.semaphore = semaphore
    }

    deinit { device.functions.vkDestroySemaphore(device.handle, semaphore, nil) }

    func submit(_ commands: VkCommandBuffer, signalling value: UInt64) -> VkResult {
        withUnsafePointer(to: value) { value in
            withUnsafePointer(to: Optional(semaphore)) { semaphore in
                withUnsafePointer(to: Optional(commands)) { commands in
                    var timeline = VkTimelineSemaphoreSubmitInfo()
                    timeline.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO
                    timeline.signalSemaphoreValueCount = 1
                    timeline.pSignalSemaphoreValues = value
                    return withUnsafePointer(to: timeline) { timeline in
                        var info = VkSubmitInfo()
                        info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
                        info.pNext = UnsafeRawPointer(timeline)
                        info.commandBufferCount = 1
                        info.pCommandBuffers = commands
                        info.signalSemaphoreCount = 1
                        info.pSignalSemaphores = semaphore
                        return device.functions.vkQueueSubmit(device.queue, 1, &info, nil)
                    }
                }
            }
        }
    }

    /// Waits until the device has signalled `value`.
    func wait(for value: UInt64) -> VkResult {
        withUnsafePointer(to: value) { value in
            withUnsafePointer(to: Optional(semaphore)) { semaphore in
                var wait = VkSemaphoreWaitInfo()
                wait.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO
                wait.semaphoreCount = 1
                wait.pSemaphores = semaphore
                wait.pValues = value
                return device.functions.vkWaitSemaphores(device.handle, &wait, UInt64.max)
            }
        }
    }
}

/// A command buffer with its pool.
final class CommandBuffer: @unchecked Sendable {
    // Sendable: recorded once by one thread, then only submitted.
    let handle: VkCommandBuffer
    private let pool: VkCommandPool
    private let device: DeviceHandle

    init(_ device: DeviceHandle) throws(DeviceError) {
        self.device = device
        var poolInfo = VkCommandPoolCreateInfo()
        poolInfo.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO
        poolInfo.queueFamilyIndex = device.physical.queueFamily ?? 0
        var pool: VkCommandPool?
        try check(
            device.functions.vkCreateCommandPool(device.handle, &poolInfo, nil, &pool), "vkCreateCommandPool",
            device: device.physical.name)
        guard let pool else { throw .failed(call: "vkCreateCommandPool", code: 0) }
        self.pool = pool
        var info = VkCommandBufferAllocateInfo()
        info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO
        info.commandPool = pool
        info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY
        info.commandBufferCount = 1
        var handle: VkCommandBuffer?
        let result = device.functions.vkAllocateCommandBuffers(device.handle, &info, &handle)
        guard result == VK_SUCCESS, let handle else {
            device.functions.vkDestroyCommandPool(device.handle, pool, nil)
            try check(result, "vkAllocateCommandBuffers", device: device.physical.name)
            throw .failed(call: "vkAllocateCommandBuffers", code: 0)
        }
        self.handle = handle
    }

    deinit { device.functions.vkDestroyCommandPool(device.handle, pool, nil) }

    func begin() throws(DeviceError) {
        var info = VkCommandBufferBeginInfo()
        info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO
        try check(
            device.functions.vkBeginCommandBuffer(handle, &info), "vkBeginCommandBuffer",
            device: device.physical.name)
    }

    func end() throws(DeviceError) {
        try check(
            device.functions.vkEndCommandBuffer(handle), "vkEndCommandBuffer", device: device.physical.name)
    }

    /// Orders kernels before it against kernels (and their indirect arguments) after it.
    func kernelBarrier() {
        let compute = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT.rawValue
        barrier(
            from: compute, VK_ACCESS_SHADER_WRITE_BIT.rawValue,
            to: compute | VK_PIPELINE_STAGE_DRAW_INDIRECT_BIT.rawValue,
            VK_ACCESS_SHADER_READ_BIT.rawValue | VK_ACCESS_SHADER_WRITE_BIT.rawValue
                | VK_ACCESS_INDIRECT_COMMAND_READ_BIT.rawValue)
    }

    /// Orders everything, the host and copies included.
    func fullBarrier() {
        let all = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT.rawValue | VK_PIPELINE_STAGE_HOST_BIT.rawValue
        let access = VK_ACCESS_MEMORY_READ_BIT.rawValue | VK_ACCESS_MEMORY_WRITE_BIT.rawValue
        barrier(from: all, access, to: all, access)
    }

    private func barrier(from: UInt32, _ sourceAccess: UInt32, to: UInt32, _ targetAccess: UInt32) {
        var barrier = VkMemoryBarrier()
        barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER
        barrier.srcAccessMask = sourceAccess
        barrier.dstAccessMask = targetAccess
        device.functions.vkCmdPipelineBarrier(handle, from, to, 0, 1, &barrier, 0, nil, 0, nil)
    }
}
