public import Foundation

extension Profile {
    /// The profile as a file for Perfetto (ui.perfetto.dev) or chrome://tracing.
    ///
    /// One process with a track of host spans, a track of plan runs and a track of stamped dispatches; counters of
    /// submits, readbacks and dispatches, and of what the device reads and computes in a second. Times are
    /// microseconds from the start of the profile.
    public func trace() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(
            TraceFile(
                traceEvents: traceEvents,
                otherData: [
                    "command": command.joined(separator: " "), "date": date, "device": device.name,
                    "driver": device.driver, "mode": mode.rawValue, "formatVersion": String(formatVersion),
                ]))
    }

    private struct TraceFile: Encodable {
        let traceEvents: [TraceEvent]
        var displayTimeUnit = "ns"
        let otherData: [String: String]
    }

    /// Metadata first, the others in ascending order of time.
    var traceEvents: [TraceEvent] {
        var names = [TraceEvent(phase: .metadata, name: "process_name", thread: 0, arguments: ["name": .text(title)])]
        var events: [TraceEvent] = []
        var thread = 0
        for (label, slices) in [("host", hostSlices), ("plan runs", planSlices), (device.name, dispatchSlices)] {
            for (index, track) in TraceSlice.tracks(slices).enumerated() {
                thread += 1
                let name = index == 0 ? label : "\(label), overlapping \(index)"
                names.append(
                    TraceEvent(phase: .metadata, name: "thread_name", thread: thread, arguments: ["name": .text(name)]))
                names.append(
                    TraceEvent(
                        phase: .metadata, name: "thread_sort_index", thread: thread,
                        arguments: ["sort_index": .integer(thread)]))
                events += track.map {
                    TraceEvent(
                        phase: .complete, name: $0.name, category: $0.category, start: $0.start,
                        duration: $0.end - $0.start, thread: thread, arguments: $0.arguments)
                }
            }
        }
        events += counterEvents + rateEvents
        // Stable, so that an outer slice stays before those inside it.
        let order = events.indices.sorted { (events[$0].start, $0) < (events[$1].start, $1) }
        return names + order.map { events[$0] }
    }

    var title: String { (["vkdyn"] + command).joined(separator: " ") }

    // MARK: Slices

    private var hostSlices: [TraceSlice] {
        spans.map {
            TraceSlice(
                $0.label.isEmpty ? $0.phase.rawValue : "\($0.phase.rawValue) \($0.label)", category: "host",
                start: $0.start, seconds: $0.seconds, arguments: ["phase": .text($0.phase.rawValue)])
        }
    }

    /// From the start of the first stamped dispatch of a run to the end of its last.
    private var planSlices: [TraceSlice] {
        planRuns.map {
            TraceSlice(
                plans[$0.plan].label, category: "plan", start: $0.start, seconds: $0.end - $0.start,
                arguments: [
                    "run": .integer($0.run), "stamped": .integer($0.stampedCount),
                    "dispatches": .integer(plans[$0.plan].steps.count),
                ])
        }
    }

    private var dispatchSlices: [TraceSlice] {
        events.map { event in
            let step = plans[event.plan].steps[event.step]
            var arguments: [String: TraceEvent.Argument] = [
                "kernel": .text(step.kernel), "variant": .text(step.variant), "phase": .text(step.phase),
                "run": .integer(event.run), "bytes": .integer(step.bytes), "operations": .integer(step.operations),
            ]
            if event.seconds > 0 {
                arguments["GB/s"] = .number(Double(step.bytes) / event.seconds * 1e-9)
                arguments["GFLOP/s"] = .number(Double(step.operations) / event.seconds * 1e-9)
            }
            let share = ceilings?.share(
                of: step.kernel, operations: step.operations, bytes: step.bytes, seconds: event.seconds)
            if let share {
                arguments["share of the ceiling"] = .number(share.value)
                arguments["bound"] = .text(share.bound.rawValue)
            }
            return TraceSlice(
                step.label, category: "kernel", start: event.start, seconds: event.seconds, arguments: arguments)
        }
    }

    // MARK: Counters

    /// Submits and readbacks by their spans, dispatches by the runs of plans; at the end what was counted in all.
    private var counterEvents: [TraceEvent] {
        var steps: [(time: Double, name: String, count: Int)] = spans.compactMap {
            switch $0.phase {
            case .submit: ($0.start + $0.seconds, "submits", 1)
            case .read: ($0.start + $0.seconds, "readbacks", 1)
            default: nil
            }
        }
        steps += planRuns.map { ($0.end, "dispatches", plans[$0.plan].steps.count) }
        let order = steps.indices.sorted { (steps[$0].time, $0) < (steps[$1].time, $1) }
        let totals = ["submits": counters.submits, "readbacks": counters.readbacks, "dispatches": counters.dispatches]
        let names = totals.keys.sorted()
        let end = TraceSlice.nanoseconds(wallSeconds)
        var counts: [String: Int] = [:]
        var events = names.map { counter($0, at: 0, ["count": .integer(0)]) }
        for index in order {
            let (time, name, count) = steps[index]
            // The totals are the truth; spans may miss some, or hold what was counted elsewhere.
            let limit = totals[name, default: 0]
            counts[name] = min(limit, counts[name, default: 0] + count)
            let start = TraceSlice.nanoseconds(time)
            if start < end { events.append(counter(name, at: start, ["count": .integer(counts[name, default: 0])])) }
        }
        return events + names.map { counter($0, at: end, ["count": .integer(totals[$0, default: 0])]) }
    }

    /// What each stamped dispatch reads, writes and computes in a second, and 0 between them.
    private var rateEvents: [TraceEvent] {
        let order = events.indices.filter { events[$0].seconds > 0 }.sorted {
            (events[$0].start, $0) < (events[$1].start, $1)
        }
        var result: [TraceEvent] = []
        func append(_ time: Double, _ bytes: Double, _ operations: Double) {
            let start = TraceSlice.nanoseconds(time)
            if result.last?.start == start { result.removeLast() }
            result.append(
                counter("device", at: start, ["GB/s": .number(bytes * 1e-9), "GFLOP/s": .number(operations * 1e-9)]))
        }
        for (position, index) in order.enumerated() {
            let event = events[index]
            let step = plans[event.plan].steps[event.step]
            append(event.start, Double(step.bytes) / event.seconds, Double(step.operations) / event.seconds)
            let end = event.start + event.seconds
            let next = position + 1 < order.count ? events[order[position + 1]].start : .infinity
            if end < next { append(end, 0, 0) }
        }
        return result
    }

    private func counter(_ name: String, at start: Int, _ arguments: [String: TraceEvent.Argument]) -> TraceEvent {
        TraceEvent(phase: .counter, name: name, category: "counter", start: start, thread: 0, arguments: arguments)
    }

    // MARK: Runs of plans

    struct PlanRun: Equatable {
        let plan: Int
        let run: Int
        var start: Double
        var end: Double
        var stampedCount: Int
    }

    /// The runs of which dispatches were stamped, in the order of their starts.
    var planRuns: [PlanRun] {
        var runs: [[Int]: PlanRun] = [:]
        for event in events {
            let end = event.start + event.seconds
            let key = [event.plan, event.run]
            var run =
                runs[key] ?? PlanRun(plan: event.plan, run: event.run, start: event.start, end: end, stampedCount: 0)
            run.start = min(run.start, event.start)
            run.end = max(run.end, end)
            run.stampedCount += 1
            runs[key] = run
        }
        return runs.values.sorted { ($0.start, $0.plan, $0.run) < ($1.start, $1.plan, $1.run) }
    }
}
