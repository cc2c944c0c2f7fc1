/// Reads `tokenizer.json`.
struct TokenizerFile {
    private let root: ConfigObject

    init(_ file: ConfigFile) { root = file.root }

    /// - Parameter stages: what follows the file's own decoder.
    func tokenizer(decodingWith stages: [TokenDecoder.Stage] = []) throws(FormatError) -> Tokenizer {
        let version = try root.string("version", default: "1.0")
        if version != "1.0" {
            throw root.error("version", "expected \"1.0\", found \(quotedForMessage(version))")
        }
        let model = try TokenModel(root.object("model"))
        let normalizer = try root.optionalObject("normalizer").map { (object) throws(FormatError) in
            try Self.normalizer(object)
        }
        let added = AddedTokens(try addedTokens(), vocabulary: model.vocabulary, normalizer: normalizer)
        let pipeline = TokenizerPipeline(
            model: model,
            addedTokens: added,
            normalizer: normalizer,
            preTokenizer: try root.optionalObject("pre_tokenizer").map { (object) throws(FormatError) in
                try Self.preTokenizer(object)
            },
            postProcessor: PostProcessor(
                templates: try root.optionalObject("post_processor").map { (object) throws(FormatError) in
                    try Self.templates(object)
                } ?? []),
            decoder: TokenDecoder(
                stages: try root.optionalObject("decoder").map { (object) throws(FormatError) in
                    try Self.stages(object) + stages
                } ?? [.joinWithSpaces]))
        return Tokenizer(pipeline)
    }

    private func addedTokens() throws(FormatError) -> [AddedToken] {
        var tokens: [AddedToken] = []
        for object in try root.optionalObjects("added_tokens") ?? [] {
            let isSpecial = try object.boolean("special", default: false)
            tokens.append(try AddedToken(object, content: object.string("content"), isSpecial: isSpecial))
        }
        return tokens
    }

    // MARK: Normalizers

    private static func normalizer(_ object: ConfigObject) throws(FormatError) -> Normalizer {
        let kind = try object.string("type")
        switch kind {
        case "Sequence":
            var parts: [Normalizer] = []
            for part in try object.optionalObjects("normalizers") ?? [] { parts.append(try normalizer(part)) }
            return .sequence(parts)
        case "Prepend": return .prepend(Array(try object.string("prepend").utf8))
        case "Replace":
            return .replace(try textPattern(object), with: Array(try object.string("content").utf8))
        case "Precompiled":
            guard let map = base64Bytes(try object.string("precompiled_charsmap")).flatMap({ CharacterMap($0) }) else {
                throw object.error("precompiled_charsmap", "is no character map of SentencePiece in base64")
            }
            return .precompiled(map)
        case "Lowercase": return .lowercase
        case "Strip":
            return .strip(left: try object.boolean("strip_left"), right: try object.boolean("strip_right"))
        case "StripAccents": return .stripAccents
        case "ByteLevel": return .byteLevel
        default:
            if let form = UnicodeNormalization.Form(rawValue: kind) { return .form(form) }
            throw unknown(object, kind, "normalizer")
        }
    }

    // MARK: Pre-tokenizers

    private static func preTokenizer(_ object: ConfigObject) throws(FormatError) -> PreTokenizer {
        let kind = try object.string("type")
        switch kind {
        case "Sequence":
            var parts: [PreTokenizer] = []
            for part in try object.optionalObjects("pretokenizers") ?? [] { parts.append(try preTokenizer(part)) }
            return .sequence(parts)
        case "ByteLevel":
            return .byteLevel(
                addsPrefixSpace: try object.boolean("add_prefix_space", default: true),
                splits: try object.boolean("use_regex", default: true))
        case "Split":
            return .split(
                try textPattern(object), try object.choice("behavior", of: SplitBehavior.self),
                isInverted: try object.boolean("invert", default: false))
        case "Metaspace":
            let mark = try oneScalar(object, "replacement")
            return .metaspace(
                mark: Array(String(mark).utf8), scheme: try prependScheme(object),
                splits: try object.boolean("split", default: true))
        case "Whitespace": return .whitespace
        case "WhitespaceSplit": return .whitespaceSplit
        case "Digits": return .digits(isIndividual: try object.boolean("individual_digits", default: false))
        default: throw unknown(object, kind, "pre-tokenizer")
        }
    }

    private static func textPattern(_ object: ConfigObject) throws(FormatError) -> TextPattern {
        let pattern = try object.object("pattern")
        if let expression = try pattern.optionalString("Regex") {
            if let scanner = TextScanner(regularExpression: expression) { return .scanner(scanner) }
            if let literal = repeated(expression) { return .literal(literal) }
            throw unknownExpression(pattern, expression)
        }
        return .literal(try literalPattern(object))
    }

    private static func prependScheme(_ object: ConfigObject) throws(FormatError) -> PreTokenizer.PrependScheme {
        let addsPrefixSpace = try object.boolean("add_prefix_space", default: true)
        return try object.choice("prepend_scheme", default: addsPrefixSpace ? .always : .never)
    }

    // MARK: Decoders

