import Testing

/// The Swift that is written from a kernel's GLSL, word for word.
@Suite struct EmittedSwiftTests {
    static let blend = """
        #version 450
        #pragma vkdyn optional(bias)
        #pragma vkdyn variant(narrow, tile = 64x1x1, ROWS = 1)
        #pragma vkdyn variant(wide, tile = 64x4x1, ROWS = 4)
        layout(local_size_x = 64) in;
        layout(constant_id = 0) const bool HAS_BIAS = false;
        layout(constant_id = 1) const int SHIFT = -3;
        layout(constant_id = 2) const bool CLIP = true;
        layout(constant_id = 10) const uint ROWS = 1u;
        struct Extent { uint row_count; float scale; };
        layout(std430, binding = 0) readonly buffer ExtentBlock { Extent extent; };
        layout(std430, binding = 1) readonly buffer Source { float source[]; };
        layout(std430, binding = 2) readonly buffer Bias { float bias[]; };
        layout(std430, binding = 3) writeonly buffer Result { vec4 result[]; };
        layout(binding = 4) uniform utextureBuffer weight_bits;
        layout(std430, binding = 5) buffer State { Extent states[]; };
        layout(push_constant) uniform P { uint row_stride; float gain; int offset; };
        void main() {
            for (uint row = 0u; row < ROWS; row++) {
                float sum = source[row * row_stride] * gain + extent.scale;
                if (HAS_BIAS) sum += bias[row];
                if (CLIP && sum < 0.0) sum = float(SHIFT + offset);
                result[row] = vec4(sum) + uintBitsToFloat(texelFetch(weight_bits, int(row)));
                states[row].row_count = row;
            }
        }
        """

    private func interfaces() throws -> String {
        let folder = try ShaderFolder()
        try folder.write("Blend/blend.comp", Self.blend)
        return try folder.compiled().interfaces
    }

    @Test func theParametersAreThePushConstantsInTheirOrder() throws {
        let expected = """
                /// The push constants, in the shader's order.
                public struct Parameters: KernelParameters {
                    public var rowStride: UInt32
                    public var gain: Float
                    public var offset: Int32

                    public init(rowStride: UInt32, gain: Float, offset: Int32) {
                        self.rowStride = rowStride
                        self.gain = gain
                        self.offset = offset
                    }

                    public var words: [UInt32] { [rowStride, gain.bitPattern, UInt32(bitPattern: offset)] }

                    public init(words: [UInt32]) {
                        self.init(
                            rowStride: words[0],
                            gain: Float(bitPattern: words[1]),
                            offset: Int32(bitPattern: words[2]))
                    }
                }

            """
        #expect(try interfaces().contains(expected))
    }

    @Test func theConstantsAreThoseThatNeitherAVariantNorTheRuntimeSets() throws {
        let expected = """
                /// The specialization constants that a call chooses, in ascending id.
                public struct Constants: KernelConstants {
                    public var shift: Int32
                    public var clip: Bool

                    public init(shift: Int32 = -3, clip: Bool = true) {
                        self.shift = shift
                        self.clip = clip
                    }

                    public init() { self.init(words: [4294967293, 1]) }

                    public var words: [UInt32] { [UInt32(bitPattern: shift), clip ? 1 : 0] }

                    public init(words: [UInt32]) { self.init(shift: Int32(bitPattern: words[0]), clip: words[1] != 0) }
                }

            """
        #expect(try interfaces().contains(expected))
    }

    @Test func theBindingsAreInOrderAndAnOptionalOneHasADefault() throws {
        let expected = """
                /// One value for every binding.
                public struct Bindings<Value: Sendable>: KernelBindings {
                    public var extent: Value
                    public var source: Value
                    public var bias: Value?
                    public var result: Value
                    public var weightBits: Value
                    public var states: Value

                    public init(extent: Value, source: Value, bias: Value? = nil, result: Value, weightBits: Value, states: Value) {
                        self.extent = extent
                        self.source = source
                        self.bias = bias
                        self.result = result
                        self.weightBits = weightBits
                        self.states = states
                    }

                    public var values: [Value?] { [extent, source, bias, result, weightBits, states] }

                    public init(values: [Value?]) { self.init(extent: values[0]!, source: values[1]!, bias: values[2], result: values[3]!, weightBits: values[4]!, states: values[5]!) }
                }

            """
        #expect(try interfaces().contains(expected))
    }

