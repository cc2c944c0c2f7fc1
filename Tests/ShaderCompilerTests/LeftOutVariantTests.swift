import Testing

/// Variants whose shader requires an extension of GLSL that the compiler may lack.
@Suite struct LeftOutVariantTests {
    /// A second shader of the kernel Probe; its body does not compile where `extension` is not known.
    static func fast(_ pragmas: String, extension name: String) -> String {
        """
        #version 450
        #extension \(name) : require
        \(pragmas)
        layout(local_size_x = 64) in;
        \(ErrorTests.result)
        void main() { result[0] = 1.0; }
        """
    }

    private func folder(_ pragmas: String, extension name: String) throws -> ShaderFolder {
        let folder = try ShaderFolder()
        try folder.write("Probe/probe.comp", ErrorTests.shader(ErrorTests.result))
        try folder.write("Probe/probe_fast.comp", Self.fast(pragmas, extension: name))
        return folder
    }

    @Test func variantsWhoseExtensionTheCompilerLacksAreLeftOutWithANoteEach() throws {
        let folder = try folder(
            """
            #pragma vkdyn requires(GL_KHR_shader_subgroup_basic, GL_VKDYN_nonsense)
            #pragma vkdyn variant(fast1)
            #pragma vkdyn variant(fast2, ROWS = 2)
            """, extension: "GL_VKDYN_nonsense")
        let outcome = try folder.compile()
        #expect(outcome.status == 0)
        #expect(
            outcome.lines == [
                "note: probe: variant fast1 left out: this compiler lacks GL_VKDYN_nonsense",
                "note: probe: variant fast2 left out: this compiler lacks GL_VKDYN_nonsense",
            ])
        let expected = """
                    hasFlavour: false, variants: [
                        VariantInterface(name: "default", module: ShaderModules.Probe_probe_1, emulatedModule: nil, tile: WorkExtent(64, 1, 1), constants: [], kinds: [.storage]),
                    ], leftOut: [
                        LeftOutVariant(name: "fast1", reason: "this build's shader compiler lacks GL_VKDYN_nonsense"),
                        LeftOutVariant(name: "fast2", reason: "this build's shader compiler lacks GL_VKDYN_nonsense"),
                    ])

            """
        #expect(outcome.interfaces.contains(expected), "\(outcome.interfaces)")
        #expect(try SPIRV.modules(outcome.modules).keys.sorted() == ["Probe_probe_1"])
    }

    @Test func aVariantWhoseExtensionTheCompilerKnowsIsCompiled() throws {
        let folder = try folder(
            "#pragma vkdyn requires(GL_KHR_shader_subgroup_basic)", extension: "GL_KHR_shader_subgroup_basic")
        let outcome = try folder.compiled()
        #expect(outcome.interfaces.contains("VariantInterface(name: \"fast\""))
        #expect(!outcome.interfaces.contains("leftOut"))
        #expect(try SPIRV.modules(outcome.modules).count == 2)
    }

    /// Without the pragma the same shader is a mistake, not a variant to do without.
    @Test func anExtensionThatIsNotRequiredByPragmaIsAnError() throws {
        let lines = try folder("", extension: "GL_VKDYN_nonsense").refused()
        #expect(lines.count == 1 && lines[0].hasPrefix("Probe/probe_fast.comp:2: error:"), "\(lines)")
    }

    @Test func aKernelOfWhichNothingIsLeftIsRefused() throws {
        let folder = try ShaderFolder()
        try folder.write(
            "Probe/probe.comp", Self.fast("#pragma vkdyn requires(GL_VKDYN_nonsense)", extension: "GL_VKDYN_nonsense"))
        #expect(
            try folder.refused() == [
                "Probe/probe.comp:1: error: this compiler lacks GL_VKDYN_nonsense, and no variant does without"
            ])
    }

    @Test func theFirstShaderMayBeTheOneThatIsLeftOut() throws {
        let folder = try ShaderFolder()
        try folder.write(
            "Probe/probe.comp", Self.fast("#pragma vkdyn requires(GL_VKDYN_nonsense)", extension: "GL_VKDYN_nonsense"))
        try folder.write("Probe/probe_plain.comp", ErrorTests.shader(ErrorTests.result))
        let outcome = try folder.compile()
        #expect(outcome.status == 0)
        #expect(outcome.lines == ["note: probe: variant default left out: this compiler lacks GL_VKDYN_nonsense"])
        #expect(outcome.interfaces.contains("(name: \"plain\", module: ShaderModules.Probe_probe_plain_1"))
    }

    @Test func aSumOfMatricesThatSaturatesIsRefusedWhereTheCompilerKnowsIt() throws {
        let folder = try folder("", extension: "GL_KHR_shader_subgroup_basic")
        try folder.write(
            "Probe/probe_fast.comp",
            """
            #version 450
            #extension GL_KHR_memory_scope_semantics : require
            #extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
            #extension GL_KHR_cooperative_matrix : require
            #pragma vkdyn requires(GL_KHR_cooperative_matrix)
            layout(local_size_x = 32) in;
            \(ErrorTests.result)
            shared int words[256];
            void main() {
                coopmat<int8_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA> a;
                coopmat<int8_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB> b;
                coopmat<int, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator> sum;
                a = coopmat<int8_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA>(1);
                b = coopmat<int8_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB>(1);
                sum = coopmat<int, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>(0);
                sum = coopMatMulAdd(a, b, sum, gl_MatrixOperandsSaturatingAccumulation);
                coopMatStore(sum, words, 0u, 16u, gl_CooperativeMatrixLayoutRowMajor);
                result[0] = float(words[0]);
            }
            """)
        let outcome = try folder.compile()
        let isKnown = !outcome.errors.contains("lacks GL_KHR_cooperative_matrix")
        #expect(outcome.status == (isKnown ? 1 : 0))
        #expect(
            outcome.lines == [
                isKnown
                    ? "Probe/probe_fast.comp:16: error: a sum of matrices that saturates has an order"
                    : "note: probe: variant fast left out: this compiler lacks GL_KHR_cooperative_matrix"
            ])
    }
}
