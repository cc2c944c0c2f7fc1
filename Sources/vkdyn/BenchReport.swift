import Foundation
import VkdynBenchmark
import VkdynCore
import VkdynProfile
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
        /// The larger of the shares of the arithmetic ceiling and of the best read ceiling; absent without ceilings.
        let ceilingShare: Double?
        let bound: Ceilings.Bound?
        /// True where the share is above 1, which no call can reach.
        let failed: Bool?
        /// How the shape reads in the table.
        let title: String

        private enum CodingKeys: String, CodingKey {
            case kernel, shape, weights, flavour, variant, medianSeconds, minimumSeconds, maximumSeconds
            case gigaflopsPerSecond, gigabytesPerSecond, operations, bytes, samples, repetitions, copies
            case workingSetBytes, ceilingShare, bound, failed
        }
    }

    /// The ceilings of the same run.
    struct CeilingEntries: Encodable {
        struct Arithmetic: Encodable {
            let flavour: Flavour
            let variant: String
            let gigaflopsPerSecond: Double
        }

        struct Memory: Encodable {
            /// texels or bits (through texel views), or storage.
            let load: String
            let storage: ElementType
            let variant: String
            let gigabytesPerSecond: Double
        }

        let arithmetic: Arithmetic
        let reads: [Memory]
        let copy: Memory
    }

    let device: DeviceDescription
    /// What `--tune` found.
    struct TuningEntries: Encodable {
        struct Choice: Encodable {
            let call: Tuning.CallClass
            let variant: String
        }

        let file: String
        let choices: [Choice]
    }

    /// Subtracted from every sample.
    let submitSeconds: Double
    let ceilings: CeilingEntries?
    let results: [Entry]
    let tuning: TuningEntries?

    init(
        device: DeviceDescription, submitSeconds: Double, timings: [KernelTiming], ceilings: Ceilings?,
        tuning: TuningEntries? = nil
    ) {
        self.device = device
        self.submitSeconds = submitSeconds
        self.tuning = tuning
        self.ceilings = ceilings.map(CeilingEntries.init)
        results = timings.map { Entry($0, ceilings?.share(of: $0)) }
    }
}

extension BenchReport.CeilingEntries {
    init(_ ceilings: Ceilings) {
        arithmetic = Arithmetic(
            flavour: ceilings.arithmetic.call.flavour, variant: ceilings.arithmetic.call.variant.name,
            gigaflopsPerSecond: ceilings.operationsPerSecond * 1e-9)
        reads = ceilings.reads.map(Memory.init)
        copy = Memory(ceilings.copy)
    }
}

extension BenchReport.CeilingEntries.Memory {
    init(_ timing: KernelTiming) {
        load = timing.call.load
        storage = timing.call.shape.storage
        variant = timing.call.variant.name
        gigabytesPerSecond = timing.bytesPerSecond * 1e-9
    }
}

extension BenchReport.Entry {
    init(_ timing: KernelTiming, _ share: Ceilings.Share?) {
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
        ceilingShare = share?.value
        bound = share?.bound
        failed = share.map { $0.value > 1 }
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
            let times = "\(Self.duration(entry.medianSeconds)) median, \(Self.duration(entry.minimumSeconds)) best"
            line(
                "  " + column(entry.variant, 22) + column(times, 34)
                    + String(format: "%8.2f GFLOP/s %8.2f GB/s", entry.gigaflopsPerSecond, entry.gigabytesPerSecond)
                    + Self.share(entry))
        }
        if let tuning = report.tuning {
            line("")
            line("kept in \(tuning.file)")
            for choice in tuning.choices {
                let work = choice.call.work.map(String.init).joined(separator: " × ")
                let operations = "\(choice.call.operationsPerRow) operations a row"
                line("  \(choice.call.kernel), work \(work), \(operations): \(choice.variant)")
            }
        }
        guard let ceilings = report.ceilings else { return }
        func rate(_ entry: BenchReport.CeilingEntries.Memory) -> String {
            String(format: "%.1f GB/s (%@ %@)", entry.gigabytesPerSecond, entry.storage.rawValue, entry.variant)
        }
        line("")
        line("ceilings of this run")
        line(
            String(
                format: "  arithmetic %.1f GFLOP/s (%@, %@)", ceilings.arithmetic.gigaflopsPerSecond,
                ceilings.arithmetic.flavour.rawValue, ceilings.arithmetic.variant))
        line("  reading " + ceilings.reads.map(rate).joined(separator: ", "))
        line("  copying " + rate(ceilings.copy))
    }

    private static func share(_ entry: BenchReport.Entry) -> String {
        guard let share = entry.ceilingShare, let bound = entry.bound else { return "" }
        return
            String(format: "  %3.0f%% of the %@ ceiling", share * 100, bound == .memory ? "read" : "arithmetic")
            + (entry.failed == true ? ": a FAILED measurement" : "")
    }

    /// Three digits with a unit.
    static func duration(_ seconds: Double) -> String { Figures.duration(seconds) }

    func column(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
