import Foundation
import TestSupport
import Testing
import VkdynFormats

@testable import VkdynImage

/// What is no picture, or no good one, is refused in one line that names the file.
@Suite struct ImageReaderTests {
    @Test(arguments: [
        ("", "f: is empty; expected a PNG or JPEG image"),
        ("no picture at all", "f: is not an image; expected a PNG or JPEG image"),
        ("GIF89a", "f: is a GIF image; expected a PNG or JPEG image"),
        ("RIFF....WEBPVP8 ", "f: is a WebP image; expected a PNG or JPEG image"),
        ("....ftypheic", "f: is a HEIF or AVIF image, or a film; expected a PNG or JPEG image"),
        ("II*\0....", "f: is a TIFF image; expected a PNG or JPEG image"),
        ("BM......", "f: is a BMP image; expected a PNG or JPEG image"),
    ]) func otherFilesAreNamed(contents: String, problem: String) {
        #expect(Fixture.problem(Array(contents.utf8)) == problem)
    }

    @Test(arguments: ["rgb8.png", "palette4_interlaced.png", "ycc420.jpg", "ycc420_progressive.jpg", "cmyk.jpg"])
    func aFileThatEndsEarlyIsRefusedAtEveryLength(name: String) throws {
        let bytes = try Fixture.bytes(name)
        let format = name.hasSuffix(".png") ? "PNG" : "JPEG"
        for count in 0..<bytes.count {
            let problem = try #require(Fixture.problem(Array(bytes[..<count])), "\(count) bytes")
            // From the format's first bytes on it is known for what it is.
            if count >= 8 { #expect(problem == "f: the \(format) image ends early", "\(count) bytes") }
        }
        #expect(Fixture.problem(bytes) == nil)
    }

    @Test func aWrongChecksumIsRefused() throws {
        var bytes = try Fixture.bytes("rgb8.png")
        bytes[bytes.count / 2] ^= 1
        #expect(Fixture.problem(bytes) == "f: is a damaged PNG image: IDAT: CRC error")
    }

    @Test func aJPEGOfAnUnknownKindIsRefused() throws {
        var bytes = try Fixture.bytes("ycc420.jpg")
        let frame = try #require(bytes.indices.dropLast().first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 })
        bytes[frame + 1] = 0xC5
        let problem = try #require(Fixture.problem(bytes))
        #expect(problem.hasPrefix("f: is a damaged JPEG image: Unsupported JPEG process"))
    }

    /// The sides are refused before memory for them is taken, though the rest of the file is missing.
    @Test(arguments: [(20_000, 100), (100, 20_000), (16_385, 16_385)])
    func aSideAboveTheLimitIsRefused(width: Int, height: Int) throws {
        let problem = "f: is \(width)×\(height) pixels; expected at most 16384 a side"
        var png = Array(try Fixture.bytes("rgb8.png"))
        for (offset, side) in [(16, width), (20, height)] {
            for index in 0..<4 { png[offset + index] = UInt8(truncatingIfNeeded: side >> (24 - 8 * index)) }
        }
        #expect(ImageFuzzTarget.mendChecksums(&png))
        #expect(Fixture.problem(png) == problem)

        var jpeg = try Fixture.bytes("ycc420.jpg")
        let frame = try #require(jpeg.indices.dropLast().first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
        for (offset, side) in [(5, height), (7, width)] {
            jpeg[frame + offset] = UInt8(side >> 8)
            jpeg[frame + offset + 1] = UInt8(side & 255)
        }
        #expect(Fixture.problem(jpeg) == problem)
    }

    @Test func theLongestSideIsRead() throws {
        let image = Image(width: Image.sideLimit, height: 1, color: Color(red: 1, green: 2, blue: 3))
        let read = try image.withPNG(path: "f", texts: []) { (bytes) throws(FormatError) in
            try Image(path: "f", bytes: bytes)
        }
        #expect(read == image)
    }

    @Test func missingFilesAndFoldersAreNamed() throws {
        let folder = try TemporaryFolder()
        #expect(throws: FormatError(file: folder.path + "/no.png", problem: "no such file")) {
            try Image(path: folder.path + "/no.png")
        }
        #expect(throws: FormatError(file: folder.path, problem: "is a folder; expected a file")) {
            try Image(path: folder.path)
        }
    }

    /// A block that is cut or says something odd leaves the picture as it is stored.
    @Test func damagedExifIsNoOrientation() throws {
        let block: [UInt8] =
            [0x4D, 0x4D, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0]
        #expect(block.withUnsafeBytes { Orientation(exif: $0) } == .clockwise)
        for count in 0..<20 {
            #expect(block.prefix(count).withUnsafeBytes { Orientation(exif: $0) } == nil, "\(count) bytes")
        }
        for (index, value) in [(0, UInt8(0)), (4, 0x7F), (7, 200), (13, 5), (17, 2), (19, 9), (19, 0)] {
            var damaged = block
            damaged[index] = value
            #expect(damaged.withUnsafeBytes { Orientation(exif: $0) } == nil, "\(index)")
        }
    }

    @Test func noDamageTraps() throws {
        let files = try Fixture.names.filter { $0 != "large.jpg" && $0 != "tall.jpg" }.map(Fixture.bytes)
        var copies = DamagedCopies(of: files, seed: 20_261_122)
        copies.forEach(count: 4000, ImageFuzzTarget.image)
    }
}
