public import VkdynFormats

/// A prompt as CLIP's text encoder takes it.
public struct ClipPrompt: Sendable, Equatable {
    /// [length]: begin, the text's tokens, end, and padding.
    public let ids: [Int]
    /// The end of a text that was too long, or nil when all of it is there.
    public let cutOff: String?
}

/// Makes prompts of one length.
public struct ClipPromptEncoder: Sendable {
    public let tokenizer: Tokenizer
    /// Tokens of every prompt, begin and end included; 77 for CLIP.
    public let length: Int
    /// What begins and ends a text, and what follows the end: the end again in Stable Diffusion 1, "!" in 2.
    public let beginID, endID, paddingID: Int

    /// Prompts as long as `tokenizer_config.json` says, but no longer than the text encoder takes.
    /// - Parameter limit: positions of the text encoder, at least 3.
    public init(folder: String, limit: Int = 77) throws(FormatError) {
        let tokenizer = try Tokenizer(folder: folder, className: "CLIPTokenizer")
        func id(_ field: String, _ id: Int?) throws(FormatError) -> Int {
            guard let id else {
                throw FormatError(
                    file: folder, field: field, problem: "is not in the vocabulary; expected CLIP's tokenizer")
            }
            return id
        }
        self.tokenizer = tokenizer
        beginID = try id("bos_token", tokenizer.bosTokenID)
        endID = try id("eos_token", tokenizer.eosTokenID)
        paddingID = try id("pad_token", tokenizer.padTokenID)
        let root = try ConfigFile(path: folder + "/tokenizer_config.json").root
        // 1e30 where there is no limit.
        let longest = try root.number("model_max_length", in: 3 ... .infinity, default: .infinity)
        length = longest < Double(limit) ? Int(longest) : limit
    }

    /// Cuts a text that is too long: what follows its first `length` − 2 tokens.
    public func encode(_ text: String) -> ClipPrompt {
        let ids = tokenizer.encode(text, addSpecialTokens: false)
        let (kept, rest) = (ids.prefix(length - 2), ids.dropFirst(length - 2))
        let padding = repeatElement(paddingID, count: length - 2 - kept.count)
        return ClipPrompt(
            ids: [beginID] + kept + [endID] + padding,
            cutOff: rest.isEmpty ? nil : tokenizer.decode(rest, skipSpecialTokens: false))
    }
}
