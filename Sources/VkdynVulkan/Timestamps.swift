import CVulkan
import Synchronization
import VkdynCore
public import VkdynSchedule

extension VulkanDevice: TimestampingDevice {
    public func measureTimestampCost() throws(DeviceError) -> TimestampCost? {
        guard device.physical.hasTimestamps else { return nil }
        let count = 64
        // All before the first step, of which there is none.
        let stamps = try StampPool(device, boundaries: [Int](0...count))
        func record(_ stamps: StampPool?) throws(DeviceError) -> CommandBuffer {
            let commands = try CommandBuffer(device)
            try commands.begin()
            stamps?.reset(in: commands)
            commands.fullBarrier()
            for boundary in 0...count { stamps?.write(boundary: boundary, in: commands) }
            commands.fullBarrier()
            try commands.end()
            return commands
        }
        let recordings = (with: try record(stamps), without: try record(nil))
        var intervals: [Double] = []
        var best = (with: Double.infinity, without: Double.infinity)
        for sample in 0..<8 {
            let without = try submit(recordings.without.handle, dispatches: 0)
            let with = try submit(recordings.with.handle, dispatches: 0)
            // The first makes the queries.
            guard sample > 0 else { continue }
            best.with = min(best.with, with.finished - with.start)
            best.without = min(best.without, without.finished - without.start)
            let ticks = try stamps.read()
            intervals += zip(ticks, ticks.dropFirst()).map { device.physical.seconds(from: $0, to: $1) }
        }
        return TimestampCost(
            intervalSeconds: intervals.sorted()[intervals.count / 2],
            runSeconds: max(0, best.with - best.without) / Double(count + 1))
    }

    public func prepareTimed(_ plan: Plan) throws(DeviceError) -> any TimedPlan {
        VulkanTimedPlan(try VulkanPlan(plan, device: self, stepping: false), stepCount: plan.steps.count, device: self)
    }
}

/// A plan with a command buffer for each choice of stamps.
private final class VulkanTimedPlan: TimedPlan {
    private let plan: VulkanPlan
    private let stepCount: Int
    private let owner: VulkanDevice
    private let recordings = Mutex<[Recording]>([])

    private struct Recording {
        let stretches: [Range<Int>]
        let stamps: StampPool
        let commands: CommandBuffer
    }

    init(_ plan: VulkanPlan, stepCount: Int, device: VulkanDevice) {
        self.plan = plan
        self.stepCount = stepCount
        owner = device
    }

    func run() throws(DeviceError) { try plan.run() }

    func record(stamping stretches: [Range<Int>]) throws(DeviceError) -> Int {
        precondition(owner.device.physical.hasTimestamps, "\(owner.device.physical.name) has no timestamps")
        precondition(stretches.allSatisfy { !$0.isEmpty && $0.upperBound <= stepCount }, "no such stretch of steps")
        let boundaries = Set(stretches.flatMap { [$0.lowerBound, $0.upperBound] }).sorted()
        let stamps = try StampPool(owner.device, boundaries: boundaries)
        let commands = try plan.record(0..<stepCount, stamps: stamps)
        return recordings.withLock {
            $0.append(Recording(stretches: stretches, stamps: stamps, commands: commands))
            return $0.count - 1
        }
    }

    func run(stamped: Int?) throws(DeviceError) -> TimedRun {
        guard let stamped else {
            let times = try plan.runTimed()
            return TimedRun(start: times.start, submitted: times.submitted, finished: times.finished)
        }
        let recording = recordings.withLock { $0[stamped] }
        let times = try owner.submit(recording.commands.handle, dispatches: stepCount)
        return TimedRun(
            start: times.start, submitted: times.submitted, finished: times.finished,
            stretches: try stretches(of: recording, times))
    }

    private func stretches(
        of recording: Recording, _ times: SubmitTimes
    ) throws(DeviceError) -> [TimedRun.Stretch] {
        let ticks = try recording.stamps.read()
        guard let first = ticks.first else { return [] }
        let physical = owner.device.physical
        // On the device, from the first stamp on.
        let offsets = ticks.map { physical.seconds(from: first, to: $0) }
        // The work lies between the submit and its seen end, whatever the clocks say of each other.
        let latest = max(times.start, times.finished - (offsets.last ?? 0))
        let start = try owner.device.hostTime(ofTicks: first).map { min(max($0, times.start), latest) }
            ?? (times.start + latest) / 2
        return recording.stretches.map { stretch in
            let from = recording.stamps.index(of: stretch.lowerBound)
            let to = recording.stamps.index(of: stretch.upperBound)
            return TimedRun.Stretch(
                steps: stretch, start: start + offsets[from], seconds: max(0, offsets[to] - offsets[from]),
                stampCount: to - from)
        }
    }
}

/// The timestamp queries of one command buffer, one at each of some boundaries between the steps of a plan: boundary i
/// lies before step i and after all steps below i.
final class StampPool: @unchecked Sendable {
    // Sendable: a handle and plain values, never changed.
    private let boundaries: [Int]
    private let handle: VkQueryPool
    private let device: DeviceHandle

