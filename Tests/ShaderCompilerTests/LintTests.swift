import Testing

/// The allow-list of the arithmetic contract, one statement at a time.
@Suite struct LintTests {
    struct Statement: CustomTestStringConvertible, Sendable {
        let text: String
        /// A part of the message that names what is refused.
        var message = ""
        /// Text after the fixed extensions, on line 6.
        var header = ""
        /// The line that the message gives.
        var line = LintTests.line

        var testDescription: String { text + header }
    }

    /// Where `statement` stands in `source(_:)`.
    static let line = 15

    static func source(_ statement: Statement) -> String {
        """
        #version 450
        #extension GL_KHR_shader_subgroup_arithmetic : require
        #extension GL_KHR_shader_subgroup_shuffle : require
        #extension GL_EXT_shader_explicit_arithmetic_types_float16 : enable
        #extension GL_EXT_shader_atomic_float : enable
        \(statement.header)
        layout(local_size_x = 64) in;
        layout(std430, binding = 0) readonly buffer Source { float source[]; };
        layout(std430, binding = 1) buffer Result { float result[]; };
        layout(std430, binding = 2) buffer Words { uint words[]; };
        void main() {
            uint i = gl_GlobalInvocationID.x;
            float a = source[i], b = source[i + 1u];
            uint n = words[i];
            \(statement.text)
        }
        """
    }

    static let matrices = """
        #extension GL_KHR_memory_scope_semantics : require
        #extension GL_EXT_shader_explicit_arithmetic_types : require
        #extension GL_NV_cooperative_matrix : require
        #extension GL_NV_integer_cooperative_matrix : require
        #define Operand(R, C) icoopmatNV<8, gl_ScopeSubgroup, R, C>
        """

    static let refused = [
        Statement(text: "result[i] = a / b;", message: "division of floats"),
        Statement(text: "result[i] = (vec2(a, b) / b).x;", message: "division of floats"),
        Statement(text: "result[i] = mod(a, b);", message: "mod of floats"),
        Statement(text: "result[i] = dot(vec2(a, b), vec2(b, a));", message: "dot"),
        Statement(text: "result[i] = (mat2(a, b, a, b) * vec2(a, b)).x;", message: "a matrix product"),
        Statement(text: "result[i] = (vec2(a, b) * mat2(a, b, a, b)).x;", message: "a matrix product"),
        Statement(text: "result[i] = (mat2(a) * mat2(b))[0].x;", message: "a matrix product"),
        Statement(text: "result[i] = outerProduct(vec2(a), vec2(b))[0].x;", message: "a matrix product"),
        Statement(text: "result[i] = transpose(mat2(a, b, a, b))[0].x;", message: "a matrix transpose"),
        Statement(text: "result[i] = mat2(a, b, a, b)[1].x;", message: "a matrix"),
        Statement(text: "result[i] = mix(a, b, 0.25);", message: "mix"),
        Statement(text: "result[i] = sqrt(a);", message: "sqrt"),
        Statement(text: "result[i] = inversesqrt(a);", message: "inversesqrt"),
        Statement(text: "result[i] = exp(a);", message: "exp"),
        Statement(text: "result[i] = exp2(a);", message: "exp2"),
        Statement(text: "result[i] = log(a);", message: "log"),
        Statement(text: "result[i] = log2(a);", message: "log2"),
        Statement(text: "result[i] = pow(a, b);", message: "pow"),
        Statement(text: "result[i] = sin(a);", message: "sin"),
        Statement(text: "result[i] = cos(a);", message: "cos"),
        Statement(text: "result[i] = tan(a);", message: "tan"),
        Statement(text: "result[i] = tanh(a);", message: "tanh"),
        Statement(text: "result[i] = atan(a, b);", message: "atan"),
        Statement(text: "result[i] = length(vec2(a, b));", message: "length"),
        Statement(text: "result[i] = normalize(vec2(a, b)).x;", message: "normalize"),
        Statement(text: "result[i] = round(a);", message: "round"),
        Statement(text: "result[i] = fract(a);", message: "fract"),
        Statement(text: "result[i] = step(a, b);", message: "step"),
        Statement(text: "result[i] = smoothstep(a, b, 0.5);", message: "smoothstep"),
        Statement(text: "result[i] = ldexp(a, 2);", message: "ldexp"),
        Statement(text: "result[i] = min(a, b);", message: "min of floats"),
        Statement(text: "result[i] = max(a, b);", message: "max of floats"),
        Statement(text: "result[i] = clamp(a, 0.0, b);", message: "clamp of floats"),
        Statement(text: "atomicAdd(result[i], a);", message: "a float atomic"),
        Statement(text: "result[i] = subgroupAdd(a);", message: "a float subgroup reduction"),
        Statement(text: "result[i] = subgroupMax(a);", message: "a float subgroup reduction"),
        Statement(text: "result[i] = subgroupAdd(vec2(a, b)).x;", message: "a float subgroup reduction"),
        Statement(text: "result[i] = subgroupInclusiveMul(a);", message: "a float subgroup reduction"),
        Statement(text: "words[i] = packHalf2x16(vec2(a, b));", message: "packHalf2x16"),
        Statement(text: "result[i] = unpackUnorm4x8(n).x;", message: "unpackUnorm4x8"),
        Statement(text: "float16_t h = float16_t(a); result[i] = float(h * h);", message: "16-bit float arithmetic"),
        Statement(text: "f16vec2 h = f16vec2(a, b); result[i] = float((h + h).x);", message: "16-bit float arithmetic"),
        Statement(text: "result[i] = float(double(a) * double(b));", message: "64-bit float arithmetic"),
        Statement(
            text: "fcoopmatNV<32, gl_ScopeSubgroup, 16, 8> m; coopMatLoadNV(m, result, i, 8u, false);",
            message: "a cooperative matrix of floats", header: matrices, line: LintTests.line + 4),
        Statement(
            text: "fcoopmatNV<16, gl_ScopeSubgroup, 16, 8> m; coopMatLoadNV(m, words, i, 8u, false);",
            message: "a cooperative matrix of floats", header: matrices, line: LintTests.line + 4),
        // glslang itself refuses other integers in this extension's matrices.
        Statement(
            text: "icoopmatNV<16, gl_ScopeSubgroup, 16, 8> m; coopMatLoadNV(m, words, i, 8u, false);",
            message: "expected 8 or 32 bits for first type parameter", header: matrices, line: LintTests.line + 4),
        Statement(
            text: "result[i] = a * CHOSEN;", message: "a float expression of constants",
            header: "layout(constant_id = 0) const bool B = false; const float CHOSEN = B ? 1.0 : 2.0;", line: 1),
        // glslang itself refuses arithmetic on float specialization constants outside a function.
        Statement(
            text: "result[i] = a * TWICE;", message: "global const initializers must be constant",
            header: "layout(constant_id = 0) const float S = 2.0; const float TWICE = S * 2.0;", line: 6),
        Statement(
            text: "result[i] = a * S;", message: "specialization constant S must be a bool, int or uint",
            header: "layout(constant_id = 0) const float S = 2.0;", line: 1),
        Statement(
            text: "imageStore(texels, int(i), vec4(a));", message: "texels: only storage buffers and textureBuffers",
            header: "layout(binding = 3, rgba32f) writeonly uniform imageBuffer texels;", line: 1),
    ]

