/// The offset of the first byte that is not part of well-formed UTF-8, or nil.
func firstInvalidUTF8Offset(in bytes: UnsafeBufferPointer<UInt8>) -> Int? {
    var index = 0
    while index < bytes.count {
        if bytes[index] < 0x80 {
            index += 1
            continue
        }
        let length = wellFormedLength(in: bytes, at: index)
        if length <= 0 { return index }
        index += length
    }
    return nil
}

/// The number of bytes of the well-formed scalar at `index`, or minus the number of bytes of the maximal
/// ill-formed part there (Unicode 3.9, table 3-7): what one U+FFFD stands for.
///
/// `isTruncated` is set when the part is ill-formed only because the bytes end.
func wellFormedLength(
    in bytes: UnsafeBufferPointer<UInt8>, at index: Int, isTruncated: UnsafeMutablePointer<Bool>? = nil
) -> Int {
    let lead = bytes[index]
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch lead {
    case 0x00...0x7F: return 1
    case 0xC2...0xDF: length = 2
    case 0xE0:
        length = 3
        second = 0xA0...0xBF
    case 0xED:
        length = 3
        second = 0x80...0x9F
    case 0xE1...0xEF: length = 3
    case 0xF0:
        length = 4
        second = 0x90...0xBF
    case 0xF4:
        length = 4
        second = 0x80...0x8F
    case 0xF1...0xF3: length = 4
    default: return -1
    }
    for step in 1..<length {
        guard index + step < bytes.count else {
            isTruncated?.pointee = true
            return -step
        }
        let allowed = step == 1 ? second : 0x80...0xBF
        if !allowed.contains(bytes[index + step]) { return -step }
    }
    return length
}

/// The scalar at `index` of well-formed UTF-8, and its number of bytes.
@inline(__always)
func scalar(in bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> (value: UInt32, length: Int) {
    let lead = UInt32(bytes[index])
    if lead < 0x80 { return (lead, 1) }
    @inline(__always) func tail(_ step: Int) -> UInt32 { UInt32(bytes[index + step]) & 0x3F }
    if lead < 0xE0 { return ((lead & 0x1F) << 6 | tail(1), 2) }
    if lead < 0xF0 { return ((lead & 0x0F) << 12 | tail(1) << 6 | tail(2), 3) }
    return ((lead & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), 4)
}

/// The index where the scalar that ends just before `index` begins, in well-formed UTF-8.
@inline(__always)
func scalarStart(in bytes: UnsafeBufferPointer<UInt8>, before index: Int) -> Int {
    var start = index - 1
    while start > 0, bytes[start] & 0xC0 == 0x80 { start -= 1 }
    return start
}

extension [UInt8] {
    /// Appends a Unicode scalar value as UTF-8.
    @inline(__always)
    mutating func appendUTF8(_ value: UInt32) {
        switch value {
        case 0..<0x80: append(UInt8(value))
        case 0x80..<0x800:
            append(UInt8(0xC0 | value >> 6))
            append(UInt8(0x80 | value & 0x3F))
        case 0x800..<0x10000:
            append(UInt8(0xE0 | value >> 12))
            append(UInt8(0x80 | value >> 6 & 0x3F))
            append(UInt8(0x80 | value & 0x3F))
        default:
            append(UInt8(0xF0 | value >> 18 & 0x07))
            append(UInt8(0x80 | value >> 12 & 0x3F))
            append(UInt8(0x80 | value >> 6 & 0x3F))
            append(UInt8(0x80 | value & 0x3F))
        }
    }
}
