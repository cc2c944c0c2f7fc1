public import Foundation
public import VkdynCore
public import VkdynSchedule

/// A device's tuning as a small JSON file.
public struct TuningFile: Sendable {
    public let url: URL
    /// Whose tuning it must be.
    public let device: DeviceDescription

    private static let version = 1
    private static let largestByteCount = 4 << 20

    private struct Content: Codable {
        struct Choice: Codable {
            var call: Tuning.CallClass
            var variant: String
        }

        var version: Int
        var device: String
        var driver: String
        var choices: [Choice]
    }

    public init(url: URL, device: DeviceDescription) {
        self.url = url
        self.device = device
    }

    /// The tuning; an empty one where there is no file. A file that is not what it should be is passed over, with a
    /// line that says why: tuning only saves time.
    public func read() -> (tuning: Tuning, note: String?) {
        guard let data = try? Data(contentsOf: url) else { return (Tuning(), nil) }
        func passedOver(_ reason: String) -> (Tuning, String?) {
            (Tuning(), "\(url.path): \(reason); passed over, vkdyn bench --tune writes a new one")
        }
        guard data.count <= Self.largestByteCount else { return passedOver("too long for a tuning") }
        struct Head: Decodable { var version: Int }
        guard let head = try? JSONDecoder().decode(Head.self, from: data) else { return passedOver("not a tuning") }
        guard head.version == Self.version else {
            return passedOver("a tuning of version \(head.version), not \(Self.version)")
        }
        guard let content = try? JSONDecoder().decode(Content.self, from: data) else {
            return passedOver("not a tuning of version \(Self.version)")
        }
        guard content.device == device.name, content.driver == device.driver else {
            return passedOver("the tuning of \(content.device) with \(content.driver)")
        }
        var tuning = Tuning()
        for choice in content.choices { tuning[choice.call] = choice.variant }
        return (tuning, nil)
    }

    /// Adds to what the file holds.
    /// - Returns: all of it.
    @discardableResult
    public func add(_ tuning: Tuning) throws(TuningFileError) -> Tuning {
        let all = read().tuning.merged(with: tuning)
        let content = Content(
            version: Self.version, device: device.name, driver: device.driver,
            choices: all.sorted.map { Content.Choice(call: $0.call, variant: $0.variant) })
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            try CacheFile.write(try encoder.encode(content), to: url)
        } catch {
            throw TuningFileError(path: url.path)
        }
        return all
    }
}

/// A tuning that cannot be kept.
public struct TuningFileError: UserFacingError, Equatable {
    /// Nil where the user has no cache folder.
    public let path: String?

    public var description: String {
        path.map { "\($0): cannot be written; set XDG_CACHE_HOME to a folder that can" }
            ?? "there is no cache folder to keep the tuning in; set XDG_CACHE_HOME"
    }
}
