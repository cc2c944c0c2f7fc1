import Foundation

/// Writes the Swift side of the kernels: typed bindings, parameters and constants, the modules, and the registry.
struct Emitter {
    let kernels: [KernelSource]

    private static let heading = "// Written by ShaderCompiler from the shaders; edit those instead.\n"

    // MARK: Interfaces.swift

    func interfaces() throws -> String {
        var text = Self.heading + "public import VkdynCore\n"
        for structure in try structures() { text += emit(structure) }
        for kernel in kernels { text += emit(kernel) }
        return text
    }

    /// Every shared structure once; two shaders that declare one name differently are an error.
    private func structures() throws -> [Structure] {
        var found: [String: Structure] = [:]
        for kernel in kernels {
            for variant in kernel.variants {
                for structure in variant.interface.bindings.compactMap(\.element.structure) {
                    if let other = found[structure.name], other != structure {
                        throw ShaderError(variant.file, "structure \(structure.name) differs from another shader's")
                    }
                    found[structure.name] = structure
                }
            }
        }
        return found.values.sorted { $0.name < $1.name }
    }

    private func emit(_ structure: Structure) -> String {
        """

        /// The layout of GLSL's `\(structure.name)`, in 32-bit words.
        public struct \(structure.name): DeviceStructure {
        \(memberList(structure.members, defaults: true))
            public static let wordCount = \(structure.members.count)
        }

        """
    }

    private func memberList(_ members: [(name: String, type: Scalar)], defaults: Bool) -> String {
        let properties = members.map { "    public var \(Naming.camel($0.name)): \($0.type.rawValue)\n" }.joined()
        let arguments = members.map {
            "\(Naming.camel($0.name)): \($0.type.rawValue)" + (defaults ? " = 0" : "")
        }.joined(separator: ", ")
        let assignments = members.map {
            "        self.\(Naming.camel($0.name)) = \(Naming.camel($0.name))\n"
        }.joined()
        return properties + "\n    public init(\(arguments)) {\n\(assignments)    }\n"
    }

    private func emit(_ kernel: KernelSource) -> String {
        let bindings = kernel.interface.bindings
        return """

            extension \(kernel.name) {
            \(parameters(kernel))
            \(constants(kernel))
            \(bindingStructure(kernel, bindings))
            \(views(bindings))
                public typealias Buffers = Bindings<Buffer>
                public typealias Contents = Bindings<BufferContents>
                public typealias Elements = Bindings<ElementType>

            \(interface(kernel, bindings))
            }

            """
    }

    private func parameters(_ kernel: KernelSource) -> String {
        let members = kernel.interface.parameters
        let words = members.enumerated().map { _, member in
            word(Naming.camel(member.name), member.type)
        }.joined(separator: ", ")
        let reads = members.enumerated().map { index, member in
            "            \(Naming.camel(member.name)): \(unword("words[\(index)]", member.type))"
        }.joined(separator: ",\n")
        return indent(
            """
            /// The push constants, in the shader's order.
            public struct Parameters: KernelParameters {
            \(memberList(members, defaults: false))
                public var words: [UInt32] { [\(words)] }

                public init(words: [UInt32]) {
                    self.init(
            \(reads))
                }
            }
            """)
    }

    private func word(_ name: String, _ type: Scalar) -> String {
        switch type {
        case .float: "\(name).bitPattern"
        case .uint: name
        case .int: "UInt32(bitPattern: \(name))"
        }
    }

    private func unword(_ expression: String, _ type: Scalar) -> String {
        switch type {
        case .float: "Float(bitPattern: \(expression))"
        case .uint: expression
        case .int: "Int32(bitPattern: \(expression))"
        }
    }

