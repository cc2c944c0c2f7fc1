internal import CImageCodecs
public import VkdynFormats

/// A text that a PNG file carries, such as what made the picture.
public struct PNGText: Sendable, Equatable {
    /// What the text is about: 1 to 79 letters of ASCII, no space at either end and no two in a row. "Software" and
    /// "Description" are among those that the PNG specification (third edition, section 11.3.3.1) names.
    public let keyword: String
    /// Any text without the character U+0000. Lines are separated by line feeds.
    public let text: String

    public init(keyword: String, text: String) {
        precondition((1...79).contains(keyword.utf8.count), "a keyword of the wrong length")
        precondition(keyword.utf8.allSatisfy { (32...126).contains($0) }, "a keyword outside of ASCII")
        precondition(
            keyword.split(separator: " ", omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty },
            "a keyword with spaces out of place")
        self.keyword = keyword
        self.text = text
    }
}

extension Image {
    /// Writes the picture as a PNG file, replacing what is there only when everything has been written. Throws when
    /// writing fails; then nothing is left behind. The same picture and texts give the same bytes with one version of
    /// libpng and zlib.
    public func writePNG(to path: String, texts: [PNGText] = []) throws(FormatError) {
        var file = try AtomicFile(path: path)
        try withPNG(path: path, texts: texts) { (bytes) throws(FormatError) in try file.write(bytes) }
        try file.commit()
    }

    /// The bytes of the PNG file; `path` appears in messages only.
    func withPNG<Result>(
        path: String, texts: [PNGText], _ body: (UnsafeRawBufferPointer) throws(FormatError) -> Result
    ) throws(FormatError) -> Result {
        guard let writer = image_codec_png_begin() else {
            throw FormatError(file: path, problem: "no memory to write it")
        }
        defer { image_codec_png_release(writer) }
        func require(_ status: image_codec_status) throws(FormatError) {
            switch status {
            case image_codec_success: break
            case image_codec_out_of_memory: throw FormatError(file: path, problem: "no memory to write it")
            default:
                let message = String(cString: image_codec_png_message(writer))
                throw FormatError(file: path, problem: "cannot be written as PNG: \(message)")
            }
        }
        for text in texts {
            guard !text.text.utf8.contains(0) else {
                throw FormatError(
                    file: path, field: text.keyword, problem: "holds the character U+0000, which PNG texts cannot")
            }
            try require(image_codec_png_add_text(writer, text.keyword, text.text))
        }
        var bytes: UnsafePointer<UInt8>?
        var count = 0
        try require(image_codec_png_finish(writer, pixels, UInt32(width), UInt32(height), &bytes, &count))
        return try body(UnsafeRawBufferPointer(start: bytes, count: count))
    }
}
