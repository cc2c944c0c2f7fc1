/// SentencePiece's map from strings to what stands for them, `precompiled_charsmap` of tokenizer.json: a double-array
/// trie (Aoe, IEEE Transactions on Software Engineering 15(9), 1989) of UTF-8 whose values are offsets into texts that
/// end with a zero byte. The file is base64 of the trie's size in bytes, the trie, and the texts.
struct CharacterMap: Sendable {
    /// A unit has a label in its low byte (of a value: bit 31), bit 8 where a value hangs below it, and above that the
    /// offset to its children, in steps of 256 where bit 9 is set.
    private let units: [UInt32]
    private let texts: [UInt8]

    /// - Returns: nil for bytes that are no such map.
    init?(_ bytes: [UInt8]) {
        func word(_ index: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[index * 4 + $1]) << UInt32($1 * 8) }
        }
        guard bytes.count >= 4 else { return nil }
        let size = Int(word(0))
        guard size > 0, size % 4 == 0, size <= bytes.count - 4 else { return nil }
        units = (1...size / 4).map(word)
        texts = Array(bytes[(4 + size)...])
        guard texts.withUnsafeBufferPointer({ firstInvalidUTF8Offset(in: $0) == nil }) else { return nil }
    }

    /// Well-formed UTF-8 with every character replaced that the map has, as Hugging Face tokenizers does it: a grapheme
    /// cluster shorter than six bytes by what stands for its shortest beginning that the map has, else scalar by
    /// scalar.
    func normalize(_ text: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(text.count)
        for character in String(decoding: text, as: UTF8.self) {
            let cluster = Array(character.utf8)
            cluster.withUnsafeBufferPointer { cluster in
                if cluster.count < 6, let replacement = replacement(of: cluster) {
                    out.append(contentsOf: texts[replacement])
                    return
                }
                var index = 0
                while index < cluster.count {
                    let scalar = UnsafeBufferPointer(
                        rebasing: cluster[index..<index + scalar(in: cluster, at: index).length])
                    index += scalar.count
                    if let replacement = replacement(of: scalar) {
                        out.append(contentsOf: texts[replacement])
                    } else {
                        out.append(contentsOf: scalar)
                    }
                }
            }
        }
        return out
    }

    /// Where in `texts` what stands for the shortest beginning of `key` is that has something; nil where none has.
    private func replacement(of key: UnsafeBufferPointer<UInt8>) -> Range<Int>? {
        var place = Self.offset(units[0])
        for byte in key where byte != 0 {
            place ^= Int(byte)
            // A damaged map may lead anywhere.
            guard place < units.count else { return nil }
            let unit = units[place]
            guard unit & 0x8000_00FF == UInt32(byte) else { return nil }
            place ^= Self.offset(unit)
            guard unit & 0x100 != 0 else { continue }
            guard place < units.count else { return nil }
            let start = Int(units[place] & 0x7FFF_FFFF)
            guard start < texts.count, texts[start] & 0xC0 != 0x80 else { return nil }
            return start..<(texts[start...].firstIndex(of: 0) ?? texts.count)
        }
        return nil
    }

    private static func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << (unit & 0x200 == 0 ? 0 : 8) }
}

/// The bytes that base64 with its padding (RFC 4648, section 4) stands for; nil for anything else.
func base64Bytes(_ text: String) -> [UInt8]? {
    let characters = Array(text.utf8)
    guard characters.count % 4 == 0 else { return nil }
    let padding = characters.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
    var out: [UInt8] = []
    out.reserveCapacity(characters.count / 4 * 3)
    var bits: UInt32 = 0
    for (index, character) in characters.dropLast(padding).enumerated() {
        let value: UInt8
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): value = 62
        case UInt8(ascii: "/"): value = 63
        default: return nil
        }
        bits = bits << 6 | UInt32(value)
        // Of four characters the first gives no byte, each further one the next eight bits.
        if index % 4 > 0 { out.append(UInt8(truncatingIfNeeded: bits >> UInt32(6 - index % 4 * 2))) }
    }
    return out
}
