import VkdynCore

/// A stretch between two stamped dispatches in which the device had nothing to do, as far as is known.
public struct DeviceGap: Sendable, Equatable {
    /// What the host did meanwhile; nil for what no span names.
    public struct HostShare: Sendable, Equatable {
        public let phase: HostPhase?
        public let label: String
        public let seconds: Double
    }

    /// From the end of the dispatch before to the start of the one after.
    public let start: Double
    public let seconds: Double
    /// Indices into `Profile.events`.
    public let before: Int
    public let after: Int
    /// Dispatches between them that were not stamped, and what they take by their mean.
    public let unstampedCount: Int
    public let unstampedSeconds: Double
    public let host: [HostShare]

    /// What is left when the dispatches that were not stamped are taken out.
    public var idleSeconds: Double { max(0, seconds - unstampedSeconds) }
}

extension Profile {
    /// The stretches between consecutive stamped dispatches, the longest idle ones first.
    ///
    /// A stretch counts until the next start of any dispatch, after the last end of all before it. Where a run stamps a
    /// part of its dispatches, the others' mean times are taken out; where one of those was never timed, nothing is
    /// known, and the stretch is left out.
    public func deviceGaps(atMost count: Int) -> [DeviceGap] {
        let order = events.indices.sorted { (events[$0].start, $0) < (events[$1].start, $1) }
        guard var last = order.first else { return [] }
        var candidates: [DeviceGap] = []
        let submits = planSubmits
        for next in order.dropFirst() {
            let end = events[last].start + events[last].seconds
            let seconds = events[next].start - end
            if seconds > 0, let unstamped = unstamped(between: events[last], and: events[next], submits) {
                candidates.append(
                    DeviceGap(
                        start: end, seconds: seconds, before: last, after: next, unstampedCount: unstamped.count,
                        unstampedSeconds: unstamped.seconds, host: []))
            }
            if events[next].start + events[next].seconds >= end { last = next }
        }
        candidates.sort { ($1.idleSeconds, $0.start) < ($0.idleSeconds, $1.start) }
        let timeline = HostTimeline(spans)
        return candidates.prefix(count).filter { $0.idleSeconds > 0 }.map { gap in
            DeviceGap(
                start: gap.start, seconds: gap.seconds, before: gap.before, after: gap.after,
                unstampedCount: gap.unstampedCount, unstampedSeconds: gap.unstampedSeconds,
                host: host(timeline, from: gap.start, to: gap.start + gap.seconds))
        }
    }

    /// The steps after `a` and before `b` in the order of a run, with whole runs between them; nil where one has no
    /// time.
    private func unstamped(
        between a: DispatchEvent, and b: DispatchEvent, _ submits: [(start: Double, plan: Int)]
    ) -> (count: Int, seconds: Double)? {
        var steps: [StepProfile]
        if a.plan == b.plan, a.run == b.run {
            steps = a.step + 1 < b.step ? Array(plans[a.plan].steps[(a.step + 1)..<b.step]) : []
        } else {
            steps = Array(plans[a.plan].steps[(a.step + 1)...] + plans[b.plan].steps[..<b.step])
            // The last submit between them is that of `b`; those before it had no stamp at all.
            let end = a.start + a.seconds
            let between = submits[submits.partition { $0.start >= end }...].prefix { $0.start < b.start }
            for submit in between.dropLast() { steps += plans[submit.plan].steps }
        }
        guard steps.allSatisfy({ $0.sampleCount > 0 }) else { return nil }
        return (steps.count, steps.reduce(0) { $0 + $1.meanSeconds })
    }

    /// When which plan was submitted, by the spans' labels, in ascending order.
    private var planSubmits: [(start: Double, plan: Int)] {
        let indices = Dictionary(plans.enumerated().map { ($1.label, $0) }) { first, _ in first }
        return spans.compactMap { span in
            span.phase == .submit ? indices[span.label].map { (span.start, $0) } : nil
        }
    }

    private func host(_ timeline: HostTimeline, from start: Double, to end: Double) -> [DeviceGap.HostShare] {
        var shares = timeline.shares(from: start, to: end).map {
            DeviceGap.HostShare(phase: spans[$0.span].phase, label: spans[$0.span].label, seconds: $0.seconds)
        }
        let unnamed = end - start - shares.reduce(0) { $0 + $1.seconds }
        // Rounding is no phase.
        if unnamed > 1e-9 { shares.append(DeviceGap.HostShare(phase: nil, label: "", seconds: unnamed)) }
        return shares
    }
}
