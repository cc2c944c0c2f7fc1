import Foundation

/// Finds the kernels below a folder of shaders and compiles their variants.
struct KernelCompiler {
    let root: String
    let glsl: GLSLCompiler

    init(root: String) throws {
        self.root = root
        glsl = try GLSLCompiler(includeFolder: root + "/Include")
    }

    /// - Parameter shaders: every `.comp` and `.glsl` below the root.
    func kernels(shaders: [String]) throws -> [KernelSource] {
        let folders = Dictionary(grouping: shaders.filter { $0.hasSuffix(".comp") }) {
            URL(fileURLWithPath: $0).deletingLastPathComponent().lastPathComponent
        }
        return try folders.keys.sorted().map { try kernel(name: $0, files: folders[$0]!.sorted()) }
    }

    private func kernel(name: String, files: [String]) throws -> KernelSource {
        let stem = Naming.snake(name)
        guard let primary = files.first(where: { URL(fileURLWithPath: $0).lastPathComponent == stem + ".comp" })
        else { throw ShaderError(files[0], "the folder \(name) has no \(stem).comp") }
        var variants: [Variant] = []
        var optional: Set<String> = []
        var variantConstants: Set<String> = []
        for file in [primary] + files.filter({ $0 != primary }) {
            let source = try String(contentsOfFile: file, encoding: .utf8)
            let pragmas = try Pragmas(source: source, file: file)
            optional.formUnion(pragmas.optionalBindings)
            let fileStem = URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
            let declared =
                pragmas.variants.isEmpty
                ? [VariantPragma(name: file == primary ? "default" : Naming.suffix(fileStem, of: stem), tile: nil, settings: [])]
                : pragmas.variants
            var modules: [String: Module] = [:]
            for pragma in declared {
                let constantNames = pragma.settings.map(\.name).filter { declaresConstant($0, source) }
                variantConstants.formUnion(constantNames)
                let definitions = pragma.settings.filter { !constantNames.contains($0.name) }
                    .map { ($0.name, $0.value) }
                let key = definitions.map { "\($0)=\($1)" }.joined(separator: ",")
                let suffix = modules.isEmpty ? "" : "_\(modules.count + 1)"
                let module = try modules[key]
                    ?? compile(file: file, definitions: definitions, name: fileStem + suffix)
                modules[key] = module
                let settings: [(id: Int, bits: UInt32)] = try pragma.settings
                    .filter { constantNames.contains($0.name) }
                    .map { setting in
                        guard let constant = module.interface.constants.first(where: { $0.name == setting.name }),
                            let bits = UInt32(setting.value)
                        else { throw ShaderError(file, "variant \(pragma.name): cannot set \(setting.name)") }
                        return (constant.id, bits)
                    }
                variants.append(
                    Variant(
                        name: pragma.name, file: file, moduleName: module.name, words: module.words, emulatedWords: module.emulated, interface: module.interface,
                        tile: pragma.tile ?? module.interface.localSize, constants: settings))
            }
        }
        // Set by the runtime from what a call binds.
        variantConstants.formUnion(optional.map(KernelSource.presenceName))
        let source = KernelSource(
            name: name, stem: stem, variants: variants, optionalBindings: optional,
            constants: variants[0].interface.constants.filter {
                $0.id < SpecializationConstant.firstReserved && !variantConstants.contains($0.name)
            })
        try Self.checkAgreement(of: source, variantConstants: variantConstants)
        return source
    }

