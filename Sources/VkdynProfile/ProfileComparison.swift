import VkdynCore

/// What got slower or faster from one profile to another, and what is only noise.
///
/// Each side is one profile or several repetitions of it. Repetitions are compared in pairs, first with first: the
/// change is the median of the pairs' ratios. Record them in turn, one of each, and what slows the machine down meets
/// both. Single profiles have the spread of their samples instead.
public struct ProfileComparison: Encodable, Sendable, Equatable {
    /// What a row adds up.
    public enum Group: String, Encodable, Sendable, CaseIterable {
        /// The wall time, and all dispatches.
        case total
        /// A host phase without what lies inside it and without the device's work.
        case host
        case phase, kernel, layer
    }

    public enum Verdict: String, Encodable, Sendable {
        case slower, faster
        /// Within noise or threshold.
        case same
        /// The noise is not known: there are too few samples.
        case unclear
        /// Below a hundredth of the wall time on both sides: not judged.
        case small
        /// On one side only.
        case added, removed
    }

    public struct Row: Encodable, Sendable, Equatable {
        public let group: Group
        public let name: String
        /// Medians over the repetitions.
        public let secondsA: Double
        public let secondsB: Double
        /// b against a: 0.1 is a tenth slower. The median of pairs where there are pairs, which need not be the ratio
        /// of the medians. Nil where a side lacks it.
        public let change: Double?
        /// What a change may come to without a cause; nil where it is not known.
        public let noise: Double?
        public let verdict: Verdict
    }

    public static let standardThreshold = 0.05
    /// Of the wall time; see `Verdict.small`.
    public static let smallShare = 0.01

    public let threshold: Double
    public let repetitionsA: Int
    public let repetitionsB: Int
    /// Why the sides may not be alike, one line each.
    public let notes: [String]
    /// In the order of `Group`, the longest first.
    public let rows: [Row]

    /// Whether anything got slower beyond noise and threshold.
    public var isSlower: Bool { rows.contains { $0.verdict == .slower } }

    /// - Parameters:
    ///   - a: at least one, all of one command and device, as `ProfileFile.read` returns them; `b` as well.
    ///   - threshold: relative changes up to this one are never called.
    public init(_ a: [Profile], _ b: [Profile], threshold: Double = standardThreshold) {
        precondition(!a.isEmpty && !b.isEmpty, "nothing to compare")
        self.threshold = threshold
        repetitionsA = a.count
        repetitionsB = b.count
        notes = Self.notes(a, b)
        let sidesA = a.map(\.comparedSeconds)
        let sidesB = b.map(\.comparedSeconds)
        let isSingle = min(a.count, b.count) == 1
        let spreadsA = isSingle ? a[0].sampleSpreads : [:]
        let spreadsB = isSingle ? b[0].sampleSpreads : [:]
        let wall = max(Statistics.median(a.map(\.wallSeconds)), Statistics.median(b.map(\.wallSeconds)))
        let names = Set((sidesA + sidesB).flatMap(\.keys))
        rows = names.compactMap { name -> Row? in
            let valuesA = sidesA.map { $0[name] ?? 0 }
            let valuesB = sidesB.map { $0[name] ?? 0 }
            let secondsA = Statistics.median(valuesA)
            let secondsB = Statistics.median(valuesB)
            guard secondsA > 0 || secondsB > 0 else { return nil }
            func row(_ change: Double?, _ noise: Double?, _ verdict: Verdict) -> Row {
                Row(
                    group: name.group, name: name.name, secondsA: secondsA, secondsB: secondsB, change: change,
                    noise: noise, verdict: max(secondsA, secondsB) < Self.smallShare * wall ? .small : verdict)
            }
            let ratios = zip(valuesA, valuesB).filter { $0.0 > 0 && $0.1 > 0 }.map { $0.1 / $0.0 }
            guard secondsA > 0 else { return row(nil, nil, .added) }
            guard secondsB > 0 else { return row(nil, nil, .removed) }
            // Present in most repetitions of both, and yet never in a pair: nothing can be said.
            guard !ratios.isEmpty else { return row(nil, nil, .unclear) }
            let change = Statistics.median(ratios) - 1
            let noise =
                isSingle
                ? Statistics.noise(spreadsA[name]?.relative, spreadsB[name]?.relative)
                : Statistics.noise(ofPairs: ratios)
            return row(change, noise, Self.verdict(change, noise, threshold))
        }.sorted(by: Self.precedes)
    }

    static func verdict(_ change: Double, _ noise: Double?, _ threshold: Double) -> Verdict {
        guard let noise else { return .unclear }
        guard abs(change) > max(noise, threshold) else { return .same }
        return change > 0 ? .slower : .faster
    }

    private static func precedes(_ a: Row, _ b: Row) -> Bool {
        func order(_ row: Row) -> Int { Group.allCases.firstIndex(of: row.group) ?? 0 }
        return (order(a), -max(a.secondsA, a.secondsB), a.name) < (order(b), -max(b.secondsA, b.secondsB), b.name)
    }

