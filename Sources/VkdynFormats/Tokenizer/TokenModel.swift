/// What turns a word into ids: `model` of tokenizer.json.
enum TokenModel: Sendable {
    case bytePairs(BytePairEncoding)
    case unigram(Unigram)

    /// Buffers that one call of `Tokenizer.encode` reuses from word to word.
    struct Workspace {
        var bytePairs = BytePairEncoding.Workspace()
        var path: [Unigram.Node] = []
    }

    var vocabulary: Vocabulary {
        switch self {
        case .bytePairs(let model): model.vocabulary
        case .unigram(let model): model.vocabulary
        }
    }

    /// Appends the ids of one word, which is well-formed UTF-8.
    func encode(_ word: UnsafeBufferPointer<UInt8>, into ids: inout [Int], workspace: inout Workspace) {
        switch self {
        case .bytePairs(let model): model.encode(word, into: &ids, workspace: &workspace.bytePairs)
        case .unigram(let model): model.encode(word, into: &ids, path: &workspace.path)
        }
    }

    init(_ object: ConfigObject) throws(FormatError) {
        let kind = try object.string("type", default: "BPE")
        switch kind {
        case "BPE": self = .bytePairs(try BytePairEncodingReader(object).model())
        case "Unigram": self = .unigram(try Unigram(object))
        default:
            throw object.error(
                "type",
                "\(quotedForMessage(kind)) is a kind of tokenizer that vkdyn does not know; expected \"BPE\" or "
                    + "\"Unigram\"")
        }
    }
}
