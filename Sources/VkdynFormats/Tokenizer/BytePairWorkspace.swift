extension BytePairEncoding {
    /// One part of a word, in a doubly linked list by index.
    struct Symbol {
        var id: Int32
        var previous: Int32
        /// -1 at the end.
        var next: Int32
        /// False once it was merged into its left neighbour.
        var isAlive = true
    }

    /// A merge that may be made.
    struct Candidate {
        /// Rank in the upper half, position of the left symbol in the lower half: the smallest goes first.
        let order: UInt64
        /// The id that the merge makes.
        let id: Int32

        var position: Int { Int(order & 0xFFFF_FFFF) }
    }

    /// Buffers that one call of `Tokenizer.encode` reuses from word to word, and the words already seen.
    struct Workspace {
        /// Longer words are not kept, and no more than this many bytes of them.
        private static let cachedWordLimit = 64
        private static let cachedWordCountLimit = 1 << 16

        var symbols: [Symbol] = []
        var heap: [Candidate] = []
        var cachedIDs: [Int] = []
        /// How many merges were considered so far: what the time of merging grows with.
        private(set) var pushedCount = 0
        private var words = ByteTable()
        private var cachedEnds: [Int] = []

        mutating func append(_ id: Int32) {
            let position = Int32(symbols.count)
            if position > 0 { symbols[symbols.count - 1].next = position }
            symbols.append(Symbol(id: id, previous: position - 1, next: -1))
        }

        /// Where in `cachedIDs` the ids of a word are, or nil when it has not been seen.
        func cached(_ word: UnsafeBufferPointer<UInt8>) -> Range<Int>? {
            guard word.count <= Self.cachedWordLimit, let index = words.index(of: word) else { return nil }
            return (index == 0 ? 0 : cachedEnds[index - 1])..<cachedEnds[index]
        }

        /// Remembers the ids of a word that `cached` did not know.
        mutating func cache(_ word: UnsafeBufferPointer<UInt8>, ids: ArraySlice<Int>) {
            guard word.count <= Self.cachedWordLimit, words.count < Self.cachedWordCountLimit else { return }
            _ = words.insert(word)
            cachedIDs.append(contentsOf: ids)
            cachedEnds.append(cachedIDs.count)
        }

        // MARK: A binary min-heap

        mutating func pushCandidate(_ candidate: Candidate) {
            pushedCount += 1
            heap.append(candidate)
            var child = heap.count - 1
            while child > 0 {
                let parent = (child - 1) / 2
                if heap[parent].order <= heap[child].order { return }
                heap.swapAt(parent, child)
                child = parent
            }
        }

        mutating func popCandidate() -> Candidate? {
            guard let top = heap.first else { return nil }
            let last = heap.removeLast()
            if heap.isEmpty { return top }
            heap[0] = last
            var parent = 0
            while true {
                var child = parent * 2 + 1
                if child >= heap.count { return top }
                if child + 1 < heap.count, heap[child + 1].order < heap[child].order { child += 1 }
                if heap[parent].order <= heap[child].order { return top }
                heap.swapAt(parent, child)
                parent = child
            }
        }
    }
}
