public import VkdynCore
public import VkdynSchedule
import Synchronization

/// Runs every dispatch on a device and on its twin and stops at the first differing bit.
///
/// All buffers are mirrored on the host, so that only what a dispatch wrote is read back.
public final class LockstepDevice: Device {
    private let inner: any SteppableDevice
    private let state = Mutex(State())

    private struct State {
        var mirrors: [Int: HostMemory] = [:]
        var report = Report()
    }

    /// What has been compared so far.
    public struct Report: Sendable, Hashable {
        public var dispatches = 0
        public var values = 0
    }

    public init(_ inner: any SteppableDevice) { self.inner = inner }

    public var report: Report { state.withLock { $0.report } }
    public var description: DeviceDescription { inner.description }
    public var traits: DeviceTraits { inner.traits }
    public var tuning: Tuning { inner.tuning }
    public var counters: DeviceCounters { inner.counters }
    public var memory: MemoryUse? { inner.memory }

    public func makeBuffer(
        _ elementType: ElementType, count: Int, placement: BufferPlacement, label: String
    ) throws(DeviceError) -> Buffer {
        let buffer = try inner.makeBuffer(elementType, count: count, placement: placement, label: label)
        let mirror = HostMemory(byteCount: buffer.byteCount)
        mirror.fillUnwritten()
        state.withLock { $0.mirrors[buffer.id] = mirror }
        try inner.write(UnsafeRawBufferPointer(rebasing: mirror.bytes[..<buffer.byteCount]), to: buffer, byteOffset: 0)
        return buffer
    }

    public func write(
        _ bytes: UnsafeRawBufferPointer, to buffer: Buffer, byteOffset: Int
    ) throws(DeviceError) {
        mirror(buffer).copyBytes(to: byteOffset, from: bytes)
        try inner.write(bytes, to: buffer, byteOffset: byteOffset)
    }

    public func read(_ parts: [BufferPart]) throws(DeviceError) -> [[UInt8]] { try inner.read(parts) }

    public func prepare(_ plan: Plan) throws(DeviceError) -> any PreparedPlan {
        LockstepPlan(
            plan: plan, inner: try inner.prepareStepping(plan),
            memory: PlanMemory(plan, persistent: { [self] in mirror($0) }), device: self)
    }

    private func mirror(_ buffer: Buffer) -> HostMemory {
        guard let mirror = state.withLock({ $0.mirrors[buffer.id] }) else {
            preconditionFailure("\(buffer.label) was not made by this device")
        }
        return mirror
    }

    fileprivate func count(values: Int) {
        state.withLock {
            $0.report.dispatches += 1
            $0.report.values += values
        }
    }
}

private final class LockstepPlan: PreparedPlan {
    private let plan: Plan
    private let inner: any SteppablePlan
    private let memory: PlanMemory
    private let device: LockstepDevice

    init(plan: Plan, inner: any SteppablePlan, memory: PlanMemory, device: LockstepDevice) {
        self.plan = plan
        self.inner = inner
        self.memory = memory
        self.device = device
    }

    func run() throws(DeviceError) {
        for (number, segment) in plan.segments.enumerated() {
            if number > 0 { try plan.pauses[number - 1].work() }
            for index in segment { try run(index, plan.steps[index]) }
        }
    }

    private func run(_ index: Int, _ step: Plan.Step) throws(DeviceError) {
        let inputs = describeInputs(step)
        try inner.run(step: index)
        memory.run(step)
        var values = 0
        for (binding, buffer) in zip(step.dispatch.kernel.interface.bindings, step.dispatch.buffers) {
            guard let buffer, binding.access.writes else { continue }
            let actual = try inner.read(buffer)
            let comparison = actual.withUnsafeBytes { actual in
                BitComparison(
                    expected: UnsafeRawBufferPointer(memory.bytes(of: buffer)), actual: actual,
                    elementType: buffer.elementType)
            }
            values += comparison.comparedCount
            if let first = comparison.first {
                throw .differs(
                    "lockstep: \(step.dispatch.kernel.interface.name) at \(plan.label).\(step.dispatch.label), "
                        + "variant \(step.variant.name): \(binding.name) differs in "
                        + "\(comparison.differenceCount) of \(comparison.comparedCount) values; \(first); "
                        + "parameters \(step.dispatch.parameters), constants \(step.dispatch.constants); "
                        + "inputs: \(inputs)")
            }
        }
        device.count(values: values)
    }

    /// The first values of every buffer that a step reads, before it runs.
    private func describeInputs(_ step: Plan.Step) -> String {
        zip(step.dispatch.kernel.interface.bindings, step.dispatch.buffers).compactMap { binding, buffer -> String? in
            guard let buffer, binding.access.reads else { return nil }
            let bytes = memory.bytes(of: buffer)
            let words = (0..<min(4, bytes.count / 4)).map {
                "0x" + String(bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self), radix: 16)
            }
            return "\(binding.name) \(buffer.label) [\(buffer.count) \(buffer.elementType.rawValue)] "
                + words.joined(separator: " ") + " …"
        }.joined(separator: "; ")
    }
}
