import VkdynFormats

@testable import VkdynImage

/// What the fuzz target under `Tests/Fuzz` and the mutation test run: arbitrary bytes as a picture's file.
///
/// The reader may refuse them with a one-line error. Whatever it accepts is drawn into a model's input and written
/// again; a broken promise traps, which libFuzzer and the tests both report.
enum ImageFuzzTarget {
    /// Small, so that a run is fast; larger pictures meet the same code.
    static let sideLimit = 256

    static func image(_ bytes: UnsafeRawBufferPointer) {
        read(bytes)
        // Damage within a PNG's chunk is found by its checksum; with the checksum mended it goes further.
        var mended = Array(bytes)
        guard mendChecksums(&mended) else { return }
        mended.withUnsafeBytes(read)
    }

    private static func read(_ bytes: UnsafeRawBufferPointer) {
        let image: Image
        do {
            image = try Image(path: "f", bytes: bytes, sideLimit: sideLimit)
        } catch {
            let text = error.description
            precondition(text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value < 0x7F || $0 == "×" }, text)
            precondition(text.utf8.count < 400, text)
            return
        }
        precondition((1...sideLimit).contains(image.width) && (1...sideLimit).contains(image.height), "a wrong side")
        let preprocessing = ImagePreprocessing(
            resizing: .shorterSide(9), filter: .bicubic, crop: .init(width: 8, height: 8, centering: .nearestEven))
        precondition(preprocessing.tensor(of: image).values.allSatisfy { (0...1).contains($0) }, "a wild value")
        do {
            let again = try image.withPNG(path: "f", texts: []) { (written) throws(FormatError) in
                try Image(path: "f", bytes: written)
            }
            precondition(again == image, "another picture was written")
        } catch {
            preconditionFailure("\(error)")
        }
    }

    /// Sets the checksum of every whole chunk; false when the bytes are no PNG file.
    static func mendChecksums(_ bytes: inout [UInt8]) -> Bool {
        guard bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) else { return false }
        var start = 8
        while start + 12 <= bytes.count {
            let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
            guard length <= bytes.count - start - 12 else { break }
            let end = start + 8 + length
            let checksum = checksum(bytes[start + 4..<end])
            for index in 0..<4 { bytes[end + index] = UInt8(truncatingIfNeeded: checksum >> UInt32(24 - 8 * index)) }
            start = end + 4
        }
        return true
    }

    /// CRC-32, as PNG's specification has it.
    static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        ~bytes.reduce(0xFFFF_FFFF) { sum, byte in sum >> 8 ^ checksumTable[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] }
    }

    private static let checksumTable: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ value >> 1 : value >> 1 }
    }
}
