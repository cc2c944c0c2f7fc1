import ArgumentParser
import Foundation
import VkdynBenchmark
import VkdynCore
import VkdynKernels
import VkdynSchedule
import VkdynVulkan

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Time a kernel, against what the device can do.",
        discussion: """
            A sample repeats the call behind barriers for some 20 ms, over copies of its buffers so that caches do not \
            hold them, and the submit is subtracted. Several shapes and variants are sampled in turn, so that their \
            ratios are honest on a busy machine. Rates are those of the fastest sample. In turn with them run kernels \
            that only multiply and add, only read or only copy: the device's ceilings, of which a share is reported. \
            Without a kernel, lists the kernels, their axes and the axes' ranges.

            Examples:
              vkdyn bench
              vkdyn bench matmul --shape 512,3072,768
              vkdyn bench matmul --shape rows=1,columns=4096,depth=4096 --shape rows=8,columns=4096,depth=4096 \
            --weights f16
              vkdyn bench matmul --shape 8,3072,768 --all-variants --json
              vkdyn bench matmul --shape 1,4096,4096 --shape 8,4096,4096 --tune
              vkdyn bench --suite --output Benchmarks/results
            """)

    @Argument(help: "The kernel, as vkdyn bench lists it.")
    var kernel: String?

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "The numbers of the kernel's axes in their order, or axis=number; repeat for several shapes.",
            valueName: "n,n,n"))
    var shape: [String] = []

    @Option(help: "Storage of weights, cache or table; repeat for several (default: the kernel's first).")
    var weights: [ElementType] = []

    @Option(help: ArgumentHelp("A variant of the kernel (default: the device's first choice).", valueName: "name"))
    var variant: String?

    @Flag(help: "Measure every variant that may run the shape.")
    var allVariants = false

    @Flag(
        help: """
            Measure every variant and keep the fastest for this device and driver: runs then choose it for calls of \
            this kind. The bits stay the same.
            """)
    var tune = false

    @Flag(help: "Measure the works that vkdyn is compared by, and print a table.")
    var suite = false

    @Option(help: ArgumentHelp("With --suite: write the table there, as Markdown and as JSON.", valueName: "folder"))
    var output: String?

    @Option(parsing: .unconditional, help: "Samples of each.")
    var samples = 10

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Copies of a call's buffers together; 0 keeps one copy, in the caches.", valueName: "MiB"))
    var workingSet = 256

    @Option(help: "Arithmetic of dot products: separate (the same bits everywhere) or fused.")
    var flavour = Flavour.separate

    @Flag(help: "Measure no ceilings beside it, which takes some seconds.")
    var noCeilings = false

    @OptionGroup var device: DeviceOptions

    @Flag(help: "Print JSON and nothing else on standard output.")
    var json = false

    func validate() throws {
        guard (1...100_000).contains(samples) else {
            throw ValidationError("--samples \(samples): must be 1 to 100000")
        }
        guard (0...65536).contains(workingSet) else {
            throw ValidationError("--working-set \(workingSet): must be 0 to 65536")
        }
        if variant != nil, allVariants { throw ValidationError("--variant and --all-variants exclude each other") }
        if variant != nil, tune { throw ValidationError("--variant and --tune exclude each other") }
        if suite, kernel != nil || variant != nil || allVariants || tune || !weights.isEmpty || noCeilings {
            throw ValidationError("--suite chooses kernels, shapes and variants; it takes --samples and --device")
        }
        if output != nil, !suite { throw ValidationError("--output needs --suite") }
        if kernel == nil, tune { throw ValidationError("--tune needs a kernel: vkdyn bench matmul --tune") }
        if kernel == nil, !shape.isEmpty {
            throw ValidationError("--shape needs a kernel: vkdyn bench matmul --shape …")
        }
    }

    func run() throws {
        if suite {
            try runSuite()
            return
        }
        guard let kernel else {
            try listKernels()
            return
        }
        let console = Console(isJSON: json)
        let chosen = try BenchmarkCall.kernel(named: kernel)
        let shapes = try requestedShapes(of: chosen)
        let (opened, vulkan) = try open(for: flavour, console)
        if tune, vulkan == nil {
            throw SetupError("--tune needs a Vulkan device: the twins have no variants to choose from")
        }
        let variants: BenchmarkCall.Variants = allVariants || tune ? .all : variant.map { .named($0) } ?? .standard
        var calls: [BenchmarkCall] = []
        for shape in shapes {
            calls += try BenchmarkCall.make(
                chosen, shape, variants: variants, flavour: flavour, traits: opened.traits, tuning: opened.tuning)
        }
        // What the twins reach says nothing.
        let measuresCeilings = !noCeilings && opened.traits.kind != .reference
        let progress = LateProgress(console, "measuring")
        defer { progress.finish() }
        let update = { (fraction: Double) throws in
            progress.update(fraction)
            if console.isInterrupted { throw ExitCode(130) }
        }
        let benchmark = Benchmark(device: opened, options: options)
        var ceilings: Ceilings?
        let timings: [KernelTiming]
        if measuresCeilings {
            (timings, ceilings) = try Ceilings.measure(calls, with: benchmark, flavour: flavour, progress: update)
        } else {
            timings = try benchmark.measure(calls, progress: update)
        }
        progress.finish()
        let report = BenchReport(
            device: opened.description, submitSeconds: benchmark.submitSeconds, timings: timings, ceilings: ceilings,
            tuning: tune ? try vulkan.map { try keep(Tuning(timings), $0) } : nil)
        if json { print(try encoded(report)) } else { console.show(report) }
    }

    private func open(for flavour: Flavour, _ console: Console) throws -> (device: any Device, vulkan: VulkanDevice?) {
        let opened = try device.open(for: flavour, console: console)
        return (opened.device, opened.vulkan)
    }

    private var options: Benchmark.Options {
        var options = Benchmark.Options()
        options.sampleCount = samples
        options.workingSetBytes = workingSet << 20
        return options
    }

    private func runSuite() throws {
        let console = Console(isJSON: json)
        let (opened, vulkan) = try open(for: .separate, console)
        guard vulkan != nil else { throw SetupError("--suite needs a Vulkan device: the twins take hours") }
        let progress = LateProgress(console, "measuring")
        defer { progress.finish() }
        let report = try BenchSuite(device: opened, options: options).run {
            progress.update($0)
            if console.isInterrupted { throw ExitCode(130) }
        }
        progress.finish()
        if let output {
            let path = output + "/" + report.fileName
            try OutputFile(path + ".md", option: "--output").write(report.markdown)
            try OutputFile(path + ".json", option: "--output").write(try encoded(report) + "\n")
            console.note("written: \(path).md, .json")
        }
        if json { print(try encoded(report)) } else { console.stream(report.markdown) }
    }

    private func keep(_ tuning: Tuning, _ device: VulkanDevice) throws -> BenchReport.TuningEntries {
        BenchReport.TuningEntries(
            file: try device.keep(tuning),
            choices: tuning.sorted.map { BenchReport.TuningEntries.Choice(call: $0.call, variant: $0.variant) })
    }

    /// Every shape with every storage type.
    private func requestedShapes(of kernel: any Kernel.Type) throws(BenchmarkError) -> [Shape] {
        var shapes: [Shape] = []
        for text in shape.isEmpty ? [""] : shape {
            for storage in weights.isEmpty ? [nil] : weights.map({ $0 as ElementType? }) {
                shapes.append(try ShapeText.shape(text, of: kernel, storage: storage))
            }
        }
        return shapes
    }

    // MARK: The list

    private struct KernelEntry: Encodable {
        struct Axis: Encodable {
            var name: String
            var minimum: Int
            /// Absent where only memory bounds it.
            var maximum: Int?
            var multiple: Int
            var standard: Int
        }

        var kernel: String
        var axes: [Axis]
        var storage: [ElementType]
        var variants: [String]
    }

    private func listKernels() throws {
        let entries = KernelRegistry.all.filter { !$0.shapes.axes.isEmpty }.map { kernel in
            KernelEntry(
                kernel: kernel.interface.name,
                axes: kernel.shapes.axes.map {
                    KernelEntry.Axis(
                        name: $0.name, minimum: $0.range.lowerBound, maximum: $0.maximum, multiple: $0.multiple,
                        standard: $0.standard)
                },
                storage: kernel.shapes.storage, variants: kernel.interface.variants.map { $0.name })
        }
        if json {
            print(try encoded(["kernels": entries]))
            return
        }
        for entry in entries {
            print("\(entry.kernel) (\(entry.storage.map(\.rawValue).joined(separator: ", ")))")
            for axis in entry.axes {
                let range = axis.maximum.map { "\(axis.minimum) to \($0)" } ?? "\(axis.minimum) or more"
                let multiple = axis.multiple == 1 ? "" : ", a multiple of \(axis.multiple)"
                print("  \(axis.name): \(range)\(multiple); \(axis.standard) if not given")
            }
        }
    }

    private func encoded(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
