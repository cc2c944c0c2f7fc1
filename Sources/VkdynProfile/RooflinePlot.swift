import Foundation
import VkdynSchedule

/// Kernels by operations per byte and operations per second, below what was measured as possible; both axes
/// logarithmic.
///
/// Source: Williams, Waterman, Patterson, "Roofline: an insightful visual performance model", CACM 2009.
struct RooflinePlot {
    struct Point: Equatable {
        let kernel: String
        let seconds: Double
        /// Operations per byte.
        let intensity: Double
        let operationsPerSecond: Double
        let bytesPerSecond: Double
    }

    /// A box in the plot's units, which are pixels where the page is wide.
    struct Box: Equatable {
        var x: Double
        var y: Double
        var width: Double
        var height: Double

        func overlaps(_ other: Box) -> Bool {
            x < other.x + other.width && other.x < x + width && y < other.y + other.height && other.y < y + height
        }

        func contains(_ other: Box) -> Bool {
            x <= other.x && y <= other.y && other.x + other.width <= x + width && other.y + other.height <= y + height
        }
    }

    struct Label: Equatable {
        let point: Int
        let box: Box
    }

    /// The longest first, so that smaller dots are drawn over larger ones.
    let points: [Point]
    /// Kernels with time that have no place on logarithmic axes.
    let absent: [String]
    private let ceilings: CeilingFigures?
    /// Powers of ten.
    private let xRange: ClosedRange<Double>
    private let yRange: ClosedRange<Double>

    static let size = (width: 760.0, height: 470.0)
    static let area = Box(x: 66, y: 16, width: 676, height: 404)
    static let labelCount = 12
    private static let fontSize = 12.0

    init(_ profile: Profile) {
        let totals = profile.totals(by: .kernel).filter { $0.seconds > 0 }
        points = totals.compactMap { total in
            guard total.timedOperations > 0, total.timedBytes > 0 else { return nil }
            return Point(
                kernel: total.name, seconds: total.seconds,
                intensity: Double(total.timedOperations) / Double(total.timedBytes),
                operationsPerSecond: total.operationsPerSecond, bytesPerSecond: total.bytesPerSecond)
        }
        absent = totals.filter { $0.timedOperations <= 0 || $0.timedBytes <= 0 }.map(\.name)
        let ceilings = profile.ceilings
        self.ceilings = ceilings
        let flat = Self.flatCeilings(ceilings)
        let ridges = flat.flatMap { line in
            [ceilings?.readBytesPerSecond, ceilings?.copyBytesPerSecond].compactMap { $0.map { line.value / $0 } }
        }
        xRange = Self.decades(points.map(\.intensity) + ridges)
        yRange = Self.decades(points.map(\.operationsPerSecond) + flat.map(\.value))
    }

    private static func flatCeilings(_ ceilings: CeilingFigures?) -> [(name: String, value: Double)] {
        [
            ("multiply, then add", ceilings?.multiplyThenAddOperationsPerSecond),
            ("fused multiply-add", ceilings?.multiplyAddOperationsPerSecond),
            ("f16", ceilings?.f16OperationsPerSecond), ("int8", ceilings?.int8OperationsPerSecond),
        ].compactMap { name, value in value.map { (name, $0) } }.sorted { $0.1 > $1.1 }
    }

    /// Around the values with some room, at most 9 decades below the largest.
    private static func decades(_ values: [Double]) -> ClosedRange<Double> {
        let logarithms = values.filter { $0 > 0 && $0.isFinite }.map { log10($0) }
        guard let least = logarithms.min(), let most = logarithms.max() else { return 0...3 }
        return max(least - 0.35, most - 9)...(most + 0.4)
    }

    private func x(_ intensity: Double) -> Double {
        let share = (log10(intensity) - xRange.lowerBound) / (xRange.upperBound - xRange.lowerBound)
        return Self.area.x + min(1, max(0, share)) * Self.area.width
    }

