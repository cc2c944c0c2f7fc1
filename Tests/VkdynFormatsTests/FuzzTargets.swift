@testable import VkdynFormats

/// What the fuzz targets under `Tests/Fuzz` and the mutation tests run: every parser on arbitrary bytes.
///
/// A parser may refuse its input with a one-line `FormatError`. Whatever it accepts must hold what it promises;
/// a broken promise traps, which libFuzzer and the tests both report.
enum FuzzTargets {
    /// The header parser; accepted tensors tile the data exactly.
    static func safetensors(_ bytes: UnsafeRawBufferPointer) {
        let header: SafetensorsHeader
        do {
            header = try SafetensorsHeader(file: bytes, path: "f")
        } catch {
            return requireOneLine(error)
        }
        var end = header.entries.first?.range.lowerBound ?? bytes.count
        for entry in header.entries {
            precondition(entry.range.lowerBound == end && entry.range.upperBound <= bytes.count, "a gap")
            precondition(
                product(entry.shape + [entry.storedType.bitCount]) == entry.range.count * 8, "a wrong size")
            end = entry.range.upperBound
            precondition(bytes[entry.range].reduce(0) { $0 &+ Int($1) } >= 0)
        }
        precondition(end == bytes.count, "bytes beyond the tensors")
    }

    /// JSON and every typed accessor on every field of it.
    static func config(_ bytes: UnsafeRawBufferPointer) {
        do {
            visit(try ConfigFile(path: "f", bytes: bytes).root, depth: 0)
        } catch {
            requireOneLine(error)
        }
    }

    private static func visit(_ object: ConfigObject, depth: Int) {
        attempt { () throws(FormatError) in _ = try GenerationConfig(object) }
        for key in object.keys.prefix(12) {
            attempt { () throws(FormatError) in _ = try object.integer(key, in: -5...100) }
            attempt { () throws(FormatError) in _ = try object.number(key, in: 0...1) }
            attempt { () throws(FormatError) in _ = try object.boolean(key) }
            attempt { () throws(FormatError) in _ = try object.string(key) }
            attempt { () throws(FormatError) in _ = try object.choice(key, of: SplitBehavior.self) }
            attempt { () throws(FormatError) in _ = try object.optionalIntegers(key) }
            attempt { () throws(FormatError) in _ = try object.optionalNumbers(key) }
            attempt { () throws(FormatError) in _ = try object.optionalStrings(key) }
            if depth > 1 { continue }
            attempt { () throws(FormatError) in visit(try object.object(key), depth: depth + 1) }
            attempt { () throws(FormatError) in
                for nested in try (object.optionalObjects(key) ?? []).prefix(3) {
                    visit(nested, depth: depth + 1)
                }
            }
        }
    }

    /// A tokenizer.json, and encoding and decoding with it when it is accepted.
    static func tokenizer(_ bytes: UnsafeRawBufferPointer) {
        do {
            let tokenizer = try Tokenizer(path: "f", bytes: bytes)
            let text = String(decoding: bytes.suffix(64), as: UTF8.self)
            for text in ["", " Hello,  wörld's 12345\n\n\t日本語 e\u{301} 👩‍💻 </s>", text] {
                let ids = tokenizer.encode(text)
                requireSameWhenStreamed(tokenizer, ids)
            }
            requireSameWhenStreamed(tokenizer, bytes.prefix(64).map { Int($0) })
        } catch {
            requireOneLine(error)
        }
    }

    /// Arbitrary text, and arbitrary ids, with a tokenizer that the last byte chooses; between them they use
    /// every kind of part.
    static func text(_ bytes: UnsafeRawBufferPointer) {
        let text = String(decoding: bytes, as: UTF8.self)
        let (tokenizer, isLossless) = textTokenizers[Int(bytes.last ?? 0) % textTokenizers.count]
        let ids = tokenizer.encode(text, addSpecialTokens: false)
        for id in ids { precondition(tokenizer.token(of: id) != nil, "an id without a token") }
        if isLossless { precondition(tokenizer.decode(ids).utf8.elementsEqual(text.utf8), "text is lost") }
        requireSameWhenStreamed(tokenizer, ids)
        requireSameWhenStreamed(tokenizer, bytes.prefix(32).map { Int($0) })
    }

    /// "A" is "a" and a carriage return is a space.
    private static let characterMap = CharacterMapText.base64(["A": "a", "\r": " "])

