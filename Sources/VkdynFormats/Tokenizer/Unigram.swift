/// A unigram language model (Kudo, arXiv:1804.10959) as Hugging Face tokenizers runs it: of all ways to divide a word
/// into tokens, the one with the largest sum of log-probabilities.
///
/// One word of n bytes costs O(n · the longest token). Of equal sums the division stays whose last token is the longest,
/// and so for what is before it.
struct Unigram: Sendable {
    /// What an unknown scalar costs beyond the least probable token.
    private static let unknownPenalty = 10.0

    let vocabulary: Vocabulary
    /// Log-probabilities by id.
    private let scores: [Double]
    /// The token for what the vocabulary lacks; without one such text is dropped.
    private let unknownID: Int32?
    private let unknownScore: Double
    /// The ids of `<0x00>` to `<0xFF>`, or nil where the vocabulary lacks one; empty where unknown text stays unknown.
    private let byteIDs: [Int32?]
    private let trie: ByteTrie

    /// The best way to divide what ends at one place.
    struct Node {
        /// Of the last token; -1 for an unknown scalar where there is no unknown token.
        var id: Int32 = -1
        /// Where the last token begins; -1 while no way leads here.
        var start = -1
        var score = 0.0
    }

    /// - Parameters:
    ///   - scores: by id, finite, one for each token.
    ///   - unknownID: one of the vocabulary's.
    ///   - byteFallback: whether unknown text becomes its bytes, as tokens `<0x00>` to `<0xFF>`.
    init(vocabulary: Vocabulary, scores: [Double], unknownID: Int?, byteFallback: Bool) {
        self.vocabulary = vocabulary
        self.scores = scores
        self.unknownID = unknownID.map { Int32($0) }
        unknownScore = (scores.min() ?? 0) - Self.unknownPenalty
        byteIDs = byteFallback ? vocabulary.byteIDs : []
        var trie = ByteTrie()
        vocabulary.forEachToken { token, id in trie.insert(Array(token), value: Int(id)) }
        self.trie = trie
    }

    /// Appends the ids of one word, which is well-formed UTF-8.
    /// - Parameter path: reused from word to word.
    func encode(_ word: UnsafeBufferPointer<UInt8>, into ids: inout [Int], path: inout [Node]) {
        if word.isEmpty { return }
        path.removeAll(keepingCapacity: true)
        path.append(contentsOf: repeatElement(Node(), count: word.count + 1))
        var start = 0
        while start < word.count {
            let before = path[start].score
            let length = scalar(in: word, at: start).length
            var isKnown = false
            trie.forEachMatch(in: word, at: start) { id, end in
                Self.offer(Node(id: Int32(id), start: start, score: scores[id] + before), to: &path[end])
                if end == start + length { isKnown = true }
            }
            if !isKnown {
                Self.offer(
                    Node(id: unknownID ?? -1, start: start, score: unknownScore + before), to: &path[start + length])
            }
            start += length
        }
        let first = ids.count
        var end = word.count
        while end > 0 {
            let node = path[end]
            var begin = node.start
            guard node.id == unknownID ?? -1 else {
                ids.append(Int(node.id))
                end = begin
                continue
            }
            // Neighbouring unknown scalars are one.
            while begin > 0, path[begin].id == node.id { begin = path[begin].start }
            appendUnknown(UnsafeBufferPointer(rebasing: word[begin..<end]), to: &ids)
            end = begin
        }
        ids[first...].reverse()
    }

    @inline(__always)
    private static func offer(_ node: Node, to place: inout Node) {
        if place.start < 0 || node.score > place.score { place = node }
    }

    /// Appends the ids of unknown text, last first.
    private func appendUnknown(_ text: UnsafeBufferPointer<UInt8>, to ids: inout [Int]) {
        // Scalars that are no tokens may make one together.
        if let id = vocabulary.id(of: text) {
            ids.append(Int(id))
        } else if !byteIDs.isEmpty, text.allSatisfy({ byteIDs[Int($0)] != nil }) {
            ids.append(contentsOf: text.reversed().compactMap { byteIDs[Int($0)].map(Int.init) })
        } else if let unknownID {
            ids.append(Int(unknownID))
        }
    }
}

extension Unigram {
    /// Reads `model` of tokenizer.json.
    init(_ object: ConfigObject) throws(FormatError) {
        guard case .array(let elements)? = object.value("vocab") else {
            throw object.error("vocab", "expected a list, found \(object.value("vocab")?.summary ?? "nothing")")
        }
        if elements.isEmpty { throw object.error("vocab", "holds no token") }
        guard elements.count <= Vocabulary.idLimit else {
            throw object.error("vocab", "holds \(elements.count) tokens; at most \(Vocabulary.idLimit) are supported")
        }
        var vocabulary = Vocabulary(minimumCapacity: elements.count)
        var scores: [Double] = []
        scores.reserveCapacity(elements.count)
        for (id, element) in elements.enumerated() {
            guard case .array(let pair) = element, pair.count == 2, case .string(let token) = pair[0],
                let score = pair[1].number, score.isFinite
            else { throw object.error("vocab[\(id)]", "expected a token and its score, found \(element.summary)") }
            guard vocabulary.id(of: token) == nil else {
                throw object.error("vocab[\(id)]", "\(quotedForMessage(token)) is in the vocabulary already")
            }
            _ = vocabulary.add(token, id: id)
            scores.append(score)
        }
        let unknownID = try object.optionalInteger("unk_id", in: 0...Int(Int32.max))
        if let unknownID, unknownID >= elements.count {
            throw object.error("unk_id", "\(unknownID) is not in the vocabulary of \(elements.count) tokens")
        }
        self.init(
            vocabulary: vocabulary, scores: scores, unknownID: unknownID,
            byteFallback: try object.boolean("byte_fallback", default: false))
    }
}