    /// - Parameter boundaries: ascending, at least one.
    init(_ device: DeviceHandle, boundaries: [Int]) throws(DeviceError) {
        self.device = device
        self.boundaries = boundaries
        var info = VkQueryPoolCreateInfo()
        info.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO
        info.queryType = VK_QUERY_TYPE_TIMESTAMP
        info.queryCount = UInt32(boundaries.count)
        var created: VkQueryPool?
        try check(
            device.functions.vkCreateQueryPool(device.handle, &info, nil, &created), "vkCreateQueryPool",
            device: device.physical.name)
        guard let created else { throw .failed(call: "vkCreateQueryPool", code: 0) }
        handle = created
    }

    deinit { device.functions.vkDestroyQueryPool(device.handle, handle, nil) }

    func reset(in commands: CommandBuffer) {
        device.functions.vkCmdResetQueryPool(commands.handle, handle, 0, UInt32(boundaries.count))
    }

    /// Notes the time when all dispatches before have finished, if this is a boundary to be stamped.
    func write(boundary: Int, in commands: CommandBuffer) {
        guard let query = query(boundary) else { return }
        device.functions.vkCmdWriteTimestamp(
            commands.handle, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, handle, UInt32(query))
    }

    /// The position of a stamped boundary in what `read` returns.
    func index(of boundary: Int) -> Int {
        guard let query = query(boundary) else { preconditionFailure("boundary \(boundary) has no stamp") }
        return query
    }

    /// Ticks, one a boundary, after the command buffer has run.
    func read() throws(DeviceError) -> [UInt64] {
        var ticks = [UInt64](repeating: 0, count: boundaries.count)
        let flags = VK_QUERY_RESULT_64_BIT.rawValue | VK_QUERY_RESULT_WAIT_BIT.rawValue
        let result = ticks.withUnsafeMutableBytes { bytes in
            device.functions.vkGetQueryPoolResults(
                device.handle, handle, 0, UInt32(boundaries.count), bytes.count, bytes.baseAddress, 8,
                VkQueryResultFlags(flags))
        }
        try check(result, "vkGetQueryPoolResults", device: device.physical.name)
        return ticks
    }

    private func query(_ boundary: Int) -> Int? {
        var (low, high) = (0, boundaries.count)
        while low < high {
            let middle = (low + high) / 2
            if boundaries[middle] < boundary { low = middle + 1 } else { high = middle }
        }
        return low < boundaries.count && boundaries[low] == boundary ? low : nil
    }
}

// MARK: The device's clock

extension PhysicalDevice {
    var hasTimestamps: Bool { timestampValidBits > 0 && properties.limits.timestampPeriod > 0 }

    /// The time from one stamp to another, also when the counter has started again between them; negative for a stamp
    /// that is earlier.
    func seconds(from first: UInt64, to second: UInt64) -> Double {
        Self.ticks(from: first, to: second, validBits: timestampValidBits)
            * Double(properties.limits.timestampPeriod) * 1e-9
    }

    /// The shorter way around a counter of `validBits` bits.
    static func ticks(from first: UInt64, to second: UInt64, validBits: UInt32) -> Double {
        let unused = UInt64(64 - min(validBits, 64))
        // Shifted to the top, the sign bit says which way is the shorter one.
        return Double(Int64(bitPattern: (second &- first) << unused) >> Int64(unused))
    }
}

extension DeviceHandle {
    /// Where a stamp lies on `HostClock`; nil where the driver cannot compare the clocks.
    func hostTime(ofTicks ticks: UInt64) throws(DeviceError) -> Double? {
        guard let calibrated = functions.vkGetCalibratedTimestamps else { return nil }
        let infos = [VK_TIME_DOMAIN_DEVICE_EXT, VK_TIME_DOMAIN_CLOCK_MONOTONIC_EXT].map { domain in
            var info = VkCalibratedTimestampInfoEXT()
            info.sType = VK_STRUCTURE_TYPE_CALIBRATED_TIMESTAMP_INFO_EXT
            info.timeDomain = domain
            return info
        }
        var now: [UInt64] = [0, 0]
        var deviation: UInt64 = 0
        try check(calibrated(handle, 2, infos, &now, &deviation), "vkGetCalibratedTimestamps", device: physical.name)
        return Double(now[1]) * 1e-9 + physical.seconds(from: now[0], to: ticks)
    }
}

extension PhysicalDevice {
    /// The extension that compares the device's clock with the host's monotonic one, and its function; nil where there
    /// is none.
    struct ClockCalibration: Sendable {
        let extensionName: String
        let functionName: String

        /// - Parameter extensions: what the device offers.
        init?(_ device: VkPhysicalDevice, _ functions: InstanceFunctions, extensions: Set<String>) {
            for suffix in ["KHR", "EXT"] {
                let name = "VK_\(suffix)_calibrated_timestamps"
                guard extensions.contains(name), let domains = functions.calibrateableTimeDomains(suffix) else {
                    continue
                }
                let found = enumerate(VK_TIME_DOMAIN_DEVICE_EXT) { domains(device, $0, $1) }
                let wanted = [VK_TIME_DOMAIN_DEVICE_EXT, VK_TIME_DOMAIN_CLOCK_MONOTONIC_EXT]
                guard wanted.allSatisfy(found.contains) else { continue }
                extensionName = name
                functionName = "vkGetCalibratedTimestamps" + suffix
                return
            }
            return nil
        }
    }
}
