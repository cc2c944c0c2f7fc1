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
        var leftOut: [LeftOutVariant] = []
        var optional: Set<String> = []
        var typed: Set<String> = []
        var variantConstants: Set<String> = []
        for file in [primary] + files.filter({ $0 != primary }) {
            let source = try readShader(file)
            let pragmas = try Pragmas(source: source, file: file)
            optional.formUnion(pragmas.optionalBindings)
            typed.formUnion(pragmas.typedBindings)
            let fileStem = URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
            let declared =
                pragmas.variants.isEmpty
                ? [
                    VariantPragma(
                        name: file == primary ? "default" : Naming.suffix(fileStem, of: stem), tile: nil, settings: [])
                ]
                : pragmas.variants
            if let missing = pragmas.requiredExtensions.first(where: { !glsl.knows(extension: $0) }) {
                leftOut += declared.map { LeftOutVariant(name: $0.name, missing: missing) }
                continue
            }
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
        if variants.isEmpty, let first = leftOut.first {
            throw ShaderError(primary, "this compiler lacks \(first.missing), and no variant does without")
        }
        // Set by the runtime from what a call binds.
        variantConstants.formUnion(optional.map(KernelSource.presenceName))
        variantConstants.formUnion(typed.map(KernelSource.typeName))
        let source = KernelSource(
            name: name, stem: stem, variants: variants, leftOut: leftOut, optionalBindings: optional,
            typedBindings: typed,
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
            var module = SPIRVModule(words: words)
            var readable = module
            readable.hideMatrixTypes()
            let interface = try Reflection.reflect(readable.words, file: file)
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
        for name in kernel.typedBindings where !first.bindings.contains(where: { $0.name == name }) {
            throw ShaderError(kernel.variants[0].file, "#pragma vkdyn typed names no binding: \(name)")
        }
        for variant in kernel.variants {
            func require(_ name: String, type: String, glslType: String, _ what: String) throws {
                func id(_ interface: ModuleInterface) -> Int? {
                    interface.constants.first { $0.name == name && $0.type == type }?.id
                }
                guard let expected = id(first), id(variant.interface) == expected else {
                    throw ShaderError(
                        variant.file, "variant \(variant.name): \(what) binding needs the constant \(glslType) \(name), "
                            + "with the same constant_id in every variant")
                }
            }
            for name in kernel.optionalBindings.sorted() {
                try require(KernelSource.presenceName(name), type: "Bool", glslType: "bool", "an optional")
            }
            for name in kernel.typedBindings.sorted() {
                try require(KernelSource.typeName(name), type: "UInt32", glslType: "uint", "a typed")
            }
        }
        let names = kernel.variants.map(\.name) + kernel.leftOut.map(\.name)
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
    var typedBindings: [String] = []
    /// GLSL extensions without which the shader's variants are left out.
    var requiredExtensions: [String] = []

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
            case "typed":
                typedBindings += arguments
            case "requires":
                for name in arguments where name.range(of: #"^GL_\w+$"#, options: .regularExpression) == nil {
                    throw ShaderError(file, line: index + 1, "expected the name of a GLSL extension, found \(name)")
                }
                requiredExtensions += arguments
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
