import ArgumentParser
import Foundation
import VkdynBenchmark
import VkdynCore
import VkdynReference
import VkdynSchedule
import VkdynVulkan

struct ProfileCeilings: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ceilings",
        abstract: "Measure what the device can do at most, and what a plan adds to raw Vulkan.",
        discussion: """
            Rates come from kernels that do one thing only, costs from dispatches that do nothing; the best of the \
            samples counts. They are kept for this device and driver, and read back where something is profiled, so \
            measure them on a quiet machine. The replay of a plan is measured each time, in turn with the same \
            commands recorded by hand.

            Examples:
              vkdyn profile ceilings
              vkdyn profile ceilings --refresh
              vkdyn profile ceilings --device 1 --json
            """)

    @OptionGroup var device: DeviceOptions

    @Flag(help: "Measure again what was kept.")
    var refresh = false

    @Flag(help: "Print JSON and nothing else on standard output.")
    var json = false

    func run() throws {
        let console = Console(isJSON: json)
        guard let opened = try device.open(for: .separate, console: console).vulkan else {
            throw SetupError("--device reference: the twins have no ceilings; choose a Vulkan device")
        }
        let replay = try ReplayTiming.measure(on: opened) { plan, isStamped throws(DeviceError) in
            isStamped && !opened.canStamp ? nil : try RawReplay(plan, on: opened, isStamped: isStamped)
        }
        guard let replay else { throw SetupError("\(opened.description.name): no replay by hand was made") }
        let (figures, isMeasured) = try Self.figures(
            of: opened, refresh: refresh, timestampSeconds: replay.timestampSeconds, console)
        let report = CeilingReport(
            device: opened.description, isMeasured: isMeasured, file: opened.ceilingPath, ceilings: figures,
            replay: replay)
        if json { print(try report.encoded()) } else { console.show(report) }
    }

    /// What is kept for a device, or else is measured and kept now.
    /// - Parameter timestampSeconds: what one costs, where it was measured.
    static func figures(
        of device: VulkanDevice, refresh: Bool = false, timestampSeconds: Double?, _ console: Console
    ) throws -> (figures: CeilingFigures, isMeasured: Bool) {
        let kept = refresh ? (ceilings: nil, note: nil) : device.keptCeilings()
        if let note = kept.note { console.note(note) }
        if let ceilings = kept.ceilings { return (ceilings, false) }
        let progress = LateProgress(console, "measuring what the device can do")
        defer { progress.finish() }
        let figures = try measure(device, timestampSeconds: timestampSeconds) { fraction in
            progress.update(fraction)
            if console.isInterrupted { throw ExitCode(130) }
        }
        do throws(CacheFileError) {
            try device.keep(figures)
        } catch {
            console.note("not kept: \(error)")
        }
        return (figures, true)
    }

    private static func measure(
        _ device: VulkanDevice, timestampSeconds: Double?, progress: (Double) throws -> Void
    ) throws -> CeilingFigures {
        let launch = try LaunchCosts.measure(on: device)
        let flavours = try device.probe().isFused ? Flavour.allCases : [.separate]
        let kinds = flavours.map { Ceilings.Kind.chains($0) } + [.halves, .integers, .reads, .copies]
        let ceilings = try Ceilings.measure(beside: kinds, with: Benchmark(device: device), progress: progress).ceilings
        guard let ceilings else { throw SetupError("\(device.description.name) runs none of the ceilings' kernels") }
        return CeilingFigures(ceilings, launch, timestampSeconds: timestampSeconds)
    }
}

/// What `vkdyn profile ceilings` shows.
struct CeilingReport: Encodable {
    let device: DeviceDescription
    /// Now; otherwise they were kept.
    let isMeasured: Bool
    /// Where they are kept; absent where they cannot be.
    let file: String?
    let ceilings: CeilingFigures
    let replay: ReplayTiming

