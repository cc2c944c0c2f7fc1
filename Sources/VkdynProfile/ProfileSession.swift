import Foundation
import Synchronization
public import VkdynCore
public import VkdynSchedule

/// Watches one command: the devices that it opens, and the phases that the host is in.
///
/// A command runs as `HostSpans.$recorder.withValue(session) { … }`; what it opens goes through `profiled(_:)`. Spans
/// come from one thread.
public final class ProfileSession: HostSpanRecorder {
    public enum Stamping: Sendable {
        /// As many dispatches as cost `share` of the time, in turn.
        case sampled
        case all
        /// With a barrier before each dispatch.
        case isolated
    }

    /// Of the time of all runs, and of the runs of each plan, that sampled stamps may take.
    static let totalShare = 0.01
    static let planShare = 0.0075
    /// Stamped dispatches that are kept for a timeline.
    private static let largestEventCount = 20_000

    public let stamping: Stamping
    private let clock: @Sendable () -> Double
    private let start: Double
    private let state = Mutex(State())

    private struct State {
        var spans = SpanLog()
        var plans: [PlanLog] = []
        var events: [DispatchEvent] = []
        var devices: [any Device] = []
        var hasTimestamps = false
        var memory = MemoryLedger()
        var budget = StampBudget(share: ProfileSession.totalShare)
    }

    /// - Parameter clock: what tells the seconds, `HostClock` but in tests.
    public init(stamping: Stamping = .sampled, clock: @escaping @Sendable () -> Double = { HostClock.now() }) {
        self.stamping = stamping
        self.clock = clock
        start = clock()
    }

    /// The session that listens to whatever runs here.
    public static var current: ProfileSession? { HostSpans.recorder as? ProfileSession }

    /// What it has watched, in the order of opening.
    public var devices: [any Device] { state.withLock { $0.devices } }

    /// The same device, watched.
    public func profiled(_ device: any Device) throws(DeviceError) -> ProfiledDevice {
        let timestamping = device as? any TimestampingDevice
        let cost = try timestamping?.measureTimestampCost()
        state.withLock { state in
            state.devices.append(device)
            if let cost {
                state.hasTimestamps = true
                state.budget.opened(stampSeconds: cost.runSeconds)
            }
        }
        return ProfiledDevice(device, timestamping, cost, session: self)
    }

    /// What was seen until now.
    /// - Parameter command: its words, for a reader.
    public func profile(command: [String]) -> Profile {
        let end = now
        return state.withLock { state in
            state.spans.endAll(at: end)
            let mode: Profile.Mode =
                switch stamping {
                case _ where !state.hasTimestamps: .none
                case .sampled: .sampled
                case .all: .all
                case .isolated: .isolated
                }
            var profile = Profile(
                command: command, date: Date.now.ISO8601Format(),
                device: state.devices.first?.description
                    ?? DeviceDescription(name: "none", driver: "none", apiVersion: "none"),
                mode: mode)
            profile.wallSeconds = end
            profile.overheadSeconds = state.budget.spentSeconds
            for device in state.devices { profile.counters += device.counters }
            profile.peakDeviceBytes = state.memory.peakBytes
            profile.plans = state.plans.map(\.profile)
            profile.spans = state.spans.spans
            profile.furtherHostSeconds = state.spans.furtherSeconds
            profile.events = state.events
            return profile
        }
    }

    // MARK: Spans

    /// Seconds since the start.
    private var now: Double { clock() - start }

    public func begin(_ phase: HostPhase, _ label: String) -> Int {
        state.withLock { $0.spans.begin(phase, label, at: now) }
    }

    public func end(_ token: Int) { state.withLock { $0.spans.end(token, at: now) } }

    func measure<Result>(
        _ phase: HostPhase, _ label: String, _ body: () throws(DeviceError) -> Result
    ) throws(DeviceError) -> Result {
        let token = begin(phase, label)
        defer { end(token) }
        return try body()
    }

    // MARK: Plans

    func add(_ plan: Plan) -> PlanLog {
        state.withLock { state in
            let log = PlanLog(plan, index: state.plans.count)
            state.plans.append(log)
            return log
        }
    }

    /// Takes note of a run, its submit and its wait.
    func ran(_ run: TimedRun, of log: PlanLog, label: String, cost: TimestampCost?) {
        let number = log.ran(run, cost)
        state.withLock { state in
            for (phase, from, to) in [(HostPhase.submit, run.start, run.submitted), (.wait, run.submitted, run.finished)]
            where to > from {
                let token = state.spans.begin(phase, label, at: from - start)
                state.spans.end(token, at: to - start)
            }
            for stretch in run.stretches where stretch.steps.count == 1 {
                guard state.events.count < Self.largestEventCount else { break }
                state.events.append(
                    DispatchEvent(
                        plan: log.index, step: stretch.steps.lowerBound, run: number, start: stretch.start - start,
                        seconds: cost.map { stretch.seconds(without: $0) } ?? stretch.seconds))
            }
        }
    }

    func withBudget<Result: Sendable>(_ body: (inout StampBudget) -> Result) -> Result {
        state.withLock { body(&$0.budget) }
    }

    // MARK: Memory

    func allocated(_ buffer: Buffer) {
        guard let storage = buffer.storage else { return }
        state.withLock { $0.memory.add(storage, byteCount: buffer.byteCount) }
    }

    /// - Parameter byteCount: of memory that no buffer holds; negative when it is given back.
    func allocated(byteCount: Int) { state.withLock { $0.memory.add(byteCount: byteCount) } }
}

/// Device memory by what holds it.
struct MemoryLedger: Sendable {
    private struct Entry {
        weak var storage: (any BufferStorage)?
        let byteCount: Int
    }

    private var entries: [Entry] = []
    /// Of the entries, and beside them. Storage that has gone since is found out when it matters.
    private var entryBytes = 0
    private var otherBytes = 0
    private(set) var peakBytes = 0

    mutating func add(_ storage: any BufferStorage, byteCount: Int) {
        entries.append(Entry(storage: storage, byteCount: byteCount))
        entryBytes += byteCount
        raisePeak()
    }

    mutating func add(byteCount: Int) {
        otherBytes += byteCount
        raisePeak()
    }

    private mutating func raisePeak() {
        guard entryBytes + otherBytes > peakBytes else { return }
        entries.removeAll { $0.storage == nil }
        entryBytes = entries.reduce(0) { $0 + $1.byteCount }
        peakBytes = max(peakBytes, entryBytes + otherBytes)
    }
}
