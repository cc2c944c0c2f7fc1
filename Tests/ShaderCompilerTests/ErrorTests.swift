import Foundation
import Testing

/// What the author of a shader reads when it cannot be used.
@Suite struct ErrorTests {
    struct Mistake: CustomTestStringConvertible, Sendable {
        let name: String
        /// Files other than a right `Probe/probe.comp`, or instead of it.
        let files: [String: String]
        /// Everything that is printed.
        let message: String

        var testDescription: String { name }
    }

    /// A shader with given declarations; `body` stands on the line after `main`.
    static func shader(_ declarations: String, _ body: String = "result[0] = 1.0;") -> String {
        """
        #version 450
        #extension GL_GOOGLE_include_directive : require
        layout(local_size_x = 64) in;
        \(declarations)
        void main() {
            \(body)
        }
        """
    }

    static let result = "layout(std430, binding = 0) buffer Result { float result[]; };"

    static func pragma(_ line: String) -> [String: String] { ["Probe/probe.comp": shader(line + "\n" + result)] }

    static let mistakes = [
        Mistake(
            name: "an undeclared identifier", files: ["Probe/probe.comp": shader(result, "result[0] = absent;")],
            message: "Probe/probe.comp:6: error: 'absent' : undeclared identifier"),
        Mistake(
            name: "an error in an include",
            files: [
                "Probe/probe.comp": shader("#include \"wrong.glsl\"\n" + result),
                "Include/wrong.glsl": "\nfloat wrong() { return absent; }\n",
            ],
            message: "Include/wrong.glsl:2: error: 'absent' : undeclared identifier"),
        Mistake(
            name: "text that is not UTF-8", files: ["Probe/probe.comp": "\u{0}"],
            message: "Probe/probe.comp:1: error: cannot be read as UTF-8 text"),
        Mistake(
            name: "a gap in the bindings",
            files: [
                "Probe/probe.comp": shader(
                    result + "layout(std430, binding = 2) buffer More { float more[]; };", "result[0] = more[0];")
            ],
            message: "Probe/probe.comp:1: error: binding numbers must run from 0 without a gap; 1 is missing"),
        Mistake(
            name: "one binding for two buffers",
            files: [
                "Probe/probe.comp": shader(
                    result + "layout(std430, binding = 0) buffer More { float more[]; };", "result[0] = more[0];")
            ],
            message: "Probe/probe.comp:1: error: result and more have the same binding, 0"),
        Mistake(
            name: "another descriptor set",
            files: ["Probe/probe.comp": shader("layout(set = 1, binding = 0) buffer Result { float result[]; };")],
            message: "Probe/probe.comp:1: error: Result: only descriptor set 0 is supported"),
        Mistake(
            name: "an array of buffers",
            files: [
                "Probe/probe.comp": shader(
                    "layout(binding = 0) buffer Result { float result[]; } many[2];", "many[1].result[0] = 1.0;")
            ],
            message: "Probe/probe.comp:1: error: Result: arrays of buffers are not supported"),
        Mistake(
            name: "a uniform buffer",
            files: [
                "Probe/probe.comp": shader(
                    result + "layout(std140, binding = 1) uniform Scale { float scale; };", "result[0] = scale;")
            ],
            message: "Probe/probe.comp:1: error: Scale: only storage buffers and textureBuffers are supported"),
        Mistake(
            name: "a block with two members",
            files: [
                "Probe/probe.comp": shader(
                    "layout(std430, binding = 0) buffer Result { float first; float result[]; };")
            ],
            message: "Probe/probe.comp:1: error: buffer block Result must have exactly one member"),
        Mistake(
            name: "a block of one scalar",
            files: ["Probe/probe.comp": shader("layout(binding = 0) buffer Result { float one; };", "one = 1.0;")],
            message: "Probe/probe.comp:1: error: buffer one must be an array or a structure"),
        Mistake(
            name: "a vector among the push constants",
            files: [
                "Probe/probe.comp": shader(
                    result + "layout(push_constant) uniform P { float first; vec2 pair; };", "result[0] = pair.x;")
            ],
            message: "Probe/probe.comp:1: error: push constants: pair must be a scalar"),
        Mistake(
            name: "an array among the push constants",
            files: [
                "Probe/probe.comp": shader(
                    result + "layout(push_constant) uniform P { float table[4]; };", "result[0] = table[1];")
            ],
            message: "Probe/probe.comp:1: error: push constants: table must be a scalar"),
        Mistake(
            name: "a structure among the push constants",
            files: [
                "Probe/probe.comp": shader(
                    "struct Pair { float a; }; \(result) layout(push_constant) uniform P { Pair pair; };",
                    "result[0] = pair.a;")
            ],
            message: "Probe/probe.comp:1: error: push constants: pair: only float, int and uint are supported"),
        Mistake(
            name: "a push constant at another offset",
            files: [
                "Probe/probe.comp": shader(
                    result + "layout(push_constant) uniform P { layout(offset = 8) float late; };", "result[0] = late;")
            ],
            message: "Probe/probe.comp:1: error: push constants: late is at byte 8, expected 0"),
        Mistake(
            name: "a structure declared in two ways",
            files: [
                "Probe/probe.comp": shader(
                    "struct Row { uint count; }; layout(binding = 0) buffer Rows { Row rows; };", "rows.count = 1u;"),
                "Other/other.comp": shader(
                    "struct Row { float count; }; layout(binding = 0) buffer Rows { Row rows; };", "rows.count = 1.0;"),
            ],
            message: "Probe/probe.comp:1: error: structure Row differs from another shader's"),
        Mistake(
            name: "a folder without its primary shader",
            files: ["KVProbe/probe.comp": shader(result)],
            message: "KVProbe/probe.comp:1: error: the folder KVProbe has no kv_probe.comp"),
        Mistake(
            name: "two folders of one name",
            files: ["A/Probe/probe.comp": shader(result), "B/Probe/probe.comp": shader(result)],
            message: "A/Probe/probe.comp:1: error: two folders have the name Probe: A/Probe, B/Probe"),
        Mistake(
            name: "a variant that binds another buffer",
            files: [
                "Probe/probe.comp": shader(result),
                "Probe/probe_fast.comp": shader(
                    "layout(std430, binding = 0) buffer Other { float other[]; };", "other[0] = 1.0;"),
            ],
            message: "Probe/probe_fast.comp:1: error: variant fast binds other (readWrite); the kernel's first variant "
                + "binds result (readWrite)"),
        Mistake(
            name: "a variant that binds one buffer more",
            files: [
                "Probe/probe.comp": shader(result),
                "Probe/probe_fast.comp": shader(
                    result + "layout(binding = 1) readonly buffer Other { float other[]; };", "result[0] = other[0];"),
            ],
            message: "Probe/probe_fast.comp:1: error: variant fast binds result (readWrite), other (read); the "
                + "kernel's first variant binds result (readWrite)"),
        Mistake(
            name: "a variant that may write what the first only reads",
            files: [
                "Probe/probe.comp": shader(
                    result + "layout(binding = 1) readonly buffer Other { float other[]; };", "result[0] = other[0];"),
                "Probe/probe_fast.comp": shader(
                    result + "layout(binding = 1) buffer Other { float other[]; };", "result[0] = other[0];"),
            ],
            message: "Probe/probe_fast.comp:1: error: variant fast binds result (readWrite), other (readWrite); the "
                + "kernel's first variant binds result (readWrite), other (read)"),
        Mistake(
            name: "a variant with another element type",
            files: [
                "Probe/probe.comp": shader(result),
                "Probe/probe_fast.comp": shader(
                    "layout(std430, binding = 0) buffer Result { uint result[]; };", "result[0] = 1u;"),
            ],
            message: "Probe/probe_fast.comp:1: error: variant fast: result has another element than in the first"),
        Mistake(
            name: "a variant with other push constants",
            files: [
                "Probe/probe.comp": shader(
                    result + "layout(push_constant) uniform P { float a; uint b; };", "result[b] = a;"),
                "Probe/probe_fast.comp": shader(
                    result + "layout(push_constant) uniform P { float a; int b; };", "result[b] = a;"),
            ],
            message: "Probe/probe_fast.comp:1: error: variant fast has other push constants than the first"),
        Mistake(
            name: "a variant with other constants",
            files: [
                "Probe/probe.comp": shader(result),
                "Probe/probe_fast.comp": shader(
                    result + "layout(constant_id = 3) const uint N = 1u;", "result[N] = 1.0;"),
            ],
            message: "Probe/probe_fast.comp:1: error: variant fast has other specialization constants"),
        Mistake(
            name: "two variants of one name in a file",
            files: pragma("#pragma vkdyn variant(same)\n#pragma vkdyn variant(same)"),
            message: "Probe/probe.comp:1: error: two variants have the name same"),
        Mistake(
            name: "two variants of one name in two files",
            files: [
                "Probe/probe.comp": shader("#pragma vkdyn variant(fast)\n" + result),
                "Probe/probe_fast.comp": shader(result),
            ],
            message: "Probe/probe.comp:1: error: two variants have the name fast"),
        Mistake(
            name: "an unknown pragma", files: pragma("#pragma vkdyn variants(a)"),
            message: "Probe/probe.comp:4: error: unknown pragma variants"),
        Mistake(
            name: "an unknown pragma with other spaces", files: pragma("  #  pragma   vkdyn  tiles(a)"),
            message: "Probe/probe.comp:4: error: unknown pragma tiles"),
        Mistake(
            name: "a pragma without a name", files: pragma("#pragma vkdyn"),
            message: "Probe/probe.comp:4: error: expected #pragma vkdyn name(…)"),
        Mistake(
            name: "a pragma without parentheses", files: pragma("#pragma vkdyn variant fast"),
            message: "Probe/probe.comp:4: error: expected #pragma vkdyn name(…)"),
        Mistake(
            name: "a required extension that is none", files: pragma("#pragma vkdyn requires(VK_KHR_cooperative_matrix)"),
            message: "Probe/probe.comp:4: error: expected the name of a GLSL extension, found VK_KHR_cooperative_matrix"),
        Mistake(
            name: "a variant of the name of one that is left out",
            files: [
                "Probe/probe.comp": shader("#pragma vkdyn variant(fast)\n" + result),
                "Probe/probe_fast.comp": shader("#pragma vkdyn requires(GL_VKDYN_nonsense)\n" + result),
            ],
            message: "Probe/probe.comp:1: error: two variants have the name fast"),
        Mistake(
            name: "a variant without a name", files: pragma("#pragma vkdyn variant(tile = 1x1x1)"),
            message: "Probe/probe.comp:4: error: a variant begins with its name"),
        Mistake(
            name: "a tile of two sizes", files: pragma("#pragma vkdyn variant(a, tile = 8x8)"),
            message: "Probe/probe.comp:4: error: expected tile = AxBxC, found 8x8"),
        Mistake(
            name: "a tile that is no number", files: pragma("#pragma vkdyn variant(a, tile = 8xbx8x1)"),
            message: "Probe/probe.comp:4: error: expected tile = AxBxC, found 8xbx8x1"),
        Mistake(
            name: "a tile of zero", files: pragma("#pragma vkdyn variant(a, tile = 8x0x1)"),
            message: "Probe/probe.comp:4: error: expected tile = AxBxC, found 8x0x1"),
        Mistake(
            name: "a setting without a value", files: pragma("#pragma vkdyn variant(a, ROWS)"),
            message: "Probe/probe.comp:4: error: expected NAME = value, found ROWS"),
        Mistake(
            name: "a setting that nothing reads", files: pragma("#pragma vkdyn variant(a, ROSW = 4)"),
            message: "Probe/probe.comp:1: error: variant a: nothing reads ROSW"),
        Mistake(
            name: "a constant set to no number",
            files: pragma("#pragma vkdyn variant(a, ROWS = many)\nlayout(constant_id = 1) const uint ROWS = 1u;"),
            message: "Probe/probe.comp:1: error: variant a: cannot set ROWS"),
        Mistake(
            name: "an optional binding that there is not", files: pragma("#pragma vkdyn optional(bias)"),
            message: "Probe/probe.comp:1: error: #pragma vkdyn optional names no binding: bias"),
        Mistake(
            name: "an optional binding without its constant", files: pragma("#pragma vkdyn optional(result)"),
            message: "Probe/probe.comp:1: error: variant default: an optional binding needs the constant bool "
                + "HAS_RESULT, with the same constant_id in every variant"),
        Mistake(
            name: "an optional binding whose constant has another number in a variant",
            files: [
                "Probe/probe.comp": shader(
                    "#pragma vkdyn optional(result)\nlayout(constant_id = 0) const bool HAS_RESULT = false;\n" + result,
                    "if (HAS_RESULT) result[0] = 1.0;"),
                "Probe/probe_fast.comp": shader(
                    "layout(constant_id = 1) const bool HAS_RESULT = false;\n" + result,
                    "if (HAS_RESULT) result[0] = 1.0;"),
            ],
            message: "Probe/probe_fast.comp:1: error: variant fast: an optional binding needs the constant bool "
                + "HAS_RESULT, with the same constant_id in every variant"),
    ]

