import Foundation
import Testing

/// Whatever changes on the way from GLSL to the binary, the next incremental build embeds it.
///
/// A copy of the shader compiler, its plugin and `VkdynCore` with two small kernels is built as a package of its own.
@Suite(.serialized) struct IncrementalBuildTests {
    @Test(.timeLimit(.minutes(15)))
    func everyChangeReachesTheEmbeddedBytesAndNothingElseIsTouched() throws {
        let package = try SmallPackage()
        try package.build()
        #expect(try package.values("Scale") == [11111])
        #expect(try package.values("Shift") == [22222])
        #expect(try package.registry() == ["Scale", "Shift"])

        // Nothing changed.
        let dates = try package.dates()
        try package.build()
        #expect(try package.dates() == dates, "a build of nothing new wrote the generated files again")

        // An include is edited; the other kernel's bytes stay.
        try package.write("Shaders/Include/scale.glsl", "const uint SCALE = 11112u;\n")
        try package.build()
        #expect(try package.values("Scale") == [11112])
        #expect(try package.values("Shift") == [22222])

        // A shader gets an include line, for a new file, which is then edited.
        try package.write("Shaders/Include/more.glsl", "const uint MORE = 33333u;\n")
        try package.writeKernel("Scale", includes: ["scale.glsl", "more.glsl"], result: "SCALE, MORE")
        try package.build()
        #expect(try package.values("Scale") == [11112, 33333])
        try package.write("Shaders/Include/more.glsl", "const uint MORE = 33334u;\n")
        try package.build()
        #expect(try package.values("Scale") == [11112, 33334])

        // An include line for a file that had been there all along, which is then edited.
        try package.writeKernel("Shift", includes: ["scale.glsl"], result: "22222u, SCALE")
        try package.build()
        #expect(try package.values("Shift") == [11112, 22222])
        try package.write("Shaders/Include/scale.glsl", "const uint SCALE = 11113u;\n")
        try package.build()
        #expect(try package.values("Shift") == [11113, 22222])
        #expect(try package.values("Scale") == [11113, 33334])

        // A kernel is renamed.
        try package.remove("Shaders/Shift")
        try package.writeKernel("RowShift", includes: ["scale.glsl"], result: "22222u, SCALE")
        try package.build()
        #expect(try package.registry() == ["RowShift", "Scale"])
        #expect(try package.values("RowShift") == [11113, 22222])
        #expect(try package.moduleNames() == ["RowShift_row_shift_1", "Scale_scale_1"])

        // A kernel is removed.
        try package.remove("Shaders/RowShift")
        try package.build()
        #expect(try package.registry() == ["Scale"])
        #expect(try package.moduleNames() == ["Scale_scale_1"])

        // A GLSL error fails the build, and is shown as its own line.
        try package.write("Shaders/Include/more.glsl", "\nconst uint MORE = absent;\n")
        let failure = try package.run()
        #expect(failure.status != 0)
        let message = "\(package.path)/Shaders/Include/more.glsl:2: error: 'absent' : undeclared identifier"
        #expect(
            (failure.output + failure.errors).split(separator: "\n").contains { $0.hasSuffix(message) },
            "\(failure.output)\(failure.errors)")
        try package.write("Shaders/Include/more.glsl", "const uint MORE = 33335u;\n")

        // The compiler is changed.
        let emitter = "tools/ShaderCompiler/Emitter.swift"
        let source = try package.read(emitter)
        try #require(source.contains("Written by ShaderCompiler"))
        try package.write(
            emitter, source.replacingOccurrences(of: "Written by ShaderCompiler", with: "Written by another compiler"))
        try package.build()
        for name in SmallPackage.generatedNames {
            #expect(try package.generated(name).hasPrefix("// Written by another compiler"), "\(name)")
        }
        #expect(try package.values("Scale") == [11113, 33335])
    }
}