    private static func stages(_ object: ConfigObject) throws(FormatError) -> [TokenDecoder.Stage] {
        let kind = try object.string("type")
        switch kind {
        case "Sequence":
            var stages: [TokenDecoder.Stage] = []
            for part in try object.optionalObjects("decoders") ?? [] { stages += try self.stages(part) }
            return stages
        case "ByteLevel": return [.byteLevel]
        case "ByteFallback": return [.byteFallback]
        case "Fuse": return [.fuse]
        case "Replace":
            return [.replace(try literalPattern(object), with: Array(try object.string("content").utf8))]
        case "Strip":
            return [
                .strip(
                    content: try oneScalar(object, "content").value,
                    start: try object.integer("start", in: 0...Int(Int32.max)),
                    stop: try object.integer("stop", in: 0...Int(Int32.max)))
            ]
        case "Metaspace":
            return [
                .metaspace(
                    mark: try oneScalar(object, "replacement").value,
                    dropsInFirst: try prependScheme(object) != .never)
            ]
        default: throw unknown(object, kind, "decoder")
        }
    }

    // MARK: Post-processors

    private static func templates(_ object: ConfigObject) throws(FormatError) -> [[PostProcessor.Part]] {
        let kind = try object.string("type")
        switch kind {
        case "Sequence":
            var templates: [[PostProcessor.Part]] = []
            for part in try object.optionalObjects("processors") ?? [] { templates += try self.templates(part) }
            return templates
        case "ByteLevel": return []
        case "TemplateProcessing": return [try template(object)]
        case "RobertaProcessing", "BertProcessing":
            return [[.ids([try pairID(object, "cls")]), .text, .ids([try pairID(object, "sep")])]]
        default: throw unknown(object, kind, "post-processor")
        }
    }

    private static func template(_ object: ConfigObject) throws(FormatError) -> [PostProcessor.Part] {
        let specials = try object.optionalObject("special_tokens")
        var parts: [PostProcessor.Part] = []
        for piece in try object.optionalObjects("single") ?? [] {
            if let sequence = try piece.optionalObject("Sequence") {
                let id = try sequence.string("id")
                if id != "A" { throw sequence.error("id", "expected \"A\", found \(quotedForMessage(id))") }
                parts.append(.text)
                continue
            }
            let special = try piece.object("SpecialToken")
            let name = try special.string("id")
            guard let token = try specials?.optionalObject(name) else {
                throw special.error("id", "\(quotedForMessage(name)) is not in special_tokens")
            }
            let ids = try token.optionalIntegers("ids", in: 0...Vocabulary.idLimit) ?? []
            parts.append(.ids(ids))
        }
        return parts
    }

    /// The id of `["</s>", 2]`.
    private static func pairID(_ object: ConfigObject, _ field: String) throws(FormatError) -> Int {
        if case .array(let pair)? = object.value(field), pair.count == 2, case .integer(let id) = pair[1],
            (0...Vocabulary.idLimit).contains(id)
        {
            return id
        }
        throw object.error(
            field, "expected a token and its id, found \(object.value(field)?.summary ?? "nothing")")
    }

    // MARK: Patterns

    private static func literalPattern(_ object: ConfigObject) throws(FormatError) -> LiteralPattern {
        let pattern = try object.object("pattern")
        if let expression = try pattern.optionalString("Regex") {
            guard let literal = repeated(expression) else { throw unknownExpression(pattern, expression) }
            return literal
        }
        let text = try pattern.string("String")
        if text.isEmpty { throw pattern.error("String", "expected text, found \"\"") }
        return LiteralPattern(text: Array(text.utf8))
    }

    /// A regular expression that is one plain character, repeated or not: `▁`, ` +`, ` {2,}`.
    private static func repeated(_ expression: String) -> LiteralPattern? {
        let scalars = Array(expression.unicodeScalars)
        guard let first = scalars.first, !#"\^$.|?*+()[]{}"#.unicodeScalars.contains(first) else { return nil }
        let text = Array(String(first).utf8)
        let rest = String(String.UnicodeScalarView(scalars.dropFirst()))
        if rest.isEmpty { return LiteralPattern(text: text) }
        if rest == "+" { return LiteralPattern(text: text, minimumRepeats: 1) }
        guard rest.hasPrefix("{"), rest.hasSuffix(",}"), let count = Int(rest.dropFirst().dropLast(2)), count > 0
        else { return nil }
        return LiteralPattern(text: text, minimumRepeats: count)
    }

    private static func oneScalar(_ object: ConfigObject, _ field: String) throws(FormatError) -> Unicode.Scalar {
        let text = try object.string(field)
        guard let scalar = text.unicodeScalars.first, text.unicodeScalars.count == 1 else {
            throw object.error(field, "expected one character, found \(quotedForMessage(text))")
        }
        return scalar
    }

    private static func unknown(_ object: ConfigObject, _ kind: String, _ what: String) -> FormatError {
        object.error("type", "\(quotedForMessage(kind)) is a kind of \(what) that vkdyn does not know")
    }

    private static func unknownExpression(_ pattern: ConfigObject, _ expression: String) -> FormatError {
        pattern.error(
            "Regex",
            "\(quotedForMessage(expression)) is not among the expressions that vkdyn knows "
                + "(those of GPT-2, Llama 3, Qwen 2 and CLIP)")
    }
}

extension AddedToken {
    /// The flags of an added token as all of a model's JSON files write them.
    init(_ object: ConfigObject, content: String, isSpecial: Bool) throws(FormatError) {
        self.init(
            content: content,
            isSingleWord: try object.boolean("single_word", default: false),
            stripsLeft: try object.boolean("lstrip", default: false),
            stripsRight: try object.boolean("rstrip", default: false),
            isNormalized: try object.boolean("normalized", default: !isSpecial),
            isSpecial: isSpecial)
    }
}
