extension Tokenizer {
    /// Reads the tokenizer of a model folder: `tokenizer.json`, or else `vocab.json` and `merges.txt`.
    ///
    /// BOS, EOS and padding are named by `tokenizer_config.json` and `special_tokens_map.json` where the folder
    /// has them. Throws when a file is missing, damaged, or of a kind that is not known.
    /// - Parameter className: what kind of tokenizer it is (`CLIPTokenizer`), where the folder does not say.
    public init(folder: String, className: String? = nil) throws(FormatError) {
        switch PathKind(folder) {
        case .absent: throw FormatError(file: folder, problem: "no such folder")
        case .file: throw FormatError(file: folder, problem: "is a file; expected a model folder")
        case .folder: break
        }
        let files = TokenizerFolder(
            folder: folder, config: try Self.optionalConfig(folder, "tokenizer_config.json"),
            specialTokens: try Self.optionalConfig(folder, "special_tokens_map.json"), assumedClass: className)
        let path = joinPath(folder, "tokenizer.json")
        if PathKind(path) != .absent {
            self = try TokenizerFile(ConfigFile(path: path)).tokenizer(
                decodingWith: files.isCLIP() ? TokenDecoder.wordEnds(TokenizerFolder.clipWordEnd) : [])
        } else if PathKind(joinPath(folder, "vocab.json")) != .absent {
            self = try files.bytePairTokenizer()
        } else if let name = ["tokenizer.model", "spiece.model"].first(where: {
            PathKind(joinPath(folder, $0)) != .absent
        }) {
            throw FormatError(
                file: joinPath(folder, name),
                problem:
                    "is a SentencePiece model; vkdyn reads tokenizer.json, which transformers can save from it")
        } else {
            throw FormatError(
                file: folder, problem: "holds no tokenizer; expected tokenizer.json, or vocab.json and merges.txt"
            )
        }
        bosTokenID = try files.specialToken("bos_token").flatMap { id(of: $0.content) }
        eosTokenID = try files.specialToken("eos_token").flatMap { id(of: $0.content) }
        padTokenID = try files.specialToken("pad_token").flatMap { id(of: $0.content) }
    }

    /// Reads one `tokenizer.json`; it does not say which tokens are BOS and EOS.
    public init(file path: String) throws(FormatError) {
        self = try TokenizerFile(ConfigFile(path: path)).tokenizer()
    }

    /// Reads the contents of a `tokenizer.json`; `path` appears in messages only.
    init(path: String, bytes: UnsafeRawBufferPointer) throws(FormatError) {
        self = try TokenizerFile(ConfigFile(path: path, bytes: bytes)).tokenizer()
    }

    static func optionalConfig(_ folder: String, _ name: String) throws(FormatError) -> ConfigFile? {
        let path = joinPath(folder, name)
        return PathKind(path) == .absent ? nil : try ConfigFile(path: path)
    }
}

/// The files beside a tokenizer that say what its tokens are for.
struct TokenizerFolder {
    let folder: String
    let config: ConfigFile?
    let specialTokens: ConfigFile?
    /// The kind of tokenizer where `config` does not name one.
    let assumedClass: String?

    /// What CLIP puts after the last character of a word.
    static let clipWordEnd = "</w>"

    /// `bos_token`, `eos_token` …, written as a string or as an object with flags.
    ///
    /// In older folders, which lack `added_tokens_decoder`, the map of special tokens overrides the configuration: the
    /// two of Stable Diffusion 2 differ, in what it pads with.
    func specialToken(_ field: String) throws(FormatError) -> AddedToken? {
        let isOlder = config.map { !$0.root.contains("added_tokens_decoder") } ?? true
        for file in isOlder ? [specialTokens, config] : [config, specialTokens] {
            guard let root = file?.root, let value = root.value(field) else { continue }
            switch value {
            case .string(let content):
                if content.isEmpty { continue }
                return AddedToken(content: content, isNormalized: false, isSpecial: true)
            case .object:
                let object = try root.object(field)
                return try AddedToken(object, content: object.string("content"), isSpecial: true)
            default: throw root.error(field, "expected a string or an object, found \(value.summary)")
            }
        }
        guard try isCLIP() else { return nil }
        let content = field == "bos_token" ? "<|startoftext|>" : "<|endoftext|>"
        return AddedToken(content: content, isNormalized: false, isSpecial: true)
    }