    @Test(arguments: refused)
    func inexactArithmeticIsRefusedByNameAtItsLine(_ statement: Statement) throws {
        let folder = try ShaderFolder()
        try folder.write("Probe/probe.comp", Self.source(statement))
        let lines = try folder.refused()
        let prefix = "Probe/probe.comp:\(statement.line): error: "
        #expect(lines.allSatisfy { $0.hasPrefix(prefix) }, "\(lines)")
        // The whole name: "exp" is not named by "exp2".
        let named = lines.contains { line in
            let rest = line.dropFirst(prefix.count)
            guard let range = rest.range(of: statement.message) else { return false }
            let next = rest[range.upperBound...].first
            return next == nil || !(next!.isLetter || next!.isNumber)
        }
        #expect(named, "\(lines)")
    }

    static let allowed = [
        "a + b", "a - b", "a * b", "-a", "a * b + a", "(vec4(a, b, a, b) * b).y", "abs(a)",
        "floor(a)", "trunc(a)", "roundEven(a)", "a < b ? a : b", "mix(a, b, n > 3u)", "float(n)", "float(int(n))",
        "a < 5.0 ? float(uint(a)) : 0.0", "uintBitsToFloat(n + 1u)", "float(min(n, 3u) + max(n, 4u))",
        "float(clamp(int(n), -2, 5))", "float(n / 3u % 7u)", "float(bitfieldExtract(n, 2, 3) + bitCount(n))",
        "float(findMSB(n) + findLSB(n))", "subgroupShuffle(a, 1u)", "subgroupShuffleXor(a, 1u)",
        "float(subgroupMax(n))", "float(subgroupAdd(int(n)))", "float(atomicAdd(words[0], n))",
        "float(atomicMax(words[0], n))", "isnan(a) ? 0.0 : b",
    ]

    @Test(arguments: allowed)
    func exactArithmeticPasses(_ expression: String) throws {
        let folder = try ShaderFolder()
        try folder.write("Probe/probe.comp", Self.source(Statement(text: "result[i] = \(expression);")))
        let modules = try SPIRV.modules(folder.compiled().modules)
        #expect(modules.count == 1)
    }

    @Test func productsOfIntegerMatricesPass() throws {
        let folder = try ShaderFolder()
        let text = """
            Operand(16, 32) x; Operand(32, 16) w; icoopmatNV<32, gl_ScopeSubgroup, 16, 16> sum;
            coopMatLoadNV(x, words, 0u, 8u, false); coopMatLoadNV(w, words, 0u, 8u, true);
            sum = coopMatMulAddNV(x, w, icoopmatNV<32, gl_ScopeSubgroup, 16, 16>(0));
            coopMatStoreNV(sum + sum, words, 0u, 16u, false);
            result[i] = float(sum.length());
            """
        try folder.write("Probe/probe.comp", Self.source(Statement(text: text, header: Self.matrices)))
        let modules = try SPIRV.modules(folder.compiled().modules)
        // OpCooperativeMatrixMulAddNV, and the bindings that reflection found behind the matrix types.
        #expect(modules["Probe_probe_1"]?.instructions.contains { $0.opcode == 5361 } == true)
        #expect(try folder.compiled().interfaces.contains("public var values: [Value?] { [source, result, words] }"))
    }