    @Test(arguments: mistakes)
    func aMistakeIsOneClearLineAndNothingIsWritten(_ mistake: Mistake) throws {
        let folder = try ShaderFolder()
        for (name, text) in mistake.files {
            try folder.write(name, text == "\u{0}" ? Data([0xFF, 0xFE, 0x20]) : Data(text.utf8))
        }
        #expect(try folder.refused() == [mistake.message])
    }

    @Test func aMissingIncludeIsNamedWithTheFolderThatWasSearched() throws {
        let folder = try ShaderFolder()
        try folder.write("Probe/probe.comp", Self.shader("#include \"absent.glsl\"\n" + Self.result))
        let lines = try folder.refused()
        #expect(lines.count == 1)
        // The line differs by one between versions of glslang.
        #expect(lines.first?.hasPrefix("Probe/probe.comp:") == true)
        #expect(lines.first?.contains("no include \"absent.glsl\" in Include") == true, "\(lines)")
    }

    @Test func aMistakeLeavesTheFilesOfTheLastSuccessAsTheyWere() throws {
        let folder = try ShaderFolder()
        try folder.write("Add/add.comp", Self.shader(Self.result))
        let before = try folder.compiled()
        try folder.write("Add/add.comp", Self.shader(Self.result, "result[0] = 2.0;"))
        try folder.write("Probe/probe.comp", Self.shader(Self.result, "result[0] = 1.0 / result[1];"))
        let after = try folder.compile()
        #expect(after.status == 1)
        #expect(after.interfaces == before.interfaces)
        #expect(after.modules == before.modules)
        #expect(after.registry == before.registry)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.output).count == 3)
    }

    @Test func anOutputThatCannotBeWrittenIsAnError() throws {
        let folder = try ShaderFolder()
        try folder.write("Probe/probe.comp", Self.shader(Self.result))
        try folder.write("generated", "a file where the folder should be")
        let outcome = try folder.compile()
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("generated"), "\(outcome.errors)")
        #expect(!outcome.errors.contains("NSCocoaErrorDomain"), "\(outcome.errors)")
    }

    @Test func missingArgumentsPrintTheUsage() throws {
        let result = try Command.run(Command.shaderCompiler(), [])
        #expect(result.status == 64)
        #expect(result.errors == "usage: ShaderCompiler ROOT OUTPUT SHADER…\n")
    }

    @Test func aFolderWithoutShadersGivesAnEmptyRegistry() throws {
        let folder = try ShaderFolder()
        let outcome = try folder.compiled()
        #expect(outcome.registry.contains("public static let all: [any Kernel.Type] = [\n    ]"))
        #expect(try SPIRV.modules(outcome.modules).isEmpty)
    }
}
