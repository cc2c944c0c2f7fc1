import CShaderc
import Foundation

/// A shader that cannot be used. Printed as `file:line: error: message`, the form that build logs and editors read.
struct ShaderError: Error, CustomStringConvertible {
    let description: String

    init(_ file: String, line: Int = 1, _ message: String) {
        description = "\(file):\(line): error: \(message)"
    }

    init(log: String) { description = log }
}

/// The text of a shader.
func readShader(_ file: String) throws -> String {
    do {
        return try String(contentsOfFile: file, encoding: .utf8)
    } catch {
        throw ShaderError(file, "cannot be read as UTF-8 text")
    }
}

/// Compiles GLSL compute shaders to SPIR-V with libshaderc.
///
/// No optimiser runs: `NoContraction` is added to the SPIR-V that shaderc returns, so an optimiser that ran
/// before it would see float instructions without that protection; drivers run the same passes anyway.
final class GLSLCompiler {
    private let compiler: shaderc_compiler_t
    private let includes: IncludeFolder
    private var knownExtensions: [String: Bool] = [:]

    /// - Parameter includeFolder: where includes are looked for that do not lie beside the file that asks.
    init(includeFolder: String) throws {
        guard let compiler = shaderc_compiler_initialize() else {
            throw ShaderError(includeFolder, "libshaderc could not be initialised")
        }
        self.compiler = compiler
        includes = IncludeFolder(path: includeFolder)
    }

    deinit { shaderc_compiler_release(compiler) }

    /// - Parameters:
    ///   - file: path of the shader; named in messages.
    ///   - definitions: preprocessor macros, name to value.
    /// - Returns: SPIR-V 1.5 (Vulkan 1.2) as words.
    func compile(file: String, definitions: [(String, String)]) throws -> [UInt32] {
        try compile(source: readShader(file), file: file, definitions: definitions)
    }

    /// Whether the compiler knows a GLSL extension, found by a trial.
    func knows(extension name: String) -> Bool {
        if let known = knownExtensions[name] { return known }
        let source = "#version 450\n#extension \(name) : require\nlayout(local_size_x = 1) in;\nvoid main() {}\n"
        let known = (try? compile(source: source, file: name, definitions: [])) != nil
        knownExtensions[name] = known
        return known
    }

    private func compile(source: String, file: String, definitions: [(String, String)]) throws -> [UInt32] {
        let options = shaderc_compile_options_initialize()
        defer { shaderc_compile_options_release(options) }
        shaderc_compile_options_set_target_env(
            options, shaderc_target_env_vulkan, UInt32(shaderc_env_version_vulkan_1_2.rawValue))
        shaderc_compile_options_set_optimization_level(options, shaderc_optimization_level_zero)
        // Lines for the lint's messages; stripped before the module is embedded.
        shaderc_compile_options_set_generate_debug_info(options)
        for (name, value) in definitions {
            shaderc_compile_options_add_macro_definition(options, name, name.utf8.count, value, value.utf8.count)
        }
        shaderc_compile_options_set_include_callbacks(
            options, resolveInclude, releaseInclude, Unmanaged.passUnretained(includes).toOpaque())
        let result = shaderc_compile_into_spv(
            compiler, source, source.utf8.count, shaderc_compute_shader, file, "main", options)
        defer { shaderc_result_release(result) }
        guard shaderc_result_get_compilation_status(result) == shaderc_compilation_status_success else {
            let log = String(cString: shaderc_result_get_error_message(result))
            throw ShaderError(log: log.trimmingCharacters(in: .newlines))
        }
        let count = shaderc_result_get_length(result) / 4
        let bytes = UnsafeRawPointer(shaderc_result_get_bytes(result)!)
        return (0..<count).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self) }
    }
}

/// What the include callbacks know.
private final class IncludeFolder {
    let path: String
    init(path: String) { self.path = path }
}

/// What an include callback hands to shaderc and frees on release.
private final class IncludeStorage {
    let name: UnsafeMutablePointer<CChar>
    let content: UnsafeMutablePointer<CChar>
    let result: UnsafeMutablePointer<shaderc_include_result>

    init(name: String, content: String) {
        self.name = strdup(name)
        self.content = strdup(content)
        result = .allocate(capacity: 1)
    }

    deinit {
        free(name)
        free(content)
        result.deallocate()
    }
}

private let resolveInclude: shaderc_include_resolve_fn = { context, requested, _, requesting, _ in
    let folder = Unmanaged<IncludeFolder>.fromOpaque(context!).takeUnretainedValue().path
    let name = String(cString: requested!)
    let beside = URL(fileURLWithPath: String(cString: requesting!)).deletingLastPathComponent().path + "/" + name
    let path = FileManager.default.fileExists(atPath: beside) ? beside : folder + "/" + name
    // An empty source name tells shaderc that the include failed; the content is then the message.
    let text = try? String(contentsOfFile: path, encoding: .utf8)
    let storage = IncludeStorage(
        name: text == nil ? "" : path, content: text ?? "no include \"\(name)\" in \(folder)")
    storage.result.initialize(
        to: shaderc_include_result(
            source_name: storage.name, source_name_length: strlen(storage.name),
            content: storage.content, content_length: strlen(storage.content),
            user_data: Unmanaged.passRetained(storage).toOpaque()))
    return storage.result
}

private let releaseInclude: shaderc_include_result_release_fn = { _, result in
    Unmanaged<IncludeStorage>.fromOpaque(result!.pointee.user_data).release()
}
