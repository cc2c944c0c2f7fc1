import Foundation
import Testing

/// The README's example is a package of its own, `tools/example`, that has nothing but the products.
@Suite struct ExampleTests {
    private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    @Test func theREADMEShowsTheExample() throws {
        let lines = try String(contentsOfFile: root + "/README.md", encoding: .utf8).split(
            separator: "\n", omittingEmptySubsequences: false)
        let heading = try #require(lines.firstIndex { $0.hasPrefix("#") && $0.hasSuffix("# Use it from Swift") })
        let section = lines[(heading + 1)...].prefix { !$0.hasPrefix("#") }
        let start = try #require(section.firstIndex(of: "```swift")) + 1
        let end = try #require(section[start...].firstIndex(of: "```"))
        let example = try String(contentsOfFile: root + "/tools/example/Sources/Example/main.swift", encoding: .utf8)
        #expect(lines[start..<end].joined(separator: "\n") + "\n" == example)
    }

    /// Builds the example against the products and runs it with the smallest pair.
    @Test(.timeLimit(.minutes(15))) func theExampleIsAPackageOfItsOwn() throws {
        let scratch = root + "/.build-example"
        // In debug, without what only a debugger or an editor reads: the cheapest build that compiles and links all.
        let build = try run(
            "swift", "build", "--package-path", root + "/tools/example", "--scratch-path", scratch,
            "-debug-info-format", "none", "--disable-index-store")
        try #require(build.status == 0, "\(build.output)")
        let pair = try TinyPair()
        let example = try run(scratch + "/debug/Example", environment: ["VKDYN_MODELS": pair.folder])
        #expect(example.status == 0)
        let output = example.output
        #expect(output.contains("The key advantage of dynamic computation in AI is"))
        #expect(output.contains("40 tokens in "), "\(output)")
        #expect(output.contains("ended by tokenLimit"), "\(output)")
    }

    private func run(
        _ command: String..., environment: [String: String] = [:]
    ) throws -> (status: Int32, output: String) {
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("vkdyn-\(UUID().uuidString).log")
        defer { try? FileManager.default.removeItem(at: log) }
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        var variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        // tools/test gives the tests an empty cache; the packages that were fetched for this one are in the user's.
        variables["XDG_CACHE_HOME"] = nil
        process.environment = variables
        let output = try FileHandle(forWritingTo: log)
        process.standardOutput = output
        process.standardError = output
        try process.run()
        process.waitUntilExit()
        return (process.terminationStatus, try String(contentsOf: log, encoding: .utf8))
    }
}
