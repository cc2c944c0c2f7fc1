/// Turns text into token ids and back, with the ids and the text that Hugging Face tokenizers gives.
///
/// Made from `tokenizer.json`, or from `vocab.json` and `merges.txt` (see `init(folder:)`). A value: it can be
/// shared between threads.
public struct Tokenizer: Sendable {
    /// The id that begins a sequence, where the model folder names one.
    public internal(set) var bosTokenID: Int?
    /// The id that ends a sequence, where the model folder names one; `GenerationConfig` may name several.
    public internal(set) var eosTokenID: Int?
    /// The id for padding, where the model folder names one.
    public internal(set) var padTokenID: Int?

    let model: BytePairEncoding
    let addedTokens: AddedTokens
    let normalizer: Normalizer?
    let preTokenizer: PreTokenizer?
    let postProcessor: PostProcessor
    let decoder: TokenDecoder

    /// One more than the largest id. The model's embedding may have more rows.
    public var vocabularySize: Int { max(model.vocabulary.idBound, addedTokens.idBound) }

    /// The ids of the special tokens, ascending.
    public var specialTokenIDs: [Int] {
        addedTokens.tokens.filter { $0.value.isSpecial }.map(\.key).sorted()
    }

    /// The ids of `text`.
    ///
    /// Added tokens that occur in the text as they are written (`</s>`) become their ids. With
    /// `addSpecialTokens` the post-processor adds what the model expects around a text, such as BOS. The time
    /// grows as n log n with the longest word, linearly with their number.
    public func encode(_ text: String, addSpecialTokens: Bool = true) -> [Int] {
        var ids: [Int] = []
        var workspace = BytePairEncoding.Workspace()
        for piece in addedTokens.split(Array(text.utf8), normalizer: normalizer) {
            switch piece {
            case .token(let id): ids.append(id)
            case .text(let bytes, let beginsInput):
                var preTokenized = PreTokenizedText(bytes, beginsInput: beginsInput)
                preTokenizer?.apply(to: &preTokenized)
                preTokenized.bytes.withUnsafeBufferPointer { buffer in
                    for word in preTokenized.pieces {
                        model.encode(
                            UnsafeBufferPointer(rebasing: buffer[word]), into: &ids, workspace: &workspace)
                    }
                }
            }
        }
        return addSpecialTokens ? postProcessor.apply(to: ids) : ids
    }

    /// The text of `ids`. Ids that stand for no token are left out; bytes that are not UTF-8 become U+FFFD.
    public func decode(_ ids: some Sequence<Int>, skipSpecialTokens: Bool = true) -> String {
        var decoder = streamingDecoder(skipSpecialTokens: skipSpecialTokens)
        var text = ""
        for id in ids { text += decoder.push(id) }
        return text + decoder.finish()
    }

    /// A decoder that takes ids one by one and gives out text as soon as it is certain.
    public func streamingDecoder(skipSpecialTokens: Bool = true) -> StreamingDecoder {
        StreamingDecoder(tokenizer: self, skipSpecialTokens: skipSpecialTokens)
    }

    /// The id of a token as the vocabulary writes it (`Ġthe`, `▁the`, `</s>`), or nil.
    public func id(of token: String) -> Int? {
        addedTokens.ids[ByteExactString(token)] ?? model.vocabulary.id(of: token).map(Int.init)
    }

    /// The token of an id as the vocabulary writes it, or nil.
    public func token(of id: Int) -> String? {
        addedTokens.tokens[id]?.content ?? model.vocabulary.token(of: id)
    }
}

/// Decodes ids one by one. The pieces of text put together, with `finish()`, are what `Tokenizer.decode` gives
/// for all ids; no piece ends inside a character.
public struct StreamingDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipSpecialTokens: Bool
    private var state: TokenDecoderState

    init(tokenizer: Tokenizer, skipSpecialTokens: Bool) {
        self.tokenizer = tokenizer
        self.skipSpecialTokens = skipSpecialTokens
        state = TokenDecoderState(tokenizer.decoder)
    }

    /// Takes the next id; returns the text that is now certain, often empty.
    public mutating func push(_ id: Int) -> String {
        if var content = tokenizer.addedTokens.decodedContent(of: id) {
            if skipSpecialTokens, tokenizer.addedTokens.isSpecial(id) { return "" }
            return content.withUTF8 { state.push($0) }
        }
        return tokenizer.model.vocabulary.withToken(of: id) { token in
            if skipSpecialTokens, tokenizer.addedTokens.isSpecial(String(decoding: token, as: UTF8.self)) {
                return ""
            }
            return state.push(token)
        } ?? ""
    }

    /// Ends the sequence; returns the text that was held back.
    public mutating func finish() -> String { state.finish() }
}
