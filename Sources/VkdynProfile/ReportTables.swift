import Foundation
import VkdynCore
import VkdynSchedule

/// A cell: what is read, and what it is sorted by.
private struct Cell {
    let html: String
    let key: String
    var isText = false

    static func text(_ text: String, html: String? = nil) -> Cell {
        Cell(html: html ?? HTML.escaped(text), key: text, isText: true)
    }

    static func number(_ value: Double, _ html: String) -> Cell { Cell(html: html, key: "\(value)") }

    /// Sorts below every number.
    static let none = Cell(html: "<span class=\"none\">–</span>", key: "-1")
}

private struct Column {
    let name: String
    /// Under the name, as a unit.
    var unit = ""
    /// How the column is sorted as the page opens.
    var sorted: String?
}

/// - Parameter limit: rows beyond it are shown on request, if the script runs.
private func table(_ columns: [Column], _ rows: [[Cell]], limit: Int = 15) -> String {
    let head = zip(columns, columns.indices).map { column, index in
        let unit = column.unit.isEmpty ? "" : " <span class=\"unit\">\(column.unit)</span>"
        let isText = rows.first.map { $0[index].isText } ?? false
        return """
            <th scope="col" aria-sort="\(column.sorted ?? "none")"\(isText ? " class=\"text\"" : "")>\
            <button type="button">\(column.name)\(unit)</button></th>
            """
    }
    let body = HTML.join(rows) { cells in
        let cells = cells.map {
            "<td data-key=\"\(HTML.escaped($0.key))\"\($0.isText ? " class=\"text\"" : "")>\($0.html)</td>"
        }
        return "<tr>\(cells.joined())</tr>"
    }
    return """
        <div class="scroll"><table class="sortable" data-limit="\(limit)">
        <thead><tr>\(head.joined())</tr></thead>
        <tbody>
        \(body)
        </tbody></table></div>
        """
}

extension Profile {
    func totalsTable(_ grouping: Grouping) -> String {
        let totals = totals(by: grouping)
        guard let longest = totals.first, longest.seconds > 0 else {
            return "<p class=\"empty\">No dispatch was timed.</p>"
        }
        let unit = Figures.TimeUnit.fitting(longest.seconds)
        var columns = [
            Column(name: grouping.rawValue), Column(name: "time", unit: unit.name, sorted: "descending"),
            Column(name: "share", unit: "of wall time"), Column(name: "calls"), Column(name: "a call", unit: "µs"),
            Column(name: "memory", unit: "GB/s"), Column(name: "arithmetic", unit: "GFLOP/s"),
        ]
        if ceilings != nil { columns.append(Column(name: "of the ceiling", unit: "%")) }
        let rows = totals.enumerated().map { index, total in
            let isTimed = total.seconds > 0
            let color = grouping == .phase ? Self.phaseColor(index) : nil
            let swatch = color.map { "<span class=\"swatch device\" style=\"--c:\($0)\"></span>" } ?? ""
            let call = total.seconds / Double(max(1, total.dispatches)) * 1e6
            var cells: [Cell] = [
                .text(total.name, html: swatch + HTML.escaped(total.name)),
                isTimed ? .number(total.seconds, unit.text(total.seconds)) : .none,
                isTimed ? .number(total.share, Self.shareBar(total.share, of: longest.share)) : .none,
                .number(Double(total.dispatches), Figures.count(total.dispatches)),
                isTimed ? .number(call, String(format: "%.1f", call)) : .none,
                Self.rate(total.bytesPerSecond), Self.rate(total.operationsPerSecond),
            ]
            if let ceilings { cells.append(Self.ceiling(ceilings, total, grouping)) }
            return cells
        }
        return table(columns, rows)
    }

    private static func shareBar(_ share: Double, of longest: Double) -> String {
        let width = longest > 0 ? share / longest * 100 : 0
        return "<span class=\"meter\"><span style=\"width:\(String(format: "%.1f", width))%\"></span></span>"
            + "<span class=\"percent\">\(Figures.percent(share))</span>"
    }

    private static func rate(_ value: Double) -> Cell {
        value > 0 ? .number(value, String(format: value < 1e7 ? "%.3f" : "%.2f", value * 1e-9)) : .none
    }

    private static func ceiling(_ ceilings: CeilingFigures, _ total: Total, _ grouping: Grouping) -> Cell {
        let share = ceilings.share(
            of: grouping == .kernel ? total.name : "", operations: total.timedOperations, bytes: total.timedBytes,
            seconds: total.seconds)
        guard let share else { return .none }
        let number = (total.isUpperBound ? "≤ " : "") + String(format: "%.1f", share.value * 100)
        return .number(share.value, "<span class=\"bound\">\(share.bound.rawValue)</span> \(number)")
    }