    private func constants(_ kernel: KernelSource) -> String {
        let constants = kernel.constants
        func literal(_ constant: SpecializationConstant) -> String {
            switch constant.type {
            case "Bool": constant.defaultBits == 0 ? "false" : "true"
            case "Int32": String(Int32(bitPattern: constant.defaultBits))
            default: String(constant.defaultBits)
            }
        }
        func word(_ constant: SpecializationConstant) -> String {
            let name = Naming.camel(constant.name)
            switch constant.type {
            case "Bool": return "\(name) ? 1 : 0"
            case "Int32": return "UInt32(bitPattern: \(name))"
            default: return name
            }
        }
        func read(_ constant: SpecializationConstant, _ index: Int) -> String {
            switch constant.type {
            case "Bool": "words[\(index)] != 0"
            case "Int32": "Int32(bitPattern: words[\(index)])"
            default: "words[\(index)]"
            }
        }
        let properties = constants.map { "    public var \(Naming.camel($0.name)): \($0.type)\n" }.joined()
        let arguments = constants.map { "\(Naming.camel($0.name)): \($0.type) = \(literal($0))" }
            .joined(separator: ", ")
        let assignments = constants.map {
            "        self.\(Naming.camel($0.name)) = \(Naming.camel($0.name))\n"
        }.joined()
        let reads = constants.enumerated().map { "\(Naming.camel($1.name)): \(read($1, $0))" }.joined(separator: ", ")
        let defaults = constants.map { "\($0.defaultBits)" }.joined(separator: ", ")
        // Without constants, the memberwise initialiser is the default one.
        let standard = constants.isEmpty ? "" : "\n    public init() { self.init(words: [\(defaults)]) }\n"
        return indent(
            """
            /// The specialization constants that a call chooses, in ascending id.
            public struct Constants: KernelConstants {
            \(properties)
                public init(\(arguments)) {
            \(assignments)    }
            \(standard)
                public var words: [UInt32] { [\(constants.map(word).joined(separator: ", "))] }

                public init(words: [UInt32]) { self.init(\(reads)) }
            }
            """)
    }

    private func bindingStructure(_ kernel: KernelSource, _ bindings: [Binding]) -> String {
        func isOptional(_ binding: Binding) -> Bool { kernel.optionalBindings.contains(binding.name) }
        let properties = bindings.map {
            "    public var \(Naming.camel($0.name)): Value\(isOptional($0) ? "?" : "")\n"
        }.joined()
        let arguments = bindings.map {
            "\(Naming.camel($0.name)): Value\(isOptional($0) ? "? = nil" : "")"
        }.joined(separator: ", ")
        let assignments = bindings.map {
            "        self.\(Naming.camel($0.name)) = \(Naming.camel($0.name))\n"
        }.joined()
        let values = bindings.map { Naming.camel($0.name) }.joined(separator: ", ")
        let reads = bindings.enumerated().map {
            "\(Naming.camel($1.name)): values[\($0)]\(isOptional($1) ? "" : "!")"
        }.joined(separator: ", ")
        return indent(
            """
            /// One value for every binding.
            public struct Bindings<Value: Sendable>: KernelBindings {
            \(properties)
                public init(\(arguments)) {
            \(assignments)    }

                public var values: [Value?] { [\(values)] }

                public init(values: [Value?]) { self.init(\(reads)) }
            }
            """)
    }

    private func views(_ bindings: [Binding]) -> String {
        func type(_ binding: Binding) -> String {
            let mutable = binding.access == .read ? "" : "Mutable"
            switch (binding.kind, binding.element) {
            case (.storage, .scalars(let scalar)): return "Unsafe\(mutable)BufferPointer<\(scalar.rawValue)>"
            case (.storage, .structure(let structure)): return "Unsafe\(mutable)Pointer<\(structure.name)>"
            case (.storage, .structures(let structure)):
                return "Unsafe\(mutable)BufferPointer<\(structure.name)>"
            default: return "TexelView"
            }
        }
        func read(_ binding: Binding, _ index: Int) -> String {
            let function: String
            switch (binding.kind, binding.element) {
            case (.storage, .structure): function = "pointer"
            case (.storage, _): function = "array"
            default: function = "texels"
            }
            let mutable = binding.access == .read || function == "texels" ? "" : "mutable"
            let name = mutable.isEmpty ? function : mutable + function.prefix(1).uppercased() + function.dropFirst()
            return "        \(Naming.camel(binding.name)) = TwinMemory.\(name)(memory[\(index)])\n"
        }
        let properties = bindings.map { "    public let \(Naming.camel($0.name)): \(type($0))\n" }.joined()
        let reads = bindings.enumerated().map { read($1, $0) }.joined()
        return indent(
            """
            /// What the twin sees of the buffers; a `readonly` buffer cannot be written.
            public struct Views: KernelViews {
            \(properties)
                public init(_ memory: [TwinMemory?]) {
            \(reads)    }
            }
            """)
    }