    private func y(_ rate: Double) -> Double {
        let share = (log10(rate) - yRange.lowerBound) / (yRange.upperBound - yRange.lowerBound)
        return Self.area.y + (1 - min(1, max(0, share))) * Self.area.height
    }

    private func radius(_ point: Point) -> Double {
        4 + 15 * (point.seconds / (points.first?.seconds ?? 1)).squareRoot()
    }

    private func dot(_ point: Point) -> Box {
        let radius = radius(point)
        return Box(
            x: x(point.intensity) - radius, y: y(point.operationsPerSecond) - radius, width: 2 * radius,
            height: 2 * radius)
    }

    /// Generous: fonts differ, and a label that is narrower than its box does no harm.
    private static func width(_ text: String) -> Double { Double(text.count) * fontSize * 0.62 + 2 }

    // MARK: Labels

    /// Names beside the dots of the longest kernels, where they cover neither a dot nor another text, and no ceiling
    /// either if there is such a place.
    var labels: [Label] {
        let dots = points.map(dot)
        var taken = dots + flatLabels.map(\.box) + slopeLabels.flatMap(\.boxes)
        let lines = lineBoxes
        var labels: [Label] = []
        for (index, point) in points.prefix(Self.labelCount).enumerated() {
            let size = (width: Self.width(point.kernel), height: Self.fontSize * 1.2)
            let free = Self.places(dots[index], size).filter { place in
                Self.area.contains(place) && !taken.contains { $0.overlaps(place) }
            }
            let clear = free.first { place in !lines.contains { $0.overlaps(place) } }
            guard let box = clear ?? free.first else { continue }
            labels.append(Label(point: index, box: box))
            taken.append(box)
        }
        return labels
    }

    /// The ceilings' lines, cut into small boxes.
    private var lineBoxes: [Box] {
        let flat = flatLabels.map { Box(x: Self.area.x, y: $0.line - 1, width: Self.area.width, height: 2) }
        let steps = 120
        return flat
            + slopes.compactMap { slopeEnds($0.value) }.flatMap { start, end in
                (0...steps).map { step in
                    let share = Double(step) / Double(steps)
                    return Box(
                        x: start.x + share * (end.x - start.x) - 2, y: start.y + share * (end.y - start.y) - 2,
                        width: 4,
                        height: 4)
                }
            }
    }

    /// Right, left, above, below, then the corners, then further away.
    private static func places(_ dot: Box, _ size: (width: Double, height: Double)) -> [Box] {
        let center = (x: dot.x + dot.width / 2, y: dot.y + dot.height / 2)
        return [3.0, 12, 24].flatMap { distance -> [Box] in
            let right = dot.x + dot.width + distance
            let left = dot.x - distance - size.width
            let above = dot.y - distance - size.height
            let below = dot.y + dot.height + distance
            let middle = (x: center.x - size.width / 2, y: center.y - size.height / 2)
            let corners = [
                (right, middle.y), (left, middle.y), (middle.x, above), (middle.x, below), (right - 4, above + 4),
                (right - 4, below - 4), (left + 4, above + 4), (left + 4, below - 4),
            ]
            return corners.map { Box(x: $0.0, y: $0.1, width: size.width, height: size.height) }
        }
    }

    // MARK: Ceilings

    /// At the right end of each flat line, above it or below it; further left where another is too near.
    private var flatLabels: [(text: String, line: Double, box: Box)] {
        var labels: [(text: String, line: Double, box: Box)] = []
        for (name, value) in Self.flatCeilings(ceilings) {
            let text = "\(name) \(Figures.rate(value, name == "int8" ? "OP/s" : "FLOP/s"))"
            let width = Self.width(text)
            let line = y(value)
            let places = [0.0, 160, 320].flatMap { shift in
                [-17.0, 4].map {
                    Box(x: Self.area.x + Self.area.width - width - shift, y: line + $0, width: width, height: 14)
                }
            }
            let free = places.first { place in
                Self.area.contains(place) && !labels.contains { $0.box.overlaps(place) }
            }
            labels.append((text, line, free ?? places[0]))
        }
        return labels
    }

