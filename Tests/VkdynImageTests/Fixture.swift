import Foundation
import VkdynFormats

@testable import VkdynImage

/// The pictures that `tools/fixtures/images.py` wrote, and what Pillow makes of them.
enum Fixture {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures"

    /// The pictures' file names.
    static let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
        .filter { $0.hasSuffix(".png") || $0.hasSuffix(".jpg") }

    static func bytes(_ name: String) throws -> [UInt8] {
        try MappedFile(path: folder + "/" + name).withUnsafeBytes { Array($0) }
    }

    /// Reads bytes as a file called `f`.
    static func read(_ bytes: [UInt8]) throws(FormatError) -> Image {
        try bytes.withUnsafeBufferPointer { (bytes) throws(FormatError) in
            try Image(path: "f", bytes: UnsafeRawBufferPointer(bytes))
        }
    }

    /// What is said about bytes that are refused; nil when they are read.
    static func problem(_ bytes: [UInt8]) -> String? {
        do {
            _ = try read(bytes)
            return nil
        } catch {
            return error.description
        }
    }
}
