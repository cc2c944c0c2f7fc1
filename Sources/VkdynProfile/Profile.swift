public import VkdynCore
public import VkdynSchedule

/// What a command took: every dispatch on the device, every named phase on the host.
///
/// The document that `vkdyn profile --json` writes and `--compare` reads. All times are seconds; instants count from
/// the start of the profile on the host's monotonic clock.
public struct Profile: Codable, Sendable, Equatable {
    /// Of the document; a reader refuses others.
    public static let formatVersion = 1

    /// How dispatches were timed.
    public enum Mode: String, Codable, Sendable, CaseIterable {
        /// Each run of a plan stamps a rotating part of its dispatches, few enough to cost at most 5%.
        case sampled
        /// Every dispatch of every run is stamped.
        case all
        /// Every dispatch is stamped and separated from its neighbours by a barrier.
        case isolated
        /// No dispatch is stamped: the device has no timestamps.
        case none
    }

    public var formatVersion = Profile.formatVersion
    /// The words of the command, as in `run speculative --draft-tokens 4`.
    public var command: [String]
    /// ISO 8601.
    public var date: String
    public var device: DeviceDescription
    public var mode: Mode
    /// From the start of the profile to its end.
    public var wallSeconds: Double
    /// What the profile itself took, by the measured cost of a timestamp.
    public var overheadSeconds: Double
    public var counters: DeviceCounters
    /// Most device memory at one time.
    public var peakDeviceBytes: Int
    public var ceilings: CeilingFigures?
    public var plans: [PlanProfile]
    /// Host phases in the order of their starts; a span lies inside the one before it or after it, never across its end.
    public var spans: [Span]
    /// What phases took, without phases inside them, after the last of `spans`: a long run has more than are kept.
    public var furtherHostSeconds: [HostPhase: Double]
    /// Stamped dispatches for a timeline: those of the first runs, up to a bounded number.
    public var events: [DispatchEvent]

    public init(command: [String], date: String, device: DeviceDescription, mode: Mode) {
        self.command = command
        self.date = date
        self.device = device
        self.mode = mode
        wallSeconds = 0
        overheadSeconds = 0
        counters = DeviceCounters()
        peakDeviceBytes = 0
        plans = []
        spans = []
        furtherHostSeconds = [:]
        events = []
    }
}

/// One plan over all its runs.
public struct PlanProfile: Codable, Sendable, Equatable {
    public var label: String
    public var runCount: Int
    /// Pipelines, arena, descriptors and command buffers, once.
    public var prepareSeconds: Double
    /// Over all runs, on the host.
    public var submitSeconds: Double
    /// Over all runs, from the end of the submit to the seen end of the work.
    public var waitSeconds: Double
    /// Of those, from the submit of the first run to its seen end; drivers may compile then.
    public var firstRunSeconds: Double
    /// Over all runs, from the device's start of the first dispatch to its end of the last; nil if not stamped.
    public var deviceSeconds: Double?
    public var barrierCount: Int
    public var arenaByteCount: Int
    public var steps: [StepProfile]

    public init(
        label: String, runCount: Int = 0, prepareSeconds: Double = 0, submitSeconds: Double = 0,
        waitSeconds: Double = 0, firstRunSeconds: Double = 0, deviceSeconds: Double? = nil, barrierCount: Int = 0,
        arenaByteCount: Int = 0,
        steps: [StepProfile] = []
    ) {
        self.label = label
        self.runCount = runCount
        self.prepareSeconds = prepareSeconds
        self.submitSeconds = submitSeconds
        self.waitSeconds = waitSeconds
        self.firstRunSeconds = firstRunSeconds
        self.deviceSeconds = deviceSeconds
        self.barrierCount = barrierCount
        self.arenaByteCount = arenaByteCount
        self.steps = steps
    }
}

/// One dispatch of a plan over all runs of the plan.
///
/// A dispatch's time is from the end of all dispatches before it to its own end, so that the times of a plan add up to
/// the plan's, whether or not dispatches overlap.
public struct StepProfile: Codable, Sendable, Equatable {
    /// The model's path, as in `verify.layer3.attention.key`.
    public var label: String
    public var kernel: String
    public var variant: String
    /// Of one run with its full row capacity, by the kernel's declaration.
    public var operations: Int
    public var bytes: Int
    /// Which part of a plan's work it is: the path's first part without its number, as in `draft`, `verify`, `accept`.
    public var phase: String
    public var needsBarrier: Bool
    /// Whether the device decides how many of the rows there are, so that `operations` and `bytes` are upper bounds.
    public var isCounted: Bool
    /// Runs in which it was stamped.
    public var sampleCount: Int
    /// Of those; 0 where there are none.
    public var minimumSeconds: Double
    public var medianSeconds: Double
    public var meanSeconds: Double

    public init(
        label: String, kernel: String, variant: String, operations: Int, bytes: Int, phase: String,
        needsBarrier: Bool, isCounted: Bool = false, sampleCount: Int = 0, minimumSeconds: Double = 0,
        medianSeconds: Double = 0,
        meanSeconds: Double = 0
    ) {
        self.label = label
        self.kernel = kernel
        self.variant = variant
        self.operations = operations
        self.bytes = bytes
        self.phase = phase
        self.needsBarrier = needsBarrier
        self.isCounted = isCounted
        self.sampleCount = sampleCount
        self.minimumSeconds = minimumSeconds
        self.medianSeconds = medianSeconds
        self.meanSeconds = meanSeconds
    }
}

/// A stretch of the host's time.
public struct Span: Codable, Sendable, Equatable {
    public var phase: HostPhase
    /// What exactly, as the plan of a submit; may be empty.
    public var label: String
    public var start: Double
    public var seconds: Double

    public init(phase: HostPhase, label: String = "", start: Double, seconds: Double) {
        self.phase = phase
        self.label = label
        self.start = start
        self.seconds = seconds
    }
}

/// One stamped dispatch of one run.
public struct DispatchEvent: Codable, Sendable, Equatable {
    /// Indices into `Profile.plans` and `PlanProfile.steps`, and the number of the plan's run.
    public var plan: Int
    public var step: Int
    public var run: Int
    /// On the host's clock, as well as the two clocks could be aligned.
    public var start: Double
    public var seconds: Double

    public init(plan: Int, step: Int, run: Int, start: Double, seconds: Double) {
        self.plan = plan
        self.step = step
        self.run = run
        self.start = start
        self.seconds = seconds
    }
}