    private struct SlopeLabel {
        let text: String
        let x: Double
        let y: Double
        /// Degrees.
        let angle: Double
        /// The text, cut into boxes along the slope.
        let boxes: [Box]
    }

    private var slopes: [(name: String, value: Double)] {
        guard let ceilings else { return [] }
        return [("read", ceilings.readBytesPerSecond), ("copy", ceilings.copyBytesPerSecond)]
    }

    /// Along the slopes near their lower ends: the faster above its line, the slower below.
    private var slopeLabels: [SlopeLabel] {
        guard let fastest = slopes.map(\.value).max() else { return [] }
        return slopes.compactMap { name, bytesPerSecond in
            guard let (start, end) = slopeEnds(bytesPerSecond) else { return nil }
            let text = "\(name) \(Figures.rate(bytesPerSecond, "B/s"))"
            let length = hypot(end.x - start.x, end.y - start.y)
            let unit = (x: (end.x - start.x) / length, y: (end.y - start.y) / length)
            let offset = bytesPerSecond == fastest ? -6.0 : 14
            // Into the plot by a little, so that neither axis cuts the text.
            let anchor = (x: start.x + 16 * unit.x - offset * unit.y, y: start.y + 16 * unit.y + offset * unit.x)
            guard length > Self.width(text) + 32 else { return nil }
            let boxes = stride(from: 0.0, through: Self.width(text), by: 8).map {
                Box(x: anchor.x + $0 * unit.x - 7, y: anchor.y + $0 * unit.y - 11, width: 14, height: 14)
            }
            return SlopeLabel(
                text: text, x: anchor.x, y: anchor.y, angle: atan2(unit.y, unit.x) * 180 / .pi, boxes: boxes)
        }
    }

    /// Where the slope of a rate of memory enters the plot, and where it meets the highest arithmetic ceiling.
    private func slopeEnds(_ bytesPerSecond: Double) -> (start: (x: Double, y: Double), end: (x: Double, y: Double))? {
        let slope = log10(bytesPerSecond)
        let top = Self.flatCeilings(ceilings).first.map { log10($0.value) } ?? yRange.upperBound
        let from = max(xRange.lowerBound, yRange.lowerBound - slope)
        let to = min(xRange.upperBound, top - slope)
        guard from < to else { return nil }
        return (
            (x(pow(10, from)), y(pow(10, from + slope))), (x(pow(10, to)), y(pow(10, to + slope)))
        )
    }

    // MARK: Drawing

    var svg: String {
        let area = Self.area
        return """
            <svg class="roofline" viewBox="0 0 \(Int(Self.size.width)) \(Int(Self.size.height))" role="img" \
            aria-label="Roofline plot: operations per byte against operations per second">
            \(gridLines)
            \(ceilingLines)
            \(dots)
            \(labelTexts)
            <text class="axis" x="\(text(area.x + area.width / 2))" y="\(text(Self.size.height - 8))" \
            text-anchor="middle">operations per byte</text>
            <text class="axis" transform="translate(14 \(text(area.y + area.height / 2))) rotate(-90)" \
            text-anchor="middle">operations per second</text>
            </svg>
            """
    }

    private var gridLines: String {
        func powers(_ range: ClosedRange<Double>) -> [Int] {
            Array(
                Int(
                    range.lowerBound.rounded(.up))...max(
                        Int(range.lowerBound.rounded(.up)), Int(range.upperBound.rounded(.down))))
        }
        let area = Self.area
        let bottom = area.y + area.height
        let vertical = powers(xRange).map { power in
            let x = text(x(pow(10, Double(power))))
            return """
                <line class="grid" x1="\(x)" x2="\(x)" y1="\(text(area.y))" y2="\(text(bottom))"/>\
                <text class="tick" x="\(x)" y="\(text(bottom + 18))" text-anchor="middle">\
                \(String(format: "%g", pow(10, Double(power))))</text>
                """
        }
        let horizontal = powers(yRange).map { power in
            let y = y(pow(10, Double(power)))
            return """
                <line class="grid" x1="\(text(area.x))" x2="\(text(area.x + area.width))" y1="\(text(y))" \
                y2="\(text(y))"/>\
                <text class="tick" x="\(text(area.x - 8))" y="\(text(y + 4))" text-anchor="end">\
                \(Self.tick(power))</text>
                """
        }
        return (vertical + horizontal).joined(separator: "\n")
    }

