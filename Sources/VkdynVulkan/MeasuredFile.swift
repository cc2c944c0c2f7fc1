import Foundation
public import VkdynCore
import VkdynSchedule

/// What was measured on one device with one version of its driver, as a small JSON file that names both beside it.
struct MeasuredFile<Content: Codable & Sendable>: Sendable {
    let url: URL
    let device: DeviceDescription
    /// What the content is, in a noun: `tuning`.
    let what: String
    /// Files of other versions are passed over.
    let version: Int
    /// The command that writes a new one.
    let command: String

    private struct Head: Decodable { var version: Int }

    private struct Owner: Codable {
        var version: Int
        var device: String
        var driver: String
    }

    private struct Document: Codable {
        var owner: Owner
        var content: Content

        init(owner: Owner, content: Content) {
            self.owner = owner
            self.content = content
        }

        init(from decoder: any Decoder) throws {
            owner = try Owner(from: decoder)
            content = try Content(from: decoder)
        }

        func encode(to encoder: any Encoder) throws {
            try owner.encode(to: encoder)
            try content.encode(to: encoder)
        }
    }

    /// The content; nil where there is no file. A file that is not what it should be is passed over, with a line that
    /// says why: it can be measured again.
    /// - Parameter flaw: why this content is of no use, or nil.
    func read(flaw: (Content) -> String? = { _ in nil }) -> (content: Content?, note: String?) {
        guard let data = try? Data(contentsOf: url) else { return (nil, nil) }
        func passedOver(_ reason: String) -> (Content?, String?) {
            (nil, "\(url.path): \(reason); passed over, \(command) writes a new one")
        }
        guard data.count <= 4 << 20 else { return passedOver("too long for \(what)") }
        guard let head = try? JSONDecoder().decode(Head.self, from: data) else { return passedOver("not \(what)") }
        guard head.version == version else { return passedOver("\(what) of version \(head.version), not \(version)") }
        guard let document = try? JSONDecoder().decode(Document.self, from: data) else {
            return passedOver("not \(what) of version \(version)")
        }
        guard document.owner.device == device.name, document.owner.driver == device.driver else {
            return passedOver("\(what) of \(document.owner.device) with \(document.owner.driver)")
        }
        if let flaw = flaw(document.content) { return passedOver(flaw) }
        return (document.content, nil)
    }

    /// Takes the place of what the file held.
    func write(_ content: Content) throws(CacheFileError) {
        let owner = Owner(version: version, device: device.name, driver: device.driver)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            try CacheFile.write(try encoder.encode(Document(owner: owner, content: content)), to: url)
        } catch {
            throw CacheFileError(what: what, path: url.path)
        }
    }
}

/// Something measured that cannot be kept.
public struct CacheFileError: UserFacingError, Equatable {
    let what: String
    /// Nil where the user has no cache folder.
    public let path: String?

    public var description: String {
        path.map { "\($0): cannot be written; set XDG_CACHE_HOME to a folder that can" }
            ?? "there is no cache folder to keep \(what) in; set XDG_CACHE_HOME"
    }
}
