internal import CImageCodecs
public import VkdynFormats

extension Image {
    /// Reads a PNG or JPEG file, told apart by content, and turns it upright as its Exif orientation says.
    ///
    /// The pixels are those that Pillow gives by `ImageOps.exif_transpose(Image.open(path)).convert("RGB")`: alpha and
    /// transparent colours are dropped, not blended; of 16 bits the upper 8 are kept, but 16-bit grey without alpha is
    /// clipped at 255; CMYK is taken as Adobe writes it, inverted. Throws when the file cannot be read, is no PNG or JPEG, ends early, is damaged, or has a side above
    /// `sideLimit`.
    public init(path: String) throws(FormatError) {
        let file = try MappedFile(path: path)
        self = try file.withUnsafeBytes { (bytes) throws(FormatError) in try Image(path: path, bytes: bytes) }
    }

    /// Reads `bytes` as the contents of the file `path`, which appears in messages only.
    public init(path: String, bytes: UnsafeRawBufferPointer) throws(FormatError) {
        try self.init(path: path, bytes: bytes, sideLimit: Self.sideLimit)
    }

    /// Reads with a limit of its own, at most `Image.sideLimit`.
    init(path: String, bytes: UnsafeRawBufferPointer, sideLimit: Int) throws(FormatError) {
        let format = FileFormat(bytes)
        var decoded = image_codec_image()
        defer { image_codec_release(&decoded) }
        let contents = bytes.bindMemory(to: UInt8.self).baseAddress
        let status: image_codec_status
        switch format {
        case .png: status = image_codec_decode_png(contents, bytes.count, UInt32(sideLimit), &decoded)
        case .jpeg: status = image_codec_decode_jpeg(contents, bytes.count, UInt32(sideLimit), &decoded)
        case .other(let kind): throw FormatError(file: path, problem: "is \(kind); expected a PNG or JPEG image")
        }
        let width = Int(decoded.width)
        let height = Int(decoded.height)
        switch status {
        case image_codec_success: break
        case image_codec_truncated: throw FormatError(file: path, problem: "the \(format) image ends early")
        case image_codec_too_large:
            throw FormatError(
                file: path, problem: "is \(width)×\(height) pixels; expected at most \(sideLimit) a side")
        case image_codec_out_of_memory:
            throw FormatError(file: path, problem: "no memory for its \(width)×\(height) pixels")
        default:
            throw FormatError(file: path, problem: "is a damaged \(format) image: \(decoded.text)")
        }
        let exif = UnsafeRawBufferPointer(start: decoded.exif, count: decoded.exif_count)
        let pixels = UnsafeRawBufferPointer(start: decoded.pixels, count: width * height * 3)
        let orientation = Orientation(exif: exif) ?? .upright
        self = Image(width: width, height: height, pixels: Array(pixels)).oriented(orientation)
    }
}

extension image_codec_image {
    /// The codec's message.
    fileprivate var text: String {
        withUnsafeBytes(of: message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// What a file holds, by its first bytes.
private enum FileFormat: CustomStringConvertible {
    case png, jpeg
    /// Anything that is not read, in words: "a WebP image".
    case other(String)

    /// A format, by what stands in a file from an offset on.
    private static let signatures: [(offset: Int, bytes: String, format: FileFormat)] = [
        (0, "\u{89}PNG\r\n\u{1A}\n", .png),
        (0, "\u{FF}\u{D8}\u{FF}", .jpeg),
        (0, "GIF8", .other("a GIF image")),
        (8, "WEBP", .other("a WebP image")),
        (4, "ftyp", .other("a HEIF or AVIF image, or a film")),
        (0, "II*\0", .other("a TIFF image")),
        (0, "MM\0*", .other("a TIFF image")),
        (0, "BM", .other("a BMP image")),
    ]

    init(_ bytes: UnsafeRawBufferPointer) {
        let found = Self.signatures.first { offset, signature, _ in
            // One scalar a byte: "\r\n" is one character.
            bytes.dropFirst(offset).starts(with: signature.unicodeScalars.map { UInt8($0.value) })
        }
        self = found?.format ?? .other(bytes.isEmpty ? "empty" : "not an image")
    }

    var description: String {
        switch self {
        case .png: "PNG"
        case .jpeg: "JPEG"
        case .other(let kind): kind
        }
    }
}