    private static func notes(_ a: [Profile], _ b: [Profile]) -> [String] {
        var notes: [String] = []
        func compare(_ what: String, _ a: String, _ b: String) {
            if a != b { notes.append("different \(what): a \(a); b \(b)") }
        }
        compare("commands", a[0].command.joined(separator: " "), b[0].command.joined(separator: " "))
        compare("devices", a[0].device.name, b[0].device.name)
        compare("drivers", a[0].device.driver, b[0].device.driver)
        compare("ways of timing", a[0].mode.rawValue, b[0].mode.rawValue)
        func dispatches(_ profiles: [Profile]) -> String {
            let counts = profiles.map { Double($0.counters.dispatches) }
            return Figures.count(Int(Statistics.median(counts)))
        }
        compare("numbers of dispatches", dispatches(a), dispatches(b))
        let pairs = min(a.count, b.count)
        if a.count != b.count, pairs > 1 {
            notes.append("\(a.count) repetitions in a, \(b.count) in b: the first \(pairs) of each make the pairs")
        }
        if pairs == 1 {
            notes.append(
                "single profiles: the noise is the spread of their samples, which knows nothing of slower days; "
                    + "lists of repetitions are better")
        }
        return notes
    }
}

/// What a comparison adds up by.
struct ComparedName: Hashable {
    let group: ProfileComparison.Group
    let name: String

    init(_ group: ProfileComparison.Group, _ name: String) {
        self.group = group
        self.name = name
    }

    static let wall = ComparedName(.total, "wall time")
    static let device = ComparedName(.total, "dispatches")
}

extension ProfileComparison.Group {
    /// Of dispatches; nil for the others.
    var grouping: Grouping? {
        switch self {
        case .total, .host: nil
        case .phase: .phase
        case .kernel: .kernel
        case .layer: .layer
        }
    }
}

extension Profile {
    fileprivate var comparedSeconds: [ComparedName: Double] {
        var seconds: [ComparedName: Double] = [.wall: wallSeconds]
        for (phase, time) in attribution.hostSeconds { seconds[ComparedName(.host, phase.rawValue)] = time }
        for group in ProfileComparison.Group.allCases {
            guard let grouping = group.grouping else { continue }
            for total in totals(by: grouping) { seconds[ComparedName(group, total.name)] = total.seconds }
        }
        seconds[.device] = plans.reduce(0) { $0 + $1.dispatchSeconds }
        return seconds
    }

    /// How far the samples of each compared time lie apart, the best substitute for repetitions.
    var sampleSpreads: [ComparedName: SampleSpread] {
        var spreads: [ComparedName: SampleSpread] = [:]
        func add(_ samples: SampleSpread, to names: [ComparedName]) {
            for name in names { spreads[name, default: SampleSpread()].add(samples) }
        }
        for plan in plans {
            for step in plan.steps {
                add(
                    SampleSpread(step, runCount: plan.runCount),
                    to: [
                        .wall, .device, ComparedName(.kernel, step.kernel), ComparedName(.layer, step.layer),
                        ComparedName(.phase, step.phase),
                    ])
            }
        }
        for (phase, spans) in Dictionary(grouping: spans, by: \.phase) where phase != .wait {
            for alike in Dictionary(grouping: spans, by: \.label).values {
                add(SampleSpread(alike.map(\.seconds)), to: [.wall, ComparedName(.host, phase.rawValue)])
            }
        }
        return spreads
    }
}

/// The deviation of samples, in seconds over all runs.
struct SampleSpread: Equatable {
    var seconds = 0.0
    /// The part of it that was sampled more than once.
    var sampledSeconds = 0.0
    var deviationSeconds = 0.0

    init() {}

    /// The median against the minimum; or against the mean, if outliers carry that further away.
    init(_ step: StepProfile, runCount: Int) {
        seconds = step.meanSeconds * Double(runCount)
        guard step.sampleCount > 1 else { return }
        sampledSeconds = seconds
        deviationSeconds =
            max(step.medianSeconds - step.minimumSeconds, abs(step.meanSeconds - step.medianSeconds)) * Double(runCount)
    }

    init(_ samples: [Double]) {
        seconds = samples.reduce(0, +)
        guard samples.count > 1 else { return }
        sampledSeconds = seconds
        let median = Statistics.median(samples)
        deviationSeconds =
            max(median - (samples.min() ?? 0), abs(seconds / Double(samples.count) - median))
            * Double(samples.count)
    }

    mutating func add(_ other: SampleSpread) {
        seconds += other.seconds
        sampledSeconds += other.sampledSeconds
        deviationSeconds += other.deviationSeconds
    }

    /// Of the time itself; nil where most of it was not sampled twice.
    var relative: Double? {
        sampledSeconds > 0 && sampledSeconds >= seconds / 2 ? deviationSeconds / sampledSeconds : nil
    }
}

enum Statistics {
    /// The mean of the middle two of an even number.
    static func median(_ values: [Double]) -> Double {
        guard !values.isEmpty else { return 0 }
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    /// Three standard errors of the median, from the median absolute deviation, which a few disturbed repetitions do
    /// not move. Fewer than five pairs may lie close together by chance: there it is the largest deviation.
    static func noise(ofPairs ratios: [Double]) -> Double? {
        guard ratios.count > 1 else { return nil }
        let center = median(ratios)
        let deviations = ratios.map { abs($0 - center) }
        // 1.4826: the standard deviation of a normal distribution in units of its median absolute deviation; 1.2533:
        // the standard error of its median in units of that of its mean.
        return ratios.count < 5
            ? deviations.max() : 3 * 1.2533 * 1.4826 * median(deviations) / Double(ratios.count).squareRoot()
    }

    /// Of the ratio of two independent times.
    static func noise(_ a: Double?, _ b: Double?) -> Double? {
        guard let a, let b else { return nil }
        return (a * a + b * b).squareRoot()
    }
}
