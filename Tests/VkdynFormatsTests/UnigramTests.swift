import Testing
import VkdynCore

@testable import VkdynFormats

/// Divisions of words, and SentencePiece's map of characters, against slower ways to find them.
@Suite struct UnigramTests {
    private func model(
        _ tokens: [(String, Double)], unknownID: Int? = 0, byteFallback: Bool = false
    ) -> Unigram {
        var vocabulary = Vocabulary(minimumCapacity: tokens.count)
        for (id, token) in tokens.enumerated() { _ = vocabulary.add(token.0, id: id) }
        return Unigram(
            vocabulary: vocabulary, scores: tokens.map(\.1), unknownID: unknownID, byteFallback: byteFallback)
    }

    private func number(_ random: inout CaseGenerator, _ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &random)
    }

    private func encode(_ word: String, _ model: Unigram) -> [Int] {
        var ids: [Int] = []
        var path: [Unigram.Node] = []
        Array(word.utf8).withUnsafeBufferPointer { model.encode($0, into: &ids, path: &path) }
        return ids
    }

    /// The largest sum over all divisions, one by one; an unknown scalar costs ten more than the least probable token.
    private func best(_ word: Substring, _ scores: [String: Double], unknown: Double) -> Double {
        if word.isEmpty { return 0 }
        var best = -Double.infinity
        for length in 1...word.count {
            let score = scores[String(word.prefix(length))] ?? (length == 1 ? unknown : nil)
            if let score { best = max(best, score + self.best(word.dropFirst(length), scores, unknown: unknown)) }
        }
        return best
    }

    @Test func theBestOfAllDivisionsIsTaken() {
        var random = CaseGenerator(seed: 31)
        var unknownCount = 0
        for _ in 0..<60 {
            var tokens: [(String, Double)] = [("<unk>", 0)]
            for _ in 0..<number(&random, 2...14) {
                let token = String((0..<number(&random, 1...4)).map { _ in "abc".randomElement(using: &random) ?? "a" })
                // Sums of quarters are exact.
                guard !tokens.contains(where: { $0.0 == token }) else { continue }
                tokens.append((token, -Double(number(&random, 1...60)) / 4))
            }
            let model = model(tokens)
            let scores = Dictionary(uniqueKeysWithValues: tokens)
            let unknown = (tokens.map(\.1).min() ?? 0) - 10
            for _ in 0..<20 {
                let word = String((0..<number(&random, 1...9)).map { _ in "abcd".randomElement(using: &random) ?? "a" })
                let ids = encode(word, model)
                // Neighbouring unknown scalars are one token, whose cost is that of each.
                let known = ids.filter { $0 != 0 }
                let unknownLength = word.count - known.reduce(0) { $0 + tokens[$1].0.count }
                let sum = known.reduce(0) { $0 + tokens[$1].1 } + Double(unknownLength) * unknown
                #expect(sum == best(word[...], scores, unknown: unknown), "\(word) by \(tokens): \(ids)")
                #expect(!zip(ids, ids.dropFirst()).contains { $0 == 0 && $1 == 0 })
                unknownCount += unknownLength
            }
        }
        #expect(unknownCount > 100)
    }

    @Test func ofEqualSumsTheFirstFoundStays() {
        let tokens = [("<unk>", 0.0), ("a", -1), ("b", -2), ("c", -1), ("ab", -3), ("bc", -3), ("abc", -4)]
        // At the end of "ab" the token that begins first is offered first; at that of "abc" so is the whole.
        #expect(encode("ab", model(tokens)) == [4])
        #expect(encode("abc", model(tokens)) == [6])
        #expect(encode("bc", model(tokens)) == [5])
    }

    @Test func unknownTextIsOneTokenItsBytesOrNothing() {
        let tokens = [("<unk>", 0.0), ("a", -1), ("<0xC3>", 0), ("<0xA4>", 0), ("<0xF0>", 0)]
        #expect(encode("aääa", model(tokens)) == [1, 0, 1])
        #expect(encode("aääa", model(tokens, byteFallback: true)) == [1, 2, 3, 2, 3, 1])
        // Without all of its bytes it stays unknown.
        #expect(encode("aäéa", model(tokens, byteFallback: true)) == [1, 0, 1])
        #expect(encode("aäéa", model(tokens, unknownID: nil)) == [1, 1])
        #expect(encode("aäa", model(tokens, unknownID: nil, byteFallback: true)) == [1, 2, 3, 1])
        #expect(encode("", model(tokens)) == [])
    }

    @Test func scalarsThatAreUnknownAloneMayBeATokenTogether() {
        // Probabilities above 1, so that two unknown scalars are better than the token that they make.
        let tokens = [("<unk>", 50.0), ("xy", 50), ("a", 50)]
        #expect(encode("xya", model(tokens)) == [1, 2])
        #expect(encode("xyxa", model(tokens)) == [0, 2])
    }

    @Test func aWordOfAHundredThousandScalarsIsDividedInTime() {
        let tokens = [("<unk>", 0.0), ("ab", -1), ("abab", -1.5), ("a", -4), ("b", -4)]
        #expect(encode(String(repeating: "ab", count: 50_000), model(tokens)) == [Int](repeating: 2, count: 25_000))
    }

    // MARK: Characters

    private func map(_ entries: KeyValuePairs<String, String>) throws -> CharacterMap {
        try #require(base64Bytes(CharacterMapText.base64(entries)).flatMap { CharacterMap($0) })
    }

    private func normalized(_ text: String, _ map: CharacterMap) -> String {
        String(decoding: map.normalize(Array(text.utf8)), as: UTF8.self)
    }

    @Test func aClusterIsReplacedByItsShortestBeginningThatTheMapHas() throws {
        let map = try map(["A": "a", "é": "e", "e\u{301}": "é", "\r": " ", "日": "", "ﬁ": "fi"])
        #expect(normalized("", map) == "")
        #expect(normalized("xAéAx日ﬁ", map) == "xaeaxfi")
        #expect(normalized("e\u{301}e", map).utf8.elementsEqual("ée".utf8))
        // What follows the shortest beginning is lost, as there.
        #expect(normalized("a\r\nb", map) == "a b")
        #expect(normalized("A\u{301}", map) == "a")
        // Six bytes or more go scalar by scalar.
        let marks = "\u{301}\u{301}\u{301}"
        for (letter, expected) in [("A", "a"), ("e", "e")] {
            #expect(normalized(letter + marks, map).utf8.elementsEqual((expected + marks).utf8))
        }
    }

    @Test func noDamagedMapTraps() throws {
        let bytes = try #require(base64Bytes(CharacterMapText.base64(["A": "a", "é": "e", "\r": " "])))
        var random = CaseGenerator(seed: 8)
        var readCount = 0
        for _ in 0..<4000 {
            var damaged = bytes
            for _ in 0..<number(&random, 1...6) {
                // Where something is: units of zeros are most of the map.
                let places = [0, 1, 2, 4 + 260 * 4, 4 + 4 * (256 ^ 0xC3), 4 + 256 * 4 * 2, bytes.count - 1]
                let place = min(places[number(&random, 0...places.count - 1)] + number(&random, 0...5), bytes.count - 1)
                damaged[place] = UInt8(number(&random, 0...255))
            }
            if number(&random, 0...3) == 0 { damaged.removeLast(number(&random, 0...damaged.count)) }
            guard let map = CharacterMap(damaged) else { continue }
            let text = map.normalize(Array("AéA\r\nb日".utf8))
            #expect(text.withUnsafeBufferPointer { firstInvalidUTF8Offset(in: $0) } == nil)
            readCount += 1
        }
        #expect(readCount > 1000)
    }

    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"), ("\u{3ff}\u{7bf}?", "z7/evz8="),
    ]) func base64IsThatOfItsStandard(text: String, encoded: String) {
        #expect(base64Bytes(encoded) == Array(text.utf8))
        #expect(CharacterMapText.encoded(Array(text.utf8)) == encoded)
        for wrong in [encoded + "=", encoded + "A", "A===" + encoded, encoded + "Zm-_"] {
            #expect(base64Bytes(wrong) == nil)
        }
    }
}
