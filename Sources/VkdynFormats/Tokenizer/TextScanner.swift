/// The regular expressions of the supported tokenizers, as hand-written scanners.
///
/// A scanner knows one expression; others are refused when a tokenizer is read.
enum TextScanner: Sendable, CaseIterable {
    /// GPT-2, OPT: what ByteLevel splits with.
    case gpt2
    /// Llama 3, as tiktoken's cl100k_base: digits in groups of up to three.
    case llama3
    /// Qwen 2: as `llama3`, digits one by one.
    case qwen2
    /// CLIP: words, single digits and runs of other characters; white space is left out.
    case clip
    /// The same, with `<|startoftext|>` and `<|endoftext|>` in one piece.
    case clipWithSpecialTokens
    /// `\w+|[^\w\s]+`.
    case words
    /// One white-space character.
    case oneSpace
    /// One numeric character (Rust's `char::is_numeric`).
    case oneDigit
    /// `\s+`.
    case spaces

    /// The scanner of a regular expression, or nil when it is not one of those known.
    init?(regularExpression: String) {
        let contractions = "'s|'t|'re|'ve|'m|'ll|'d"
        let tail = #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
        let clip = #"|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"#
        switch regularExpression {
        case contractions + #"| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: self = .gpt2
        case "(?i:\(contractions))" + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"# + tail: self = .llama3
        case "(?i:\(contractions))" + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"# + tail: self = .qwen2
        case contractions + clip: self = .clip
        case #"<\|startoftext\|>|<\|endoftext\|>|"# + contractions + clip: self = .clipWithSpecialTokens
        case #"\w+|[^\w\s]+"#: self = .words
        case #"\s"#: self = .oneSpace
        case #"\s+"#: self = .spaces
        default: return nil
        }
    }

    /// The matches from left to right in well-formed UTF-8, none empty and none overlapping.
    func matches(in bytes: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
        var matches: [Range<Int>] = []
        matches.reserveCapacity(bytes.count / 4)
        let cursor = Cursor(bytes: bytes)
        var index = 0
        while index < bytes.count {
            let end = self.end(cursor, index)
            if end > index {
                matches.append(index..<end)
                index = end
            } else {
                index = cursor.next(index)
            }
        }
        return matches
    }

    /// Where the match that begins at `index` ends; `index` itself when there is none.
    private func end(_ cursor: Cursor, _ index: Int) -> Int {
        switch self {
        case .gpt2: return gpt2End(cursor, index)
        case .llama3: return cl100kEnd(cursor, index, digitLimit: 3)
        case .qwen2: return cl100kEnd(cursor, index, digitLimit: 1)
        case .clip: return clipEnd(cursor, index)
        case .clipWithSpecialTokens:
            for token in ["<|startoftext|>", "<|endoftext|>"] where cursor.begins(index, with: token) {
                return index + token.utf8.count
            }
            return clipEnd(cursor, index)
        case .words:
            let flags = cursor.flags(index)
            if flags.contains(.word) { return cursor.run(index) { $0.contains(.word) } }
            return cursor.run(index) { $0.isDisjoint(with: [.word, .space]) }
        case .oneSpace: return cursor.flags(index).contains(.space) ? cursor.next(index) : index
        case .oneDigit: return cursor.flags(index).contains(.numeric) ? cursor.next(index) : index
        case .spaces: return cursor.run(index) { $0.contains(.space) }
        }
    }

    private func gpt2End(_ cursor: Cursor, _ index: Int) -> Int {
        if let end = cursor.contraction(index, ignoresCase: false) { return end }
        // An optional space goes with what follows it, unless that is white space.
        var start = index
        if cursor.byte(index) == 0x20, index + 1 < cursor.count, !cursor.flags(index + 1).contains(.space) {
            start = index + 1
        }
        let flags = cursor.flags(start)
        if flags.contains(.letter) { return cursor.run(start) { $0.contains(.letter) } }
        if flags.contains(.number) { return cursor.run(start) { $0.contains(.number) } }
        if !flags.contains(.space) {
            return cursor.run(start) { $0.isDisjoint(with: [.letter, .number, .space]) }
        }
        return cursor.spacesEnd(index)
    }