    private func declaresConstant(_ name: String, _ source: String) -> Bool {
        source.range(
            of: #"constant_id\s*=\s*\d+\s*\)\s*const\s+\w+\s+"# + name + #"\b"#, options: .regularExpression) != nil
    }

    /// One compilation of a shader, shared by the variants with the same macros.
    private struct Module {
        let name: String
        let words: [UInt32]
        let emulated: [UInt32]?
        let interface: ModuleInterface
    }

    private func compile(file: String, definitions: [(String, String)], name: String) throws -> Module {
        func words(_ definitions: [(String, String)]) throws -> (words: [UInt32], interface: ModuleInterface) {
            let words = try glsl.compile(file: file, definitions: definitions)
            let interface = try Reflection.reflect(words, file: file)
            var module = SPIRVModule(words: words)
            module.forbidContraction()
            module.strip()
            try Lint.check(module, file: file)
            return (module.words, interface)
        }
        let (compiled, interface) = try words(definitions)
        let emulated =
            interface.usesFlavour ? try words(definitions + [("VKDYN_FUSED_EMULATION", "1")]).words : nil
        return Module(name: name, words: compiled, emulated: emulated, interface: interface)
    }

    /// Variants are one kernel: they bind the same buffers by the same names and take the same parameters.
    private static func checkAgreement(of kernel: KernelSource, variantConstants: Set<String>) throws {
        let first = kernel.interface
        for variant in kernel.variants {
            let other = variant.interface
            let names = other.bindings.map { "\($0.name) (\($0.access.rawValue))" }
            let expected = first.bindings.map { "\($0.name) (\($0.access.rawValue))" }
            guard names == expected else {
                throw ShaderError(
                    variant.file, "variant \(variant.name) binds \(names.joined(separator: ", ")); the kernel's first "
                        + "variant binds \(expected.joined(separator: ", "))")
            }
            guard other.parameters.elementsEqual(first.parameters, by: ==) else {
                throw ShaderError(variant.file, "variant \(variant.name) has other push constants than the first")
            }
            let constants = other.constants.filter {
                $0.id < SpecializationConstant.firstReserved && !variantConstants.contains($0.name)
            }
            guard constants == kernel.constants else {
                throw ShaderError(variant.file, "variant \(variant.name) has other specialization constants")
            }
        }
        for name in kernel.optionalBindings where !first.bindings.contains(where: { $0.name == name }) {
            throw ShaderError(kernel.variants[0].file, "#pragma vkdyn optional names no binding: \(name)")
        }
        let names = kernel.variants.map(\.name)
        if Set(names).count != names.count {
            throw ShaderError(kernel.variants[0].file, "two variants have the same name")
        }
    }
}

/// The `#pragma vkdyn` lines of a shader.
struct Pragmas {
    var variants: [VariantPragma] = []
    var optionalBindings: [String] = []

    init(source: String, file: String) throws {
        for (index, line) in source.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.trimmingCharacters(in: .whitespaces)
            guard words.hasPrefix("#pragma vkdyn ") else { continue }
            let call = words.dropFirst("#pragma vkdyn ".count)
            guard let open = call.firstIndex(of: "("), call.hasSuffix(")") else {
                throw ShaderError(file, line: index + 1, "expected #pragma vkdyn name(…)")
            }
            let arguments = call[call.index(after: open)...].dropLast().split(separator: ",")
                .map { $0.trimmingCharacters(in: .whitespaces) }
            switch call[..<open] {
            case "optional":
                optionalBindings += arguments
            case "variant":
                guard let name = arguments.first, !name.contains("=") else {
                    throw ShaderError(file, line: index + 1, "a variant begins with its name")
                }
                var tile: [Int]?
                var settings: [(String, String)] = []
                for argument in arguments.dropFirst() {
                    let parts = argument.split(separator: "=").map { $0.trimmingCharacters(in: .whitespaces) }
                    guard parts.count == 2 else {
                        throw ShaderError(file, line: index + 1, "expected NAME = value, found \(argument)")
                    }
                    if parts[0] == "tile" {
                        tile = parts[1].split(separator: "x").compactMap { Int($0) }
                        guard tile?.count == 3, tile!.allSatisfy({ $0 > 0 }) else {
                            throw ShaderError(file, line: index + 1, "expected tile = AxBxC, found \(parts[1])")
                        }
                    } else {
                        settings.append((parts[0], parts[1]))
                    }
                }
                variants.append(VariantPragma(name: name, tile: tile, settings: settings))
            default:
                throw ShaderError(file, line: index + 1, "unknown pragma \(call[..<open])")
            }
        }
    }
}
