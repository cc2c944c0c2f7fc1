import Foundation
import Testing

/// The built program, run as a user runs it.
struct Program {
    struct Outcome {
        let status: Int32
        let output: String
        let error: String
    }

    /// `vkdyn` beside the test bundle.
    static var path: String {
        let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        return bundle.deletingLastPathComponent().appendingPathComponent("vkdyn").path
    }

    static func run(_ arguments: String..., environment: [String: String] = [:]) throws -> Outcome {
        try run(arguments, environment: environment)
    }

    static func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        // Files, not pipes: a full pipe would stop the program.
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("vkdyn-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = ["output", "error"].map { folder.appendingPathComponent($0) }
        for file in files { try Data().write(to: file) }
        process.standardOutput = try FileHandle(forWritingTo: files[0])
        process.standardError = try FileHandle(forWritingTo: files[1])
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, output: try String(contentsOf: files[0], encoding: .utf8),
            error: try String(contentsOf: files[1], encoding: .utf8))
    }

    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path
    static let shipped = root + "/Sources/VkdynModels/Shipped"
    static let fixtures = root + "/Tests/VkdynModelsTests/Fixtures"
}

/// A folder that is gone after the test.
final class Scratch {
    let path: String

    init(copying source: String? = nil) throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("vkdyn-\(UUID().uuidString)")
        path = url.path
        if let source {
            try FileManager.default.copyItem(atPath: source, toPath: path)
        } else {
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func replace(_ file: String, _ old: String, _ new: String) throws {
        let text = try String(contentsOfFile: path + "/" + file, encoding: .utf8)
        #expect(text.contains(old))
        try text.replacingOccurrences(of: old, with: new).write(
            toFile: path + "/" + file, atomically: true, encoding: .utf8)
    }

    func truncate(_ file: String, to byteCount: Int) throws {
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path + "/" + file))
        try handle.truncate(atOffset: UInt64(byteCount))
    }
}
