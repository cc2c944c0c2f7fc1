import VkdynCore
import VkdynFormats
import VkdynModels
import VkdynSchedule
import VkdynTechniques

/// Makes decoders that are ready, and shows what they generate.
struct TextGenerator {
    let device: any Device
    let tokenizer: Tokenizer
    /// Ids that end a text.
    let stopTokens: Set<Int>
    let prompts: [Prompt]
    let maximumNewTokens: Int
    /// Whether a decoder generates something short first, so that no run pays for the driver's first of a pipeline.
    let warmsUp: Bool
    let console: Console

    func decoder(target: any DecoderModel, _ configuration: Decoder.Configuration) throws -> Decoder {
        let decoder = try Decoder(device: device, target: target, configuration: configuration)
        let progress = console.progress("preparing")
        defer { progress.finish() }
        try decoder.prepare()
        if let prompt = prompts.first, prompt.tokens.count + 1 < configuration.contextLength, warmsUp {
            _ = try decoder.generate(
                prompt: prompt.tokens, options: GenerationOptions(maximumNewTokens: 8),
                isCancelled: { console.isInterrupted })
        }
        return decoder
    }

    /// - Parameter streams: shows the text as it comes.
    func generate(_ decoder: Decoder, _ prompt: Prompt, streams: Bool) throws -> Generation {
        let before = decoder.encodesPrompt ? [] : prompt.tokens
        var text = HostSpans.measure(.detokenise) { tokenizer.streamingDecoder(after: before) }
        let generation = try decoder.generate(
            prompt: prompt.tokens,
            options: GenerationOptions(
                maximumNewTokens: maximumNewTokens, choice: decoder.configuration.choice, stopTokens: stopTokens),
            onTokens: { tokens in
                guard streams else { return }
                for token in tokens { console.stream(HostSpans.measure(.detokenise) { text.push(token) }) }
            }, isCancelled: { console.isInterrupted })
        if streams { console.stream(text.finish() + "\n") }
        return generation
    }
}