    private func interface(_ kernel: KernelSource, _ bindings: [Binding]) -> String {
        let bindingLines = bindings.map { binding -> String in
            let element: String
            let bytes: Int
            switch binding.element {
            case .scalars(let scalar): (element, bytes) = (".\(scalar.elementType)", 4)
            case .structure(let structure), .structures(let structure):
                (element, bytes) = (".u32", structure.members.count * 4)
            }
            let optional = kernel.optionalBindings.contains(binding.name)
            let presence = kernel.presenceConstantID(of: binding).map(String.init) ?? "nil"
            let type = kernel.typeConstantID(of: binding).map(String.init) ?? "nil"
            return "        BindingInterface(name: \"\(Naming.camel(binding.name))\", access: .\(binding.access.rawValue), "
                + "element: \(element), elementByteCount: \(bytes), isOptional: \(optional), "
                + "presenceConstantID: \(presence), typeConstantID: \(type)),\n"
        }.joined()
        let constantLines = kernel.constants.map { "\($0.id)" }.joined(separator: ", ")
        let variantLines = kernel.variants.map { variant -> String in
            let kinds = variant.interface.bindings.map { ".\($0.kind.rawValue)" }.joined(separator: ", ")
            let constants = variant.constants.map { ".init(id: \($0.id), bits: \($0.bits))" }.joined(separator: ", ")
            let emulated = variant.emulatedWords == nil ? "nil" : "ShaderModules.\(variant.moduleName)_emulated"
            return "        VariantInterface(name: \"\(variant.name)\", module: ShaderModules.\(variant.moduleName), "
                + "emulatedModule: \(emulated), tile: WorkExtent(\(variant.tile.map(String.init).joined(separator: ", "))), "
                + "constants: [\(constants)], kinds: [\(kinds)]),\n"
        }.joined()
        let leftOutLines = kernel.leftOut.map { variant in
            let reason = "this build's shader compiler lacks \(variant.missing)"
            return "        LeftOutVariant(name: \"\(variant.name)\", reason: \"\(reason)\"),\n"
        }.joined()
        let leftOut = leftOutLines.isEmpty ? "" : ", leftOut: [\n\(leftOutLines)    ]"
        return indent(
            """
            public static let interface = KernelInterface(
                name: "\(kernel.stem)", bindings: [
            \(bindingLines)    ],
                parameterWordCount: \(kernel.interface.parameters.count), constantIDs: [\(constantLines)],
                hasFlavour: \(kernel.interface.usesFlavour), variants: [
            \(variantLines)    ]\(leftOut))
            """)
    }

    // MARK: Modules.swift and Registry.swift

    func modules() -> String {
        var text = Self.heading + "import VkdynCore\n\nenum ShaderModules {\n"
        var seen: Set<String> = []
        for variant in kernels.flatMap(\.variants) where seen.insert(variant.moduleName).inserted {
            text += module(variant.moduleName, variant.words)
            if let emulated = variant.emulatedWords { text += module(variant.moduleName + "_emulated", emulated) }
        }
        return text + "}\n"
    }

    private func module(_ name: String, _ words: [UInt32]) -> String {
        let data = words.withUnsafeBytes { Data($0) }
        return "    static let \(name) = ShaderModule(name: \"\(name)\", base64: \"\(data.base64EncodedString())\")\n"
    }

    func registry() -> String {
        let list = kernels.map { "        \($0.name).self,\n" }.joined()
        return Self.heading + """
            public import VkdynCore

            /// Every kernel of this module, in alphabetical order.
            public enum KernelRegistry {
                public static let all: [any Kernel.Type] = [
            \(list)    ]
            }

            """
    }

    private func indent(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.isEmpty ? "" : "    " + $0 }.joined(separator: "\n")
    }
}
