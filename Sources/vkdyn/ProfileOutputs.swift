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

    private var destinations: [(option: String, path: String)] {
        [("--trace", trace), ("--report", report)].compactMap { option, path in path.map { (option, $0) } }
    }

    /// Before the command runs: afterwards its profile would be lost.
    func validate() throws {
        for (option, path) in destinations {
            var isFolder: ObjCBool = false
            if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
                throw ValidationError("\(option) \(path): is a folder; expected a file")
            }
            let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
            guard FileManager.default.isWritableFile(atPath: folder) else {
                throw ValidationError("\(option) \(path): cannot be written; is its folder there?")
            }
        }
        if let trace, let report, URL(fileURLWithPath: trace) == URL(fileURLWithPath: report) {
            throw ValidationError("--trace and --report name the same file, \(trace)")
        }
    }

    /// All or nothing of each file.
    func write(_ profile: VkdynProfile.Profile) throws {
        let contents = try (trace: trace.map { _ in try profile.trace() }, report: report.map { _ in profile.report() })
        if let trace, let data = contents.trace { try write(data, to: trace, option: "--trace") }
        if let report, let page = contents.report { try write(Data(page.utf8), to: report, option: "--report") }
    }

    private func write(_ data: Data, to path: String, option: String) throws(SetupError) {
        do {
            try data.write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw SetupError("\(option) \(path): cannot be written; is its folder there?")
        }
    }
}
