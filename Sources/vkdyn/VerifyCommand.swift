import ArgumentParser
import Foundation
import VkdynCore
import VkdynKernels
import VkdynReference
import VkdynSchedule
import VkdynVulkan

struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare every kernel, variant and case on a device with its CPU twin, bit for bit.",
        discussion: """
            Exits with 0 only when no bit differs (every NaN equals every NaN).

            Examples:
              vkdyn verify
              vkdyn verify --kernel attention --device llvmpipe
              vkdyn verify --random 10000 --seed 1
              vkdyn verify --kernel softmax --reverse-lanes
              vkdyn verify --json > verify.json
            """)

    @OptionGroup var device: DeviceOptions

    @Option(help: "Verify one kernel only; repeat for several.")
    var kernel: [String] = []

    @Option(
        help: ArgumentHelp(
            "Run so many random cases instead, spread over all variants of the kernels.", valueName: "count"))
    var random: Int?

    @Option(help: "Where the random cases start: case n of a run is the first of a run with seed + n.")
    var seed: UInt64 = 0

    @Flag(
        help: """
            Number the lanes of each workgroup backwards, which changes no bit: a driver that runs lanes in ascending \
            order hides some missing barriers, and shows them so.
            """)
    var reverseLanes = false

    @Flag(help: "Print JSON and nothing else on standard output.")
    var json = false

    func validate() throws {
        if let random, random < 1 { throw ValidationError("--random \(random): expected at least 1") }
        if random == nil, seed != 0 { throw ValidationError("--seed is for random cases: add --random COUNT") }
        // Counted on from the seed.
        if let random, seed.addingReportingOverflow(UInt64(random)).overflow {
            throw ValidationError("--seed \(seed): expected less than 2^64 less the number of cases")
        }
        let names = KernelRegistry.all.map { $0.interface.name }
        for name in kernel where !names.contains(name) {
            throw ValidationError("--kernel \(name): no such kernel; there are: \(names.joined(separator: ", "))")
        }
    }

    func run() throws {
        let (opened, flavours) = try device.openForVerification(reversesLanes: reverseLanes)
        if !json { print("\(opened.description.name) (\(opened.description.driver))\n") }
        let kernels = KernelRegistry.all.filter { kernel.isEmpty || kernel.contains($0.interface.name) }
        var report = Report(device: opened.description)
        if let random {
            try runRandom(random, opened, kernels, flavours, &report)
        } else {
            try runCases(opened, kernels, flavours, &report)
        }
        report.absent = kernels.flatMap { KernelVerifier.absentVariants($0, opened.traits) }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(report), as: UTF8.self))
        } else {
            report.absent.forEach(show)
            let values = report.results.reduce(0) { $0 + $1.comparedCount }
            let cases = report.results.reduce(0) { $0 + $1.caseCount }
            print(
                "\n\(values) values in \(cases) \(random == nil ? "runs" : "random cases") of "
                    + "\(report.results.count) variants: \(report.differenceCount) differ")
        }
        if report.differenceCount > 0 { throw ExitCode(1) }
    }

    private func runCases(
        _ device: any Device, _ kernels: [any Kernel.Type], _ flavours: [Flavour], _ report: inout Report
    ) throws {
        for kernel in kernels {
            for flavour in flavours where flavour == .separate || kernel.interface.hasFlavour {
                let found = try KernelVerifier(device: device, flavour: flavour).verify(kernel)
                report.add(found)
                if !json {
                    found.forEach(show)
                    // Whoever reads through a pipe sees each kernel when it is done.
                    fflush(nil)
                }
            }
        }
    }

    private func runRandom(
        _ count: Int, _ device: any Device, _ kernels: [any Kernel.Type], _ flavours: [Flavour],
        _ report: inout Report
    ) throws {
        var verifier = RandomVerifier(device: device, kernels: kernels, flavours: flavours)
        let console = Console(isJSON: json)
        for number in 0..<count {
            let isEqual = try verifier.run(seed: seed + UInt64(number))
            if !isEqual, let failure = verifier.failures.last { note(failure, number, console) }
            if (number + 1) % max(count / 10, 100) == 0 {
                console.note("\(number + 1) of \(count) random cases, \(verifier.failures.count) differ")
            }
        }
        report.add(verifier.results)
        report.random = .init(seed: seed, count: count, failures: verifier.failures)
        if !json { verifier.results.forEach(show) }
    }

    /// A failure with the command that repeats it alone.
    private func note(_ failure: RandomVerifier.Failure, _ number: Int, _ console: Console) {
        var command = "vkdyn verify --random 1 --seed \(failure.seed)"
        for name in kernel { command += " --kernel \(name)" }
        if reverseLanes { command += " --reverse-lanes" }
        if device.device != "auto" { command += " --device \"\(device.device)\"" }
        console.note(
            "random case \(number) differs: \(failure.kernel), variant \(failure.variant), \(failure.flavour.rawValue), "
                + "shape \(failure.shape); \(failure.difference); repeat it with: \(command)")
    }

    private struct Report: Encodable {
        struct Random: Encodable {
            let seed: UInt64
            let count: Int
            let failures: [RandomVerifier.Failure]
        }

        let device: DeviceDescription
        var results: [KernelVerifier.Result] = []
        /// Variants that the device cannot run, that the build has left out, or that no case runs.
        var absent: [KernelVerifier.AbsentVariant] = []
        var random: Random?
        var differenceCount = 0

        mutating func add(_ found: [KernelVerifier.Result]) {
            results += found
            differenceCount += found.reduce(0) { $0 + $1.differenceCount }
        }
    }

    private func column(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }

    private func show(_ result: KernelVerifier.Result) {
        print(
            column(result.kernel, 20) + column(result.variant, 16) + column(result.flavour.rawValue, 10)
                + column("\(result.caseCount) cases", 12) + column("\(result.comparedCount) values", 18)
                + (result.differenceCount == 0 ? "equal" : "\(result.differenceCount) DIFFER"))
        if let first = result.firstDifference { print("  \(first)") }
    }

    private func show(_ absent: KernelVerifier.AbsentVariant) {
        print(
            column(absent.kernel, 20) + column(absent.variant, 16) + "absent    "
                + (absent.reason ?? "no case runs it on any device"))
    }
}
