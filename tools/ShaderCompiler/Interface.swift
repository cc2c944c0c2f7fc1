/// What a kernel's shaders declare, as reflection and pragmas tell it. Everything the emitter writes comes from here.

/// How a shader reaches a buffer.
enum BindingKind: String {
    case storage, texelFloat, texelUInt, texelInt
}

enum BindingAccess: String {
    case read, write, readWrite
}

/// The scalar types that buffers and push constants may hold.
enum Scalar: String {
    case float = "Float"
    case uint = "UInt32"
    case int = "Int32"

    var elementType: String {
        switch self {
        case .float: "f32"
        case .uint: "u32"
        case .int: "i32"
        }
    }
}

/// A GLSL structure that several kernels may share; emitted once.
struct Structure: Equatable {
    let name: String
    let members: [(name: String, type: Scalar)]

    static func == (a: Structure, b: Structure) -> Bool {
        a.name == b.name && a.members.elementsEqual(b.members, by: ==)
    }
}

enum BindingElement: Equatable {
    /// A runtime array of scalars (a vector's components count one by one) or the texels of a buffer view.
    case scalars(Scalar)
    /// One structure.
    case structure(Structure)
    /// A runtime array of structures.
    case structures(Structure)

    var structure: Structure? {
        switch self {
        case .scalars: nil
        case .structure(let structure), .structures(let structure): structure
        }
    }
}

struct Binding {
    let number: Int
    let name: String
    let kind: BindingKind
    let access: BindingAccess
    let element: BindingElement
}

struct SpecializationConstant: Equatable {
    let name: String
    let id: Int
    /// The default's bits.
    let defaultBits: UInt32
    let type: String

    /// Numbers from here on belong to the arithmetic include.
    static let firstReserved = 100
    static let flavour = 100
}

/// What reflection of one SPIR-V module gives.
struct ModuleInterface {
    var bindings: [Binding]
    var parameters: [(name: String, type: Scalar)]
    var constants: [SpecializationConstant]
    var localSize: [Int]

    var usesFlavour: Bool { constants.contains { $0.id == SpecializationConstant.flavour } }
}

/// A shader compiled with one set of macros.
struct CompiledModule {
    let name: String
    let words: [UInt32]
    let emulated: [UInt32]?
    let interface: ModuleInterface
}

/// One `#pragma vkdyn variant(name, tile = 32x1x1, NAME = value, …)`.
struct VariantPragma {
    let name: String
    /// Work items a workgroup covers along each axis; the local size when it is not stated.
    let tile: [Int]?
    /// Specialization constants of the shader, or preprocessor macros, to set.
    let settings: [(name: String, value: String)]
}

/// A variant with its compiled module.
struct Variant {
    let name: String
    let file: String
    let moduleName: String
    let words: [UInt32]
    /// The same shader with the exact emulation of fused multiply-add, when it has a flavour.
    let emulatedWords: [UInt32]?
    let interface: ModuleInterface
    let tile: [Int]
    let constants: [(id: Int, bits: UInt32)]
}

/// A variant that is not compiled, as the compiler lacks an extension that its shader requires.
struct LeftOutVariant {
    let name: String
    /// The GLSL extension.
    let missing: String
}

struct KernelSource {
    /// The folder, which is the Swift type.
    let name: String
    /// The shader's stem and trace label.
    let stem: String
    let variants: [Variant]
    let leftOut: [LeftOutVariant]
    let optionalBindings: Set<String>
    /// Bindings whose shader computes by the element type that a call binds.
    let typedBindings: Set<String>
    /// Constants that a call chooses: those that no variant sets.
    let constants: [SpecializationConstant]

    var interface: ModuleInterface { variants[0].interface }

    /// The constant `HAS_<NAME>` of an optional binding; the runtime sets it, not the caller.
    func presenceConstantID(of binding: Binding) -> Int? {
        guard optionalBindings.contains(binding.name) else { return nil }
        return interface.constants.first { $0.name == Self.presenceName(binding.name) }?.id
    }

    /// The constant `<NAME>_TYPE` of a typed binding; the runtime sets it.
    func typeConstantID(of binding: Binding) -> Int? {
        guard typedBindings.contains(binding.name) else { return nil }
        return interface.constants.first { $0.name == Self.typeName(binding.name) }?.id
    }

    static func typeName(_ binding: String) -> String { binding.uppercased() + "_TYPE" }

    static func presenceName(_ binding: String) -> String { "HAS_" + binding.uppercased() }
}