    @Test func integerExpressionsOfSpecializationConstantsPass() throws {
        let folder = try ShaderFolder()
        let header =
            "layout(constant_id = 0) const uint N = 2u; const uint SIZE = N * 4u + 1u; shared float slots[SIZE];"
        try folder.write(
            "Probe/probe.comp",
            Self.source(Statement(text: "slots[i % SIZE] = a; barrier(); result[i] = slots[0];", header: header)))
        _ = try folder.compiled()
    }

    @Test func everyBreachIsReportedAndOneInAnIncludeAtItsOwnLine() throws {
        let folder = try ShaderFolder()
        try folder.write("Include/half.glsl", "\nfloat half_of(float x) {\n    return x / 2.0;\n}\n")
        try folder.write(
            "Probe/probe.comp",
            Self.source(
                Statement(
                    text: "result[i] = half_of(a);\n    result[i] += sqrt(b);",
                    header: "#extension GL_GOOGLE_include_directive : require\n#include \"half.glsl\"")))
        let lines = try folder.refused()
        #expect(lines.count == 2)
        #expect(lines.contains { $0.contains("Include/half.glsl:3: error: division of floats") }, "\(lines)")
        #expect(lines.contains { $0.hasPrefix("Probe/probe.comp:17: error: sqrt ") }, "\(lines)")
    }

    @Test func aFusedMultiplyAddIsLeftToTheFusedFlavour() throws {
        let flavour = "layout(constant_id = 100) const bool FUSED = false;"
        for (text, isRefused) in [
            ("result[i] = FUSED ? fma(a, b, a) : a * b + a;", false),
            ("if (FUSED) { result[i] = fma(a, b, a); return; } result[i] = a * b + a;", false),
            ("result[i] = fma(a, b, a);", true),
            ("result[i] = FUSED ? a * b + a : fma(a, b, a);", true),
            ("result[i] = FUSED ? a : n > 3u ? fma(a, b, a) : b;", true),
        ] {
            let folder = try ShaderFolder()
            try folder.write("Probe/probe.comp", Self.source(Statement(text: text, header: flavour)))
            if isRefused {
                let lines = try folder.refused()
                #expect(lines.count == 1)
                #expect(
                    lines[0].hasPrefix("Probe/probe.comp:15: error: fma outside the fused flavour"), "\(text): \(lines)")
            } else {
                _ = try folder.compiled()
            }
        }
        // Through functions, and in an include at its own line.
        let folder = try ShaderFolder()
        try folder.write(
            "Include/add.glsl",
            "float fused(float a, float b) { return fma(a, b, a); }\nfloat add(float a, float b) {\n"
                + "    for (int i = 0; i < 3; i++) a = fused(a, b);\n    return a;\n}\n")
        let header =
            "#extension GL_GOOGLE_include_directive : require\n#include \"add.glsl\"\n" + flavour
        try folder.write(
            "Probe/probe.comp",
            Self.source(Statement(text: "result[i] = FUSED ? fused(a, b) : a * b;", header: header)))
        _ = try folder.compiled()
        try folder.write(
            "Probe/probe.comp",
            Self.source(Statement(text: "switch (n) { case 3u: result[i] = add(a, b); break; }", header: header)))
        #expect(try folder.compile().errors.hasPrefix("Include/add.glsl:1: error: fma outside the fused flavour"))
    }

    @Test func doublesAreLeftToTheEmulationOfFusedMultiplyAdd() throws {
        let folder = try ShaderFolder()
        try folder.write(
            "Probe/probe.comp",
            """
            #version 450
            layout(local_size_x = 1) in;
            layout(constant_id = 100) const bool FUSED = false;
            layout(std430, binding = 0) buffer Result { float result[]; };
            void main() {
            #ifdef VKDYN_FUSED_EMULATION
                result[0] = float(double(result[1]) * double(result[2]) + double(result[3]));
            #else
                result[0] = FUSED ? fma(result[1], result[2], result[3]) : result[1] * result[2] + result[3];
            #endif
            }
            """)
        let outcome = try folder.compiled()
        let modules = try SPIRV.modules(outcome.modules)
        #expect(modules["Probe_probe_1"]?.floatWidths == [32])
        #expect(modules["Probe_probe_1_emulated"]?.floatWidths == [32, 64])
        #expect(modules.count == 2)
        #expect(outcome.interfaces.contains("emulatedModule: ShaderModules.Probe_probe_1_emulated"))
        #expect(outcome.interfaces.contains("hasFlavour: true"))
        for module in modules.values { #expect(module.unprotected.isEmpty) }
    }
}
