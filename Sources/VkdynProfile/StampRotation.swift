/// Decides which steps of a plan each of its runs stamps, so that stamps cost no more than a share of the plan's time.
///
/// The first run, which a driver may spend on compiling, is left alone, and so is the second, which shows what the plan
/// takes without stamps, unless stamps are cheap beside it. One run then stamps every step, once the command as a whole
/// can afford it: plans that run but a few times are timed too. From then on every run earns the share of its time, and
/// windows of neighbouring steps take their turns as soon as one is paid for.
struct StampRotation: Sendable {
    /// What a run stamps.
    enum Choice: Sendable, Hashable {
        case everything
        /// Both ends of the plan.
        case whole
        /// Each step of a window.
        case window(Range<Int>)
    }

    /// Windows in one turn, and so recordings of a plan, are at most this many, however little a run earns.
    static let largestWindowCount = 8

    /// How many times as much as by itself a stamp may cost in a plan that was not seen without stamps.
    private static let caution = 4.0

    private let stepCount: Int
    private let share: Double
    private var runCount = 0
    private var hasStampedAll = false
    /// What the latest turns are made of; empty until a run was timed.
    private var turns: [Choice] = []
    private var nextTurn = 0
    /// Seconds of stamps that runs have earned.
    private var earned = 0.0

    /// - Parameter share: of a plan's time that stamps may take.
    init(stepCount: Int, share: Double) {
        self.stepCount = stepCount
        self.share = share
    }

    /// What the next run stamps; nil for nothing.
    /// - Parameters:
    ///   - stampSeconds: what one stamp adds to a run.
    ///   - allowance: seconds of stamps that the command as a whole has left.
    mutating func next(stampSeconds: Double, allowance: Double) -> Choice? {
        func seconds(of choice: Choice) -> Double { Double(Self.stampCount(choice, of: stepCount)) * stampSeconds }
        guard stepCount > 0, runCount > 0 else { return nil }
        if !hasStampedAll, seconds(of: .everything) * (runCount == 1 ? Self.caution : 1) <= allowance {
            hasStampedAll = true
            return .everything
        }
        guard runCount > 1 else { return nil }
        let choice = turns[nextTurn]
        let cost = seconds(of: choice)
        guard cost <= earned, cost <= allowance else { return nil }
        earned -= cost
        nextTurn = (nextTurn + 1) % turns.count
        return choice
    }

    /// Takes note of a run.
    /// - Parameters:
    ///   - seconds: from submit to seen end, without what stamps took.
    ///   - stampSeconds: what one stamp adds to a run.
    mutating func ran(seconds: Double, stampSeconds: Double) {
        runCount += 1
        guard runCount > 1 else { return }
        earned += share * seconds
        if turns.isEmpty, stepCount > 0 { turns = turns(for: seconds, stampSeconds: stampSeconds) }
    }

    static func stampCount(_ choice: Choice, of stepCount: Int) -> Int {
        switch choice {
        case .everything: stepCount + 1
        case .whole: 2
        case .window(let steps): steps.count + 1
        }
    }

    /// The stretches to stamp.
    static func stretches(_ choice: Choice, of stepCount: Int) -> [Range<Int>] {
        switch choice {
        case .everything: (0..<stepCount).map { $0..<$0 + 1 }
        case .whole: [0..<stepCount]
        case .window(let steps): steps.map { $0..<$0 + 1 }
        }
    }

    /// The whole plan, then its steps in windows as large as one run pays for.
    private func turns(for runSeconds: Double, stampSeconds: Double) -> [Choice] {
        let affordable = stampSeconds > 0 ? share * runSeconds / stampSeconds - 1 : Double(stepCount)
        let least = (stepCount + Self.largestWindowCount - 1) / Self.largestWindowCount
        let size = min(max(Int(min(affordable, Double(stepCount))), least, 1), stepCount)
        return [.whole]
            + stride(from: 0, to: stepCount, by: size).map { .window($0..<min($0 + size, stepCount)) }
    }
}
