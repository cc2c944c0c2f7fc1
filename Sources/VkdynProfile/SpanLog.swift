import VkdynCore

/// Spans as they begin and end on one thread, in bounded memory.
struct SpanLog: Sendable {
    private struct Open {
        let token: Int
        let phase: HostPhase
        let start: Double
        /// In `spans`; nil for one that is only added up.
        let index: Int?
        /// Of the spans inside it, so far.
        var innerSeconds = 0.0
    }

    private let limit: Int
    private var open: [Open] = []
    private var nextToken = 0
    private(set) var spans: [Span] = []
    /// Of the spans that were not kept, without the spans inside them.
    private(set) var furtherSeconds: [HostPhase: Double] = [:]

    /// - Parameter limit: outermost spans after this many spans are added up only, with what is inside them.
    init(limit: Int = 1 << 16) { self.limit = limit }

    /// - Parameter instant: seconds since the start of the profile, as all here.
    /// - Returns: what `end` takes.
    mutating func begin(_ phase: HostPhase, _ label: String, at instant: Double) -> Int {
        let isKept = open.last.map { $0.index != nil } ?? (spans.count < limit)
        nextToken += 1
        open.append(
            Open(token: nextToken, phase: phase, start: instant, index: isKept ? spans.count : nil))
        if isKept { spans.append(Span(phase: phase, label: label, start: instant, seconds: 0)) }
        return nextToken
    }

    /// Ends a span, and those that were begun inside it.
    mutating func end(_ token: Int, at instant: Double) {
        guard let position = open.lastIndex(where: { $0.token == token }) else { return }
        while open.count > position {
            let span = open.removeLast()
            let seconds = max(0, instant - span.start)
            if let index = span.index {
                spans[index].seconds = seconds
            } else {
                furtherSeconds[span.phase, default: 0] += seconds - span.innerSeconds
            }
            if !open.isEmpty { open[open.count - 1].innerSeconds += seconds }
        }
    }

    mutating func endAll(at instant: Double) {
        if let first = open.first { end(first.token, at: instant) }
    }
}
