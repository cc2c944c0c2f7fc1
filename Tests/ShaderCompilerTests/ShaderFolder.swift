import Foundation
import Testing

/// A temporary folder of shaders, and runs of the shader compiler over it.
final class ShaderFolder {
    /// What one run of the compiler gave.
    struct Outcome {
        let status: Int32
        /// Standard error without the folder's own path, so that it can be compared.
        let errors: String
        let interfaces: String
        let modules: String
        let registry: String

        var lines: [String] { errors.split(separator: "\n").map(String.init) }
    }

    let path: String
    var output: String { path + "/generated" }

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("vkdyn-shaders-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ text: String) throws { try write(name, Data(text.utf8)) }

    func write(_ name: String, _ data: Data) throws {
        let file = URL(fileURLWithPath: path + "/" + name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try data.write(to: file)
    }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: path + "/" + name) }

    /// Runs the compiler as the plugin does, over every shader and include of the folder.
    func compile() throws -> Outcome {
        let files = try FileManager.default.subpathsOfDirectory(atPath: path)
        let shaders = files.filter { $0.hasSuffix(".comp") || $0.hasSuffix(".glsl") }.sorted().map { path + "/" + $0 }
        let result = try Command.run(Command.shaderCompiler(), [path, output] + shaders)
        func generated(_ name: String) -> String {
            (try? String(contentsOfFile: output + "/" + name, encoding: .utf8)) ?? ""
        }
        return Outcome(
            status: result.status,
            errors: result.errors.replacingOccurrences(of: path + "/", with: "")
                .trimmingCharacters(in: .whitespacesAndNewlines),
            interfaces: generated("Interfaces.swift"), modules: generated("Modules.swift"),
            registry: generated("Registry.swift"))
    }

    /// Compiles and requires success.
    func compiled(sourceLocation: SourceLocation = #_sourceLocation) throws -> Outcome {
        let outcome = try compile()
        try #require(outcome.status == 0, "\(outcome.errors)", sourceLocation: sourceLocation)
        #expect(outcome.errors.isEmpty, sourceLocation: sourceLocation)
        return outcome
    }

    /// Compiles and requires refusal: exit code 1 and nothing written.
    func refused(sourceLocation: SourceLocation = #_sourceLocation) throws -> [String] {
        let outcome = try compile()
        #expect(outcome.status == 1, "\(outcome.errors)", sourceLocation: sourceLocation)
        #expect(
            !FileManager.default.fileExists(atPath: output), "output of a refused shader",
            sourceLocation: sourceLocation)
        return outcome.lines
    }
}

/// Programs that the tests start.
enum Command {
    struct Result {
        let status: Int32
        let output: String
        let errors: String
    }

    static func run(_ executable: String, _ arguments: [String]) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("vkdyn-run-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // Files, not pipes: a full pipe would stop the program.
        func stream(_ name: String) throws -> (handle: FileHandle, path: String) {
            let path = folder.appendingPathComponent(name).path
            try #require(FileManager.default.createFile(atPath: path, contents: nil))
            return (try #require(FileHandle(forWritingAtPath: path)), path)
        }
        let (output, errors) = (try stream("output"), try stream("errors"))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output.handle
        process.standardError = errors.handle
        try process.run()
        process.waitUntilExit()
        return Result(
            status: process.terminationStatus,
            output: try String(contentsOfFile: output.path, encoding: .utf8),
            errors: try String(contentsOfFile: errors.path, encoding: .utf8))
    }

    /// The shader compiler of this build.
    ///
    /// SwiftPM builds what a plugin runs as `<name>-tool`, in the folder of the test program; a build system
    /// without separate tools gives it its own name.
    static func shaderCompiler() throws -> String {
        let program = try #require(Bundle.main.executableURL).resolvingSymlinksInPath()
        var folder = program.deletingLastPathComponent()
        var candidates: [String] = []
        // The test program lies in the build folder, or some levels below it where it is a bundle.
        for _ in 0..<4 {
            candidates += ["ShaderCompiler-tool", "ShaderCompiler"].map { folder.appendingPathComponent($0).path }
            folder.deleteLastPathComponent()
        }
        return try #require(
            candidates.first { FileManager.default.isExecutableFile(atPath: $0) },
            "no shader compiler beside \(program.path): build with --build-tests")
    }
}
