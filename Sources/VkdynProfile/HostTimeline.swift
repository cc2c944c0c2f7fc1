/// Which host phase ran when: spans that lie inside one another, cut so that each instant belongs to the innermost.
struct HostTimeline {
    struct Piece: Equatable {
        /// An index into `Profile.spans`.
        let span: Int
        let start: Double
        let end: Double
    }

    /// In ascending order, without overlaps; what lies between belongs to no span.
    let pieces: [Piece]
    /// By span: how many spans it lies in.
    let depths: [Int]

    init(_ spans: [Span]) {
        var pieces: [Piece] = []
        var depths = Array(repeating: 0, count: spans.count)
        var open: [(span: Int, end: Double)] = []
        var reached = -Double.infinity
        func append(_ span: Int, until end: Double) {
            if end > reached { pieces.append(Piece(span: span, start: reached, end: end)) }
            reached = max(reached, end)
        }
        for (index, span) in spans.enumerated() {
            while let last = open.last, last.end <= span.start {
                append(last.span, until: last.end)
                open.removeLast()
            }
            if let last = open.last { append(last.span, until: span.start) }
            reached = max(reached, span.start)
            depths[index] = open.count
            // A child ends with its parent, whatever rounding says.
            open.append((index, min(span.start + span.seconds, open.last?.end ?? .infinity)))
        }
        while let last = open.popLast() { append(last.span, until: last.end) }
        self.pieces = pieces
        self.depths = depths
    }

    /// What each span has of an interval, the longest first.
    func shares(from start: Double, to end: Double) -> [(span: Int, seconds: Double)] {
        var seconds: [Int: Double] = [:]
        for piece in pieces[pieces.partition { $0.end > start }...] {
            if piece.start >= end { break }
            seconds[piece.span, default: 0] += min(piece.end, end) - max(piece.start, start)
        }
        return seconds.map { (span: $0.key, seconds: $0.value) }
            .sorted { ($1.seconds, $0.span) < ($0.seconds, $1.span) }
    }
}

extension Array {
    /// The first index whose element fulfils a condition that all behind it fulfil too; their count if none does.
    func partition(_ isBehind: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
