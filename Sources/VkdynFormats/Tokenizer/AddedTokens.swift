/// A token that is found in the text before anything else happens to it: an entry of `added_tokens`.
struct AddedToken: Sendable, Equatable {
    var content: String
    /// Whether a match next to a word character does not count.
    var isSingleWord = false
    /// Whether white space to the left belongs to the match.
    var stripsLeft = false
    /// Whether white space to the right belongs to the match.
    var stripsRight = false
    /// Whether it is looked for in the normalized text, itself normalized.
    var isNormalized = true
    /// Whether decoding can leave it out.
    var isSpecial = false
}

/// The added tokens of a tokenizer, and how they are found.
struct AddedTokens: Sendable {
    /// A piece of text, or a token found in it.
    enum Piece {
        case text([UInt8], beginsInput: Bool)
        case token(Int)
    }

    private(set) var tokens: [Int: AddedToken] = [:]
    private(set) var ids: [ByteExactString: Int] = [:]
    /// What decoding uses instead of the content.
    private var normalizedContents: [Int: String] = [:]
    private var specials: Set<ByteExactString> = []
    private var rawTrie = ByteTrie()
    private var normalizedTrie = ByteTrie()

    init() {}

    /// Gives ids as tokenizers does: the vocabulary's where the token is in it, otherwise the next free ones
    /// after the vocabulary's size.
    init(_ list: [AddedToken], vocabulary: Vocabulary, normalizer: Normalizer?) {
        var nextID = vocabulary.count
        for token in list where !token.content.isEmpty {
            let key = ByteExactString(token.content)
            let id: Int
            if let known = ids[key] ?? vocabulary.id(of: token.content).map(Int.init) {
                id = known
            } else {
                id = nextID
                nextID += 1
            }
            ids[key] = id
            tokens[id] = token
            if token.isSpecial { specials.insert(key) }
            normalizedContents[id] = nil
            if token.isNormalized, let normalizer {
                let normalized = normalizer.normalize(Array(token.content.utf8))
                if !normalized.elementsEqual(token.content.utf8) {
                    normalizedContents[id] = String(decoding: normalized, as: UTF8.self)
                }
            }
        }
        for (id, token) in tokens.sorted(by: { $0.key < $1.key }) {
            if token.isNormalized {
                normalizedTrie.insert(Array((normalizedContents[id] ?? token.content).utf8), value: id)
            } else {
                rawTrie.insert(Array(token.content.utf8), value: id)
            }
        }
    }

    /// One more than the largest id, or 0.
    var idBound: Int { tokens.keys.max().map { $0 + 1 } ?? 0 }

    /// Whether a token of this content may be left out when decoding.
    func isSpecial(_ content: String) -> Bool { specials.contains(ByteExactString(content)) }

    /// Whether an added token may be left out when decoding.
    ///
    /// tokenizers 0.23 asks this of the normalized content and so keeps `</s>` in the text where special tokens
    /// are marked as normalized; all versions before, and this, ask it of the token.
    func isSpecial(_ id: Int) -> Bool { tokens[id].map { isSpecial($0.content) } ?? false }

    /// The string that stands for an added token when decoding, or nil.
    func decodedContent(of id: Int) -> String? { normalizedContents[id] ?? tokens[id]?.content }

    /// Splits text at the tokens found in it, and normalizes the rest.
    func split(_ text: [UInt8], normalizer: Normalizer?) -> [Piece] {
        var pieces: [Piece] = []
        for part in find(rawTrie, in: text) {
            switch part {
            case .token: pieces.append(part)
            case .text(let bytes, let beginsInput):
                let normalized = normalizer?.normalize(bytes) ?? bytes
                for inner in find(normalizedTrie, in: normalized) {
                    if case .text(let rest, let isFirst) = inner {
                        pieces.append(.text(rest, beginsInput: isFirst && beginsInput))
                    } else {
                        pieces.append(inner)
                    }
                }
            }
        }
        return pieces
    }

    private func find(_ trie: ByteTrie, in text: [UInt8]) -> [Piece] {
        if text.isEmpty { return [] }
        if trie.isEmpty { return [.text(text, beginsInput: true)] }
        return text.withUnsafeBufferPointer { find(trie, in: $0) }
    }

    private func find(_ trie: ByteTrie, in bytes: UnsafeBufferPointer<UInt8>) -> [Piece] {
        var pieces: [Piece] = []
        var done = 0
        var index = 0
        while index < bytes.count {
            guard let match = trie.longestMatch(in: bytes, at: index), let token = tokens[match.value] else {
                index += 1
                continue
            }
            var start = index
            var end = match.end
            index = match.end
            if token.isSingleWord, !isSingleWord(start..<end, in: bytes) { continue }
            if token.stripsLeft { start = max(startOfSpaces(in: bytes, before: start, notBefore: done), done) }
            if token.stripsRight { end = endOfSpaces(in: bytes, from: end) }
            if done < start { pieces.append(.text(Array(bytes[done..<start]), beginsInput: done == 0)) }
            pieces.append(.token(match.value))
            done = end
        }
        if done < bytes.count { pieces.append(.text(Array(bytes[done...]), beginsInput: done == 0)) }
        return pieces
    }

    private func isSingleWord(_ match: Range<Int>, in bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        func isWord(_ index: Int) -> Bool {
            UnicodeClasses.shared.flags(scalar(in: bytes, at: index).value).contains(.word)
        }
        if match.lowerBound > 0, isWord(scalarStart(in: bytes, before: match.lowerBound)) { return false }
        return match.upperBound == bytes.count || !isWord(match.upperBound)
    }
}

/// Byte strings with values, and the longest of them that begins at a place.
struct ByteTrie: Sendable {
    private var children: [UInt64: Int32] = [:]
    private var values: [Int32] = [-1]
    private var firstBytes = [Bool](repeating: false, count: 256)

    var isEmpty: Bool { children.isEmpty }

    /// Adds a string; of equal ones the first stays.
    mutating func insert(_ bytes: [UInt8], value: Int) {
        guard let first = bytes.first else { return }
        firstBytes[Int(first)] = true
        var node: Int32 = 0
        for byte in bytes {
            let key = UInt64(node) << 8 | UInt64(byte)
            if let child = children[key] {
                node = child
            } else {
                node = Int32(values.count)
                children[key] = node
                values.append(-1)
            }
        }
        if values[Int(node)] < 0 { values[Int(node)] = Int32(value) }
    }

    /// Calls `body` with the value and the end of every string that begins at `index`, the shortest first.
    @inline(__always)
    func forEachMatch(in bytes: UnsafeBufferPointer<UInt8>, at index: Int, _ body: (Int, Int) -> Void) {
        guard firstBytes[Int(bytes[index])] else { return }
        var node: Int32 = 0
        var position = index
        while position < bytes.count, let child = children[UInt64(node) << 8 | UInt64(bytes[position])] {
            node = child
            position += 1
            if values[Int(node)] >= 0 { body(Int(values[Int(node)]), position) }
        }
    }

    /// The longest string that begins at `index`: its value and where it ends.
    func longestMatch(in bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> (value: Int, end: Int)? {
        var best: (value: Int, end: Int)?
        forEachMatch(in: bytes, at: index) { best = ($0, $1) }
        return best
    }
}
