import Foundation
import VkdynBenchmark
import VkdynCore
import VkdynKernels
import VkdynSchedule

/// The works that vkdyn is compared by, measured one after the other with the ceilings beside them.
struct BenchSuite {
    /// One line of the table.
    struct Work {
        let title: String
        let kernel: String
        let shape: String
        let storage: ElementType
        /// What ggml's Vulkan backend took on lavapipe (Mesa 22.3.6, two cores, quiet), and what vkdyn is to reach
        /// there; of no meaning on other devices.
        let peerMilliseconds: Double
        let goalMilliseconds: Double

        init(
            _ title: String, _ kernel: String, _ shape: String, _ storage: ElementType = .f32, peer: Double,
            goal: Double
        ) {
            self.title = title
            self.kernel = kernel
            self.shape = shape
            self.storage = storage
            peerMilliseconds = peer
            goalMilliseconds = goal
        }
    }

    static let works = [
        Work("f32 512×3072×768", "matmul", "512,3072,768", peer: 245, goal: 55),
        Work("f32 1024×1024×1024", "matmul", "1024,1024,1024", peer: 210, goal: 48),
        Work("f16 512×3072×768", "matmul", "512,3072,768", .f16, peer: 384, goal: 58),
        Work("int8 512×3072×768", "matmul", "512,3072,768,group=32", .i8, peer: 368, goal: 58),
        Work("f32 4096×4096, 1 row", "matmul", "1,4096,4096", peer: 17.9, goal: 6),
        Work("f16 4096×4096, 1 row", "matmul", "1,4096,4096", .f16, peer: 13.7, goal: 5),
        Work("int8 4096×4096, 1 row", "matmul", "1,4096,4096,group=32", .i8, peer: 14.5, goal: 3.5),
        Work("f32 4096×4096, 8 rows", "matmul", "8,4096,4096", peer: 73, goal: 16),
        Work("f16 4096×4096, 8 rows", "matmul", "8,4096,4096", .f16, peer: 49, goal: 13),
        Work("int8 4096×4096, 8 rows", "matmul", "8,4096,4096,group=32", .i8, peer: 69, goal: 10),
        Work("experts, 2 of 8, 3072×768 f32: 1 row", "grouped_matmul", "1,3072,768", peer: 9.7, goal: 2.5),
        Work("experts, 2 of 8, 3072×768 f32: 8 rows", "grouped_matmul", "8,3072,768", peer: 84, goal: 12),
        Work("experts, 2 of 8, 3072×768 f32: 32 rows", "grouped_matmul", "32,3072,768", peer: 268, goal: 30),
        Work("experts, 2 of 8, 3072×768 f32: 512 rows", "grouped_matmul", "512,3072,768", peer: 688, goal: 130),
        Work("attention, 12 heads of 64, 197×197", "attention", "rows=197,keys=197", peer: 83, goal: 10),
        Work("attention, 12 heads of 64, 1024×1024", "attention", "rows=1024,keys=1024", peer: 1745, goal: 220),
        Work("decode attention, 1 row over 1024", "attention", "rows=1,keys=1024,causal=1", peer: 3.0, goal: 1.2),
        Work("decode attention, 8 rows over 1024", "attention", "rows=8,keys=1024,causal=1", peer: 15.7, goal: 4),
        Work("softmax, 12×197 rows of 197", "softmax", "rows=2364,width=197", peer: 8.9, goal: 2.5),
        Work("top-8 of 128 for 512 rows", "top_k", "rows=512,width=128,k=8", peer: 12.4, goal: 2),
    ]

    struct Report: Encodable {
        struct Row: Encodable {
            let work: String
            let peerMilliseconds: Double
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

    /// Those whose kernel takes their shape in their storage type.
    private static var present: [(work: Work, kernel: any Kernel.Type)] {
        works.compactMap { work in
            KernelRegistry.all.first {
                $0.interface.name == work.kernel && !$0.shapes.axes.isEmpty && $0.shapes.storage.contains(work.storage)
            }.map { (work, $0) }
        }
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
        let works = Self.present
        for start in stride(from: 0, to: works.count, by: Self.groupSize) {
            let group = Array(works[start..<min(start + Self.groupSize, works.count)])
            var calls: [BenchmarkCall] = []
            for (work, kernel) in group {
                calls += try BenchmarkCall.make(
                    kernel, try ShapeText.shape(work.shape, of: kernel, storage: work.storage), traits: device.traits,
                    tuning: device.tuning)
            }
            // A benchmark of its own, so that the memory of a group is free for the next.
            let (timings, found) = try Ceilings.measure(calls, with: Benchmark(device: device, options: options)) {
                try progress((Double(start) + $0 * Double(group.count)) / Double(works.count))
            }
            guard let ceilings = found else { continue }
            for ((work, _), timing) in zip(group, timings) {
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
                Console.duration(result.medianSeconds), Self.milliseconds(row.peerMilliseconds),
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
