import Foundation

/// `ShaderCompiler ROOT OUTPUT SHADER…`: compiles the shaders below ROOT and writes the generated Swift to OUTPUT.
@main
enum Main {
    static func main() {
        let arguments = CommandLine.arguments.dropFirst().map { $0 }
        guard arguments.count >= 2 else {
            FileHandle.standardError.write(Data("usage: ShaderCompiler ROOT OUTPUT SHADER…\n".utf8))
            exit(64)
        }
        do {
            let kernels = try KernelCompiler(root: arguments[0]).kernels(shaders: Array(arguments.dropFirst(2)))
            let emitter = Emitter(kernels: kernels)
            let files = [
                "Interfaces.swift": try emitter.interfaces(), "Modules.swift": emitter.modules(),
                "Registry.swift": emitter.registry(),
            ]
            try write(files, to: arguments[1])
            for kernel in kernels {
                for variant in kernel.leftOut {
                    let note = "variant \(variant.name) left out: this compiler lacks \(variant.missing)"
                    FileHandle.standardError.write(Data("note: \(kernel.stem): \(note)\n".utf8))
                }
            }
        } catch {
            FileHandle.standardError.write(Data("\(error)\n".utf8))
            exit(1)
        }
    }
    private static func write(_ files: [String: String], to folder: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for (name, text) in files {
                let path = folder + "/" + name
                // Unchanged text keeps its time stamp, so that an edited comment recompiles no Swift.
                if (try? String(contentsOfFile: path, encoding: .utf8)) == text { continue }
                try text.write(toFile: path, atomically: true, encoding: .utf8)
            }
        } catch {
            throw ShaderError(log: "\(folder): error: cannot be written: \(error.localizedDescription)")
        }
    }
}
