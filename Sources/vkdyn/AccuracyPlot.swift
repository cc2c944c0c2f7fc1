import Foundation
import VkdynProfile

/// Accuracy and multiply-adds of a model against r, as an SVG file that follows the reader's light or dark scheme.
///
/// Two plots over the same axis of r: accuracy with its own scale, the work below as a share of merging off.
struct AccuracyPlot {
    private struct Point {
        let r: Int
        /// Of the held-out images, in percent.
        let accuracy: Double
        /// Of merging off, in percent.
        let multiplyAdds: Double
        /// Of merging off, in percent; nil where nothing was timed.
        let time: Double?
    }

    private let model: String
    private let imageCount: Int
    /// By rising r.
    private let points: [Point]
    /// Accuracy with merging off, in percent.
    private let offAccuracy: Double

    /// - Parameter report: merging off first, and at least two rows whose r is one number.
    init(_ report: ToMeAccuracyReport) {
        model = report.model
        imageCount = report.labels.count
        let off = report.accuracy[0]
        offAccuracy = off.accuracy * 100
        var points: [Int: Point] = [:]
        for row in report.accuracy {
            guard let rate = row.r?.rate, case .constant(let r) = rate.schedule else { continue }
            points[r] = Point(
                r: r, accuracy: row.accuracy * 100,
                multiplyAdds: Double(row.multiplyAdds) / Double(off.multiplyAdds) * 100,
                time: row.secondsPerImage.flatMap { time in off.secondsPerImage.map { time / $0 * 100 } })
        }
        self.points = points.values.sorted { $0.r < $1.r }
    }

    // MARK: Places, in pixels

    private static let width = 760.0
    private static let height = 448.0
    private static let left = 64.0
    private static let right = 736.0
    /// Top and bottom of each plot.
    private static let accuracyArea = (top: 56.0, bottom: 208.0)
    private static let workArea = (top: 264.0, bottom: 400.0)
    /// How near labels may be.
    private static let labelGap = 34.0

    private func x(_ r: Int) -> Double {
        let last = Double(max(1, points.last?.r ?? 1))
        return Self.left + 12 + Double(r) / last * (Self.right - Self.left - 36)
    }

    private func y(_ value: Double, _ range: ClosedRange<Double>, _ area: (top: Double, bottom: Double)) -> Double {
        let share = (value - range.lowerBound) / (range.upperBound - range.lowerBound)
        return area.bottom - min(1, max(0, share)) * (area.bottom - area.top)
    }

    /// From a round number below the lowest accuracy to 100, and the distance of its lines.
    private var accuracyScale: (range: ClosedRange<Double>, step: Double) {
        let lowest = min(points.map(\.accuracy).min() ?? 0, offAccuracy)
        // Room below, so that the plot does not make a mountain of an image.
        let span = (100 - lowest) * 1.5 + 1
        let step = [0.5, 1, 2, 5, 10, 25].first { span / $0 <= 5 } ?? 25
        return (max(0, 100 - (span / step).rounded(.up) * step)...100, step)
    }

    // MARK: Drawing

