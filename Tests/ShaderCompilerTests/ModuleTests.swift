import Foundation
import Testing
import VkdynCore
import VkdynKernels

/// What the embedded SPIR-V carries: `NoContraction` on every float operation, no names, no float controls.
@Suite struct ModuleTests {
    static let calls = """
        #version 450
        #extension GL_GOOGLE_include_directive : require
        #include "secret_include.glsl"
        layout(local_size_x = 64) in;
        layout(std430, binding = 0) buffer SecretBlock { float secret_member[]; };
        float product(float x, float y) { return x * y; }
        float difference(float x, float y) { return product(x, y) - -y; }
        void main() {
            uint secret_index = gl_GlobalInvocationID.x;
            precise float kept = secret_member[secret_index] + 1.0;
            vec4 scaled = vec4(kept, 1.0, 2.0, 3.0) * kept + vec4(4.0);
            secret_member[secret_index] = difference(kept, scaled.y) + included(scaled.z);
        }
        """

    private func module() throws -> (module: SPIRV, folder: ShaderFolder) {
        let folder = try ShaderFolder()
        try folder.write("Include/secret_include.glsl", "float included(float x) { return x * x + x; }\n")
        try folder.write("Calls/calls.comp", Self.calls)
        let modules = try SPIRV.modules(folder.compiled().modules)
        return (try #require(modules["Calls_calls_1"]), folder)
    }

    @Test func everyFloatOperationForbidsContractionInCalledFunctionsToo() throws {
        let module = try module().module
        // main, product, difference, included, in the order in which glslang writes them.
        #expect(module.contractibleByFunction.sorted() == [1, 2, 2, 4])
        #expect(Set(module.contractible.map(\.opcode)) == SPIRV.contractible)
        #expect(module.unprotected.isEmpty)
        #expect(module.annotationsPrecedeTypes)
    }

    @Test func noOperationIsDecoratedTwice() throws {
        let module = try module().module
        let decorations = module.instructions.filter {
            $0.opcode == SPIRV.decorate && $0.operands[1] == SPIRV.noContraction
        }
        #expect(decorations.count == Set(decorations.map { $0.operands[0] }).count)
    }

    @Test func namesAndSourceAreStripped() throws {
        let module = try module().module
        #expect(module.debugInstructions.isEmpty)
        #expect(module.bytes.range(of: Data("main".utf8)) != nil)
        for secret in ["secret", "Secret", "product", ".comp", ".glsl"] {
            #expect(module.bytes.range(of: Data(secret.utf8)) == nil, "\(secret) is in the module")
        }
    }

    @Test func commentsAndLineNumbersLeaveTheBytesAndTheTimeStampsAlone() throws {
        let (module, folder) = try module()
        func dates() throws -> [Date?] {
            try ["Interfaces", "Modules", "Registry"].map {
                let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder.output)/\($0).swift")
                return attributes[.modificationDate] as? Date
            }
        }
        let before = try dates()
        try folder.write(
            "Calls/calls.comp",
            Self.calls.replacingOccurrences(of: "float product", with: "// A comment.\n\nfloat product"))
        let again = try #require(try SPIRV.modules(folder.compiled().modules)["Calls_calls_1"])
        #expect(again.words == module.words)
        #expect(try dates() == before)
    }

    @Test func variantsOfOneFileEmbedTheModuleOfTheirOwnMacros() throws {
        let folder = try ShaderFolder()
        let body = """
            layout(local_size_x = 1) in;
            layout(std430, binding = 0) buffer Result { uint result[]; };
            void main() { result[0] = VALUE; }
            """
        try folder.write(
            "Probe/probe.comp",
            """
            #version 450
            #pragma vkdyn variant(first, VALUE = 11111u)
            #pragma vkdyn variant(second, VALUE = 22222u)
            #pragma vkdyn variant(again, VALUE = 11111u)
            \(body)
            """)
        // Stems that the numbering of modules could run into.
        try folder.write(
            "Probe/probe_2.comp", "#version 450\n" + body.replacingOccurrences(of: "VALUE", with: "33333u"))
        let outcome = try folder.compiled()
        let modules = try SPIRV.modules(outcome.modules)
        #expect(modules.count == 3)
        for (variant, value) in ["first": UInt32(11111), "second": 22222, "again": 11111, "2": 33333] {
            let lines = outcome.interfaces.split(separator: "\n")
            let line = try #require(lines.first { $0.contains("VariantInterface(name: \"\(variant)\"") })
            let name = try #require(line.split(separator: "module: ShaderModules.").last?.prefix { $0 != "," })
            let module = try #require(modules[String(name)])
            #expect(module.words.contains(value), "variant \(variant) runs \(name)")
        }
    }

    @Test func twoKernelsMayHaveShadersOfOneStem() throws {
        let folder = try ShaderFolder()
        func shader(_ value: Int) -> String {
            """
            #version 450
            layout(local_size_x = 1) in;
            layout(std430, binding = 0) buffer Result { uint result[]; };
            void main() { result[0] = \(value)u; }
            """
        }
        try folder.write("First/first.comp", shader(11111))
        try folder.write("First/shared.comp", shader(22222))
        try folder.write("Second/second.comp", shader(33333))
        try folder.write("Second/shared.comp", shader(44444))
        let modules = try SPIRV.modules(folder.compiled().modules)
        for (name, value) in ["First_shared_1": UInt32(22222), "Second_shared_1": 44444] {
            #expect(modules[name]?.words.contains(value) == true, "\(name)")
        }
        #expect(modules.count == 4)
    }

    // MARK: The package's own kernels

    static let embedded: [ShaderModule] = KernelRegistry.all.flatMap { kernel in
        kernel.interface.variants.flatMap { [$0.module, $0.emulatedModule].compactMap { $0 } }
    }

    @Test func everyEmbeddedModuleForbidsContractionAndCarriesNeitherNamesNorFloatControls() throws {
        #expect(!Self.embedded.isEmpty)
        var seen: Set<String> = []
        for embedded in Self.embedded where seen.insert(embedded.name).inserted {
            let module = try SPIRV(words: embedded.words)
            #expect(module.unprotected.isEmpty, "\(embedded.name)")
            #expect(module.debugInstructions.isEmpty, "\(embedded.name)")
            #expect(module.floatControls.isEmpty, "\(embedded.name)")
            #expect(module.annotationsPrecedeTypes, "\(embedded.name)")
            let widths: Set<UInt32> = embedded.name.hasSuffix("_emulated") ? [32, 64] : [32]
            #expect(module.floatWidths.isSubset(of: widths), "\(embedded.name)")
        }
    }

    @Test func noTwoEmbeddedModulesShareAName() {
        var words: [String: [UInt32]] = [:]
        for embedded in Self.embedded {
            let own = embedded.words
            #expect(words[embedded.name, default: own] == own, "\(embedded.name)")
            words[embedded.name] = own
        }
    }
}
