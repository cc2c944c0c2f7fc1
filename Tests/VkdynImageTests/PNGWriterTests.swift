import TestSupport
import Testing
import VkdynFormats

@testable import VkdynImage

@Suite struct PNGWriterTests {
    private let image = Image(
        width: 37, height: 23, pixels: (0..<37 * 23 * 3).map { UInt8(truncatingIfNeeded: $0 &* $0) })

    @Test func whatIsWrittenIsReadBack() throws {
        let folder = try TemporaryFolder()
        try image.writePNG(to: folder.path + "/a.png")
        #expect(try Image(path: folder.path + "/a.png") == image)
        #expect(try folder.contents() == ["a.png"])
    }

    @Test func theSamePictureGivesTheSameBytes() throws {
        let folder = try TemporaryFolder()
        let texts = [PNGText(keyword: "Software", text: "vkdyn"), PNGText(keyword: "seed", text: "7")]
        try image.writePNG(to: folder.path + "/a.png", texts: texts)
        try image.writePNG(to: folder.path + "/b.png", texts: texts)
        #expect(try folder.read("a.png") == folder.read("b.png"))
    }

    @Test func textsAreInTheirChunks() throws {
        let folder = try TemporaryFolder()
        try image.writePNG(
            to: folder.path + "/a.png",
            texts: [
                PNGText(keyword: "Description", text: "two\nlines"), PNGText(keyword: "empty", text: ""),
                PNGText(keyword: "prompt", text: "ein Bär, 熊"),
            ])
        let chunks = try chunks(folder.read("a.png"))
        #expect(
            chunks.filter { $0.type == "tEXt" }.map(\.data)
                == [Array("Description\0two\nlines".utf8), Array("empty\0".utf8)])
        // Keyword, not compressed, no language, no translated keyword, text.
        #expect(chunks.filter { $0.type == "iTXt" }.map(\.data) == [Array("prompt\0\0\0\0\0ein Bär, 熊".utf8)])
        #expect(try Image(path: folder.path + "/a.png") == image)
    }

    @Test func aFailedWriteLeavesWhatWasThere() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("a.png", "before")
        #expect(
            throws: FormatError(
                file: path, field: "prompt", problem: "holds the character U+0000, which PNG texts cannot")
        ) {
            try image.writePNG(to: path, texts: [PNGText(keyword: "prompt", text: "a\0b")])
        }
        #expect(try folder.read("a.png") == Array("before".utf8))
        #expect(try folder.contents() == ["a.png"])
        #expect(throws: FormatError(file: folder.path + "/no/a.png", problem: "its folder does not exist")) {
            try image.writePNG(to: folder.path + "/no/a.png")
        }
    }

    private func chunks(_ bytes: [UInt8]) throws -> [(type: String, data: [UInt8])] {
        var chunks: [(String, [UInt8])] = []
        var start = 8
        while start < bytes.count {
            let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
            let body = Array(bytes[start + 4..<start + 8 + length])
            #expect(
                bytes[start + 8 + length..<start + 12 + length].reduce(0) { $0 << 8 | UInt32($1) }
                    == ImageFuzzTarget.checksum(body[...]))
            chunks.append((String(decoding: body.prefix(4), as: UTF8.self), Array(body.dropFirst(4))))
            start += 12 + length
        }
        return chunks
    }
}