    @Test func theViewsOfReadonlyBuffersAreImmutablePointers() throws {
        let expected = """
                /// What the twin sees of the buffers; a `readonly` buffer cannot be written.
                public struct Views: KernelViews {
                    public let extent: UnsafePointer<Extent>
                    public let source: UnsafeBufferPointer<Float>
                    public let bias: UnsafeBufferPointer<Float>
                    public let result: UnsafeMutableBufferPointer<Float>
                    public let weightBits: TexelView
                    public let states: UnsafeMutableBufferPointer<Extent>

                    public init(_ memory: [TwinMemory?]) {
                        extent = TwinMemory.pointer(memory[0])
                        source = TwinMemory.array(memory[1])
                        bias = TwinMemory.array(memory[2])
                        result = TwinMemory.mutableArray(memory[3])
                        weightBits = TwinMemory.texels(memory[4])
                        states = TwinMemory.mutableArray(memory[5])
                    }
                }

            """
        #expect(try interfaces().contains(expected))
    }

    @Test func aSharedStructureIsEmittedOnceWithItsWordCount() throws {
        let expected = """
            /// The layout of GLSL's `Extent`, in 32-bit words.
            public struct Extent: DeviceStructure {
                public var rowCount: UInt32
                public var scale: Float

                public init(rowCount: UInt32 = 0, scale: Float = 0) {
                    self.rowCount = rowCount
                    self.scale = scale
                }

                public static let wordCount = 2
            }

            """
        #expect(try interfaces().contains(expected))
    }

    @Test func theInterfaceListsBindingsConstantsAndVariants() throws {
        let expected = """
                public static let interface = KernelInterface(
                    name: "blend", bindings: [
                        BindingInterface(name: "extent", access: .read, element: .u32, elementByteCount: 8, isOptional: false, presenceConstantID: nil, typeConstantID: nil),
                        BindingInterface(name: "source", access: .read, element: .f32, elementByteCount: 4, isOptional: false, presenceConstantID: nil, typeConstantID: nil),
                        BindingInterface(name: "bias", access: .read, element: .f32, elementByteCount: 4, isOptional: true, presenceConstantID: 0, typeConstantID: nil),
                        BindingInterface(name: "result", access: .write, element: .f32, elementByteCount: 4, isOptional: false, presenceConstantID: nil, typeConstantID: nil),
                        BindingInterface(name: "weightBits", access: .read, element: .u32, elementByteCount: 4, isOptional: false, presenceConstantID: nil, typeConstantID: nil),
                        BindingInterface(name: "states", access: .readWrite, element: .u32, elementByteCount: 8, isOptional: false, presenceConstantID: nil, typeConstantID: nil),
                    ],
                    parameterWordCount: 3, constantIDs: [1, 2],
                    hasFlavour: false, variants: [
                        VariantInterface(name: "narrow", module: ShaderModules.Blend_blend_1, emulatedModule: nil, tile: WorkExtent(64, 1, 1), constants: [.init(id: 10, bits: 1)], kinds: [.storage, .storage, .storage, .storage, .texelUInt, .storage]),
                        VariantInterface(name: "wide", module: ShaderModules.Blend_blend_1, emulatedModule: nil, tile: WorkExtent(64, 4, 1), constants: [.init(id: 10, bits: 4)], kinds: [.storage, .storage, .storage, .storage, .texelUInt, .storage]),
                    ])

            """
        #expect(try interfaces().contains(expected))
    }

    @Test func aKernelWithoutConstantsOrPushConstantsHasEmptyOnes() throws {
        let folder = try ShaderFolder()
        try folder.write(
            "Clear/clear.comp",
            """
            #version 450
            layout(local_size_x = 8, local_size_y = 4, local_size_z = 2) in;
            layout(std430, binding = 0) writeonly buffer Result { uint result[]; };
            void main() { result[gl_GlobalInvocationID.x] = 0u; }
            """)
        let text = try folder.compiled().interfaces
        #expect(text.contains("public var words: [UInt32] { [] }"))
        #expect(text.contains("parameterWordCount: 0, constantIDs: [],"))
        // A shader without pragmas is one variant, whose tile is the workgroup.
        #expect(text.contains("VariantInterface(name: \"default\", module: ShaderModules.Clear_clear_1, emulatedModule: nil, tile: WorkExtent(8, 4, 2), constants: [], kinds: [.storage])"))
    }

    @Test func theRegistryListsEveryKernelInAlphabeticalOrder() throws {
        let folder = try ShaderFolder()
        let shader = ErrorTests.shader(ErrorTests.result)
        for (name, stem) in ["RMSNorm": "rms_norm", "KVAppend": "kv_append", "Add": "add"] {
            try folder.write("\(name)/\(stem).comp", shader)
        }
        let expected = """
            // Written by ShaderCompiler from the shaders; edit those instead.
            public import VkdynCore

            /// Every kernel of this module, in alphabetical order.
            public enum KernelRegistry {
                public static let all: [any Kernel.Type] = [
                    Add.self,
                    KVAppend.self,
                    RMSNorm.self,
                ]
            }

            """
        #expect(try folder.compiled().registry == expected)
    }
}