    private static func tick(_ power: Int) -> String {
        let prefixes = [(12, "T"), (9, "G"), (6, "M"), (3, "k"), (0, "")]
        let (base, prefix) = prefixes.first { power >= $0.0 } ?? (0, "")
        return String(format: "%g", pow(10, Double(power - base))) + prefix
    }

    private var ceilingLines: String {
        let read = ceilings?.readBytesPerSecond
        let flat = zip(Self.flatCeilings(ceilings), flatLabels).map { ceiling, label in
            // A flat line begins where memory no longer limits.
            let start = read.map { x(ceiling.value / $0) } ?? Self.area.x
            return """
                <line class="ceiling" x1="\(text(start))" x2="\(text(Self.area.x + Self.area.width))" \
                y1="\(text(label.line))" y2="\(text(label.line))"/>\
                <text class="ceiling" x="\(text(label.box.x + label.box.width))" y="\(text(label.box.y + 11))" \
                text-anchor="end">\(label.text)</text>
                """
        }
        let lines = slopes.compactMap { slope in
            slopeEnds(slope.value).map { ends in
                """
                <line class="ceiling \(slope.name)" x1="\(text(ends.start.x))" y1="\(text(ends.start.y))" \
                x2="\(text(ends.end.x))" y2="\(text(ends.end.y))"/>
                """
            }
        }
        let names = slopeLabels.map {
            "<text class=\"ceiling\" transform=\"translate(\(text($0.x)) \(text($0.y))) rotate(\(text($0.angle)))\">"
                + "\($0.text)</text>"
        }
        return (flat + lines + names).joined(separator: "\n")
    }

    private var dots: String {
        HTML.join(points) { point in
            """
            <circle class="kernel" cx="\(text(x(point.intensity)))" cy="\(text(y(point.operationsPerSecond)))" \
            r="\(text(radius(point)))"><title>\(HTML.escaped(point.kernel)): \(Figures.duration(point.seconds)), \
            \(Figures.rate(point.operationsPerSecond, "FLOP/s")), \(Figures.rate(point.bytesPerSecond, "B/s")), \
            \(String(format: "%.3g", point.intensity)) operations per byte</title></circle>
            """
        }
    }

    /// Where a label is not beside its dot, a line leads to it.
    private var labelTexts: String {
        HTML.join(labels) { label in
            let point = points[label.point]
            let box = label.box
            let center = (x: x(point.intensity), y: y(point.operationsPerSecond))
            let near = (
                x: min(max(center.x, box.x), box.x + box.width), y: min(max(center.y, box.y), box.y + box.height)
            )
            let distance = hypot(near.x - center.x, near.y - center.y)
            let radius = radius(point)
            var leader = ""
            if distance > radius + 9 {
                let share = radius / distance
                leader = """
                    <line class="leader" x1="\(text(center.x + (near.x - center.x) * share))" \
                    y1="\(text(center.y + (near.y - center.y) * share))" x2="\(text(near.x))" y2="\(text(near.y))"/>
                    """
            }
            // Names end where their dot is, whatever the font's widths.
            let isLeft = box.x + box.width / 2 < center.x - radius
            let isBeside = box.x > center.x
            let anchor = isLeft ? "end" : isBeside ? "start" : "middle"
            let x = isLeft ? box.x + box.width - 1 : isBeside ? box.x + 1 : box.x + box.width / 2
            return leader + "<text class=\"kernel\" x=\"\(text(x))\" y=\"\(text(box.y + 11))\" "
                + "text-anchor=\"\(anchor)\">\(HTML.escaped(point.kernel))</text>"
        }
    }

    private func text(_ number: Double) -> String { String(format: "%.1f", number) }
}