    private static let textTokenizers: [(tokenizer: Tokenizer, isLossless: Bool)] = {
        let byteVocabulary = ByteLevelAlphabet.scalars.enumerated().map { byte, scalar in
            let character =
                scalar == 0x22 ? "\\\"" : scalar == 0x5C ? "\\\\" : Unicode.Scalar(scalar).map(String.init)
            return "\"\(character ?? "")\":\(byte)"
        }.joined(separator: ",")
        let llama3 =
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"#
            + #"| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"#
        let clip =
            #"<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"#
        let bytePieces = (0..<256).map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            return "\"<0x\(byte < 16 ? "0" : "")\(digits)>\":\(byte)"
        }.joined(separator: ",")
        let byteModel = """
            "model":{"type":"BPE","vocab":{\(byteVocabulary),"th":256,"the":257,"Ġthe":258,"ll":259},
            "merges":["t h","th e",["Ġ","the"],["l","l"]]}
            """
        let sources = [
            (
                """
                {"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"decoder":{"type":"ByteLevel"},\(byteModel)}
                """, true
            ),
            (
                """
                {"pre_tokenizer":{"type":"Sequence","pretokenizers":[
                {"type":"Split","pattern":{"Regex":"\(llama3)"},"behavior":"Isolated","invert":false},
                {"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]},"decoder":{"type":"ByteLevel"},\(byteModel)}
                """, true
            ),
            (
                """
                {"added_tokens":[{"content":"ab","lstrip":true,"rstrip":true},{"content":"a","single_word":true},
                {"content":"</s>","special":true,"normalized":false}],
                "normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Lowercase"},{"type":"StripAccents"},
                {"type":"Strip","strip_left":true,"strip_right":true},{"type":"NFD"},{"type":"Prepend","prepend":"▁"},
                {"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "},{"type":"NFC"}]},
                "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":false},
                {"type":"Split","pattern":{"String":"e"},"behavior":"MergedWithPrevious"},
                {"type":"Metaspace","replacement":"▁","prepend_scheme":"first"}]},
                "decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},
                {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
                "model":{"type":"BPE","byte_fallback":true,"fuse_unk":true,"vocab":{\(bytePieces),"▁":256,"▁▁":257,"é":258},
                "merges":["▁ ▁"]}}
                """, false
            ),
            (
                """
                {"added_tokens":[{"content":"<|endoftext|>","special":true,"normalized":true}],
                "normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},
                {"type":"Replace","pattern":{"Regex":"\\\\s+"},"content":" "},{"type":"Lowercase"}]},
                "pre_tokenizer":{"type":"Sequence","pretokenizers":[
                {"type":"Split","pattern":{"Regex":"\(clip)"},"behavior":"Removed","invert":true},
                {"type":"ByteLevel","add_prefix_space":false}]},"decoder":{"type":"ByteLevel"},
                "model":{"type":"BPE","unk_token":"a","end_of_word_suffix":"</w>","vocab":{"a":0,"a</w>":1,"b</w>":2,
                "ab</w>":3,"!":4,"!</w>":5},"merges":["a b</w>"]}}
                """, false
            ),
            (
                """
                {"added_tokens":[{"content":"</s>","special":true,"normalized":false}],
                "normalizer":{"type":"Sequence","normalizers":[{"type":"Precompiled","precompiled_charsmap":"\(characterMap)"},
                {"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}]},
                "pre_tokenizer":{"type":"Metaspace","replacement":"▁"},"decoder":{"type":"Metaspace","replacement":"▁"},
                "model":{"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["<unk>",0],["▁",-2],["a",-3],["ab",-4.5],
                ["b",-3],["▁the",-6],["th",-5],["e",-3],["é",-7],["<0xC3>",0],["<0xA4>",0]]}}
                """, false
            ),
        ]
        return sources.compactMap { source, isLossless in
            do {
                let file = try ConfigFile(path: "f", text: source)
                return (try TokenizerFile(file).tokenizer(), isLossless)
            } catch {
                preconditionFailure("\(error)")
            }
        }
    }()

    // MARK: Promises

    private static func attempt(_ body: () throws(FormatError) -> Void) {
        do { try body() } catch { requireOneLine(error) }
    }

    private static func requireOneLine(_ error: FormatError) {
        let text = error.description
        precondition(
            !text.unicodeScalars.contains { $0.value < 0x20 || $0 == "\u{2028}" || $0 == "\u{2029}" }, text)
        precondition(text.utf8.count < 2000, text)
    }

    private static func requireSameWhenStreamed(_ tokenizer: Tokenizer, _ ids: [Int]) {
        var stream = tokenizer.streamingDecoder()
        var text = ""
        for id in ids { text += stream.push(id) }
        text += stream.finish()
        precondition(text.utf8.elementsEqual(tokenizer.decode(ids).utf8), "streamed text differs")
    }
}

/// Builds a map as SentencePiece compiles it, of keys of any length: small, and for tests alone.
enum CharacterMapText {
    /// - Parameter map: pairs, as a dictionary would take keys for one that differ in their bytes alone.
    static func base64(_ map: KeyValuePairs<String, String>) -> String {
        var texts: [UInt8] = []
        var offsets: [[UInt8]: Int] = [:]
        for (key, text) in map {
            offsets[Array(key.utf8)] = texts.count
            texts += Array(text.utf8) + [0]
        }
        // Every beginning of a key has a block of 256 units to itself: its value first, then its children by their byte.
        let nodes = Set(offsets.keys.flatMap { key in (0...key.count).map { Array(key[..<$0]) } })
            .sorted { $0.count == $1.count ? $0.lexicographicallyPrecedes($1) : $0.count < $1.count }
        var units = [UInt32](repeating: 0, count: 256 * (nodes.count + 1))
        let blocks = Dictionary(uniqueKeysWithValues: nodes.enumerated().map { ($1, 256 * ($0 + 1)) })
        for node in nodes {
            let block = blocks[node] ?? 0
            let place = node.last.map { (blocks[Array(node.dropLast())] ?? 0) ^ Int($0) } ?? 0
            units[place] = UInt32(node.last ?? 0) | (offsets[node] == nil ? 0 : 0x100) | UInt32(place ^ block) << 10
            if let offset = offsets[node] { units[block] = 0x8000_0000 | UInt32(offset) }
        }
        let words = [UInt32(units.count * 4)] + units
        return encoded(words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32($0 * 8)) } } + texts)
    }

    static func encoded(_ bytes: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = Array(bytes[start..<min(start + 3, bytes.count)])
            let word = (0..<3).reduce(0) { $0 << 8 | ($1 < group.count ? Int(group[$1]) : 0) }
            for digit in 0..<4 {
                text += digit <= group.count ? String(digits[word >> (18 - 6 * digit) & 63]) : "="
            }
        }
        return text
    }
}
