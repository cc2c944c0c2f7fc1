/// How normalized text is split into the words that the model sees: `pre_tokenizer` of tokenizer.json.
indirect enum PreTokenizer: Sendable {
    /// Where Metaspace puts its mark when the text does not begin with it.
    enum PrependScheme: String, Sendable, CaseIterable {
        case always, first, never
    }

    case sequence([PreTokenizer])
    case byteLevel(addsPrefixSpace: Bool, splits: Bool)
    case split(TextPattern, SplitBehavior, isInverted: Bool)
    case metaspace(mark: [UInt8], scheme: PrependScheme, splits: Bool)
    /// White space is dropped; words and runs of other characters are split.
    case whitespace
    /// White space is dropped.
    case whitespaceSplit
    case digits(isIndividual: Bool)

    /// Splits every piece of `text` further.
    func apply(to text: inout PreTokenizedText) {
        switch self {
        case .sequence(let parts):
            for part in parts { part.apply(to: &text) }
        case .byteLevel(let addsPrefixSpace, let splits):
            if addsPrefixSpace {
                text.rewrite { piece, _, out in
                    if piece.first != 0x20 { out.append(0x20) }
                    out.append(contentsOf: piece)
                }
            }
            if splits { text.split(.scanner(.gpt2), .isolated) }
            text.rewrite { piece, _, out in ByteLevelAlphabet.append(piece, to: &out) }
        case .split(let pattern, let behavior, let isInverted):
            text.split(pattern, behavior, isInverted: isInverted)
        case .metaspace(let mark, let scheme, let splits):
            let space = TextPattern.literal(LiteralPattern(text: [0x20]))
            text.rewrite { piece, isFirst, out in
                let marked = space.replace(in: Array(piece), with: mark)
                let prepends = scheme == .always || scheme == .first && isFirst
                if prepends, !marked.starts(with: mark) { out.append(contentsOf: mark) }
                out.append(contentsOf: marked)
            }
            if splits { text.split(.literal(LiteralPattern(text: mark)), .mergedWithNext) }
        case .whitespace: text.split(.scanner(.words), .removed, isInverted: true)
        case .whitespaceSplit: text.split(.scanner(.oneSpace), .removed)
        case .digits(let isIndividual):
            text.split(.scanner(.oneDigit), isIndividual ? .isolated : .contiguous)
        }
    }
}

/// What is looked for when text is split, or when parts of it are replaced.
enum TextPattern: Sendable {
    case literal(LiteralPattern)
    case scanner(TextScanner)

    func matches(in bytes: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
        switch self {
        case .literal(let pattern): pattern.matches(in: bytes)
        case .scanner(let scanner): scanner.matches(in: bytes)
        }
    }

    /// `source` with every match replaced.
    func replace(in source: [UInt8], with replacement: [UInt8]) -> [UInt8] {
        source.withUnsafeBufferPointer { bytes in
            let matches = matches(in: bytes)
            if matches.isEmpty { return source }
            var out: [UInt8] = []
            out.reserveCapacity(bytes.count)
            var end = 0
            for match in matches {
                out.append(contentsOf: bytes[end..<match.lowerBound])
                out.append(contentsOf: replacement)
                end = match.upperBound
            }
            out.append(contentsOf: bytes[end...])
            return out
        }
    }
}

/// What becomes of the matches when text is split.
enum SplitBehavior: String, Sendable, CaseIterable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"
}

/// Text in pieces, none of them empty.
struct PreTokenizedText {
    private(set) var bytes: [UInt8]
    private(set) var pieces: [Range<Int>]
    /// Whether the first piece is where the whole input begins.
    private(set) var beginsInput: Bool

    init(_ bytes: [UInt8], beginsInput: Bool) {
        self.bytes = bytes
        pieces = bytes.isEmpty ? [] : [0..<bytes.count]
        self.beginsInput = beginsInput
    }

    /// Replaces the text of every piece; `body` also gets whether the piece begins the input.
    mutating func rewrite(_ body: (ArraySlice<UInt8>, Bool, inout [UInt8]) -> Void) {
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count * 2)
        for index in pieces.indices {
            let start = out.count
            body(bytes[pieces[index]], index == 0 && beginsInput, &out)
            pieces[index] = start..<out.count
        }
        bytes = out
    }

    /// Splits every piece at the matches of `pattern`.
    mutating func split(_ pattern: TextPattern, _ behavior: SplitBehavior, isInverted: Bool = false) {
        var result: [Range<Int>] = []
        result.reserveCapacity(pieces.count)
        bytes.withUnsafeBufferPointer { bytes in
            for piece in pieces {
                let matches = pattern.matches(in: UnsafeBufferPointer(rebasing: bytes[piece]))
                let parts = Self.parts(matches, count: piece.count, isInverted: isInverted)
                for part in Self.joined(parts, behavior) {
                    result.append(piece.lowerBound + part.lowerBound..<piece.lowerBound + part.upperBound)
                }
            }
        }
        beginsInput = beginsInput && result.first?.lowerBound == pieces.first?.lowerBound
        pieces = result
    }

    private typealias Part = (range: Range<Int>, isMatch: Bool)

    /// The matches and what lies between them.
    private static func parts(_ matches: [Range<Int>], count: Int, isInverted: Bool) -> [Part] {
        var parts: [Part] = []
        parts.reserveCapacity(matches.count * 2 + 1)
        var end = 0
        for match in matches {
            if match.lowerBound > end { parts.append((end..<match.lowerBound, isInverted)) }
            parts.append((match, !isInverted))
            end = match.upperBound
        }
        if end < count { parts.append((end..<count, isInverted)) }
        return parts
    }

    private static func joined(_ parts: [Part], _ behavior: SplitBehavior) -> [Range<Int>] {
        var out: [Range<Int>] = []
        out.reserveCapacity(parts.count)
        var previousIsMatch = false
        switch behavior {
        case .isolated: return parts.map(\.range)
        case .removed: return parts.filter { !$0.isMatch }.map(\.range)
        case .contiguous:
            for part in parts {
                if part.isMatch == previousIsMatch, let last = out.popLast() {
                    out.append(last.lowerBound..<part.range.upperBound)
                } else {
                    out.append(part.range)
                }
                previousIsMatch = part.isMatch
            }
            return out
        case .mergedWithPrevious:
            for part in parts {
                if part.isMatch, !previousIsMatch, let last = out.popLast() {
                    out.append(last.lowerBound..<part.range.upperBound)
                } else {
                    out.append(part.range)
                }
                previousIsMatch = part.isMatch
            }
            return out
        case .mergedWithNext:
            for part in parts.reversed() {
                if part.isMatch, !previousIsMatch, let last = out.popLast() {
                    out.append(part.range.lowerBound..<last.upperBound)
                } else {
                    out.append(part.range)
                }
                previousIsMatch = part.isMatch
            }
            return out.reversed()
        }
    }
}
