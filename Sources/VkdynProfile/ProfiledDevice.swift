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
    public var memory: MemoryUse? { inner.memory }

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
            // A pause divides a run into several submits, which are not timed each.
            guard let timestamping, plan.pauses.isEmpty else {
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
        var runCount = 0
        /// Of the runs without stamps, but the first, in which a driver may compile.
        var plain = SampleSummary()
    }

    /// Of runs that stamp everything, one in so many does not, so that what stamps take is known.
    private static let plainPeriod = 32

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
            State(rotation: StampRotation(stepCount: plan.steps.count, share: ProfileSession.planShare)))
    }

    func run() throws(DeviceError) {
        let choice = nextChoice()
        let run = try inner.run(stamped: try choice.map { choice throws(DeviceError) in try recording(choice) })
        note(seconds: run.finished - run.start, choice)
        session.ran(run, of: log, label: label, cost: cost)
    }

    private func note(seconds: Double, _ choice: StampRotation.Choice?) {
        state.withLock { state in
            state.runCount += 1
            if choice == nil, state.runCount > 1 { state.plain.add(seconds) }
            let count = choice.map { StampRotation.stampCount($0, of: stepCount) } ?? 0
            let plainSeconds = count > 0 && state.plain.count > 0 ? state.plain.median : nil
            let (unstamped, stampSeconds) = session.withBudget { budget in
                (budget.ran(seconds: seconds, stampCount: count, plainSeconds: plainSeconds), budget.stampSeconds)
            }
            state.rotation.ran(seconds: unstamped, stampSeconds: stampSeconds)
        }
    }

    private func nextChoice() -> StampRotation.Choice? {
        guard cost != nil, stepCount > 0 else { return nil }
        return state.withLock { state in
            guard session.stamping == .sampled else {
                return state.runCount % Self.plainPeriod == 2 ? nil : .everything
            }
            let (stampSeconds, allowance) = session.withBudget { ($0.stampSeconds, $0.allowance) }
            return state.rotation.next(stampSeconds: stampSeconds, allowance: allowance)
        }
    }

    /// Recorded at its first use, replayed from then on.
    private func recording(_ choice: StampRotation.Choice) throws(DeviceError) -> Int {
        if let known = state.withLock({ $0.recordings[choice] }) { return known }
        let start = HostClock.now()
        let made = try session.measure(.record, label) { () throws(DeviceError) in
            try inner.record(stamping: StampRotation.stretches(choice, of: stepCount))
        }
        session.withBudget { $0.recorded(seconds: HostClock.now() - start) }
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
