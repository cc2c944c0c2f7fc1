import Foundation
import Testing

/// Follows "Write a kernel in ten minutes", `Shaders/README.md`, step by step in a package of the engine alone.
@Suite struct GuideTests {
    private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// A fenced block of the page.
    private struct Block {
        /// What stands behind the fence: a language, then perhaps a file, then perhaps `mistake`.
        let information: [String]
        let lines: [String]
        /// Where it begins, counted from 1.
        let line: Int

        var text: String { lines.joined(separator: "\n") + "\n" }
    }

    private func blocks() throws -> [Block] {
        let page = try String(contentsOfFile: root + "/Shaders/README.md", encoding: .utf8)
        var blocks: [Block] = []
        var open: (information: [String], lines: [String], line: Int)?
        for (index, line) in page.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if let block = open {
                if line == "```" {
                    blocks.append(Block(information: block.information, lines: block.lines, line: block.line))
                    open = nil
                } else {
                    open?.lines.append(String(line))
                }
            } else if line.hasPrefix("```") {
                open = (line.dropFirst(3).split(separator: " ").map(String.init), [], index + 1)
            }
        }
        #expect(open == nil, "a block of the page has no end")
        return blocks
    }

    @Test(.timeLimit(.minutes(15))) func everyStepOfThePageDoesWhatItSays() throws {
        let blocks = try blocks()
        #expect(blocks.count { $0.information.last == "mistake" } >= 2)
        let package = root + "/.build-guide"
        // The page's kernel is removed, if an earlier run has left it; Softmax is what the recording calls beside it.
        let copy = try run([root + "/tools/engine-copy", package, "Softmax"])
        try #require(copy.status == 0, "\(copy.output)")
        /// Files as they were before a mistake.
        var undone: [String: String] = [:]
        var outcome: (status: Int32, output: String)?
        for block in blocks {
            let place: Comment = "Shaders/README.md:\(block.line)"
            switch block.information[0] {
            case "glsl", "swift":
                try write(block.text, to: package + "/" + block.information[1])
            case "diff":
                let path = package + "/" + block.information[1]
                let text = try String(contentsOfFile: path, encoding: .utf8)
                if block.information.last == "mistake" { undone[path] = text }
                try write(apply(block, to: text, place), to: path)
            case "sh":
                try #require(block.lines.count == 1, place)
                let words = block.lines[0].split(separator: " ").map(String.init)
                outcome = try command(words, package)
                if let outcome {
                    #expect((outcome.status != 0) == !undone.isEmpty, "\(place): \(outcome.output)")
                }
                for (path, text) in undone { try write(text, to: path) }
                undone = [:]
            case "text":
                // Lines that the output has, in this order.
                guard let found = outcome else { break }
                var rest = found.output[...]
                for line in block.lines {
                    let range = rest.range(of: line)
                    #expect(range != nil, "\(place): no \"\(line)\" in: \(found.output)")
                    if let range { rest = rest[range.upperBound...] }
                }
            default: Issue.record("\(place): a block of \(block.information[0])")
            }
        }
    }

    /// A block of lines with `+`, `-` or a space in front, applied to a text that has them once.
    private func apply(_ block: Block, to text: String, _ place: Comment) throws -> String {
        func lines(_ marks: String) -> String {
            block.lines.filter { line in line.first.map { marks.contains($0) } ?? false }
                .map { String($0.dropFirst()) }.joined(separator: "\n")
        }
        let old = lines(" -")
        try #require(text.components(separatedBy: old).count == 2, "\(place) is not once in the file")
        return text.replacingOccurrences(of: old, with: lines(" +"))
    }

    private func write(_ text: String, to path: String) throws {
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }

    /// What the page's scripts do, in the package and in debug, which builds faster; nil for a command that this
    /// checkout does not have.
    private func command(_ words: [String], _ package: String) throws -> (status: Int32, output: String)? {
        // With an index, by which the tests are found.
        let flags = ["--package-path", package, "-debug-info-format", "none"]
        let isTest = words[0] == "tools/test"
        try #require(isTest || words[0] == "tools/vkdyn", "\(words)")
        let build = try run(["swift", "build"] + (isTest ? ["--build-tests"] : ["--product", "vkdyn"]) + flags)
        if build.status != 0 { return build }
        if isTest { return try run(["swift", "test", "--skip-build", "--filter", words[1]] + flags) }
        let program = package + "/.build/debug/vkdyn"
        let commands = try run([program, "--help"]).output
        guard commands.contains("  \(words[1]) ") else { return nil }
        return try run([program] + words.dropFirst())
    }

    private func run(_ command: [String]) throws -> (status: Int32, output: String) {
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("vkdyn-\(UUID().uuidString).log")
        defer { try? FileManager.default.removeItem(at: log) }
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        var variables = ProcessInfo.processInfo.environment
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
