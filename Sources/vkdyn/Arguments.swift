import ArgumentParser
import Foundation
import VkdynCore

/// The storage types of weights by their names; kernels that store something else take its own name.
extension ElementType: ExpressibleByArgument {
    public init?(argument: String) { self.init(rawValue: argument == "int8" ? "i8" : argument) }

    public static var allValueStrings: [String] { ["f32", "f16", "bf16", "int8"] }
}

extension Flavour: ExpressibleByArgument {}

/// A command that cannot start.
struct SetupError: UserFacingError {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A file that `--output` names, written as a whole or not at all.
struct OutputFile {
    private let path: String

    init(_ path: String) { self.path = path }

    /// Finds out before a long run what would be found out after it.
    func check() throws {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        var isFolder: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        guard !(exists && isFolder.boolValue), FileManager.default.isWritableFile(atPath: folder) else { throw problem }
    }

    func write(_ text: String) throws {
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw problem
        }
    }

    private var problem: SetupError { SetupError("--output: \(path) cannot be written; is its folder there?") }
}