    func encoded() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// Name, figure and meaning of each ceiling.
    var rows: [(name: String, figure: String, meaning: String)] {
        func variant(_ rate: String) -> String { ceilings.variants?[rate].map { " (\($0))" } ?? "" }
        func operations(_ value: Double?) -> String {
            value.map { String(format: "%.1f Gop/s", $0 * 1e-9) } ?? "-"
        }
        func bytes(_ value: Double) -> String { String(format: "%.2f GB/s", value * 1e-9) }
        let c = ceilings
        return [
            (
                "multiply, then add", operations(c.multiplyThenAddOperationsPerSecond),
                "f32, two roundings: the separate flavour" + variant("multiplyThenAddOperationsPerSecond")
            ),
            (
                "multiply-add", operations(c.multiplyAddOperationsPerSecond),
                c.multiplyAddOperationsPerSecond == nil
                    ? "f32, one rounding: this device rounds twice"
                    : "f32, one rounding: the fused flavour" + variant("multiplyAddOperationsPerSecond")
            ),
            (
                "f16", operations(c.f16OperationsPerSecond),
                "f32 products of f16 storage, each widened for itself" + variant("f16OperationsPerSecond")
            ),
            (
                "int8", operations(c.int8OperationsPerSecond),
                "int8 × int8, summed exactly" + variant("int8OperationsPerSecond")
            ),
            ("read", bytes(c.readBytesPerSecond), "kernels that only read" + variant("readBytesPerSecond")),
            (
                "copy", bytes(c.copyBytesPerSecond),
                "kernels that only copy, read and written bytes" + variant("copyBytesPerSecond")
            ),
            (
                "dispatch", Console.duration(c.dispatchSeconds),
                "one workgroup that does nothing, among others without barriers"
            ),
            ("dispatch, barrier", Console.duration(c.barrierSeconds), "the same with a barrier before it"),
            ("submit", Console.duration(c.submitSeconds), "from submitting an empty plan to seeing its end"),
            ("host to device", bytes(c.hostToDeviceBytesPerSecond), "writing 64 MiB"),
            ("device to host", bytes(c.deviceToHostBytesPerSecond), "reading 64 MiB into new memory"),
            (
                "timestamp", c.timestampSeconds.map { Console.duration($0) } ?? "-",
                c.timestampSeconds == nil ? "this device has none" : "what one after a dispatch adds"
            ),
        ]
    }
}

extension Console {
    func show(_ report: CeilingReport) {
        line("\(report.device.name) (\(report.device.driver))")
        let file = report.file.map { report.isMeasured ? "kept in \($0)" : "from \($0); --refresh measures again" }
        line("measured \(report.ceilings.date)" + (file.map { ", " + $0 } ?? ""))
        line("")
        for row in report.rows {
            let figure = String(repeating: " ", count: max(0, 12 - row.figure.count)) + row.figure
            line("  " + column(row.name, 20) + figure + "  " + row.meaning)
        }
        let replay = report.replay
        line("")
        heading(
            "replay of \(replay.dispatchCount) empty dispatches with \(replay.barrierCount) barriers, "
                + "\(replay.sampleCount) samples of each in turn")
        func show(_ name: String, _ samples: ReplayTiming.Samples) {
            line(
                "  " + column(name, 14) + column(Self.duration(samples.bestSeconds) + " best", 16)
                    + Self.duration(samples.medianSeconds) + " median")
        }
        show("raw Vulkan", replay.raw)
        show("plan", replay.plan)
        line(
            "  " + column("plan to raw", 14) + column(String(format: "%.3f best", replay.bestRatio), 16)
                + String(format: "%.3f median", replay.medianRatio))
        line("  a dispatch's share of making the plan: " + Self.duration(replay.planSecondsPerDispatch))
        line(
            "  of preparing it: \(Self.duration(replay.prepareSecondsPerDispatch)), the first time "
                + "\(Self.duration(replay.firstPrepareSecondsPerDispatch)), by hand "
                + Self.duration(replay.rawPrepareSecondsPerDispatch))
    }
}
