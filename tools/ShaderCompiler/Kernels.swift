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
        let includes = try shaders.filter { !$0.hasSuffix(".comp") }.map(readShader)
        return try folders.keys.sorted().map {
            try kernel(name: $0, files: folders[$0]!.sorted(), includes: includes)
        }
    }

    private func kernel(name: String, files: [String], includes: [String]) throws -> KernelSource {
        let stem = Naming.snake(name)
        // The folder's name is the Swift type, so it is unique wherever the folder lies.
        let parents = Set(files.map { URL(fileURLWithPath: $0).deletingLastPathComponent().path })
        guard parents.count == 1 else {
            throw ShaderError(
                files[0], "two folders have the name \(name): \(parents.sorted().joined(separator: ", "))")
        }
        guard let primary = files.first(where: { URL(fileURLWithPath: $0).lastPathComponent == stem + ".comp" })
        else { throw ShaderError(files[0], "the folder \(name) has no \(stem).comp") }
        var variants: [Variant] = []
        var optional: Set<String> = []
        var variantConstants: Set<String> = []
        for file in [primary] + files.filter({ $0 != primary }) {
            let source = try readShader(file)
            let pragmas = try Pragmas(source: source, file: file)
            optional.formUnion(pragmas.optionalBindings)
            let fileStem = URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
            let declared =
                pragmas.variants.isEmpty
                ? [
                    VariantPragma(
                        name: file == primary ? "default" : Naming.suffix(fileStem, of: stem), tile: nil, settings: [])
                ]
                : pragmas.variants
            var modules: [String: CompiledModule] = [:]
            for pragma in declared {
                let constantNames = pragma.settings.map(\.name).filter { declaresConstant($0, source) }
                variantConstants.formUnion(constantNames)
                let definitions = pragma.settings.filter { !constantNames.contains($0.name) }
                    .map { ($0.name, $0.value) }
                for (macro, _) in definitions where !([source] + includes).contains(where: { mentions(macro, $0) }) {
                    throw ShaderError(file, "variant \(pragma.name): nothing reads \(macro)")
                }
                let key = definitions.map { "\($0)=\($1)" }.joined(separator: ",")
                let module =
                    try modules[key]
                    ?? compile(
                        file: file, definitions: definitions, name: "\(name)_\(fileStem)_\(modules.count + 1)")
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
                        name: pragma.name, file: file, moduleName: module.name, words: module.words,
                        emulatedWords: module.emulated, interface: module.interface,
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

    /// Whether a text names a macro outside the pragmas that set it.
    private func mentions(_ macro: String, _ text: String) -> Bool {
        text.split(separator: "\n").contains { line in
            !Pragmas.isPragma(line) && line.range(of: #"\b"# + macro + #"\b"#, options: .regularExpression) != nil
        }
    }

    /// - Parameter name: the module's own among all kernels' modules.
    private func compile(file: String, definitions: [(String, String)], name: String) throws -> CompiledModule {
        func module(
            _ definitions: [(String, String)], allowsDoubles: Bool = false
        ) throws -> (words: [UInt32], interface: ModuleInterface) {
            let words = try glsl.compile(file: file, definitions: definitions)
            let interface = try Reflection.reflect(words, file: file)
            var module = SPIRVModule(words: words)
            module.forbidContraction()
            try Lint.check(module, file: file, allowsDoubles: allowsDoubles)
            try FlavourCheck.check(module, file: file)
            module.strip()
            return (module.words, interface)
        }
        let (words, interface) = try module(definitions)
        let emulated =
            interface.usesFlavour
            ? try module(definitions + [("VKDYN_FUSED_EMULATION", "1")], allowsDoubles: true).words : nil
        return CompiledModule(name: name, words: words, emulated: emulated, interface: interface)
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
            for (binding, expected) in zip(other.bindings, first.bindings)
            where binding.kind == .storage && expected.kind == .storage && binding.element != expected.element {
                throw ShaderError(
                    variant.file, "variant \(variant.name): \(binding.name) has another element than in the first")
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
        for variant in kernel.variants {
            for name in kernel.optionalBindings.sorted().map(KernelSource.presenceName) {
                func id(_ interface: ModuleInterface) -> Int? {
                    interface.constants.first { $0.name == name && $0.type == "Bool" }?.id
                }
                guard let expected = id(first), id(variant.interface) == expected else {
                    throw ShaderError(
                        variant.file, "variant \(variant.name): an optional binding needs the constant bool \(name), "
                            + "with the same constant_id in every variant")
                }
            }
        }
        let names = kernel.variants.map(\.name)
        if Set(names).count != names.count {
            let twice = names.first { name in names.filter { $0 == name }.count > 1 } ?? ""
            throw ShaderError(kernel.variants[0].file, "two variants have the name \(twice)")
        }
    }
}

/// The `#pragma vkdyn` lines of a shader.
struct Pragmas {
    var variants: [VariantPragma] = []
    var optionalBindings: [String] = []

    /// Whether a line is `#pragma vkdyn`, however it is spaced; what follows may still be wrong.
    static func isPragma(_ line: Substring) -> Bool {
        line.range(of: #"^\s*#\s*pragma\s+vkdyn\b"#, options: .regularExpression) != nil
    }

    init(source: String, file: String) throws {
        for (index, line) in source.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard Self.isPragma(line) else { continue }
            let call = line.split(separator: "vkdyn", maxSplits: 1).dropFirst().joined()
                .trimmingCharacters(in: .whitespaces)
            guard let open = call.firstIndex(of: "("), call.hasSuffix(")") else {
                throw ShaderError(file, line: index + 1, "expected #pragma vkdyn name(…)")
            }
            let arguments = call[call.index(after: open)...].dropLast().split(separator: ",")
                .map { $0.trimmingCharacters(in: .whitespaces) }
            switch call[..<open].trimmingCharacters(in: .whitespaces) {
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
                        let sizes = parts[1].split(separator: "x", omittingEmptySubsequences: false)
                            .map { Int($0) ?? 0 }
                        guard sizes.count == 3, sizes.allSatisfy({ $0 > 0 }) else {
                            throw ShaderError(file, line: index + 1, "expected tile = AxBxC, found \(parts[1])")
                        }
                        tile = sizes
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
