import Foundation

/// What the page's script draws: arrays instead of objects, and every text once, as a run may have 100,000 events.
private struct TimelineData: Encodable {
    struct Step: Encodable {
        let label: String
        let kernel: String
        let variant: String
        /// The place of its phase in the order of time, which has its colour.
        let phase: Int
        let operations: Int
        let bytes: Int
    }

    /// Microseconds, as all times here.
    let wall: Double
    let texts: [String]
    /// Start, length, text, depth.
    let spans: [[Double]]
    let plans: [String]
    let steps: [[Step]]
    /// Start, length, plan, run.
    let runs: [[Double]]
    /// Start, length, plan, step, run; in the order of starts.
    let events: [[Double]]
    let phases: [String]

    init(_ profile: Profile) {
        func microseconds(_ seconds: Double) -> Double { (seconds * 1e9).rounded() / 1000 }
        wall = microseconds(profile.wallSeconds)
        var texts: [String] = []
        var indices: [String: Int] = [:]
        let depths = HostTimeline(profile.spans).depths
        spans = zip(profile.spans, depths).map { span, depth in
            let text = span.label.isEmpty ? span.phase.rawValue : "\(span.phase.rawValue) \(span.label)"
            let index = indices[text] ?? texts.count
            if index == texts.count {
                texts.append(text)
                indices[text] = index
            }
            return [microseconds(span.start), microseconds(span.seconds), Double(index), Double(depth)]
        }
        self.texts = texts
        plans = profile.plans.map(\.label)
        let phases = profile.totals(by: .phase).map(\.name)
        self.phases = phases
        let order = Dictionary(uniqueKeysWithValues: phases.enumerated().map { ($1, $0) })
        steps = profile.plans.map { plan in
            plan.steps.map {
                Step(
                    label: $0.label, kernel: $0.kernel, variant: $0.variant, phase: order[$0.phase] ?? phases.count,
                    operations: $0.operations, bytes: $0.bytes)
            }
        }
        runs = profile.planRuns.map {
            [microseconds($0.start), microseconds($0.end - $0.start), Double($0.plan), Double($0.run)]
        }
        events = profile.events.sorted { $0.start < $1.start }.map {
            [microseconds($0.start), microseconds($0.seconds), Double($0.plan), Double($0.step), Double($0.run)]
        }
    }
}

extension Profile {
    var timelineSection: String {
        guard !spans.isEmpty || !events.isEmpty else {
            return "<p class=\"empty\">No span and no dispatch was recorded.</p>"
        }
        let phases = totals(by: .phase).filter { $0.seconds > 0 }.enumerated().map { index, phase in
            "<li><span class=\"swatch device\" style=\"--c:\(Self.phaseColor(index))\"></span>"
                + "\(HTML.escaped(phase.name))</li>"
        }
        let others =
            [("host", "host"), ("waiting", "host, waiting")]
            + (mode == .sampled ? [("unstamped", "in a run, not stamped")] : [])
        let legend = phases + others.map { "<li><span class=\"swatch \($0.0)\"></span>\($0.1)</li>" }
        return """
            <div class="toolbar">
            <ul class="keys">\(legend.joined())</ul>
            <div class="buttons" hidden>
            <button type="button" data-view="in" aria-label="Zoom in">+</button>
            <button type="button" data-view="out" aria-label="Zoom out">−</button>
            <button type="button" data-view="start">First runs</button>
            <button type="button" data-view="all">Everything</button>
            </div>
            </div>
            <div class="timeline"><canvas tabindex="0" role="application" aria-label="Timeline: arrow keys move, plus \
            and minus zoom, 0 shows everything"></canvas><div class="tip" hidden></div></div>
            <p class="note">Drag to move; Ctrl and the wheel, + and − zoom; the strip on top shows and moves the \
            window. Bare track between dispatches is a device without work. Stamped are the first runs, up to a \
            bounded number.</p>
            <noscript><p class="empty">The timeline is drawn by a script, and scripts are off.</p></noscript>
            <script type="application/json" id="timeline-data">\(timelineData)</script>
            """
    }

    /// JSON that cannot end the element it stands in.
    private var timelineData: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            let text = String(decoding: try encoder.encode(TimelineData(self)), as: UTF8.self)
            return text.replacingOccurrences(of: "<", with: "\\u003C")
        } catch {
            // Only a number without a JSON form could fail, and the reader of files and the clocks give none.
            preconditionFailure("a profile with times that are no numbers: \(error)")
        }
    }
}
