/// What stamps cost in the runs of a command, and what they may still take.
///
/// What a stamp adds to a run of many dispatches can be several times what it takes by itself: on a driver that runs on
/// the CPU its threads fall asleep meanwhile. So it is learnt from runs with stamps and runs without.
struct StampBudget: Sendable {
    /// The stamps that the cost measured beforehand weighs as much as.
    private static let priorStampCount = 8.0

    private let share: Double
    /// What a stamp takes by itself, the most over all devices.
    private var isolatedSeconds = 0.0
    private var learntStampCount = 0
    private var learntSeconds = 0.0
    private var stampCount = 0
    /// Of all runs, without what stamps took.
    private var runSeconds = 0.0
    private var recordingSeconds = 0.0

    /// - Parameter share: of the time of all runs that stamps may take.
    init(share: Double) { self.share = share }

    /// Takes note of a device.
    /// - Parameter stampSeconds: what a stamp takes by itself there.
    mutating func opened(stampSeconds: Double) { isolatedSeconds = max(isolatedSeconds, stampSeconds) }

    /// What one stamp adds to a run, as far as is known: no less than it takes by itself.
    var stampSeconds: Double {
        let prior = isolatedSeconds * Self.priorStampCount
        return max(isolatedSeconds, (prior + learntSeconds) / (Self.priorStampCount + Double(learntStampCount)))
    }

    /// What stamps, and recordings for them, have taken.
    var spentSeconds: Double { Double(stampCount) * stampSeconds + recordingSeconds }

    /// What they may still take; negative when they took too much.
    var allowance: Double { share * runSeconds - spentSeconds }

    /// Takes note of a run.
    /// - Parameters:
    ///   - seconds: from submit to seen end.
    ///   - plainSeconds: of a run of the same plan without stamps; nil when there was none.
    /// - Returns: the run's seconds without what its stamps took.
    mutating func ran(seconds: Double, stampCount count: Int, plainSeconds: Double?) -> Double {
        stampCount += count
        if count > 0, let plainSeconds {
            learntStampCount += count
            learntSeconds += seconds - plainSeconds
        }
        let unstamped = max(0, seconds - Double(count) * stampSeconds)
        runSeconds += unstamped
        return unstamped
    }

    mutating func recorded(seconds: Double) { recordingSeconds += seconds }
}
