/// What the shader compiler found in a kernel's shaders.
public struct KernelInterface: Sendable {
    /// The shader's stem, which is also the trace label.
    public let name: String
    public let bindings: [BindingInterface]
    /// 32-bit words of push constants.
    public let parameterWordCount: Int
    /// Specialization constants that a call chooses.
    public let constantIDs: [UInt32]
    /// Whether `Flavour` changes the bits.
    public let hasFlavour: Bool
    public let variants: [VariantInterface]
    public let leftOut: [LeftOutVariant]

    public init(
        name: String, bindings: [BindingInterface], parameterWordCount: Int, constantIDs: [UInt32], hasFlavour: Bool,
        variants: [VariantInterface], leftOut: [LeftOutVariant] = []
    ) {
        self.name = name
        self.bindings = bindings
        self.parameterWordCount = parameterWordCount
        self.constantIDs = constantIDs
        self.hasFlavour = hasFlavour
        self.variants = variants
        self.leftOut = leftOut
    }

    public func variant(named name: String) -> VariantInterface? { variants.first { $0.name == name } }
}

/// One buffer of a kernel.
public struct BindingInterface: Sendable {
    public enum Access: String, Sendable {
        case read, write, readWrite

        public var writes: Bool { self != .read }
        public var reads: Bool { self != .write }
    }

    public let name: String
    public let access: Access
    /// The scalar that the shader computes with; a texel view may store it narrower.
    public let element: ElementType
    /// Bytes of one element of the array, or of the structure.
    public let elementByteCount: Int
    public let isOptional: Bool
    /// The Boolean specialization constant `HAS_<NAME>` that tells the shader whether an optional buffer is bound.
    public let presenceConstantID: UInt32?
    /// The specialization constant `<NAME>_TYPE` that tells the shader the bound buffer's `ElementType.shaderCode`.
    public let typeConstantID: UInt32?

    public init(
        name: String, access: Access, element: ElementType, elementByteCount: Int, isOptional: Bool,
        presenceConstantID: UInt32?, typeConstantID: UInt32?
    ) {
        self.name = name
        self.access = access
        self.element = element
        self.elementByteCount = elementByteCount
        self.isOptional = isOptional
        self.presenceConstantID = presenceConstantID
        self.typeConstantID = typeConstantID
    }
}

/// How a variant reaches a buffer.
public enum BindingKind: Sendable, Hashable {
    case storage
    /// A view of four-component texels, widened by the device.
    case texelFloat
    /// A view of raw words, four a texel, whatever the buffer's elements are.
    case texelUInt
    /// A view of four-component texels of signed integers.
    case texelInt
}

/// One way to run a kernel; all ways give the same bits.
public struct VariantInterface: Sendable {
    public struct Constant: Sendable, Hashable {
        public let id: UInt32
        public let bits: UInt32

        public init(id: UInt32, bits: UInt32) {
            self.id = id
            self.bits = bits
        }
    }

    public let name: String
    public let module: ShaderModule
    /// The same shader with fused multiply-add emulated exactly, for kernels with a flavour.
    public let emulatedModule: ShaderModule?
    /// Work items that one workgroup covers.
    public let tile: WorkExtent
    public let constants: [Constant]
    public let kinds: [BindingKind]

    public init(
        name: String, module: ShaderModule, emulatedModule: ShaderModule?, tile: WorkExtent, constants: [Constant],
        kinds: [BindingKind]
    ) {
        self.name = name
        self.module = module
        self.emulatedModule = emulatedModule
        self.tile = tile
        self.constants = constants
        self.kinds = kinds
    }
}

/// A variant that the sources have and this build has not.
public struct LeftOutVariant: Sendable, Hashable {
    public let name: String
    /// What the build lacked.
    public let reason: String

    public init(name: String, reason: String) {
        self.name = name
        self.reason = reason
    }
}

/// SPIR-V embedded in the binary as base64, which compiles quickly where an array literal does not.
public struct ShaderModule: Sendable {
    public let name: String
    private let base64: StaticString

    public init(name: String, base64: StaticString) {
        self.name = name
        self.base64 = base64
    }

    /// The module's words, decoded at each call.
    public var words: [UInt32] {
        var words: [UInt32] = []
        words.reserveCapacity(base64.utf8CodeUnitCount * 3 / 16)
        var bits: UInt64 = 0
        var bitCount = 0
        base64.withUTF8Buffer { text in
            for character in text {
                let value: UInt64
                switch character {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = UInt64(character - UInt8(ascii: "A"))
                case UInt8(ascii: "a")...UInt8(ascii: "z"): value = UInt64(character - UInt8(ascii: "a") + 26)
                case UInt8(ascii: "0")...UInt8(ascii: "9"): value = UInt64(character - UInt8(ascii: "0") + 52)
                case UInt8(ascii: "+"): value = 62
                case UInt8(ascii: "/"): value = 63
                default: continue
                }
                bits = bits << 6 | value
                bitCount += 6
                if bitCount >= 32 {
                    words.append(UInt32(truncatingIfNeeded: bits >> UInt64(bitCount - 32)).byteSwapped)
                    bitCount -= 32
                }
            }
        }
        return words
    }
}
