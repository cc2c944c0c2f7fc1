import Foundation
import VkdynCore

// MARK: The bar of the wall time

/// A part of a bar.
struct BarPart: Equatable {
    enum Kind: String { case device, host, unnamed }

    let kind: Kind
    let name: String
    let seconds: Double
    /// A custom property of the page's style.
    let color: String
}

extension Profile {
    /// The wall time in parts that add up to it: the device's phases, the host's phases, the rest.
    ///
    /// The phases' means may come to more than the host's waiting for them leaves; they are then scaled to it.
    var wallTimeParts: [BarPart] {
        let attribution = attribution
        let phases = totals(by: .phase).filter { $0.seconds > 0 }
        let dispatched = phases.reduce(0) { $0 + $1.seconds }
        let scale = dispatched > 0 ? attribution.deviceSeconds / dispatched : 0
        var parts = phases.enumerated().map { index, phase in
            BarPart(kind: .device, name: phase.name, seconds: phase.seconds * scale, color: Self.phaseColor(index))
        }
        let host = attribution.hostSeconds.filter { $0.value > 0 }.sorted {
            ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue)
        }
        parts += host.enumerated().map { index, entry in
            BarPart(
                kind: .host, name: entry.key.explanation, seconds: entry.value, color: "var(--host\(min(index, 3)))")
        }
        if attribution.unnamedSeconds > 0 {
            parts.append(
                BarPart(
                    kind: .unnamed, name: "unnamed", seconds: attribution.unnamedSeconds, color: "var(--unnamed)"))
        }
        return parts
    }

    /// A phase has one colour on the whole page, by its place in the order of time.
    static func phaseColor(_ index: Int) -> String { index < phaseColorCount ? "var(--phase\(index))" : "var(--other)" }
    static let phaseColorCount = 8

    var wallTimeBar: String {
        let parts = wallTimeParts
        let sum = parts.reduce(0) { $0 + $1.seconds }
        guard sum > 0 else { return "<p class=\"empty\">Nothing was timed.</p>" }
        func width(_ seconds: Double) -> String { String(format: "width:%.3f%%", seconds / sum * 100) }
        func figures(_ seconds: Double) -> String {
            "\(Figures.duration(seconds)) <span class=\"share\">\(Figures.percent(seconds / sum))</span>"
        }
        let kinds = [(BarPart.Kind.device, "device"), (.host, "host"), (.unnamed, "unnamed")].compactMap { kind, name in
            let seconds = parts.filter { $0.kind == kind }.reduce(0) { $0 + $1.seconds }
            return seconds > 0 ? (kind: kind, name: name, seconds: seconds) : nil
        }
        // Names stand under the parts that have room for them; the legend has all.
        func label(_ part: BarPart) -> String {
            guard part.seconds / sum >= 0.075 else { return "" }
            return "\(HTML.escaped(part.name)) \(Figures.percent(part.seconds / sum))"
        }
        let legend = kinds.map { kind in
            let members = kind.kind == .unnamed ? [] : parts.filter { $0.kind == kind.kind }
            let items = HTML.join(members) {
                """
                <li><span class="swatch \($0.kind.rawValue)" style="--c:\($0.color)"></span>\
                <span class="name">\(HTML.escaped($0.name))</span>\(figures($0.seconds))</li>
                """
            }
            let swatch = kind.kind == .unnamed ? "<span class=\"swatch unnamed\"></span>" : ""
            let heading = "<h3>\(swatch)<span class=\"name\">\(kind.name)</span>\(figures(kind.seconds))</h3>"
            let explanation = "<p class=\"note\">in no dispatch and in no phase of the host</p>"
            return "<div>\(heading)\(members.isEmpty ? explanation : "<ul>\(items)</ul>")</div>"
        }
        let spoken = kinds.map { "\($0.name) \(Figures.percent($0.seconds / sum))" }.joined(separator: ", ")
        return """
            <div class="bar" role="img" aria-label="\(spoken)">
            <div class="parts">\(HTML.join(parts) {
                "<span class=\"\($0.kind.rawValue)\" style=\"\(width($0.seconds));--c:\($0.color)\" "
                    + "title=\"\(HTML.escaped($0.name)): \(Figures.duration($0.seconds))\"></span>"
            })</div>
            <div class="labels">\(HTML.join(parts) { "<span style=\"\(width($0.seconds))\">\(label($0))</span>" })</div>
            </div>
            <div class="legend">\(legend.joined(separator: "\n"))</div>
            """
    }
}

extension HostPhase {
    /// What the host does, for a reader who does not know the names.
    var explanation: String {
        switch self {
        case .wait: "wait beyond the device’s work"
        case .firstRun: "first runs beyond the others: the driver compiles"
        case .submit: "submit beyond the device’s work"
        default: rawValue
        }
    }
}

// MARK: The roofline

extension Profile {
    var rooflineSection: String {
        let plot = RooflinePlot(self)
        guard !plot.points.isEmpty || ceilings != nil else {
            return "<p class=\"empty\">No kernel was timed, and no ceiling was measured.</p>"
        }
        let absent = HTML.escaped(plot.absent.joined(separator: ", "))
        let remark = absent.isEmpty ? "" : " Without operations or bytes, and so not drawn: \(absent)."
        return """
            <div class="columns">
            <figure>
            \(plot.svg)
            <figcaption>A dot is a kernel, its area the time in it. Up is faster; on the slope memory limits, under \
            the flat lines arithmetic.\(remark)</figcaption>
            </figure>
            \(ceilingsTable)
            </div>
            """
    }

    private var ceilingsTable: String {
        guard let ceilings else { return "<p class=\"empty\">No ceilings were measured on this device.</p>" }
        let rows: [(String, String?)] = [
            ("multiply, then add", ceilings.multiplyThenAddOperationsPerSecond.map { Figures.rate($0, "FLOP/s") }),
            ("multiply-add, fused", ceilings.multiplyAddOperationsPerSecond.map { Figures.rate($0, "FLOP/s") }),
            ("f16 storage, widened", ceilings.f16OperationsPerSecond.map { Figures.rate($0, "FLOP/s") }),
            ("int8 products", ceilings.int8OperationsPerSecond.map { Figures.rate($0, "OP/s") }),
            ("read", Figures.rate(ceilings.readBytesPerSecond, "B/s")),
            ("copy", Figures.rate(ceilings.copyBytesPerSecond, "B/s")),
            ("host to device", Figures.rate(ceilings.hostToDeviceBytesPerSecond, "B/s")),
            ("device to host", Figures.rate(ceilings.deviceToHostBytesPerSecond, "B/s")),
            ("empty dispatch", Figures.duration(ceilings.dispatchSeconds)),
            ("the same behind a barrier", Figures.duration(ceilings.barrierSeconds)),
            ("empty submit", Figures.duration(ceilings.submitSeconds)),
            ("timestamp", ceilings.timestampSeconds.map(Figures.duration)),
        ]
        let body = HTML.join(rows.compactMap { name, value in value.map { (name, $0) } }) {
            "<tr><th scope=\"row\">\($0.0)</th><td>\($0.1)</td></tr>"
        }
        return """
            <div class="ceilings"><h3>Measured ceilings</h3>
            <table>\(body)</table>
            <p class="note">Measured \(HTML.escaped(ceilings.date))</p></div>
            """
    }
}
