import Foundation
import VkdynCore
import VkdynProfile

/// A profile for people: where the wall time went, then the dispatches by kernel, layer and phase.
struct ProfileTables {
    /// Rows of one table; the rest is added up in a last one.
    private static let largestRowCount = 24

    private let profile: Profile

    init(_ profile: Profile) { self.profile = profile }

    var text: String {
        var lines = heading
        lines += [""] + hostTable
        for grouping in Grouping.allCases { lines += [""] + table(by: grouping) }
        return lines.joined(separator: "\n") + "\n"
    }

    private var heading: [String] {
        let attribution = profile.attribution
        let stamps =
            switch profile.mode {
            case .sampled: "a rotating part of the dispatches was stamped"
            case .all: "every dispatch was stamped"
            case .isolated: "every dispatch was stamped and had a barrier before it"
            case .none: "no dispatch was stamped: the device has no timestamps, or runs in lockstep"
            }
        return [
            "profile of \(profile.command.joined(separator: " ")) on \(profile.device.name)",
            "\(seconds(profile.wallSeconds)), \(percent(attribution.namedShare)) of it in a named dispatch or phase; "
                + "\(seconds(attribution.unnamedSeconds)) unnamed",
            "\(stamps); the stamps took \(seconds(profile.overheadSeconds)), "
                + percent(share(profile.overheadSeconds)),
            "\(profile.counters.dispatches) dispatches in \(profile.counters.submits) submits, "
                + "\(profile.counters.readbacks) readbacks; at most "
                + String(format: "%.1f MiB of device memory", Double(profile.peakDeviceBytes) / 1_048_576),
        ]
    }

    private var hostTable: [String] {
        let attribution = profile.attribution
        var rows = attribution.hostSeconds.filter { $0.value > 0 }.sorted { $0.value > $1.value }.map {
            ($0.key.rawValue, $0.value)
        }
        rows.append(("unnamed", attribution.unnamedSeconds))
        let total = profile.wallSeconds - attribution.deviceSeconds
        return row("not on the device", [seconds(total), percent(share(total))])
            + rows.flatMap { row("  " + $0.0, [seconds($0.1), percent(share($0.1))]) }
            + row("in dispatches", [seconds(attribution.deviceSeconds), percent(share(attribution.deviceSeconds))])
    }

    private func table(by grouping: Grouping) -> [String] {
        let totals = profile.totals(by: grouping).filter { $0.dispatches > 0 }
        guard !totals.isEmpty else { return [] }
        let titles = ["time", "of the run", "dispatches", "GFLOP/s", "GB/s"] + (profile.ceilings == nil ? [] : ["ceiling"])
        let shown = totals.count > Self.largestRowCount ? totals.prefix(Self.largestRowCount - 1) : totals[...]
        var lines = row("by \(grouping.rawValue)", titles)
        for total in shown {
            var cells = [
                seconds(total.seconds), percent(total.share), "\(total.dispatches)",
                String(format: "%.2f", total.operationsPerSecond * 1e-9),
                String(format: "%.2f", total.bytesPerSecond * 1e-9),
            ]
            if let ceilings = profile.ceilings {
                let bound = total.isUpperBound ? "≤" : ""
                cells.append(total.ceilingShare(ceilings).map { bound + percent($0) } ?? "")
            }
            lines += row("  " + total.name, cells)
        }
        let rest = totals.dropFirst(shown.count)
        if !rest.isEmpty {
            let (time, count) = rest.reduce((0.0, 0)) { ($0.0 + $1.seconds, $0.1 + $1.dispatches) }
            lines += row("  \(rest.count) others", [seconds(time), percent(share(time)), "\(count)"])
        }
        return lines
    }

    // MARK: Cells

    private func row(_ name: String, _ cells: [String]) -> [String] {
        [pad(name, 30) + cells.map { String(repeating: " ", count: max(1, 12 - $0.count)) + $0 }.joined()]
    }

    private func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }

    private func share(_ seconds: Double) -> Double { profile.wallSeconds > 0 ? seconds / profile.wallSeconds : 0 }

    private func percent(_ share: Double) -> String { String(format: "%.1f%%", share * 100) }

    private func seconds(_ seconds: Double) -> String { seconds > 0 ? Console.duration(seconds) : "0 s" }
}
