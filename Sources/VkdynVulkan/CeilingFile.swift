import Foundation
import VkdynCore
public import VkdynSchedule

/// A device's ceilings as a small JSON file.
struct CeilingFile: Sendable {
    static let what = "ceilings"

    private struct Content: Codable {
        var ceilings: CeilingFigures
        /// Of the host, whose speed is in all of a CPU device's figures and in some of a GPU's. A driver on the CPU
        /// names itself alike on every machine.
        var processorCount: Int
    }

    let url: URL
    private let file: MeasuredFile<Content>
    private let processorCount: Int

    /// - Parameters:
    ///   - device: whose ceilings they must be.
    ///   - processorCount: of the host.
    init(
        url: URL, device: DeviceDescription, processorCount: Int = ProcessInfo.processInfo.activeProcessorCount
    ) {
        self.url = url
        self.processorCount = processorCount
        // The version is that of how the figures are measured, too.
        file = MeasuredFile(
            url: url, device: device, what: Self.what, version: 1, command: "vkdyn profile ceilings --refresh")
    }

    /// The figures; nil where there is no file, and where it is not what it should be, with a line that says why.
    func read() -> (ceilings: CeilingFigures?, note: String?) {
        let (content, note) = file.read { content in
            if content.processorCount != processorCount {
                return "ceilings of a machine with \(content.processorCount) processors, not \(processorCount)"
            }
            return content.ceilings.flaw
        }
        return (content?.ceilings, note)
    }

    func write(_ ceilings: CeilingFigures) throws(CacheFileError) {
        try file.write(Content(ceilings: ceilings, processorCount: processorCount))
    }
}

extension VulkanDevice {
    private var ceilingFile: CeilingFile? {
        CacheFile.url(device.physical, suffix: "ceilings.json").map { CeilingFile(url: $0, device: description) }
    }

    /// What `vkdyn profile ceilings` has measured on this device with this driver; nil where nothing usable is kept,
    /// with a line that says why where there is a file.
    public func keptCeilings() -> (ceilings: CeilingFigures?, note: String?) { ceilingFile?.read() ?? (nil, nil) }

    /// Where they are kept; nil where the user has no cache folder.
    public var ceilingPath: String? { ceilingFile?.url.path }

    /// Keeps figures in the user's cache folder for this device and driver.
    public func keep(_ ceilings: CeilingFigures) throws(CacheFileError) {
        guard let ceilingFile else { throw CacheFileError(what: CeilingFile.what, path: nil) }
        try ceilingFile.write(ceilings)
    }
}