    // MARK: Plans

    var plansTable: String {
        guard !plans.isEmpty else { return "<p class=\"empty\">No plan ran.</p>" }
        let columns = [
            Column(name: "plan"), Column(name: "dispatches"), Column(name: "barriers"),
            Column(name: "arena", unit: "MiB"), Column(name: "prepare", unit: "ms"),
            Column(name: "runs"), Column(name: "submit", unit: "µs a run"), Column(name: "wait", unit: "µs a run"),
            Column(name: "device", unit: "µs a run"), Column(name: "all runs", unit: "ms", sorted: "descending"),
        ]
        let order = plans.sorted { $0.submitSeconds + $0.waitSeconds > $1.submitSeconds + $1.waitSeconds }
        let rows = order.map { plan -> [Cell] in
            func aRun(_ seconds: Double?) -> Cell {
                guard let seconds, plan.runCount > 0 else { return .none }
                let value = seconds / Double(plan.runCount) * 1e6
                return .number(value, String(format: "%.1f", value))
            }
            let arena = Double(plan.arenaByteCount) / Double(1 << 20)
            let all = plan.submitSeconds + plan.waitSeconds
            return [
                .text(plan.label), .number(Double(plan.steps.count), Figures.count(plan.steps.count)),
                .number(Double(plan.barrierCount), Figures.count(plan.barrierCount)),
                .number(arena, String(format: "%.2f", arena)),
                .number(plan.prepareSeconds, String(format: "%.2f", plan.prepareSeconds * 1e3)),
                .number(Double(plan.runCount), Figures.count(plan.runCount)), aRun(plan.submitSeconds),
                aRun(plan.waitSeconds), aRun(plan.deviceSeconds), .number(all, String(format: "%.2f", all * 1e3)),
            ]
        }
        return table(columns, rows) + """
            <p class="note">Device: from the start of a run’s first dispatch to the end of its last. What submit and \
            wait take beyond it is the way there and back.</p>
            """
    }

    // MARK: Gaps

    var gapsTable: String {
        let gaps = deviceGaps(atMost: 20)
        guard !gaps.isEmpty else {
            return "<p class=\"empty\">The stamped dispatches leave no gaps.</p>"
        }
        let unit = Figures.TimeUnit.fitting(gaps[0].idleSeconds)
        let columns = [
            Column(name: "idle", unit: unit.name, sorted: "descending"), Column(name: "at", unit: "ms"),
            Column(name: "between"), Column(name: "what the host did in it"),
        ]
        let rows = gaps.map { gap -> [Cell] in
            [
                .number(gap.idleSeconds, unit.text(gap.idleSeconds)),
                .number(gap.start, String(format: "%.3f", gap.start * 1e3)),
                .text(name(gap.before), html: between(gap)),
                .text(gap.host.first?.phase?.rawValue ?? "", html: hostShares(gap)),
            ]
        }
        return table(columns, rows, limit: 10) + """
            <p class="note">The largest stretches between consecutive stamped dispatches\
            \(mode == .sampled ? ", less the mean times of those between them that were not stamped" : "").</p>
            """
    }

    private func name(_ event: Int) -> String {
        let event = events[event]
        return plans[event.plan].steps[event.step].label
    }

    private func between(_ gap: DeviceGap) -> String {
        let (before, after) = (events[gap.before], events[gap.after])
        let isOneRun = before.plan == after.plan && before.run == after.run
        func run(_ event: DispatchEvent) -> String {
            isOneRun ? "" : " <span class=\"unit\">\(HTML.escaped(plans[event.plan].label)) run \(event.run)</span>"
        }
        let duration = Figures.duration(gap.unstampedSeconds)
        let unstamped =
            gap.unstampedCount == 0
            ? "" : " <span class=\"unit\">(\(Figures.count(gap.unstampedCount)) not stamped, \(duration))</span>"
        return "\(HTML.escaped(name(gap.before)))\(run(before)) → "
            + "\(HTML.escaped(name(gap.after)))\(run(after))\(unstamped)"
    }

    private func hostShares(_ gap: DeviceGap) -> String {
        let shown = gap.host.prefix(4).map { share in
            let what = share.phase.map { share.label.isEmpty ? $0.rawValue : "\($0.rawValue) \(share.label)" }
            return "<span class=\"did\">\(HTML.escaped(what ?? "unnamed")) "
                + "<span class=\"unit\">\(Figures.duration(share.seconds))</span></span>"
        }
        let further = gap.host.count - shown.count
        return shown.joined(separator: ", ") + (further > 0 ? " <span class=\"unit\">and \(further) more</span>" : "")
    }
}
