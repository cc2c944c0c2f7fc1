public import VkdynCore
public import VkdynSchedule

/// What dispatches are added up by.
public enum Grouping: String, Sendable, CaseIterable {
    case kernel
    /// A part of the model, whatever the phase it ran in; see `StepProfile.layer`.
    case layer
    case phase
}

/// Dispatches of one kernel, layer or phase, over the whole profile.
public struct Total: Sendable, Equatable {
    public let name: String
    /// Each dispatch's mean times the runs of its plan, all of a plan together at most what its runs took; a dispatch
    /// that was never stamped adds nothing.
    public var seconds: Double
    /// Of the profile's wall time.
    public var share: Double
    /// Executed, not recorded.
    public var dispatches: Int
    /// Of all those, by the kernels' declarations at full row capacity.
    public var operations: Int
    public var bytes: Int
    /// Of the stamped ones alone, which `seconds` is the time of.
    var timedOperations = 0
    var timedBytes = 0
    /// Whether the device decided how much of that was done, so that rates and shares are upper bounds.
    public var isUpperBound = false

    /// 0 where nothing was timed.
    public var operationsPerSecond: Double { seconds > 0 ? Double(timedOperations) / seconds : 0 }
    public var bytesPerSecond: Double { seconds > 0 ? Double(timedBytes) / seconds : 0 }
}

/// Where a profile's wall time went.
public struct Attribution: Sendable, Equatable {
    /// In dispatches, while the host submitted and waited.
    public var deviceSeconds: Double
    /// Each without the spans inside it, and without the submitting and waiting that dispatches explain.
    public var hostSeconds: [HostPhase: Double]
    /// In no dispatch and no phase.
    public var unnamedSeconds: Double
    /// Of the wall time, 0 to 1.
    public var namedShare: Double
}

extension Profile {
    /// Divides the wall time among dispatches, phases of the host, and neither.
    ///
    /// A plan's dispatches explain the waiting for it first and the submitting of it then, and never more than both
    /// took: a mean of samples may come to more.
    public var attribution: Attribution {
        var host = furtherHostSeconds
        for (phase, seconds) in exclusiveSpanSeconds { host[phase, default: 0] += seconds }
        var device = 0.0
        for plan in plans {
            let estimate = plan.dispatchSeconds
            let waited = min(estimate, plan.waitSeconds)
            let submitted = min(estimate - waited, plan.submitSeconds)
            device += waited + submitted
            host[.wait] = host[.wait].map { max(0, $0 - waited) }
            host[.submit] = host[.submit].map { max(0, $0 - submitted) }
            let compiled = min(plan.firstRunExcess, host[.wait] ?? 0)
            if compiled > 0 {
                host[.wait]? -= compiled
                host[.firstRun, default: 0] += compiled
            }
        }
        let named = device + host.values.reduce(0, +)
        return Attribution(
            deviceSeconds: device, hostSeconds: host, unnamedSeconds: max(0, wallSeconds - named),
            namedShare: wallSeconds > 0 ? min(1, named / wallSeconds) : 0)
    }

    /// The dispatches by kernel, layer or phase, the longest first.
    public func totals(by grouping: Grouping) -> [Total] {
        var totals: [String: Total] = [:]
        for plan in plans {
            // Few samples on a busy machine may have met the worse moments.
            let (estimate, took) = (plan.dispatchSeconds, plan.submitSeconds + plan.waitSeconds)
            let scale = took > 0 && estimate > took ? took / estimate : 1
            for step in plan.steps {
                let name =
                    switch grouping {
                    case .kernel: step.kernel
                    case .layer: step.layer
                    case .phase: step.phase
                    }
                var total = totals[name] ?? Total(
                    name: name, seconds: 0, share: 0, dispatches: 0, operations: 0, bytes: 0)
                total.seconds += step.meanSeconds * Double(plan.runCount) * scale
                total.dispatches += plan.runCount
                total.operations += step.operations * plan.runCount
                total.bytes += step.bytes * plan.runCount
                if step.sampleCount > 0 {
                    total.timedOperations += step.operations * plan.runCount
                    total.timedBytes += step.bytes * plan.runCount
                    if step.isCounted { total.isUpperBound = true }
                }
                totals[name] = total
            }
        }
        return totals.values.map { total in
            var total = total
            total.share = wallSeconds > 0 ? total.seconds / wallSeconds : 0
            return total
        }.sorted { ($1.seconds, $0.name) < ($0.seconds, $1.name) }
    }

    /// What each phase of the host took without the spans inside it.
    private var exclusiveSpanSeconds: [HostPhase: Double] {
        var seconds: [HostPhase: Double] = [:]
        var open: [(phase: HostPhase, end: Double)] = []
        for span in spans {
            // Neighbours share an instant, which rounding may move.
            while let last = open.last, last.end <= span.start + 1e-9 { open.removeLast() }
            seconds[span.phase, default: 0] += span.seconds
            if let outer = open.last { seconds[outer.phase, default: 0] -= span.seconds }
            open.append((span.phase, span.start + span.seconds))
        }
        return seconds
    }
}

extension PlanProfile {
    /// Of all dispatches in all runs, by their means.
    public var dispatchSeconds: Double { steps.reduce(0) { $0 + $1.meanSeconds } * Double(runCount) }

    /// What the first run took beyond a mean one of the others; 0 where there are no others.
    var firstRunExcess: Double {
        guard runCount > 1 else { return 0 }
        let others = (submitSeconds + waitSeconds - firstRunSeconds) / Double(runCount - 1)
        return max(0, firstRunSeconds - others)
    }
}

extension StepProfile {
    /// The part of the model: the path without the phase up to the first part that ends in a number, as in `layer3`, or
    /// else the first part.
    public var layer: String {
        let parts = label.split(separator: ".").dropFirst()
        guard let first = parts.first else { return label }
        guard let numbered = parts.firstIndex(where: { $0.last?.isNumber ?? false }) else { return String(first) }
        return parts[...numbered].joined(separator: ".")
    }

    /// The phase of a path: its first part without a number at its end, as in `draft` for `draft2.layer0.up`.
    public static func phase(ofPath path: String) -> String {
        let first = path.prefix { $0 != "." }
        let name = first.prefix(upTo: first.lastIndex { !$0.isNumber }.map { first.index(after: $0) } ?? first.endIndex)
        return String(name)
    }
}

extension Total {
    /// What limits the dispatches: the resource of which they use the larger share of the ceiling. Above 1 they found
    /// their data in a cache, or the ceiling fell short.
    /// - Returns: nil where nothing was timed.
    public func ceilingShare(_ ceilings: CeilingFigures) -> Double? {
        ceilings.share(of: name, operations: timedOperations, bytes: timedBytes, seconds: seconds)?.value
    }
}
