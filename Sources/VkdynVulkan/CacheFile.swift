import Foundation

/// Files in the user's cache folder that belong to one device with one version of its driver.
enum CacheFile {
    /// Nil where there is no such folder.
    static func url(_ device: PhysicalDevice, suffix: String) -> URL? {
        let environment = ProcessInfo.processInfo.environment
        // The XDG specification ignores paths that are not absolute.
        let base = environment["XDG_CACHE_HOME"].flatMap { $0.hasPrefix("/") ? URL(fileURLWithPath: $0) : nil }
            ?? environment["HOME"].map { URL(fileURLWithPath: $0).appendingPathComponent(".cache") }
        let uuid = withUnsafeBytes(of: device.properties.pipelineCacheUUID) { bytes in
            bytes.map { byte in
                let text = String(byte, radix: 16)
                return text.count == 1 ? "0" + text : text
            }.joined()
        }
        let properties = device.properties
        let name = "\(properties.vendorID)-\(properties.deviceID)-\(properties.driverVersion)-\(uuid).\(suffix)"
        return base?.appendingPathComponent("vkdyn").appendingPathComponent(name)
    }

    /// Beside its place, then renamed, so that the file is never half there.
    static func write(_ data: Data, to file: URL) throws {
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try data.write(to: file, options: .atomic)
    }
}
