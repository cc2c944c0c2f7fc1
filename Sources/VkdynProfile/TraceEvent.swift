/// One event of the Trace Event Format, which Perfetto and chrome://tracing read.
///
/// Source: "Trace Event Format", Google, the sections on complete, counter and metadata events.
struct TraceEvent: Encodable, Equatable {
    enum Phase: String, Encodable {
        /// A slice with its duration.
        case complete = "X"
        case counter = "C"
        case metadata = "M"
    }

    enum Argument: Encodable, Equatable {
        case text(String)
        case integer(Int)
        case number(Double)

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .integer(let integer): try container.encode(integer)
            case .number(let number): try container.encode(number)
            }
        }
    }

    let phase: Phase
    let name: String
    var category: String?
    /// Nanoseconds since the start of the profile; the file has microseconds. Integers, so that rounding keeps order.
    var start = 0
    var duration: Int?
    let thread: Int
    var arguments: [String: Argument] = [:]

    private enum CodingKeys: String, CodingKey {
        case ph, name, cat, ts, dur, pid, tid, args
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(phase, forKey: .ph)
        try container.encode(name, forKey: .name)
        try container.encodeIfPresent(category, forKey: .cat)
        try container.encode(Double(start) / 1000, forKey: .ts)
        try container.encodeIfPresent(duration.map { Double($0) / 1000 }, forKey: .dur)
        try container.encode(1, forKey: .pid)
        try container.encode(thread, forKey: .tid)
        try container.encode(arguments, forKey: .args)
    }
}

/// A slice before it has a track.
struct TraceSlice {
    let name: String
    let category: String
    /// Nanoseconds.
    let start: Int
    var end: Int
    var arguments: [String: TraceEvent.Argument] = [:]

    /// - Parameters: in seconds.
    init(
        _ name: String, category: String, start: Double, seconds: Double,
        arguments: [String: TraceEvent.Argument] = [:]
    ) {
        self.name = name
        self.category = category
        self.start = Self.nanoseconds(start)
        end = max(self.start, Self.nanoseconds(start + seconds))
        self.arguments = arguments
    }

    static func nanoseconds(_ seconds: Double) -> Int { Int((seconds * 1e9).rounded()) }

    /// Slices that are drawn on one track must lie inside one another or apart. Those that cross the end of one before
    /// them, as where two clocks were aligned badly, go to further tracks.
    /// - Returns: by track, in ascending order of start, an outer slice before those inside it.
    static func tracks(_ slices: [TraceSlice]) -> [[TraceSlice]] {
        let order = slices.indices.sorted {
            (slices[$0].start, -slices[$0].end, $0) < (slices[$1].start, -slices[$1].end, $1)
        }
        var tracks: [[TraceSlice]] = []
        var openEnds: [[Int]] = []
        for index in order {
            var slice = slices[index]
            var chosen = tracks.count
            for track in tracks.indices {
                while let end = openEnds[track].last, end <= slice.start { openEnds[track].removeLast() }
                let limit = openEnds[track].last ?? .max
                // Two sums of the same instants may differ in the last bit, and that may be a nanosecond.
                if slice.end - 1 <= limit {
                    slice.end = max(slice.start, min(slice.end, limit))
                    chosen = track
                    break
                }
            }
            if chosen == tracks.count {
                tracks.append([])
                openEnds.append([])
            }
            openEnds[chosen].append(slice.end)
            tracks[chosen].append(slice)
        }
        return tracks
    }
}
