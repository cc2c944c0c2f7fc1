/// What a model folder says about generation: `generation_config.json`, and for tokens it does not name,
/// `config.json`.
public struct GenerationConfig: Sendable, Equatable {
    /// The id that begins a sequence.
    public var bosTokenID: Int?
    /// The ids that each end a sequence; Llama 3's chat models have several.
    public var eosTokenIDs: [Int] = []
    /// The id for padding.
    public var padTokenID: Int?
    /// Whether the model is meant to be sampled from, rather than decoded greedily.
    public var doSample: Bool?
    /// Divides the logits before the softmax; at least 0.
    public var temperature: Double?
    /// Sampling keeps this many of the likeliest tokens; 0 keeps all.
    public var topK: Int?
    /// Sampling keeps the likeliest tokens whose probabilities add up to this; 0 to 1.
    public var topP: Double?
    /// Divides the logits of tokens that already occurred; 1 does nothing.
    public var repetitionPenalty: Double?
    /// Length of prompt and new tokens together.
    public var maxLength: Int?
    /// Number of new tokens.
    public var maxNewTokens: Int?

    /// No ids, no defaults.
    public init() {}

    /// Reads the files of a model folder; either may be missing. Throws when one cannot be read or a field has
    /// the wrong type.
    public init(folder: String) throws(FormatError) {
        for name in ["generation_config.json", "config.json"] {
            let path = joinPath(folder, name)
            if PathKind(path) == .absent { continue }
            try fill(from: ConfigFile(path: path).root)
        }
    }

    /// Reads one object; throws when a field has the wrong type.
    public init(_ object: ConfigObject) throws(FormatError) {
        try fill(from: object)
    }

    /// Sets what is still unset.
    private mutating func fill(from object: ConfigObject) throws(FormatError) {
        let ids = 0...Int(Int32.max)
        func set<Value>(_ field: inout Value?, _ value: Value?) { if field == nil { field = value } }
        set(&bosTokenID, try object.optionalInteger("bos_token_id", in: ids))
        let eos = try object.optionalIntegers("eos_token_id", in: ids)
        if eosTokenIDs.isEmpty { eosTokenIDs = eos ?? [] }
        // Some configurations write -1 for "none".
        let pad = try object.optionalInteger("pad_token_id", in: -1...Int(Int32.max))
        set(&padTokenID, pad == -1 ? nil : pad)
        set(&doSample, try object.optionalBoolean("do_sample"))
        set(&temperature, try object.optionalNumber("temperature", in: 0...1e6))
        set(&topK, try object.optionalInteger("top_k", in: ids))
        set(&topP, try object.optionalNumber("top_p", in: 0...1))
        set(&repetitionPenalty, try object.optionalNumber("repetition_penalty", in: 0...1e6))
        set(&maxLength, try object.optionalInteger("max_length", in: 0...Int.max))
        set(&maxNewTokens, try object.optionalInteger("max_new_tokens", in: 0...Int.max))
    }
}
