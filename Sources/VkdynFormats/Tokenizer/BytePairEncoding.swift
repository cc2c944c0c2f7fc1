/// Byte-pair encoding (Sennrich et al., arXiv:1508.07909) as Hugging Face tokenizers runs it: among the
/// neighbours that have a merge, the one of the lowest rank is merged first, of equal ranks the leftmost.
///
/// One word of n scalars costs O(n log n).
struct BytePairEncoding: Sendable {
    /// Options of `model` in tokenizer.json.
    struct Options: Sendable {
        /// The token for what the vocabulary lacks; without one such text is dropped.
        var unknownID: Int32?
        /// Put before every scalar but the first when it is looked up.
        var continuingSubwordPrefix = ""
        /// Put after the last scalar when it is looked up.
        var endOfWordSuffix = ""
        /// Whether neighbouring unknown scalars make one unknown token.
        var fusesUnknown = false
        /// Whether an unknown scalar becomes its bytes, as tokens `<0x00>` to `<0xFF>`.
        var byteFallback = false
        /// Whether a word that is in the vocabulary is taken whole.
        var ignoresMerges = false
    }

    let vocabulary: Vocabulary
    let options: Options
    private let merges: MergeTable
    /// The ids of `<0x00>` to `<0xFF>`, or nil where the vocabulary lacks one.
    private let byteIDs: [Int32?]
    /// The ids of the tokens that are one scalar below 0x3000; -1 where there is none.
    private let scalarIDs: [Int32]

    init(vocabulary: Vocabulary, merges: MergeTable, options: Options) {
        self.vocabulary = vocabulary
        self.merges = merges
        self.options = options
        byteIDs = vocabulary.byteIDs
        var scalarIDs = [Int32](repeating: -1, count: 0x3000)
        vocabulary.forEachToken { token, id in
            guard (1...4).contains(token.count) else { return }
            let (value, length) = scalar(in: token, at: 0)
            if length == token.count, value < 0x3000 { scalarIDs[Int(value)] = id }
        }
        self.scalarIDs = scalarIDs
    }

    /// Appends the ids of one word, which is well-formed UTF-8.
    func encode(_ word: UnsafeBufferPointer<UInt8>, into ids: inout [Int], workspace: inout Workspace) {
        if word.isEmpty { return }
        if options.ignoresMerges, let id = vocabulary.id(of: word) {
            ids.append(Int(id))
            return
        }
        if let range = workspace.cached(word) {
            ids.append(contentsOf: workspace.cachedIDs[range])
            return
        }
        let start = ids.count
        workspace.symbols.removeAll(keepingCapacity: true)
        split(word, into: &workspace)
        merge(&workspace)
        for symbol in workspace.symbols where symbol.isAlive { ids.append(Int(symbol.id)) }
        workspace.cache(word, ids: ids[start...])
    }

    // MARK: The first symbols

    private func split(_ word: UnsafeBufferPointer<UInt8>, into workspace: inout Workspace) {
        let isPlain = options.continuingSubwordPrefix.isEmpty && options.endOfWordSuffix.isEmpty
        var pendingUnknown: Int32?
        var index = 0
        while index < word.count {
            let (value, length) = scalar(in: word, at: index)
            let end = index + length
            let bytes = UnsafeBufferPointer(rebasing: word[index..<end])
            let id: Int32?
            if isPlain, value < 0x3000 {
                let known = scalarIDs[Int(value)]
                id = known < 0 ? nil : known
            } else if isPlain {
                id = vocabulary.id(of: bytes)
            } else {
                id = affixedID(bytes, isFirst: index == 0, isLast: end == word.count)
            }
            index = end
            if let id {
                if let unknown = pendingUnknown {
                    workspace.append(unknown)
                    pendingUnknown = nil
                }
                workspace.append(id)
                continue
            }
            if options.byteFallback, let fallback = fallback(bytes) {
                // As there, an unknown token still pending stays behind these.
                for id in fallback { workspace.append(id) }
                continue
            }
            guard let unknownID = options.unknownID else { continue }
            if let unknown = pendingUnknown, !options.fusesUnknown { workspace.append(unknown) }
            pendingUnknown = unknownID
        }
        if let unknown = pendingUnknown { workspace.append(unknown) }
    }

    private func affixedID(_ bytes: UnsafeBufferPointer<UInt8>, isFirst: Bool, isLast: Bool) -> Int32? {
        var key: [UInt8] = isFirst ? [] : Array(options.continuingSubwordPrefix.utf8)
        key.append(contentsOf: bytes)
        if isLast { key.append(contentsOf: options.endOfWordSuffix.utf8) }
        return key.withUnsafeBufferPointer { vocabulary.id(of: $0) }
    }

    private func fallback(_ bytes: UnsafeBufferPointer<UInt8>) -> [Int32]? {
        var ids: [Int32] = []
        for byte in bytes {
            guard let id = byteIDs[Int(byte)] else { return nil }
            ids.append(id)
        }
        return ids
    }

    // MARK: Merging

    private func merge(_ workspace: inout Workspace) {
        workspace.heap.removeAll(keepingCapacity: true)
        let count = workspace.symbols.count
        if count < 2 { return }
        for position in 0..<count - 1 { push(position, position + 1, &workspace) }
        while let top = workspace.popCandidate() {
            let symbol = workspace.symbols[top.position]
            guard symbol.isAlive, symbol.next >= 0 else { continue }
            let right = workspace.symbols[Int(symbol.next)]
            // The neighbours may have changed since the candidate was pushed.
            guard let merge = merges.merge(symbol.id, right.id),
                Int32(truncatingIfNeeded: merge) == top.id
            else { continue }
            workspace.symbols[top.position].id = top.id
            workspace.symbols[top.position].next = right.next
            workspace.symbols[Int(symbol.next)].isAlive = false
            if right.next >= 0 { workspace.symbols[Int(right.next)].previous = Int32(top.position) }
            if symbol.previous >= 0 { push(Int(symbol.previous), top.position, &workspace) }
            if right.next >= 0 { push(top.position, Int(right.next), &workspace) }
        }
    }

    @inline(__always)
    private func push(_ left: Int, _ right: Int, _ workspace: inout Workspace) {
        let symbols = workspace.symbols
        guard let merge = merges.merge(symbols[left].id, symbols[right].id) else { return }
        workspace.pushCandidate(
            .init(order: merge & 0xFFFF_FFFF_0000_0000 | UInt64(left), id: Int32(truncatingIfNeeded: merge)))
    }
}