    var svg: String {
        let work = 0.0...100.0
        let scale = accuracyScale
        let accuracies = points.map { (r: $0.r, value: $0.accuracy) }
        let times = points.compactMap { point in point.time.map { (r: point.r, value: $0) } }
        let legend = times.isEmpty ? "" : Self.legend
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" \
            width="\(Int(Self.width))" height="\(Int(Self.height))" role="img" aria-label="\(spoken)">
            <style>\(Self.style)</style>
            <rect class="surface" width="100%" height="100%"/>
            <text class="title" x="\(Self.text(Self.left))" y="28">\(HTML.escaped(model)): accuracy on \(imageCount) \
            held-out images, in percent</text>
            \(band(scale.range))
            \(lines(from: scale.range, step: scale.step, Self.accuracyArea))
            \(curve("accuracy", accuracies, scale.range, Self.accuracyArea, digits: 1, labels: -9))
            <text class="title" x="\(Self.text(Self.left))" y="\(Self.text(Self.workArea.top - 20))">Work for an \
            image, in percent of the same model without merging</text>
            \(lines(from: work, step: 25, Self.workArea))
            \(dots(times, work))
            \(curve("work", points.map { ($0.r, $0.multiplyAdds) }, work, Self.workArea, digits: 0, labels: 19))
            \(legend)
            \(axis)
            </svg>

            """
    }

    private var spoken: String {
        let items = points.map {
            "r \($0.r): \(Self.text($0.accuracy, 1))% right, \(Self.text($0.multiplyAdds, 0))% of the multiply-adds"
        }
        return HTML.escaped("\(model): " + items.joined(separator: "; "))
    }

    /// What half a point below merging off is.
    private func band(_ range: ClosedRange<Double>) -> String {
        let top = y(offAccuracy, range, Self.accuracyArea)
        let bottom = y(offAccuracy - 0.5, range, Self.accuracyArea)
        return """
            <rect class="band" x="\(Self.text(Self.left))" y="\(Self.text(top))" \
            width="\(Self.text(Self.right - Self.left))" height="\(Self.text(bottom - top))"/>
            <text class="note" x="\(Self.text(Self.right))" y="28" text-anchor="end">shaded: half a point below \
            merging off</text>
            """
    }

    private func lines(
        from range: ClosedRange<Double>, step: Double, _ area: (top: Double, bottom: Double)
    ) -> String {
        stride(from: range.lowerBound, through: range.upperBound + step / 4, by: step).map { value in
            let y = Self.text(y(value, range, area))
            return """
                <line class="\(value == range.lowerBound ? "base" : "grid")" x1="\(Self.text(Self.left))" y1="\(y)" \
                x2="\(Self.text(Self.right))" y2="\(y)"/>\
                <text class="tick" x="\(Self.text(Self.left - 8))" y="\(y)" dy="4" \
                text-anchor="end">\(Self.text(value, step < 1 ? 1 : 0))</text>
                """
        }.joined(separator: "\n")
    }

    /// - Parameter offset: of labels, down from their points.
    private func curve(
        _ name: String, _ values: [(r: Int, value: Double)], _ range: ClosedRange<Double>,
        _ area: (top: Double, bottom: Double), digits: Int, labels offset: Double
    ) -> String {
        let places = values.map { (x: x($0.r), y: y($0.value, range, area), value: $0.value) }
        let path = places.map { "\(Self.text($0.x)),\(Self.text($0.y))" }.joined(separator: " ")
        var parts = ["<polyline class=\"curve \(name)\" points=\"\(path)\"/>"]
        var labelled = -Double.infinity
        for place in places {
            parts.append("<circle class=\"\(name)\" cx=\"\(Self.text(place.x))\" cy=\"\(Self.text(place.y))\" r=\"4\"/>")
            guard place.x - labelled >= Self.labelGap else { continue }
            labelled = place.x
            parts.append(
                """
                <text class="value" x="\(Self.text(place.x))" y="\(Self.text(place.y + offset))" \
                text-anchor="middle">\(Self.text(place.value, digits))</text>
                """)
        }
        return parts.joined(separator: "\n")
    }

    /// Measured times, which no line joins.
    private func dots(_ values: [(r: Int, value: Double)], _ range: ClosedRange<Double>) -> String {
        values.map {
            """
            <circle class="time" cx="\(Self.text(x($0.r)))" cy="\(Self.text(y($0.value, range, Self.workArea)))" \
            r="4"/>
            """
        }.joined(separator: "\n")
    }

    private static var legend: String {
        let y = workArea.bottom - 12
        return """
            <circle class="work" cx="\(text(left + 20))" cy="\(text(y - 20))" r="4"/>\
            <text class="note" x="\(text(left + 30))" y="\(text(y - 16))">multiply-adds</text>
            <circle class="time" cx="\(text(left + 20))" cy="\(text(y))" r="4"/>\
            <text class="note" x="\(text(left + 30))" y="\(text(y + 4))">time, as measured</text>
            """
    }

    private var axis: String {
        let y = Self.workArea.bottom
        var labelled = -Double.infinity
        var parts: [String] = []
        for point in points where x(point.r) - labelled >= Self.labelGap / 2 {
            labelled = x(point.r)
            parts.append(
                """
                <text class="tick" x="\(Self.text(labelled))" y="\(Self.text(y + 18))" \
                text-anchor="middle">\(point.r)</text>
                """)
        }
        parts.append(
            """
            <text class="note" x="\(Self.text((Self.left + Self.right) / 2))" y="\(Self.text(y + 38))" \
            text-anchor="middle">r: tokens merged away in every layer</text>
            """)
        return parts.joined(separator: "\n")
    }

    private static let style = """
        .surface { fill: #fcfcfb } .grid { stroke: #e1e0d9 } .base { stroke: #b9b7ae } .band { fill: #1baf7a22 }
        text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: #52514e }
        .title { font-size: 14px; font-weight: 600; fill: #161614 } .tick, .note { fill: #73716b }
        .value { fill: #161614 } .curve { fill: none; stroke-width: 2 }
        circle.accuracy { fill: #1baf7a } .curve.accuracy { stroke: #1baf7a }
        circle.work { fill: #2a78d6 } .curve.work { stroke: #2a78d6 }
        circle.time { fill: none; stroke: #eb6834; stroke-width: 2 }
        @media (prefers-color-scheme: dark) {
        .surface { fill: #1a1a19 } .grid { stroke: #33332f } .base { stroke: #55544d } .band { fill: #199e7033 }
        text { fill: #c3c2b7 } .title, .value { fill: #f4f4f1 } .tick, .note { fill: #979589 }
        circle.accuracy { fill: #199e70 } .curve.accuracy { stroke: #199e70 }
        circle.work { fill: #3987e5 } .curve.work { stroke: #3987e5 } circle.time { stroke: #d95926 }
        }
        """

    private static func text(_ value: Double, _ digits: Int = 2) -> String { String(format: "%.\(digits)f", value) }
}
