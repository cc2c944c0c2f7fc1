import Foundation
import VkdynBenchmark
import VkdynCore
import VkdynKernels
import VkdynSchedule

/// The works that vkdyn is compared by, measured one after the other with the ceilings beside them.
struct BenchSuite {
    struct Report: Encodable {
        struct Row: Encodable {
            let work: String
            /// Nil where it was not measured.
            let peerMilliseconds: Double?
            let goalMilliseconds: Double
            let result: BenchReport.Entry
            /// Of the same minutes as the result.
            let ceilings: BenchReport.CeilingEntries
        }

        let date: String
        let command: String
        let device: DeviceDescription
        let rows: [Row]
    }

    /// Works that are sampled in turn; more at once would leave too little memory for each.
    private static let groupSize = 4

    private let device: any Device
    private let options: Benchmark.Options

    init(device: any Device, options: Benchmark.Options) {
        self.device = device
        self.options = options
    }

    func run(progress: (Double) throws -> Void) throws -> Report {
        var rows: [Report.Row] = []
        let works = BenchmarkWork.suite.filter { $0.kernelType != nil }
        for start in stride(from: 0, to: works.count, by: Self.groupSize) {
            let group = Array(works[start..<min(start + Self.groupSize, works.count)])
            var calls: [BenchmarkCall] = []
            for work in group { calls += try work.calls(traits: device.traits, tuning: device.tuning) }
            // A benchmark of its own, so that the memory of a group is free for the next.
            let (timings, found) = try Ceilings.measure(calls, with: Benchmark(device: device, options: options)) {
                try progress((Double(start) + $0 * Double(group.count)) / Double(works.count))
            }
            guard let ceilings = found else { continue }
            for (work, timing) in zip(group, timings) {
                rows.append(
                    Report.Row(
                        work: work.title, peerMilliseconds: work.peerMilliseconds,
                        goalMilliseconds: work.goalMilliseconds,
                        result: BenchReport.Entry(timing, ceilings.share(of: timing)),
                        ceilings: BenchReport.CeilingEntries(ceilings)))
            }
        }
        return Report(
            date: Self.today, command: "vkdyn bench --suite --samples \(options.sampleCount)",
            device: device.description, rows: rows)
    }

    private static var today: String {
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = .withFullDate
        return formatter.string(from: Date())
    }
}

extension BenchSuite.Report {
    /// A file's name without its ending: date, driver and what it is.
    var fileName: String {
        let words = device.driver.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber || $0 == ".")) }
        return "\(date)-\(words.joined(separator: "-"))-suite"
    }

    var markdown: String {
        var text = """
            # \(device.name)

            Driver \(device.driver), Vulkan \(device.apiVersion), \(date), `\(command)`.

            Best of the samples; the ceilings are those measured in turn with a row. The peer is ggml's Vulkan backend
            on lavapipe (Mesa 22.3.6, two cores, quiet), the goal is vkdyn's there.

            | work | variant | best | median | peer | goal | rate | share of the ceiling | arithmetic, read ceiling |
            |---|---|---|---|---|---|---|---|---|

            """
        for row in rows {
            let result = row.result
            let isMemory = result.bound == .memory
            let rate =
                isMemory
                ? String(format: "%.1f GB/s", result.gigabytesPerSecond)
                : String(format: "%.1f GFLOP/s", result.gigaflopsPerSecond)
            let share =
                String(format: "%.0f%% %@", (result.ceilingShare ?? 0) * 100, isMemory ? "read" : "arithmetic")
                + (result.failed == true ? " (FAILED)" : "")
            let ceilings = String(
                format: "%.1f GFLOP/s, %.1f GB/s", row.ceilings.arithmetic.gigaflopsPerSecond,
                row.ceilings.reads.first?.gigabytesPerSecond ?? 0)
            let columns = [
                row.work, "`\(result.kernel)` \(result.variant)", Console.duration(result.minimumSeconds),
                Console.duration(result.medianSeconds), row.peerMilliseconds.map(Self.milliseconds) ?? "–",
                "≤ " + Self.milliseconds(row.goalMilliseconds), rate, share, ceilings,
            ]
            text += "| " + columns.joined(separator: " | ") + " |\n"
        }
        return text
    }

    private static func milliseconds(_ value: Double) -> String {
        (value == value.rounded() ? String(Int(value)) : String(value)) + " ms"
    }
}