/// A package of the shader compiler and two kernels in a temporary folder.
private final class SmallPackage {
    static let generatedNames = ["Interfaces.swift", "Modules.swift", "Registry.swift"]

    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.resolvingSymlinksInPath()
            .appendingPathComponent("vkdyn-package-\(UUID().uuidString)").path
        let checkout = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
        for folder in [
            "Sources/CShaderc", "Sources/CSPIRVCross", "Sources/VkdynCore", "tools/ShaderCompiler",
            "tools/CompileShaders",
        ] {
            let copy = URL(fileURLWithPath: path + "/" + folder)
            try FileManager.default.createDirectory(
                at: copy.deletingLastPathComponent(), withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: checkout + "/" + folder, toPath: copy.path)
        }
        // The probe for shaderc's libraries is the checkout's own.
        let manifest = try String(contentsOfFile: checkout + "/Package.swift", encoding: .utf8)
        let probe = try #require(manifest.range(of: "let package = Package("))
        try write(
            "Package.swift",
            manifest[..<probe.lowerBound] + """
                let package = Package(
                    name: "small",
                    targets: [
                        .systemLibrary(name: "CShaderc"),
                        .systemLibrary(name: "CSPIRVCross"),
                        .target(name: "VkdynCore"),
                        .executableTarget(
                            name: "ShaderCompiler", dependencies: ["CShaderc", "CSPIRVCross"],
                            path: "tools/ShaderCompiler",
                            linkerSettings: shadercLibraries.map { .linkedLibrary($0) }),
                        .plugin(
                            name: "CompileShaders", capability: .buildTool(), dependencies: ["ShaderCompiler"],
                            path: "tools/CompileShaders"),
                        .target(
                            name: "VkdynKernels", dependencies: ["VkdynCore"], path: "Shaders",
                            plugins: ["CompileShaders"]),
                    ])

                """)
        try write("Shaders/Include/scale.glsl", "const uint SCALE = 11111u;\n")
        try writeKernel("Scale", includes: ["scale.glsl"], result: "SCALE")
        try writeKernel("Shift", includes: [], result: "22222u")
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ text: String) throws {
        let file = URL(fileURLWithPath: path + "/" + name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
    }

    func read(_ name: String) throws -> String { try String(contentsOfFile: path + "/" + name, encoding: .utf8) }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: path + "/" + name) }

    /// Both files of a kernel that stores a list of constants.
    func writeKernel(_ name: String, includes: [String], result: String) throws {
        let stem = name == "RowShift" ? "row_shift" : name.lowercased()
        let stores = result.split(separator: ",").enumerated().map { "    result[\($0)] = \($1);\n" }.joined()
        try write(
            "Shaders/\(name)/\(stem).comp",
            """
            #version 450
            #extension GL_GOOGLE_include_directive : require
            \(includes.map { "#include \"\($0)\"\n" }.joined())
            layout(local_size_x = 1) in;
            layout(std430, binding = 0) writeonly buffer Result { uint result[]; };
            void main() {
            \(stores)}

            """)
        try write(
            "Shaders/\(name)/\(name).swift",
            """
            public import VkdynCore

            public enum \(name): Kernel {
                public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(1) }
                public static func cost(_ call: KernelCall<\(name)>) -> Cost { Cost(operations: 0, bytes: 4) }
                public static func twin(_ buffers: Views, _ call: KernelCall<\(name)>) { buffers.result[0] = 0 }
                public static var cases: [KernelCase] { [] }
                public static var shapes: ShapeSpace { ShapeSpace([]) }
                public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
                    makeCase("none", Contents(values: [.unwritten(1)]), Parameters(words: []))
                }
            }

            """)
    }

    func run() throws -> Command.Result {
        // Neither an index nor debug information: a third less to write.
        try Command.run(
            "/usr/bin/env",
            [
                "swift", "build", "--package-path", path, "--target", "VkdynKernels", "--disable-index-store",
                "-Xswiftc", "-gnone",
            ])
    }

    func build(sourceLocation: SourceLocation = #_sourceLocation) throws {
        let result = try run()
        try #require(result.status == 0, "\(result.output)\(result.errors)", sourceLocation: sourceLocation)
    }

    private func generatedPath(_ name: String) throws -> String {
        let outputs = path + "/.build/plugins/outputs"
        let found = try FileManager.default.subpathsOfDirectory(atPath: outputs).filter { $0.hasSuffix("/" + name) }
        try #require(found.count == 1, "\(found)")
        return outputs + "/" + found[0]
    }

    func generated(_ name: String) throws -> String {
        try String(contentsOfFile: generatedPath(name), encoding: .utf8)
    }

    func dates() throws -> [Date] {
        try Self.generatedNames.map {
            let attributes = try FileManager.default.attributesOfItem(atPath: generatedPath($0))
            return try #require(attributes[.modificationDate] as? Date)
        }
    }

    func moduleNames() throws -> [String] { try SPIRV.modules(generated("Modules.swift")).keys.sorted() }

    /// Kernels that the registry lists.
    func registry() throws -> [String] {
        try generated("Registry.swift").split(separator: "\n").compactMap { line in
            let entry = line.trimmingCharacters(in: .whitespaces)
            return entry.hasSuffix(".self,") ? String(entry.dropLast(".self,".count)) : nil
        }
    }

    /// The telling constants in a kernel's embedded bytes, in ascending order.
    func values(_ kernel: String) throws -> [UInt32] {
        let modules = try SPIRV.modules(generated("Modules.swift")).filter { $0.key.hasPrefix(kernel + "_") }
        try #require(modules.count == 1)
        // OpConstant: type, result, value.
        return modules.values.flatMap(\.instructions)
            .filter { $0.opcode == 43 && (10_000..<50_000).contains($0.operands[2]) }.map { $0.operands[2] }.sorted()
    }
}
