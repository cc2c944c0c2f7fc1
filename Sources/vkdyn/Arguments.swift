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
    private let option: String

    /// - Parameter option: by which the user names it, for errors.
    init(_ path: String, option: String) {
        self.path = path
        self.option = option
    }

    /// Finds out before a long run what would be found out after it.
    func check() throws(SetupError) {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
            throw SetupError("\(option): \(path) is a folder; expected a file")
        }
        guard FileManager.default.isWritableFile(atPath: folder) else { throw problem }
    }

    /// All or nothing.
    func write(_ text: String) throws(SetupError) { try write(Data(text.utf8)) }

    func write(_ data: Data) throws(SetupError) {
        do {
            try data.write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw problem
        }
    }

    private var problem: SetupError { SetupError("\(option): \(path) cannot be written; is its folder there?") }
}
