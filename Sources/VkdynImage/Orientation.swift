/// How a stored picture is turned to be looked at: Exif's tag 274, with its numbers (Exif 2.32, section 4.6.4 A).
enum Orientation: Int, CaseIterable {
    case upright = 1
    case mirrored
    case halfTurn
    case flipped
    /// Rows and columns exchanged.
    case transposed
    /// A quarter turn clockwise.
    case clockwise
    /// Rows and columns exchanged about the other diagonal.
    case transversed
    /// A quarter turn counterclockwise.
    case counterclockwise

    /// Whether width and height change places.
    var exchangesSides: Bool { rawValue >= Orientation.transposed.rawValue }

    /// The orientation that an Exif block states in its first directory, or nil when it states none that is known. A
    /// damaged block states none: the picture itself is good.
    init?(exif: UnsafeRawBufferPointer) {
        guard let tiff = TIFFReader(exif), let directory = tiff.word(4), let count = tiff.half(directory) else {
            return nil
        }
        for entry in 0..<count {
            let start = directory + 2 + 12 * entry
            guard let tag = tiff.half(start), let type = tiff.half(start + 2), let values = tiff.word(start + 4) else {
                return nil
            }
            guard tag == 274 else { continue }
            // A single value stands in the entry itself, at its start.
            let value =
                switch type {
                case 1: tiff.byte(start + 8)
                case 3: tiff.half(start + 8)
                case 4: tiff.word(start + 8)
                default: Int?.none
                }
            guard values == 1, let value else { return nil }
            self.init(rawValue: value)
            return
        }
        return nil
    }
}

/// Integers at places in a TIFF structure, in its byte order.
private struct TIFFReader {
    private let bytes: UnsafeRawBufferPointer
    private let isBigEndian: Bool

    /// Nil unless the structure starts with a TIFF header.
    init?(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        if bytes.starts(with: [0x49, 0x49, 42, 0]) {
            isBigEndian = false
        } else if bytes.starts(with: [0x4D, 0x4D, 0, 42]) {
            isBigEndian = true
        } else {
            return nil
        }
    }

    func byte(_ offset: Int) -> Int? { offset < bytes.count ? Int(bytes[offset]) : nil }

    func half(_ offset: Int) -> Int? {
        guard offset + 2 <= bytes.count else { return nil }
        let value = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
        return Int(isBigEndian ? UInt16(bigEndian: value) : UInt16(littleEndian: value))
    }

    func word(_ offset: Int) -> Int? {
        guard offset + 4 <= bytes.count else { return nil }
        let value = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        return Int(isBigEndian ? UInt32(bigEndian: value) : UInt32(littleEndian: value))
    }
}

extension Image {
    /// The picture as it is to be looked at.
    func oriented(_ orientation: Orientation) -> Image {
        if orientation == .upright { return self }
        let (outWidth, outHeight) = orientation.exchangesSides ? (height, width) : (width, height)
        // Source pixel of (x, y): start + x · stepX + y · stepY, in pixels.
        let (right, down) = (width - 1, (height - 1) * width)
        let (start, stepX, stepY) =
            switch orientation {
            case .upright: (0, 1, width)
            case .mirrored: (right, -1, width)
            case .halfTurn: (down + right, -1, -width)
            case .flipped: (down, 1, -width)
            case .transposed: (0, width, 1)
            case .clockwise: (down, -width, 1)
            case .transversed: (down + right, -width, -1)
            case .counterclockwise: (right, width, -1)
            }
        let turned = [UInt8](unsafeUninitializedCapacity: pixels.count) { target, count in
            pixels.withUnsafeBufferPointer { source in
                var index = 0
                for y in 0..<outHeight {
                    for x in 0..<outWidth {
                        let pixel = 3 * (start + x * stepX + y * stepY)
                        target[index] = source[pixel]
                        target[index + 1] = source[pixel + 1]
                        target[index + 2] = source[pixel + 2]
                        index += 3
                    }
                }
            }
            count = pixels.count
        }
        return Image(width: outWidth, height: outHeight, pixels: turned)
    }
}
