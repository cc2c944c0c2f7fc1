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
              vkdyn verify --json > verify.json
            """)

    @OptionGroup var device: DeviceOptions

    @Option(help: "Verify one kernel only; repeat for several.")
    var kernel: [String] = []

    @Flag(help: "Print JSON and nothing else on standard output.")
    var json = false

    func validate() throws {
        let names = KernelRegistry.all.map { $0.interface.name }
        for name in kernel where !names.contains(name) {
            throw ValidationError("--kernel \(name): no such kernel; there are: \(names.joined(separator: ", "))")
        }
    }

    func run() throws {
        let (opened, flavours) = try device.openForVerification()
        if !json { print("\(opened.description.name) (\(opened.description.driver))\n") }
        var results: [KernelVerifier.Result] = []
        for candidate in KernelRegistry.all where kernel.isEmpty || kernel.contains(candidate.interface.name) {
            for flavour in flavours where flavour == .separate || candidate.interface.hasFlavour {
                let found = try KernelVerifier(device: opened, flavour: flavour).verify(candidate)
                results += found
                if !json {
                    found.forEach(show)
                    // Whoever reads through a pipe sees each kernel when it is done.
                    fflush(nil)
                }
            }
        }
        let differences = results.reduce(0) { $0 + $1.differenceCount }
        if json {
            let report = Report(
                device: opened.description, results: results, differenceCount: differences)
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(report), as: UTF8.self))
        } else {
            let values = results.reduce(0) { $0 + $1.comparedCount }
            let cases = results.reduce(0) { $0 + $1.caseCount }
            print("\n\(values) values in \(cases) runs of \(results.count) variants: \(differences) differ")
        }
        if differences > 0 { throw ExitCode(1) }
    }

    private struct Report: Encodable {
        let device: DeviceDescription
        let results: [KernelVerifier.Result]
        let differenceCount: Int
    }

    private func show(_ result: KernelVerifier.Result) {
        func column(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(1, width - text.count))
        }
        print(
            column(result.kernel, 20) + column(result.variant, 16) + column(result.flavour.rawValue, 10)
                + column("\(result.caseCount) cases", 12) + column("\(result.comparedCount) values", 18)
                + (result.differenceCount == 0 ? "equal" : "\(result.differenceCount) DIFFER"))
        if let first = result.firstDifference { print("  \(first)") }
    }
}
