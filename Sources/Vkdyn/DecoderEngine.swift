import Synchronization
import VkdynCore
import VkdynFormats
import VkdynSchedule
import VkdynTechniques

/// Generates on the calling thread. Used from one thread at a time, which `WorkThread` sees to.
final class DecoderEngine: Sendable {
    private let pair: SpeculativePair
    private let device: any Device
    private let flavour: Flavour
    private let contextLength: Int
    private let latest = Mutex<Prepared?>(nil)

    /// A decoder and what its plans were made for.
    private struct Prepared {
        let kind: TokenChoice.Kind
        let drafting: DraftSchedule.Policy?
        let decoder: Decoder
    }

    init(pair: SpeculativePair, device: any Device, flavour: Flavour, contextLength: Int) {
        self.pair = pair
        self.device = device
        self.flavour = flavour
        self.contextLength = contextLength
    }

    func prepare(_ options: GenerateOptions) throws {
        try options.check()
        try decoder(for: options).prepare()
    }

    func generate(
        _ prompt: [Int], _ options: GenerateOptions, _ cancellation: CancellationFlag,
        onPiece: (GeneratedPiece) -> Void
    ) throws -> GenerationResult {
        try options.check()
        let decoder = try decoder(for: options)
        var decoding = pair.tokenizer.streamingDecoder(after: decoder.encodesPrompt ? [] : prompt)
        var whole = ""
        func give(_ tokens: [Int], _ text: String) {
            whole += text
            onPiece(GeneratedPiece(tokens: tokens, text: text))
        }
        do {
            let generation = try decoder.generate(
                prompt: prompt,
                options: GenerationOptions(
                    maximumNewTokens: options.maximumNewTokens, choice: options.choice,
                    stopTokens: options.stopTokens ?? pair.stopTokens),
                onTokens: { tokens in give(tokens, tokens.map { decoding.push($0) }.joined()) },
                isCancelled: { cancellation.isSet })
            let rest = decoding.finish()
            if !rest.isEmpty { give([], rest) }
            return GenerationResult(
                tokens: generation.tokens, text: whole, stopReason: generation.stopReason,
                telemetry: generation.telemetry, finalLogits: generation.finalLogits)
        } catch let error as DeviceError {
            // Its buffers may hold anything now.
            latest.withLock { $0 = nil }
            throw error
        }
    }

    /// The decoder of the last generation, or a new one in its place when plans differ.
    private func decoder(for options: GenerateOptions) throws(DeviceError) -> Decoder {
        let kind = options.choice.kind
        let drafting = pair.draft == nil ? nil : options.drafting
        let kept = latest.withLock { prepared -> Decoder? in
            if let prepared, prepared.kind == kind, prepared.drafting == drafting { return prepared.decoder }
            // Given up before the next is made, so that only one's caches take memory.
            prepared = nil
            return nil
        }
        if let kept { return kept }
        let decoder = try Decoder(
            device: device, target: pair.target,
            configuration: .init(
                draft: drafting == nil ? nil : pair.draft, schedule: drafting ?? .constant(length: 1),
                choice: options.choice, flavour: flavour, contextLength: contextLength))
        latest.withLock { $0 = Prepared(kind: kind, drafting: drafting, decoder: decoder) }
        return decoder
    }
}
