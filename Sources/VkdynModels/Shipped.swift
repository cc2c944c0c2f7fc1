import Foundation

/// The small models that come with vkdyn, so that every command works with no download.
public enum ShippedModels {
    /// A model's folder, looked for in `VKDYN_MODELS`, in `models` beside the real executable, and in the build's
    /// resource bundle there.
    ///
    /// `Bundle.module` is not used: it traps in a binary that was moved.
    public static func folder(_ name: String) -> String? {
        candidates.map { $0 + "/" + name }.first { folder in
            ["/config.json", "/model_index.json"].contains { FileManager.default.fileExists(atPath: folder + $0) }
        }
    }

    private static var candidates: [String] {
        var folders: [String] = []
        if let models = ProcessInfo.processInfo.environment["VKDYN_MODELS"] { folders.append(models) }
        let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            ?? CommandLine.arguments[0]
        let folder = URL(fileURLWithPath: executable).deletingLastPathComponent()
        folders.append(folder.appendingPathComponent("models").path)
        folders.append(folder.appendingPathComponent("vkdyn_VkdynModels.resources/Shipped").path)
        return folders
    }
}
