import Foundation

/// The rules of the Trace Event Format for the events that a profile may write, from its published description ("Trace
/// Event Format", Google; the sections on the JSON object format and on duration, complete, counter and metadata
/// events), and from Perfetto's note on JSON: slices of one thread nest perfectly.
struct TraceValidator {
    private(set) var problems: [String] = []
    private(set) var events: [[String: Any]] = []

    struct Slice {
        let name: String
        let start: Double
        let end: Double
        /// How many slices of its thread it lies in.
        let depth: Int
    }

    /// By thread, in the order of starts.
    private(set) var slices: [Int: [Slice]] = [:]
    private(set) var threadNames: [Int: String] = [:]
    private(set) var processNames: [Int: String] = [:]

    init(_ data: Data) throws {
        let document = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        guard let document, let events = document["traceEvents"] as? [[String: Any]] else {
            problems.append("no object with an array traceEvents")
            return
        }
        self.events = events
        if let unit = document["displayTimeUnit"], !["ms", "ns"].contains(unit as? String) {
            problems.append("displayTimeUnit \(unit)")
        }
        for (index, event) in events.enumerated() { check(event, index) }
        checkThreads()
        checkNesting()
    }

    private mutating func check(_ event: [String: Any], _ index: Int) {
        guard let phase = event["ph"] as? String, phase.count == 1 else {
            problems.append("\(index): no phase")
            return
        }
        guard event["name"] is String else { return problems.append("\(index): no name") }
        guard event["pid"] is Int, event["tid"] is Int else { return problems.append("\(index): no pid or tid") }
        guard let arguments = event["args"] as? [String: Any] else { return problems.append("\(index): no args") }
        if let category = event["cat"], !(category is String) { problems.append("\(index): cat is no text") }
        func isTime(_ key: String) -> Bool { (event[key] as? Double).map { $0.isFinite && $0 >= 0 } ?? false }
        switch phase {
        case "X":
            if !isTime("ts") || !isTime("dur") { problems.append("\(index): a complete event needs ts and dur") }
        case "B", "E", "i", "I":
            if !isTime("ts") { problems.append("\(index): no ts") }
        case "C":
            if !isTime("ts") { problems.append("\(index): a counter needs ts") }
            if arguments.isEmpty || !arguments.values.allSatisfy({ $0 is NSNumber }) {
                problems.append("\(index): a counter has numbers alone, at least one")
            }
        case "M": checkMetadata(event, arguments, index)
        default: problems.append("\(index): phase \(phase)")
        }
    }

    private mutating func checkMetadata(_ event: [String: Any], _ arguments: [String: Any], _ index: Int) {
        switch event["name"] as? String {
        case "process_name", "thread_name":
            guard let name = arguments["name"] as? String, !name.isEmpty else {
                return problems.append("\(index): metadata without args.name")
            }
            if event["name"] as? String == "process_name" {
                processNames[event["pid"] as? Int ?? -1] = name
            } else {
                threadNames[event["tid"] as? Int ?? -1] = name
            }
        case "thread_sort_index", "process_sort_index":
            if !(arguments["sort_index"] is Int) { problems.append("\(index): no args.sort_index") }
        case "process_labels":
            if !(arguments["labels"] is String) { problems.append("\(index): no args.labels") }
        default: problems.append("\(index): metadata of no known name")
        }
    }

    private mutating func checkThreads() {
        var last = -Double.infinity
        for (index, event) in events.enumerated() where event["ph"] as? String != "M" {
            let start = event["ts"] as? Double ?? 0
            if start < last { problems.append("\(index): before the event before it") }
            last = start
            if processNames[event["pid"] as? Int ?? -1] == nil { problems.append("\(index): a process without a name") }
            if event["ph"] as? String == "X", threadNames[event["tid"] as? Int ?? -1] == nil {
                problems.append("\(index): a thread without a name")
            }
        }
    }

    /// In the order of the file, as a reader builds its stack.
    private mutating func checkNesting() {
        var open: [Int: [Int]] = [:]
        // Nanoseconds: microseconds with three digits have no exact sums.
        func nanoseconds(_ value: Any?) -> Int { Int(((value as? Double ?? 0) * 1000).rounded()) }
        for (index, event) in events.enumerated() where event["ph"] as? String == "X" {
            let thread = event["tid"] as? Int ?? -1
            let start = nanoseconds(event["ts"])
            let end = start + nanoseconds(event["dur"])
            var ends = open[thread, default: []]
            while let last = ends.last, last <= start { ends.removeLast() }
            if let last = ends.last, end > last {
                problems.append("\(index): \(event["name"] ?? "") crosses the end of the slice around it")
            }
            slices[thread, default: []].append(
                Slice(
                    name: event["name"] as? String ?? "", start: Double(start) * 1e-9, end: Double(end) * 1e-9,
                    depth: ends.count))
            ends.append(end)
            open[thread] = ends
        }
    }

    func thread(named name: String) -> [Slice] {
        threadNames.first { $0.value == name }.flatMap { slices[$0.key] } ?? []
    }
}
