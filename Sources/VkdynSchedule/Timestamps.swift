import VkdynCore

/// A device that can note the time on its own clock between the dispatches of a plan.
///
/// A stamp waits for the dispatches before it and holds up none after it: no barrier is added.
public protocol TimestampingDevice: Device {
    /// Measures what stamps cost, in a few milliseconds.
    /// - Returns: nil on a device without timestamps, whose plans can be run without stamps all the same.
    func measureTimestampCost() throws(DeviceError) -> TimestampCost?

    /// As `prepare`, for a plan that is timed.
    func prepareTimed(_ plan: Plan) throws(DeviceError) -> any TimedPlan
}

/// A prepared plan whose runs say what they took.
public protocol TimedPlan: PreparedPlan {
    /// Records the plan once more, with stamps at both ends of each of these stretches of steps; neighbours share one.
    ///
    /// Only for devices with timestamps.
    /// - Returns: what `run(stamped:)` takes, as often as wanted, with nothing recorded again.
    func record(stamping stretches: [Range<Int>]) throws(DeviceError) -> Int

    /// Runs the plan to its end: one submit.
    /// - Parameter stamped: a recording with stamps; nil for the one without.
    func run(stamped: Int?) throws(DeviceError) -> TimedRun
}

/// When a run of a plan happened, in seconds on `HostClock`.
public struct TimedRun: Sendable {
    /// A stretch of steps on the device.
    public struct Stretch: Sendable, Equatable {
        public let steps: Range<Int>
        /// The end of all dispatches before the first, on the host's clock as well as the two could be aligned.
        public let start: Double
        /// From there to the end of the last, with the stamps' own time.
        public let seconds: Double
        /// Stamps after the one at the start, the one at the end included.
        public let stampCount: Int

        public init(steps: Range<Int>, start: Double, seconds: Double, stampCount: Int) {
            self.steps = steps
            self.start = start
            self.seconds = seconds
            self.stampCount = stampCount
        }
    }

    /// Before and after the submit, and when the host saw the end of the work.
    public let start: Double
    public let submitted: Double
    public let finished: Double
    /// In the order in which they were asked for.
    public let stretches: [Stretch]

    public init(start: Double, submitted: Double, finished: Double, stretches: [Stretch] = []) {
        self.start = start
        self.submitted = submitted
        self.finished = finished
        self.stretches = stretches
    }

    public var submitSeconds: Double { submitted - start }
    public var waitSeconds: Double { finished - submitted }
}

/// What a timestamp costs on a device.
public struct TimestampCost: Sendable, Equatable {
    /// From one stamp to the next with nothing between them: in every stretch that is measured.
    public let intervalSeconds: Double
    /// What one stamp adds to a run, from submit to seen end.
    public let runSeconds: Double

    public init(intervalSeconds: Double, runSeconds: Double) {
        self.intervalSeconds = intervalSeconds
        self.runSeconds = runSeconds
    }
}

extension TimedRun.Stretch {
    /// Without the stamps' own time.
    public func seconds(without cost: TimestampCost) -> Double {
        max(0, seconds - cost.intervalSeconds * Double(stampCount))
    }
}