    /// GPT-2's kind of tokenizer from `vocab.json` and `merges.txt`, as GPT-2, OPT, Qwen 2 and CLIP publish it.
    func bytePairTokenizer() throws(FormatError) -> Tokenizer {
        let kind = try tokenizerClass()
        let vocabularyFile = try ConfigFile(path: joinPath(folder, "vocab.json"))
        let vocabulary = try BytePairEncodingReader.vocabulary(vocabularyFile.root)
        let mergesPath = joinPath(folder, "merges.txt")
        let merges = try MappedFile(path: mergesPath).withUnsafeBytes { (bytes) throws(FormatError) in
            try BytePairEncodingReader.merges(bytes, file: mergesPath, vocabulary: vocabulary)
        }
        let normalizer: Normalizer? =
            switch kind {
            case .gpt2: nil
            case .qwen2: .form(.nfc)
            case .clip: .sequence([.form(.nfc), .replace(.scanner(.spaces), with: [0x20]), .lowercase])
            }
        let addsPrefixSpace = try config?.root.boolean("add_prefix_space", default: false) ?? false
        let preTokenizer: PreTokenizer =
            switch kind {
            case .gpt2: .byteLevel(addsPrefixSpace: addsPrefixSpace, splits: true)
            case .qwen2:
                .sequence([
                    .split(.scanner(.qwen2), .isolated, isInverted: false),
                    .byteLevel(addsPrefixSpace: addsPrefixSpace, splits: false),
                ])
            case .clip:
                .sequence([
                    .split(.scanner(.clipWithSpecialTokens), .removed, isInverted: true),
                    .byteLevel(addsPrefixSpace: false, splits: true),
                ])
            }
        let added = AddedTokens(try addedTokens(), vocabulary: vocabulary, normalizer: normalizer)
        func id(of field: String, _ purpose: String) throws(FormatError) -> Int {
            let content = try specialToken(field)?.content ?? "</s>"
            guard let id = added.ids[ByteExactString(content)] ?? vocabulary.id(of: content).map(Int.init) else {
                throw FormatError(
                    file: vocabularyFile.path,
                    problem: "does not hold the token \(quotedForMessage(content)) that \(purpose)")
            }
            return id
        }
        var postProcessor = PostProcessor()
        var options = BytePairEncoding.Options()
        var stages = [TokenDecoder.Stage.byteLevel]
        if kind == .clip {
            options.endOfWordSuffix = Self.clipWordEnd
            options.unknownID = Int32(try id(of: "unk_token", "stands for what is unknown"))
            stages += TokenDecoder.wordEnds(Self.clipWordEnd)
            let (begin, end) = (try id(of: "bos_token", "begins a text"), try id(of: "eos_token", "ends a text"))
            postProcessor.templates = [[.ids([begin]), .text, .ids([end])]]
        } else if try addsBOS() {
            postProcessor.templates = [[.ids([try id(of: "bos_token", "begins a sequence")]), .text]]
        }
        return Tokenizer(
            TokenizerPipeline(
                model: .bytePairs(BytePairEncoding(vocabulary: vocabulary, merges: merges, options: options)),
                addedTokens: added, normalizer: normalizer, preTokenizer: preTokenizer,
                postProcessor: postProcessor, decoder: TokenDecoder(stages: stages)))
    }

    /// The tokenizers that are published as `vocab.json` and `merges.txt`.
    private enum Kind {
        case gpt2, qwen2, clip
    }

    /// Whether the folder or the caller says that it is CLIP's.
    func isCLIP() throws(FormatError) -> Bool {
        let name = try config?.root.optionalString("tokenizer_class") ?? assumedClass
        return name == "CLIPTokenizer" || name == "CLIPTokenizerFast"
    }

    private func tokenizerClass() throws(FormatError) -> Kind {
        if try isCLIP() { return .clip }
        guard let config, let name = try config.root.optionalString("tokenizer_class") else { return .gpt2 }
        switch name {
        case "GPT2Tokenizer", "GPT2TokenizerFast": return .gpt2
        case "Qwen2Tokenizer", "Qwen2TokenizerFast": return .qwen2
        default:
            throw config.root.error(
                "tokenizer_class",
                "\(quotedForMessage(name)) is a kind of tokenizer that vkdyn does not know; "
                    + "expected GPT2Tokenizer, Qwen2Tokenizer or CLIPTokenizer, or a tokenizer.json")
        }
    }

    /// OPT begins every sequence with `</s>`.
    private func addsBOS() throws(FormatError) -> Bool {
        if let config, let adds = try config.root.optionalBoolean("add_bos_token") { return adds }
        if config != nil { return false }
        guard let model = try Tokenizer.optionalConfig(folder, "config.json") else { return false }
        return try model.root.optionalString("model_type") == "opt"
    }

    private func addedTokens() throws(FormatError) -> [AddedToken] {
        var tokens: [(id: Int, token: AddedToken)] = []
        if let decoder = try config?.root.optionalObject("added_tokens_decoder") {
            for key in decoder.keys {
                guard let id = Int(key) else { throw decoder.error(key, "expected a token id as the key") }
                let object = try decoder.object(key)
                let isSpecial = try object.boolean("special", default: false)
                tokens.append(
                    (id, try AddedToken(object, content: object.string("content"), isSpecial: isSpecial)))
            }
        } else if let added = try Tokenizer.optionalConfig(folder, "added_tokens.json")?.root {
            for content in added.keys {
                tokens.append(
                    (try added.integer(content, in: 0...Vocabulary.idLimit), AddedToken(content: content)))
            }
        }
        var list = tokens.sorted { $0.id < $1.id }.map(\.token)
        var specials: [AddedToken] = []
        // Of two with the same text the last counts, as in transformers.
        for field in ["bos_token", "eos_token", "unk_token", "pad_token"] {
            if let token = try specialToken(field) { specials.append(token) }
        }
        if specials.isEmpty, list.isEmpty {
            specials = [AddedToken(content: "<|endoftext|>", isNormalized: false, isSpecial: true)]
        }
        let listed = Set(list.map { ByteExactString($0.content) })
        list += specials.filter { !listed.contains(ByteExactString($0.content)) }
        return list
    }
}
