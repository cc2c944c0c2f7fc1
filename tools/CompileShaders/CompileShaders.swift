import Foundation
import PackagePlugin

/// Compiles every shader of a target with `ShaderCompiler` and adds the Swift that it emits to the target.
///
/// One command for the whole target: every shader and every include is an input of it, so that adding, renaming
/// or editing any of them, or the compiler itself, runs it again.
@main
struct CompileShaders: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
        guard let target = target as? SourceModuleTarget else { return [] }
        let shaders = target.sourceFiles.map(\.url)
            .filter { ["comp", "glsl"].contains($0.pathExtension) }
            .sorted { $0.path < $1.path }
        let output = context.pluginWorkDirectoryURL
        let generated = ["Interfaces.swift", "Modules.swift", "Registry.swift"].map { output.appending(path: $0) }
        let compiler = try context.tool(named: "ShaderCompiler").url
        return [
            .buildCommand(
                displayName: "Compiling the shaders of \(target.name)",
                executable: compiler,
                arguments: [target.directoryURL.path, output.path] + shaders.map(\.path),
                inputFiles: shaders + [compiler],
                outputFiles: generated)
        ]
    }
}
