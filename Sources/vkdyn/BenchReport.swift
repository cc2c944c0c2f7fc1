import Foundation
import VkdynBenchmark
import VkdynCore
import VkdynSchedule

/// What `vkdyn bench` found, as JSON has it.
struct BenchReport: Encodable {
    struct Entry: Encodable {
        let kernel: String
        let shape: [String: Int]
        let weights: ElementType
        let flavour: Flavour
        let variant: String
        let medianSeconds: Double
        let minimumSeconds: Double
        let maximumSeconds: Double
        /// Of the fastest sample.
        let gigaflopsPerSecond: Double
        let gigabytesPerSecond: Double
        let operations: Int
        let bytes: Int
        let samples: Int
        let repetitions: Int
        let copies: Int
        let workingSetBytes: Int
        /// How the shape reads in the table.
        let title: String

        private enum CodingKeys: String, CodingKey {
            case kernel, shape, weights, flavour, variant, medianSeconds, minimumSeconds, maximumSeconds
            case gigaflopsPerSecond, gigabytesPerSecond, operations, bytes, samples, repetitions, copies
            case workingSetBytes
        }
    }

    let device: DeviceDescription
    let results: [Entry]

    init(device: DeviceDescription, timings: [KernelTiming]) {
        self.device = device
        results = timings.map(Entry.init)
    }
}

extension BenchReport.Entry {
    init(_ timing: KernelTiming) {
        let call = timing.call
        kernel = call.kernel.interface.name
        shape = call.shape.named
        weights = call.shape.storage
        flavour = call.flavour
        variant = call.variant.name
        medianSeconds = timing.medianSeconds
        minimumSeconds = timing.minimumSeconds
        maximumSeconds = timing.maximumSeconds
        gigaflopsPerSecond = timing.operationsPerSecond * 1e-9
        gigabytesPerSecond = timing.bytesPerSecond * 1e-9
        operations = call.cost.operations
        bytes = call.cost.bytes
        samples = timing.samples.count
        repetitions = timing.repetitionCount
        copies = timing.copyCount
        workingSetBytes = timing.workingSetBytes
        // Axes in their order; switches and others at zero say nothing.
        let axes = call.kernel.shapes.axes.filter { call.shape[$0.name] != 0 || $0.standard != 0 }
        title = "\(kernel), " + axes.map { "\($0.name) \(call.shape[$0.name])" }.joined(separator: ", ")
            + ", \(weights.rawValue)" + (flavour == .fused ? ", fused" : "")
    }
}

extension Console {
    func show(_ report: BenchReport) {
        line("\(report.device.name) (\(report.device.driver))")
        var title = ""
        for entry in report.results {
            if entry.title != title {
                title = entry.title
                line("")
                heading(title)
            }
            line(
                "  " + column(entry.variant, 22)
                    + column("\(Self.duration(entry.medianSeconds)) median, \(Self.duration(entry.minimumSeconds)) best", 34)
                    + String(format: "%8.2f GFLOP/s %8.2f GB/s", entry.gigaflopsPerSecond, entry.gigabytesPerSecond))
        }
    }

    /// Three digits with a unit.
    static func duration(_ seconds: Double) -> String {
        let units: [(factor: Double, name: String)] = [(1, "s"), (1e3, "ms"), (1e6, "µs"), (1e9, "ns")]
        let unit = units.first { seconds * $0.factor >= 1 } ?? units[units.count - 1]
        let value = seconds * unit.factor
        let digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
        return String(format: "%.\(digits)f \(unit.name)", value)
    }

    private func column(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
