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
        /// Each run of a plan stamps a rotating part of its dispatches, few enough to cost about 1% of the time of all runs.
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
    public var wallSeconds = 0.0
    /// What stamps and recordings for them took, by what runs with and without them took.
    public var overheadSeconds = 0.0
    public var counters = DeviceCounters()
    /// Most device memory at one time.
    public var peakDeviceBytes = 0
    public var ceilings: CeilingFigures?
    public var plans: [PlanProfile] = []
    /// Host phases in the order of their starts; a span lies inside the one before it or after it, never across its end.
    public var spans: [Span] = []
    /// What phases took, without phases inside them, after the last of `spans`: a long run has more than are kept.
    public var furtherHostSeconds: [HostPhase: Double] = [:]
    /// Stamped dispatches for a timeline: those of the first runs, up to a bounded number.
    public var events: [DispatchEvent] = []
}

/// One plan over all its runs.
public struct PlanProfile: Codable, Sendable, Equatable {
    public var label: String
    public var runCount = 0
    /// Pipelines, arena, descriptors and command buffers, once.
    public var prepareSeconds = 0.0
    /// Over all runs, on the host.
    public var submitSeconds = 0.0
    /// Over all runs, from the end of the submit to the seen end of the work.
    public var waitSeconds = 0.0
    /// Of those, from the submit of the first run to its seen end; drivers may compile then.
    public var firstRunSeconds = 0.0
    /// Over all runs, from the device's start of the first dispatch to its end of the last; nil if not stamped.
    public var deviceSeconds: Double?
    public var barrierCount = 0
    public var arenaByteCount = 0
    public var steps: [StepProfile] = []
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
    public var isCounted = false
    /// Runs in which it was stamped.
    public var sampleCount = 0
    /// Of those; 0 where there are none.
    public var minimumSeconds = 0.0
    public var medianSeconds = 0.0
    public var meanSeconds = 0.0
}

/// A stretch of the host's time.
public struct Span: Codable, Sendable, Equatable {
    public var phase: HostPhase
    /// What exactly, as the plan of a submit; may be empty.
    public var label = ""
    public var start: Double
    public var seconds: Double
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
}
