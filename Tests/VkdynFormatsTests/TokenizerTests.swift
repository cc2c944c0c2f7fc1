import Foundation
import TestSupport
import Testing

@testable import VkdynFormats

@Suite struct TokenizerTests {
    static let model =
        #""model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"</s>":3,"▁":4,"<0xE2>":5},"merges":["a b"]}"#

    private func tokenizer(_ parts: String) throws -> Tokenizer {
        try TokenizerFile(ConfigFile(path: "tokenizer.json", text: "{\(parts)}")).tokenizer()
    }

    @Test func tokensAndIDsMapBothWays() throws {
        let tokenizer = try tokenizer(
            #""added_tokens":[{"content":"</s>","special":true},{"content":"<new>"}],"# + Self.model)
        #expect(tokenizer.vocabularySize == 7)
        #expect(tokenizer.id(of: "ab") == 2)
        #expect(tokenizer.id(of: "<new>") == 6)
        #expect(tokenizer.id(of: "none") == nil)
        #expect(tokenizer.token(of: 3) == "</s>")
        #expect(tokenizer.token(of: 7) == nil)
        #expect(tokenizer.token(of: -1) == nil)
        #expect(tokenizer.specialTokenIDs == [3])
        #expect(tokenizer.decode([0, 3, 99, 1], skipSpecialTokens: true) == "a b")
        #expect(tokenizer.decode([0, 3, 99, 1], skipSpecialTokens: false) == "a </s> b")
    }

    @Test func specialTokensMarkedAsNormalizedAreStillLeftOut() throws {
        let tokenizer = try tokenizer(
            #""added_tokens":[{"content":"</s>","special":true,"normalized":true}],"#
                + #""normalizer":{"type":"Prepend","prepend":"▁"},"# + Self.model)
        #expect(tokenizer.decode([0, 3], skipSpecialTokens: true) == "a")
        #expect(tokenizer.decode([0, 3], skipSpecialTokens: false) == "a ▁</s>")
    }

    @Test func canonicallyEquivalentTokensAreDifferent() throws {
        let tokenizer = try tokenizer(
            #""model":{"type":"BPE","vocab":{"\u00e9":0,"e\u0301":1,"\u212b":2,"\u00c5":3,"e":4,"\u0301":5},"#
                + #""merges":[["e","\u0301"]]}"#)
        #expect(tokenizer.encode("\u{E9}e\u{301}\u{212B}\u{C5}") == [0, 1, 2, 3])
    }

    @Test func aStreamHoldsBackIncompleteCharactersOnly() throws {
        let tokenizer = try Tokenizer(folder: Fixture.folder("Tokenizers/gpt2"))
        let ids = tokenizer.encode("é 😀!")
        var stream = tokenizer.streamingDecoder()
        let pieces = ids.map { stream.push($0) }
        #expect(pieces.joined() == "é 😀!")
        #expect(!pieces.contains { $0.contains("\u{FFFD}") })
        #expect(stream.finish() == "")
        var broken = tokenizer.streamingDecoder()
        _ = broken.push(try #require(tokenizer.id(of: "Ã")))
        #expect(broken.finish() == "\u{FFFD}")
    }

    @Test(arguments: ["llama2", "mistral", "gpt2"]) func aContinuationKeepsTheSpaceBeforeItsFirstWord(family: String)
        throws
    {
        let tokenizer = try Tokenizer(folder: Fixture.folder("Tokenizers/" + family))
        let prompt = tokenizer.encode("one")
        let all = tokenizer.encode("one two é")
        try #require(all.starts(with: prompt))
        var stream = tokenizer.streamingDecoder(after: prompt)
        #expect(all.dropFirst(prompt.count).map { stream.push($0) }.joined() + stream.finish() == " two é")
        #expect(tokenizer.decode(all) == "one two é")
    }

    @Test func aFolderNamesItsSpecialTokens() throws {
        let opt = try Tokenizer(folder: Fixture.folder("Tokenizers/opt"))
        #expect(opt.bosTokenID == 2)
        #expect(opt.eosTokenID == 2)
        #expect(opt.padTokenID == 1)
        #expect(opt.encode("").first == 2)
        #expect(opt.encode("", addSpecialTokens: false) == [])
    }

    @Test(arguments: [("gpt2", "GPT2Tokenizer"), ("qwen2", "Qwen2TokenizerFast")])
    func vocabularyAndMergesMakeTheSameTokenizer(family: String, kind: String) throws {
        let source = Fixture.folder("Tokenizers/\(family)/tokenizer.json")
        let root = try ConfigFile(path: source).root
        let model = try root.object("model")
        let folder = try TemporaryFolder()
        let vocabulary = try model.object("vocab").object.members.map { member in
            "\(Self.quoted(member.key)):\(try #require(member.value.integer))"
        }
        try folder.write("vocab.json", "{" + vocabulary.joined(separator: ",") + "}")
        let merges = try #require(model.value("merges")?.array).map { merge in
            try #require(merge.array).map { try #require($0.string) }.joined(separator: " ")
        }
        try folder.write("merges.txt", "#version: 0.2\n" + merges.joined(separator: "\n") + "\n")
        let added = try #require(try root.optionalObjects("added_tokens")).map { token in
            let content = Self.quoted(try token.string("content"))
            return "\"\(try token.integer("id", in: 0...9999))\":{\"content\":\(content),\"special\":true}"
        }
        try folder.write(
            "tokenizer_config.json",
            "{\"tokenizer_class\":\"\(kind)\",\"eos_token\":\"<|endoftext|>\",\"bos_token\":null,"
                + "\"added_tokens_decoder\":{\(added.joined(separator: ","))}}")

        let expected = try Tokenizer(file: source)
        let tokenizer = try Tokenizer(folder: folder.path)
        #expect(tokenizer.vocabularySize == expected.vocabularySize)
        #expect(tokenizer.specialTokenIDs == expected.specialTokenIDs)
        #expect(tokenizer.eosTokenID == expected.id(of: "<|endoftext|>"))
        #expect(tokenizer.bosTokenID == nil)
        let differing = try Fixture.strings().filter { tokenizer.encode($0) != expected.encode($0) }
        #expect(differing.isEmpty)
    }

    private static func quoted(_ text: String) -> String {
        "\"" + text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
            + "\""
    }

    @Test func optWithoutATokenizerConfigurationBeginsWithItsBOS() throws {
        let folder = try TemporaryFolder()
        for name in ["vocab.json", "merges.txt"] {
            try FileManager.default.copyItem(
                atPath: Fixture.folder("Tokenizers/opt/") + name, toPath: folder.path + "/" + name)
        }
        #expect(try Tokenizer(folder: folder.path).encode("") == [])
        try folder.write("config.json", #"{"model_type":"opt"}"#)
        #expect(try Tokenizer(folder: folder.path).encode("") == [2])
    }

    @Test func aLongWordTakesAtMostThreeCandidatesACharacter() throws {
        guard case .bytePairs(let model) = try Tokenizer(folder: Fixture.folder("Tokenizers/llama2")).pipeline.model
        else { throw FormatError(file: "llama2", problem: "is not a byte-pair encoding") }
        for count in [10, 1000, 100_000] {
            let word = Array(String(repeating: "abcde▁", count: count).utf8)
            var workspace = BytePairEncoding.Workspace()
            var ids: [Int] = []
            word.withUnsafeBufferPointer { model.encode($0, into: &ids, workspace: &workspace) }
            #expect(workspace.pushedCount <= 3 * 6 * count)
            #expect(!ids.isEmpty && ids.count <= 6 * count)
        }
    }
}

/// Tokenizers that cannot be used, and what the user reads.
@Suite struct BadTokenizerTests {
    static let lies: [(parts: String, message: String)] = [
        (#""version":"2.0""#, #"version: expected "1.0", found "2.0""#),
        (#""x":1"#, "model: is missing; expected an object"),
        (
            #""model":{"type":"WordPiece","vocab":{}}"#,
            #"model.type: "WordPiece" is a kind of tokenizer that vkdyn does not know; expected "BPE" or "Unigram""#
        ),
        (#""model":{"type":"Unigram","vocab":[]}"#, "model.vocab: holds no token"),
        (#""model":{"type":"Unigram","vocab":{}}"#, "model.vocab: expected a list, found an object"),
        (
            #""model":{"type":"Unigram","vocab":[["a",0],["b"]]}"#,
            "model.vocab[1]: expected a token and its score, found a list of 1"
        ),
        (
            #""model":{"type":"Unigram","vocab":[["a","b"]]}"#,
            "model.vocab[0]: expected a token and its score, found a list of 2"
        ),
        (
            #""model":{"type":"Unigram","vocab":[["a",0],["a",-1]]}"#,
            #"model.vocab[1]: "a" is in the vocabulary already"#
        ),
        (
            #""model":{"type":"Unigram","unk_id":1,"vocab":[["a",0]]}"#,
            "model.unk_id: 1 is not in the vocabulary of 1 tokens"
        ),
        (#""model":{"type":"BPE","vocab":{}}"#, "vocab: holds no token"),
        (#""model":{"type":"BPE","vocab":{"a":0}}"#, "model.merges: expected a list, found nothing"),
        (
            #""model":{"type":"BPE","vocab":{"a":-1},"merges":[]}"#,
            "model.vocab.a: expected an id from 0 to 16777215, found -1"
        ),
        (
            #""model":{"type":"BPE","vocab":{"a":99999999},"merges":[]}"#,
            "model.vocab.a: expected an id from 0 to 16777215, found 99999999"
        ),
        (
            #""model":{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}"#,
            "model.vocab.b: the id 0 is taken by another token"
        ),
        (
            #""model":{"type":"BPE","vocab":{"a":0},"merges":["a  a"]}"#,
            #"model.merges[0]: expected two tokens and a space, found "a  a""#
        ),
        (
            #""model":{"type":"BPE","vocab":{"a":0},"merges":["a a"]}"#,
            #"model.merges[0]: makes "aa", which is not in the vocabulary"#
        ),
        (
            #""model":{"type":"BPE","vocab":{"a":0},"merges":[["a","b"]]}"#,
            #"model.merges[0]: "b" is not in the vocabulary"#
        ),
        (
            #""model":{"type":"BPE","vocab":{"a":0},"merges":[7]}"#,
            "model.merges[0]: expected two tokens, found 7"
        ),
        (
            #""model":{"type":"BPE","vocab":{"a":0},"merges":[],"unk_token":"<unk>"}"#,
            #"model.unk_token: "<unk>" is not in the vocabulary"#
        ),
        (
            #""model":{"type":"BPE","vocab":{"a":0},"merges":[],"dropout":0.1}"#,
            "model.dropout: expected none, found 0.1: encoding would be random"
        ),
        (
            #""pre_tokenizer":{"type":"BertPreTokenizer"},"# + TokenizerTests.model,
            #"pre_tokenizer.type: "BertPreTokenizer" is a kind of pre-tokenizer that vkdyn does not know"#
        ),
        (
            #""pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"a|b"},"#
                + #""behavior":"Isolated","invert":false}]},"# + TokenizerTests.model,
            #"pre_tokenizer.pretokenizers[0].pattern.Regex: "a|b" is not among the expressions that vkdyn knows "#
                + "(those of GPT-2, Llama 3, Qwen 2 and CLIP)"
        ),
        (
            #""pre_tokenizer":{"type":"Split","pattern":{"String":"a"},"behavior":"Sometimes"},"#
                + TokenizerTests.model,
            "pre_tokenizer.behavior: expected one of Removed, Isolated, MergedWithPrevious, MergedWithNext, "
                + #"Contiguous, found "Sometimes""#
        ),
        (
            #""pre_tokenizer":{"type":"Metaspace","replacement":"ab"},"# + TokenizerTests.model,
            #"pre_tokenizer.replacement: expected one character, found "ab""#
        ),
        (
            #""normalizer":{"type":"Precompiled","precompiled_charsmap":"AAAA"},"# + TokenizerTests.model,
            "normalizer.precompiled_charsmap: is no character map of SentencePiece in base64"
        ),
        (
            #""normalizer":{"type":"BertNormalizer"},"# + TokenizerTests.model,
            #"normalizer.type: "BertNormalizer" is a kind of normalizer that vkdyn does not know"#
        ),
        (
            #""normalizer":{"type":"Replace","pattern":{"String":""},"content":"x"},"# + TokenizerTests.model,
            #"normalizer.pattern.String: expected text, found """#
        ),
        (
            #""decoder":{"type":"WordPiece"},"# + TokenizerTests.model,
            #"decoder.type: "WordPiece" is a kind of decoder that vkdyn does not know"#
        ),
        (
            #""post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}}]},"#
                + TokenizerTests.model,
            #"post_processor.single[0].SpecialToken.id: "<s>" is not in special_tokens"#
        ),
        (
            #""post_processor":{"type":"RobertaProcessing","cls":["<s>"],"sep":["</s>",2]},"#
                + TokenizerTests.model,
            "post_processor.cls: expected a token and its id, found a list of 1"
        ),
        (
            #""added_tokens":[{"id":1}],"# + TokenizerTests.model,
            "added_tokens[0].content: is missing; expected a string"
        ),
    ]

    @Test(arguments: lies) func isNamed(parts: String, expected: String) {
        let text = message { () throws(FormatError) in
            _ = try TokenizerFile(ConfigFile(path: "tokenizer.json", text: "{\(parts)}")).tokenizer()
        }
        #expect(text == "tokenizer.json: " + expected)
    }

    @Test func aFolderWithoutATokenizerSaysWhatIsExpected() throws {
        let folder = try TemporaryFolder()
        func open() -> String? { message { () throws(FormatError) in _ = try Tokenizer(folder: folder.path) } }
        #expect(
            open() == "\(folder.path): holds no tokenizer; expected tokenizer.json, or vocab.json and merges.txt")
        for name in ["spiece.model", "tokenizer.model"] {
            try folder.write(name, "x")
            #expect(
                open() == "\(folder.path)/\(name): is a SentencePiece model; vkdyn reads tokenizer.json, "
                    + "which transformers can save from it")
        }
        try folder.write("vocab.json", #"{"a":0,"b":1,"ab":2}"#)
        #expect(open() == "\(folder.path)/merges.txt: no such file")
        try folder.write("merges.txt", "#version: 0.2\na b\nb c\n")
        #expect(open() == "\(folder.path)/merges.txt: line 3: \"c\" is not in the vocabulary")
        try folder.write("tokenizer_config.json", #"{"tokenizer_class":"BertTokenizer"}"#)
        #expect(
            open()
                == "\(folder.path)/tokenizer_config.json: tokenizer_class: \"BertTokenizer\" is a kind of tokenizer "
                + "that vkdyn does not know; expected GPT2Tokenizer, Qwen2Tokenizer or CLIPTokenizer, or a "
                + "tokenizer.json")
        let text = message { () throws(FormatError) in _ = try Tokenizer(folder: folder.path + "/none") }
        #expect(text == "\(folder.path)/none: no such folder")
    }
}
