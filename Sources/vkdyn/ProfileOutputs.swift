import ArgumentParser
import Foundation
import VkdynProfile

/// The files that a profile can be written to.
struct ProfileOutputs: ParsableArguments {
    @Option(help: ArgumentHelp("Write a trace for Perfetto (ui.perfetto.dev) or chrome://tracing.", valueName: "file"))
    var trace: String?

    @Option(
        help: ArgumentHelp(
            "Write a page with plots, timeline and tables, to be read in any browser.", valueName: "file"))
    var report: String?

    /// Before the command runs: afterwards its profile would be lost.
    func validate() throws {
        if let trace { try OutputFile(trace, option: "--trace").check() }
        if let report { try OutputFile(report, option: "--report").check() }
        if let trace, let report, URL(fileURLWithPath: trace) == URL(fileURLWithPath: report) {
            throw ValidationError("--trace and --report name the same file, \(trace)")
        }
    }

    func write(_ profile: VkdynProfile.Profile) throws {
        // Both are made before one is written.
        let contents = try (trace: trace.map { _ in try profile.trace() }, report: report.map { _ in profile.report() })
        if let trace, let data = contents.trace { try OutputFile(trace, option: "--trace").write(data) }
        if let report, let page = contents.report { try OutputFile(report, option: "--report").write(page) }
    }
}
