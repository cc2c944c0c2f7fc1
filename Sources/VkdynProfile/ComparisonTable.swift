import Foundation

extension ProfileComparison {
    /// A table for people, a line each: what is below a hundredth of the wall time is counted, not shown.
    public var table: [String] {
        let shown = rows.filter { $0.verdict != .small }
        let width = max(20, shown.map(\.name.count).max() ?? 0)
        var lines = notes.map { "note: \($0)" }
        if !notes.isEmpty { lines.append("") }
        lines.append(Self.line("", width, ["a", "b", "change", "noise"]))
        for group in Group.allCases {
            let members = shown.filter { $0.group == group }
            guard !members.isEmpty else { continue }
            lines.append(group.title)
            for row in members {
                let noise = row.noise.map { "±" + Figures.percent($0) } ?? "unknown"
                let cells = [
                    row.secondsA > 0 ? Figures.duration(row.secondsA) : "–",
                    row.secondsB > 0 ? Figures.duration(row.secondsB) : "–", row.change.map(Self.signed) ?? "–",
                    row.change == nil ? "–" : noise,
                ]
                let verdict = row.verdict == .same ? "" : "  " + row.verdict.rawValue
                lines.append(Self.line("  " + row.name, width, cells) + verdict)
            }
        }
        if rows.count > shown.count {
            lines.append("and \(rows.count - shown.count) below 1% of the wall time, not judged")
        }
        lines.append("")
        lines.append(summary)
        return lines
    }

    private var summary: String {
        func count(_ verdict: Verdict) -> Int { rows.filter { $0.verdict == verdict }.count }
        let threshold = String(format: "%g%%", threshold * 100)
        let parts = [
            (count(.slower), "slower"), (count(.faster), "faster"), (count(.unclear), "unclear"),
            (count(.added), "added"), (count(.removed), "removed"),
        ].filter { $0.0 > 0 || $0.1 == "slower" || $0.1 == "faster" }
        return parts.map { "\($0.0) \($0.1)" }.joined(separator: ", ") + ", beyond noise and \(threshold)"
    }

    private static func signed(_ change: Double) -> String {
        (change < 0 ? "−" : "+") + Figures.percent(abs(change))
    }

    private static func line(_ name: String, _ width: Int, _ cells: [String]) -> String {
        func padded(_ cell: String) -> String { String(repeating: " ", count: max(1, 11 - cell.count)) + cell }
        return name + String(repeating: " ", count: max(0, width + 2 - name.count)) + cells.map(padded).joined()
    }
}

extension ProfileComparison.Group {
    fileprivate var title: String {
        switch self {
        case .total: "total"
        case .host: "host, without the device's work"
        case .phase: "dispatches by phase"
        case .kernel: "dispatches by kernel"
        case .layer: "dispatches by layer"
        }
    }
}
