// swift-tools-version: 6.1
import Foundation
import PackageDescription

/// The libraries that the build-time shader compiler links, found by a trial link.
///
/// Debian 12's `libshaderc.so` lacks symbols, so there the static archives are linked instead; newer
/// distributions need `-lshaderc` alone, and their glslang has fewer archives. The list of archives is in
/// dependency order; those that a distribution no longer ships are left out.
let shadercLibraries: [String] = {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"]
    func isInstalled(_ library: String) -> Bool {
        folders.contains { folder in
            [".a", ".so"].contains { FileManager.default.fileExists(atPath: "\(folder)/lib\(library)\($0)") }
        }
    }
    let archives = [
        "shaderc_combined", "SPIRV", "glslang", "MachineIndependent", "OSDependent", "GenericCodeGen", "OGLCompiler",
        "SPVRemapper", "SPIRV-Tools-opt", "SPIRV-Tools",
    ].filter(isInstalled) + ["stdc++"]
    let candidates = [["shaderc"], archives]
    return candidates.first(where: linksShaderc) ?? ["shaderc"]
}()

/// Whether a program that calls shaderc links against these libraries and runs.
func linksShaderc(_ libraries: [String]) -> Bool {
    let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("vkdyn-probe-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: scratch) }
    let source = """
        #include <shaderc/shaderc.h>
        int main(void) { return shaderc_compiler_initialize() == 0; }
        """
    func succeeds(_ command: String...) throws -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
    do {
        let program = scratch.appendingPathComponent("probe").path
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        try source.write(toFile: program + ".c", atomically: false, encoding: .utf8)
        let flags = (libraries + ["m", "pthread"]).map { "-l\($0)" }.joined(separator: " ")
        return try succeeds("sh", "-c", "clang \(program).c -o \(program) \(flags) && \(program)")
    } catch {
        return false
    }
}

let package = Package(
    name: "vkdyn",
    products: [
        .library(name: "Vkdyn", targets: ["Vkdyn"]),
        .library(name: "VkdynKernels", targets: ["VkdynKernels", "VkdynCore"]),
        // For the package in Benchmarks/, whose library is thus no dependency of this one.
        .library(
            name: "VkdynBenchmark", targets: ["VkdynBenchmark", "VkdynSchedule", "VkdynVulkan", "VkdynTechniques"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
    ],
    targets: [
        .systemLibrary(name: "CVulkan"),
        .systemLibrary(name: "CShaderc"),
        .systemLibrary(name: "CSPIRVCross"),
        .target(name: "CImageCodecs", linkerSettings: [.linkedLibrary("png"), .linkedLibrary("jpeg")]),
        .target(name: "VkdynCore"),
        .executableTarget(
            name: "ShaderCompiler",
            dependencies: ["CShaderc", "CSPIRVCross"],
            path: "tools/ShaderCompiler",
            linkerSettings: shadercLibraries.map { .linkedLibrary($0) }),
        .plugin(
            name: "CompileShaders", capability: .buildTool(), dependencies: ["ShaderCompiler"],
            path: "tools/CompileShaders"),
        .target(
            name: "VkdynKernels", dependencies: ["VkdynCore"], path: "Shaders", exclude: ["README.md"],
            plugins: ["CompileShaders"]),
        .target(name: "VkdynSchedule", dependencies: ["VkdynCore", "VkdynKernels"]),
        .target(name: "VkdynReference", dependencies: ["VkdynCore", "VkdynKernels", "VkdynSchedule"]),
        .target(name: "VkdynBenchmark", dependencies: ["VkdynCore", "VkdynKernels", "VkdynSchedule"]),
        .target(name: "VkdynProfile", dependencies: ["VkdynCore", "VkdynSchedule", "VkdynFormats"]),
        .target(name: "VkdynVulkan", dependencies: ["CVulkan", "VkdynCore", "VkdynSchedule"]),
        .target(name: "VkdynFormats", dependencies: ["VkdynCore"]),
        .target(name: "VkdynImage", dependencies: ["CImageCodecs", "VkdynCore", "VkdynFormats"]),
        .target(
            name: "VkdynModels",
            dependencies: ["VkdynCore", "VkdynKernels", "VkdynSchedule", "VkdynFormats", "VkdynImage"],
            resources: [.copy("Shipped")]),
        .target(
            name: "VkdynTechniques",
            dependencies: [
                "VkdynCore", "VkdynKernels", "VkdynSchedule", "VkdynFormats", "VkdynImage", "VkdynModels",
            ]),
        .target(
            name: "Vkdyn",
            dependencies: [
                "VkdynCore", "VkdynKernels", "VkdynSchedule", "VkdynReference", "VkdynVulkan", "VkdynFormats",
                "VkdynModels", "VkdynTechniques",
            ]),
        .executableTarget(
            name: "vkdyn",
            dependencies: [
                "VkdynCore", "VkdynKernels", "VkdynSchedule", "VkdynReference", "VkdynBenchmark", "VkdynProfile",
                "VkdynVulkan", "VkdynFormats", "VkdynImage", "VkdynModels", "VkdynTechniques",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .testTarget(name: "CommandTests", dependencies: ["vkdyn", "VkdynFormats", "VkdynImage"]),
        .testTarget(
            name: "VkdynScheduleTests", dependencies: ["VkdynCore", "VkdynKernels", "VkdynSchedule", "VkdynReference"]),
        .testTarget(
            name: "VkdynBenchmarkTests",
            dependencies: ["VkdynCore", "VkdynKernels", "VkdynSchedule", "VkdynReference", "VkdynBenchmark"]),
        .testTarget(
            name: "VkdynProfileTests",
            dependencies: [
                "VkdynCore", "VkdynFormats", "VkdynKernels", "VkdynSchedule", "VkdynReference", "VkdynProfile",
            ]),
        .testTarget(
            name: "VkdynVulkanTests",
            dependencies: [
                "CVulkan", "VkdynCore", "VkdynKernels", "VkdynSchedule", "VkdynReference", "VkdynProfile", "VkdynVulkan",
            ]),
        .testTarget(
            name: "VkdynModelsTests",
            dependencies: [
                "VkdynCore", "VkdynFormats", "VkdynImage", "VkdynModels", "VkdynReference", "VkdynSchedule",
                "VkdynTechniques", "VkdynVulkan", "TestSupport",
            ], exclude: ["Fixtures"]),
        .testTarget(
            name: "VkdynTests",
            dependencies: ["Vkdyn", "VkdynCore", "VkdynFormats", "VkdynModels", "VkdynReference", "VkdynTechniques"]),
        .testTarget(name: "ShaderCompilerTests", dependencies: ["VkdynCore", "VkdynKernels"]),
        .testTarget(name: "VkdynKernelsTests", dependencies: ["VkdynKernels", "VkdynCore"]),
        .testTarget(name: "VkdynFormatsTests", dependencies: ["VkdynFormats", "TestSupport"], exclude: ["Fixtures"]),
        .testTarget(
            name: "VkdynImageTests", dependencies: ["VkdynImage", "VkdynFormats", "TestSupport"],
            exclude: ["Fixtures"]),
        .target(name: "TestSupport", path: "Tests/Support"),
    ]
)
