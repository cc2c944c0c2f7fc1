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

    let pipeline: TokenizerPipeline

    init(_ pipeline: TokenizerPipeline) { self.pipeline = pipeline }

    /// One more than the largest id. The model's embedding may have more rows.
    public var vocabularySize: Int { max(pipeline.model.vocabulary.idBound, pipeline.addedTokens.idBound) }

    /// The ids of the special tokens, ascending.
    public var specialTokenIDs: [Int] {
        pipeline.addedTokens.tokens.filter { $0.value.isSpecial }.map(\.key).sorted()
    }

    /// The ids of `text`.
    ///
    /// Added tokens that occur in the text as they are written (`</s>`) become their ids. With
    /// `addSpecialTokens` the post-processor adds what the model expects around a text, such as BOS. The time
    /// grows as n log n with the longest word (as n with a unigram model), linearly with their number.
    public func encode(_ text: String, addSpecialTokens: Bool = true) -> [Int] {
        var ids: [Int] = []
        var workspace = TokenModel.Workspace()
        for piece in pipeline.addedTokens.split(Array(text.utf8), normalizer: pipeline.normalizer) {
            switch piece {
            case .token(let id): ids.append(id)
            case .text(let bytes, let beginsInput):
                var preTokenized = PreTokenizedText(bytes, beginsInput: beginsInput)
                pipeline.preTokenizer?.apply(to: &preTokenized)
                preTokenized.bytes.withUnsafeBufferPointer { buffer in
                    for word in preTokenized.pieces {
                        pipeline.model.encode(
                            UnsafeBufferPointer(rebasing: buffer[word]), into: &ids, workspace: &workspace)
                    }
                }
            }
        }
        return addSpecialTokens ? pipeline.postProcessor.apply(to: ids) : ids
    }

    /// The text of `ids`. Ids that stand for no token are left out; bytes that are not UTF-8 become U+FFFD.
    public func decode(_ ids: some Sequence<Int>, skipSpecialTokens: Bool = true) -> String {
        var state = TokenDecoderState(pipeline.decoder)
        for id in ids { pipeline.feed(id, skipSpecialTokens: skipSpecialTokens, to: &state) }
        state.finish()
        return state.takeText()
    }

    /// A decoder that takes ids one by one and gives out text as soon as it is certain.
    ///
    /// With `prompt` it gives out what follows the text of those ids: some tokenizers drop the space before the
    /// first word of a text, which must stay before the first word of a continuation.
    public func streamingDecoder(after prompt: [Int] = [], skipSpecialTokens: Bool = true) -> StreamingDecoder {
        var decoder = StreamingDecoder(pipeline, skipSpecialTokens: skipSpecialTokens)
        for id in prompt { _ = decoder.push(id) }
        return decoder
    }

    /// The id of a token as the vocabulary writes it (`Ġthe`, `▁the`, `</s>`), or nil.
    public func id(of token: String) -> Int? {
        pipeline.addedTokens.ids[ByteExactString(token)] ?? pipeline.model.vocabulary.id(of: token).map(Int.init)
    }

    /// The token of an id as the vocabulary writes it, or nil.
    public func token(of id: Int) -> String? {
        pipeline.addedTokens.tokens[id]?.content ?? pipeline.model.vocabulary.token(of: id)
    }
}

/// The parts of a tokenizer, shared by its copies.
final class TokenizerPipeline: Sendable {
    let model: TokenModel
    let addedTokens: AddedTokens
    let normalizer: Normalizer?
    let preTokenizer: PreTokenizer?
    let postProcessor: PostProcessor
    let decoder: TokenDecoder

    init(
        model: TokenModel, addedTokens: AddedTokens, normalizer: Normalizer?, preTokenizer: PreTokenizer?,
        postProcessor: PostProcessor, decoder: TokenDecoder
    ) {
        self.model = model
        self.addedTokens = addedTokens
        self.normalizer = normalizer
        self.preTokenizer = preTokenizer
        self.postProcessor = postProcessor
        self.decoder = decoder
    }

    /// Decodes one id more; one that stands for no token is left out.
    func feed(_ id: Int, skipSpecialTokens: Bool, to state: inout TokenDecoderState) {
        if var content = addedTokens.decodedContent(of: id) {
            if skipSpecialTokens, addedTokens.isSpecial(id) { return }
            content.withUTF8 { state.push($0) }
        } else {
            model.vocabulary.withToken(of: id) { state.push($0) }
        }
    }
}

/// Decodes ids one by one. The pieces of text put together, with `finish()`, are what `Tokenizer.decode` gives
/// for all ids; no piece ends inside a character.
public struct StreamingDecoder: Sendable {
    private let pipeline: TokenizerPipeline
    private let skipSpecialTokens: Bool
    private var state: TokenDecoderState

    init(_ pipeline: TokenizerPipeline, skipSpecialTokens: Bool) {
        self.pipeline = pipeline
        self.skipSpecialTokens = skipSpecialTokens
        state = TokenDecoderState(pipeline.decoder)
    }

    /// Takes the next id; returns the text that is now certain, often empty.
    public mutating func push(_ id: Int) -> String {
        pipeline.feed(id, skipSpecialTokens: skipSpecialTokens, to: &state)
        return state.takeText()
    }

    /// Ends the sequence; returns the text that was held back.
    public mutating func finish() -> String {
        state.finish()
        return state.takeText()
    }
}
