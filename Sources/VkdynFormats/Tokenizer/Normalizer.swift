/// What happens to text before it is split: `normalizer` of tokenizer.json.
indirect enum Normalizer: Sendable {
    case sequence([Normalizer])
    case prepend([UInt8])
    case replace(TextPattern, with: [UInt8])
    case form(UnicodeNormalization.Form)
    case lowercase
    case strip(left: Bool, right: Bool)
    case stripAccents
    case byteLevel
    case precompiled(CharacterMap)

    /// The normalized text; both are well-formed UTF-8.
    func normalize(_ text: [UInt8]) -> [UInt8] {
        switch self {
        case .sequence(let normalizers): return normalizers.reduce(text) { $1.normalize($0) }
        case .prepend(let prefix): return text.isEmpty ? text : prefix + text
        case .replace(let pattern, let replacement): return pattern.replace(in: text, with: replacement)
        case .form(let form): return UnicodeNormalization.shared.normalize(text, to: form)
        case .lowercase:
            return mapped(text) { UnicodeClasses.shared.appendLowercase($0, to: &$1) }
        case .stripAccents:
            let classes = UnicodeClasses.shared
            return mapped(text) { if !classes.flags($0).contains(.combiningMark) { $1.appendUTF8($0) } }
        case .strip(let left, let right): return strip(text, left: left, right: right)
        case .byteLevel: return ByteLevelAlphabet.encode(text[...])
        case .precompiled(let map): return map.normalize(text)
        }
    }

    private func mapped(_ text: [UInt8], _ append: (UInt32, inout [UInt8]) -> Void) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(text.count)
        text.withUnsafeBufferPointer { bytes in
            var index = 0
            while index < bytes.count {
                let (value, length) = scalar(in: bytes, at: index)
                index += length
                append(value, &out)
            }
        }
        return out
    }

    private func strip(_ text: [UInt8], left: Bool, right: Bool) -> [UInt8] {
        text.withUnsafeBufferPointer { bytes in
            var start = 0
            var end = bytes.count
            if left { start = endOfSpaces(in: bytes, from: 0) }
            if right { end = startOfSpaces(in: bytes, before: bytes.count) }
            return start < end ? Array(bytes[start..<end]) : []
        }
    }
}

/// The index after the run of white space that begins at `index`.
func endOfSpaces(in bytes: UnsafeBufferPointer<UInt8>, from index: Int) -> Int {
    var index = index
    while index < bytes.count {
        let (value, length) = scalar(in: bytes, at: index)
        guard UnicodeClasses.shared.flags(value).contains(.space) else { break }
        index += length
    }
    return index
}

/// The index where the run of white space that ends at `index` begins, at least `first`.
func startOfSpaces(in bytes: UnsafeBufferPointer<UInt8>, before index: Int, notBefore first: Int = 0) -> Int {
    var index = index
    while index > first {
        let start = scalarStart(in: bytes, before: index)
        guard UnicodeClasses.shared.flags(scalar(in: bytes, at: start).value).contains(.space) else { break }
        index = start
    }
    return index
}

/// A pattern of `Replace` and `Split` that stands for fixed text, or for a run of one scalar.
struct LiteralPattern: Sendable, Equatable {
    /// What one match begins with; not empty.
    let text: [UInt8]
    /// Nil: `text` once. Otherwise at least this many times `text`, as many as there are: ` {2,}`.
    var minimumRepeats: Int?

    /// The matches from left to right, none overlapping.
    func matches(in bytes: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
        var matches: [Range<Int>] = []
        var index = 0
        while index + text.count <= bytes.count {
            let (end, isMatch) = match(in: bytes, at: index)
            if isMatch { matches.append(index..<end) }
            // A run that is too short is passed as a whole: its rest is shorter still.
            index = max(end, index + 1)
        }
        return matches
    }

    /// Where the repeats of `text` that begin at `index` end, and whether there are enough of them.
    private func match(in bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> (end: Int, isMatch: Bool) {
        var end = index
        var repeats = 0
        while end + text.count <= bytes.count, occurs(in: bytes, at: end) {
            end += text.count
            repeats += 1
            if minimumRepeats == nil { break }
        }
        return (end, repeats >= minimumRepeats ?? 1)
    }

    private func occurs(in bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> Bool {
        for offset in text.indices where bytes[index + offset] != text[offset] { return false }
        return true
    }
}

/// GPT-2's reversible map from bytes to printable characters.
enum ByteLevelAlphabet {
    /// The scalar that stands for each byte.
    static let scalars: [UInt32] = {
        var scalars: [UInt32] = []
        var next: UInt32 = 256
        for byte in UInt32(0)..<256 {
            if (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte) {
                scalars.append(byte)
            } else {
                scalars.append(next)
                next += 1
            }
        }
        return scalars
    }()

    /// The byte that each scalar stands for; nil for a scalar that is not in the alphabet.
    static let bytes: [UInt8?] = {
        var bytes = [UInt8?](repeating: nil, count: 512)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = UInt8(byte) }
        return bytes
    }()

    /// Every byte as its character.
    static func encode(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        append(text, to: &out)
        return out
    }

    static func append(_ text: ArraySlice<UInt8>, to out: inout [UInt8]) {
        for byte in text { out.appendUTF8(scalars[Int(byte)]) }
    }

    /// Appends the bytes that the characters of a token stand for, or those of the token itself when one is not
    /// in the alphabet.
    static func decode(_ token: UnsafeBufferPointer<UInt8>, into out: inout [UInt8]) {
        let start = out.count
        var index = 0
        while index < token.count {
            let (value, length) = scalar(in: token, at: index)
            index += length
            guard value < 512, let byte = bytes[Int(value)] else {
                out.removeSubrange(start...)
                out.append(contentsOf: token)
                return
            }
            out.append(byte)
        }
    }
}
