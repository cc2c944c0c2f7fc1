public import Foundation
public import VkdynSchedule

/// A device's tuning as a small JSON file.
public struct TuningFile: Sendable {
    static let what = "a tuning"

    private struct Content: Codable {
        struct Choice: Codable {
            var call: Tuning.CallClass
            var variant: String
        }

        var choices: [Choice]
    }

    public var url: URL { file.url }
    private let file: MeasuredFile<Content>

    /// - Parameter device: whose tuning it must be.
    public init(url: URL, device: DeviceDescription) {
        file = MeasuredFile(url: url, device: device, what: Self.what, version: 1, command: "vkdyn bench --tune")
    }

    /// The tuning; an empty one where there is no file. A file that is not what it should be is passed over, with a
    /// line that says why: tuning only saves time.
    public func read() -> (tuning: Tuning, note: String?) {
        let (content, note) = file.read()
        var tuning = Tuning()
        for choice in content?.choices ?? [] { tuning[choice.call] = choice.variant }
        return (tuning, note)
    }

    /// Adds to what the file holds.
    /// - Returns: all of it.
    @discardableResult
    public func add(_ tuning: Tuning) throws(CacheFileError) -> Tuning {
        let all = read().tuning.merged(with: tuning)
        try file.write(Content(choices: all.sorted.map { Content.Choice(call: $0.call, variant: $0.variant) }))
        return all
    }
}
