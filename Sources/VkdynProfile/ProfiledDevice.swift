import Synchronization
public import VkdynCore
public import VkdynSchedule

/// A device that behaves as the one inside it, while a session takes note of what it does.
public final class ProfiledDevice: Device {
    private let inner: any Device
    /// The inner device, if it can time plans, and what its stamps cost, if it has any.
    private let timestamping: (any TimestampingDevice)?
    private let cost: TimestampCost?
    private let session: ProfileSession

    init(
        _ inner: any Device, _ timestamping: (any TimestampingDevice)?, _ cost: TimestampCost?, session: ProfileSession
    ) {
        self.inner = inner
        self.timestamping = timestamping
        self.cost = cost
        self.session = session
    }

    public var description: DeviceDescription { inner.description }
    public var traits: DeviceTraits { inner.traits }
    public var tuning: Tuning { inner.tuning }
    public var counters: DeviceCounters { inner.counters }

    public func makeBuffer(
        _ elementType: ElementType, count: Int, placement: BufferPlacement, label: String
    ) throws(DeviceError) -> Buffer {
        let buffer = try session.measure(.write, label) { () throws(DeviceError) in
            try inner.makeBuffer(elementType, count: count, placement: placement, label: label)
        }
        session.allocated(buffer)
        return buffer
    }

    public func write(
        _ bytes: UnsafeRawBufferPointer, to buffer: Buffer, byteOffset: Int
    ) throws(DeviceError) {
        try session.measure(.write, buffer.label) { () throws(DeviceError) in
            try inner.write(bytes, to: buffer, byteOffset: byteOffset)
        }
    }

    public func read(_ parts: [BufferPart]) throws(DeviceError) -> [[UInt8]] {
        try session.measure(.read, parts.first?.buffer.label ?? "") { () throws(DeviceError) in
            try inner.read(parts)
        }
    }

    public func prepare(_ plan: Plan) throws(DeviceError) -> any PreparedPlan {
        let plan = session.stamping == .isolated ? plan.isolated() : plan
        let log = session.add(plan)
        let start = HostClock.now()
        defer { log.prepared(seconds: HostClock.now() - start) }
        return try session.measure(.record, plan.label) { () throws(DeviceError) in
            guard let timestamping else {
                return UntimedPlan(try inner.prepare(plan), plan, log, session)
            }
            return ProfiledPlan(try timestamping.prepareTimed(plan), plan, log, cost, session)
        }
    }
}

/// A plan on a device that cannot say when its dispatches ran.
private final class UntimedPlan: PreparedPlan {
    private let inner: any PreparedPlan
    private let label: String
    private let memory: PlanBytes
    private let log: PlanLog
    private let session: ProfileSession

    init(_ inner: any PreparedPlan, _ plan: Plan, _ log: PlanLog, _ session: ProfileSession) {
        self.inner = inner
        label = plan.label
        memory = PlanBytes(plan, session)
        self.log = log
        self.session = session
    }

    func run() throws(DeviceError) {
        let start = HostClock.now()
        try inner.run()
        // The host waits, or is the device.
        session.ran(
            TimedRun(start: start, submitted: start, finished: HostClock.now()), of: log, label: label, cost: nil)
    }
}

/// A plan some of whose dispatches are stamped in each run.
private final class ProfiledPlan: PreparedPlan {
    private let inner: any TimedPlan
    private let label: String
    private let stepCount: Int
    private let memory: PlanBytes
    private let log: PlanLog
    private let cost: TimestampCost?
    private let session: ProfileSession
    private let state: Mutex<State>

    private struct State {
        var rotation: StampRotation
        var recordings: [StampRotation.Choice: Int] = [:]
    }

    init(
        _ inner: any TimedPlan, _ plan: Plan, _ log: PlanLog, _ cost: TimestampCost?, _ session: ProfileSession
    ) {
        self.inner = inner
        label = plan.label
        stepCount = plan.steps.count
        memory = PlanBytes(plan, session)
        self.log = log
        self.cost = cost
        self.session = session
        state = Mutex(
            State(
                rotation: StampRotation(
                    stepCount: plan.steps.count, stampSeconds: cost?.runSeconds ?? 0, share: ProfileSession.planShare)))
    }

    func run() throws(DeviceError) {
        let choice = nextChoice()
        let run = try inner.run(stamped: try choice.map { choice throws(DeviceError) in try recording(choice) })
        if let choice, let cost {
            session.spend(Double(StampRotation.stampCount(choice, of: stepCount)) * cost.runSeconds)
        }
        state.withLock { $0.rotation.ran(choice, seconds: run.finished - run.start) }
        session.ran(run, of: log, label: label, cost: cost)
    }

    private func nextChoice() -> StampRotation.Choice? {
        guard cost != nil, stepCount > 0 else { return nil }
        guard session.stamping == .sampled else { return .everything }
        let allowance = session.allowance
        return state.withLock { $0.rotation.next(allowance: allowance) }
    }

    /// Recorded at its first use, replayed from then on.
    private func recording(_ choice: StampRotation.Choice) throws(DeviceError) -> Int {
        if let known = state.withLock({ $0.recordings[choice] }) { return known }
        let start = HostClock.now()
        let made = try session.measure(.record, label) { () throws(DeviceError) in
            try inner.record(stamping: StampRotation.stretches(choice, of: stepCount))
        }
        session.spend(HostClock.now() - start)
        state.withLock { $0.recordings[choice] = made }
        return made
    }
}

/// The memory of a plan, for as long as it lives.
private final class PlanBytes: Sendable {
    private let byteCount: Int
    private let session: ProfileSession

    init(_ plan: Plan, _ session: ProfileSession) {
        byteCount = plan.arenaByteCount + plan.tables.reduce(0) { $0 + $1.buffer.byteCount }
        self.session = session
        session.allocated(byteCount: byteCount)
    }

    deinit { session.allocated(byteCount: -byteCount) }
}