    private func clipEnd(_ cursor: Cursor, _ index: Int) -> Int {
        if let end = cursor.contraction(index, ignoresCase: false) { return end }
        let flags = cursor.flags(index)
        if flags.contains(.letter) { return cursor.run(index) { $0.contains(.letter) } }
        if flags.contains(.number) { return cursor.next(index) }
        return cursor.run(index) { $0.isDisjoint(with: [.letter, .number, .space]) }
    }

    /// The expression of `llama3` and `qwen2`, whose digits come in groups of up to `digitLimit`.
    private func cl100kEnd(_ cursor: Cursor, _ index: Int, digitLimit: Int) -> Int {
        if let end = cursor.contraction(index, ignoresCase: true) { return end }
        let flags = cursor.flags(index)
        let byte = cursor.byte(index)
        // [^\r\n\p{L}\p{N}]?\p{L}+
        if flags.contains(.letter) { return cursor.run(index) { $0.contains(.letter) } }
        if !flags.contains(.number), byte != 0x0A, byte != 0x0D {
            let next = cursor.next(index)
            if next < cursor.count, cursor.flags(next).contains(.letter) {
                return cursor.run(next) { $0.contains(.letter) }
            }
        }
        if flags.contains(.number) {
            var end = index
            var digits = 0
            while end < cursor.count, digits < digitLimit, cursor.flags(end).contains(.number) {
                end = cursor.next(end)
                digits += 1
            }
            return end
        }
        // " ?[^\s\p{L}\p{N}]+[\r\n]*"
        let start = byte == 0x20 ? index + 1 : index
        var end = cursor.run(start) { $0.isDisjoint(with: [.letter, .number, .space]) }
        if end > start {
            while end < cursor.count, cursor.byte(end) == 0x0A || cursor.byte(end) == 0x0D { end += 1 }
            return end
        }
        // "\s*[\r\n]+": up to the last line break of the white space.
        let spacesEnd = cursor.run(index) { $0.contains(.space) }
        var last = spacesEnd
        while last > index, cursor.byte(last - 1) != 0x0A, cursor.byte(last - 1) != 0x0D { last -= 1 }
        return last > index ? last : cursor.spacesEnd(index)
    }
}

/// Looks at well-formed UTF-8 by byte index.
private struct Cursor {
    let bytes: UnsafeBufferPointer<UInt8>
    private let classes = UnicodeClasses.shared

    init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    var count: Int { bytes.count }

    @inline(__always) func byte(_ index: Int) -> UInt8 { bytes[index] }

    /// The classes of the scalar at `index`.
    @inline(__always)
    func flags(_ index: Int) -> UnicodeClasses.Flags { classes.flags(scalar(in: bytes, at: index).value) }

    /// The index of the next scalar.
    @inline(__always)
    func next(_ index: Int) -> Int { index + scalar(in: bytes, at: index).length }

    /// Whether `text` is at `index`.
    func begins(_ index: Int, with text: String) -> Bool {
        bytes[index...].starts(with: text.utf8)
    }

    /// Where the run of scalars whose classes satisfy `condition` ends.
    @inline(__always)
    func run(_ index: Int, _ condition: (UnicodeClasses.Flags) -> Bool) -> Int {
        var index = index
        while index < count {
            let (value, length) = scalar(in: bytes, at: index)
            if !condition(classes.flags(value)) { break }
            index += length
        }
        return index
    }

    /// `\s+(?!\S)|\s+`: all white space, but for the last character of it when something follows.
    func spacesEnd(_ index: Int) -> Int {
        let end = run(index) { $0.contains(.space) }
        if end == count || end == index { return end }
        let last = scalarStart(in: bytes, before: end)
        return last > index ? last : end
    }

    /// `'s|'t|'re|'ve|'m|'ll|'d`.
    func contraction(_ index: Int, ignoresCase: Bool) -> Int? {
        guard bytes[index] == UInt8(ascii: "'"), index + 1 < count else { return nil }
        func letter(_ index: Int) -> UInt8 {
            guard index < count else { return 0 }
            let byte = bytes[index]
            return ignoresCase && (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
        }
        switch (letter(index + 1), letter(index + 2)) {
        case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _):
            return index + 2
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return index + 3
        case (0xC5, 0xBF) where ignoresCase:
            return index + 3  // U+017F, the long s, folds to s
        default: return nil
        }
    }
}
