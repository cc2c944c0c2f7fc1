import Foundation

/// How times, rates and counts read, the same in tables, pages and messages.
public enum Figures {
    /// Three digits with a unit.
    public static func duration(_ seconds: Double) -> String {
        let unit = TimeUnit.fitting(seconds)
        let value = seconds * unit.perSecond
        let digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
        return String(format: "%.\(digits)f %@", value, unit.name)
    }

    /// A column of times has one unit, so that the eye compares lengths.
    public struct TimeUnit: Sendable, Hashable {
        public let perSecond: Double
        public let name: String

        /// The largest unit in which a time is at least 1; nanoseconds for shorter ones.
        public static func fitting(_ seconds: Double) -> TimeUnit {
            let units = [(1, "s"), (1e3, "ms"), (1e6, "µs"), (1e9, "ns")].map(TimeUnit.init)
            return units.first { seconds * $0.perSecond >= 1 } ?? units[units.count - 1]
        }

        public func text(_ seconds: Double) -> String { String(format: "%.3f", seconds * perSecond) }
    }

    /// Three digits with a decimal prefix, as in `12.3 GB/s` for the unit `B/s`.
    public static func rate(_ value: Double, _ unit: String) -> String {
        let prefixes = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")]
        let (factor, prefix) = prefixes.first { value >= $0.0 } ?? (1, "")
        let scaled = value / factor
        let digits = scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2
        return String(format: "%.\(digits)f %@%@", scaled, prefix, unit)
    }

    /// A binary prefix.
    public static func bytes(_ count: Int) -> String {
        let (factor, unit) = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")].first { count >= $0.0 } ?? (1, "B")
        return factor == 1 ? "\(count) B" : String(format: "%.1f %@", Double(count) / Double(factor), unit)
    }

    public static func percent(_ share: Double) -> String { String(format: "%.1f%%", share * 100) }

    /// Groups of three.
    public static func count(_ number: Int) -> String {
        let digits = String(number.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return number < 0 ? "−" + text : text
    }
}
