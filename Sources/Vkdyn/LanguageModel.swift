import Synchronization
public import VkdynCore
public import VkdynFormats
import VkdynModels
import VkdynSchedule
public import VkdynTechniques

/// How matrices are stored on the device. All arithmetic is f32.
public enum WeightType: String, Sendable, CaseIterable {
    case f32, f16, bf16
    /// Symmetric, a scale for every 64 inputs of an output.
    case int8

    var elementType: ElementType {
        switch self {
        case .f32: .f32
        case .f16: .f16
        case .bf16: .bf16
        case .int8: .i8
        }
    }
}

/// A language model on a device, with or without a draft that makes it faster.
///
/// Generations run one after another, in the order in which they were asked for; any number of tasks may ask.
public final class LanguageModel: Sendable {
    /// What the model runs on.
    public let device: DeviceInfo
    /// Turns text into ids and back; holds the vocabulary.
    public let tokenizer: Tokenizer
    /// Tokens that prompt and output may take together.
    public let contextLength: Int
    /// Rows of the embedding: every id is below it.
    public let vocabularySize: Int
    /// The ids that end a text, as the model's folder names them.
    public let stopTokens: Set<Int>
    /// Elements of all weights, tied ones once.
    public let parameterCount: Int
    /// The same of the draft model; 0 without one.
    public let draftParameterCount: Int

    private let engine: DecoderEngine
    private let thread: WorkThread

    init(_ pair: SpeculativePair, on opened: OpenedDevice, flavour: Flavour, contextLength: Int, thread: WorkThread) {
        device = opened.info
        tokenizer = pair.tokenizer
        self.contextLength = min(contextLength, pair.target.contextLength)
        vocabularySize = pair.target.vocabularySize
        stopTokens = pair.stopTokens
        parameterCount = pair.target.parameterCount
        draftParameterCount = pair.draftParameterCount
        engine = DecoderEngine(
            pair: pair, device: opened.device, flavour: flavour, contextLength: self.contextLength)
        self.thread = thread
    }

    /// Opens a device and loads a model. A cancelled task ends the loading after the tensor that is being moved.
    /// - Parameters:
    ///   - target: the model that decides every token.
    ///   - draft: what proposes tokens to it; nil for plain decoding.
    ///   - weights: nil keeps each checkpoint's own type.
    ///   - flavour: `.fused` where the device truly fuses; `.separate` gives the same bits on every device.
    ///   - contextLength: tokens that prompt and output may take together, at most the model's own. The caches of keys
    ///     and values are 8 · layers · key-value heads · head size bytes a token, for each model.
    ///   - progress: called on another thread after every tensor.
    /// - Throws: `FormatError` naming file and field or tensor, `VocabularyMismatch`, `ShippedModelMissing`,
    ///   `DeviceError`, `InvalidOption`, `CancellationError`.
    public static func load(
        target: ModelSource, draft: DraftChoice?, device: DeviceChoice = .automatic, weights: WeightType? = nil,
        flavour: Flavour = .separate, contextLength: Int = 2048,
        progress: @escaping @Sendable (LoadProgress) -> Void = { _ in }
    ) async throws -> LanguageModel {
        guard contextLength >= 2 else {
            throw InvalidOption(option: "contextLength", value: "\(contextLength)", expected: "at least 2")
        }
        let thread = WorkThread()
        return try await thread.run { cancellation in
            let folders = try SpeculativeFolders(target: target, draft: draft)
            try cancellation.check()
            let opened = try device.open(flavour)
            let pair = try folders.load(
                on: opened.device, weightType: weights?.elementType,
                contextLimit: contextLength
            ) {
                try cancellation.check()
                progress($0)
            }
            return LanguageModel(pair, on: opened, flavour: flavour, contextLength: contextLength, thread: thread)
        }
    }

    /// Continues a text.
    /// - Parameter prompt: encoded with what the tokenizer adds around a text, such as BOS.
    public func generate(_ prompt: String, options: GenerateOptions = GenerateOptions()) -> TextGeneration {
        generate(options) { [tokenizer] in tokenizer.encode(prompt) }
    }

    /// Continues token ids.
    /// - Parameter prompt: at least one id below `vocabularySize`, fewer than `contextLength`.
    public func generate(tokens prompt: [Int], options: GenerateOptions = GenerateOptions()) -> TextGeneration {
        generate(options) { prompt }
    }

    /// Prepares plans and pipelines, so that the first generation with such options is as fast as the next. Waits for
    /// the generations that were asked for before.
    /// - Throws: `InvalidOption`, `DeviceError`, `CancellationError`.
    public func prepare(for options: GenerateOptions = GenerateOptions()) async throws {
        try await thread.run { [engine] cancellation in
            try cancellation.check()
            try engine.prepare(options)
        }
    }

    private func generate(_ options: GenerateOptions, prompt: @escaping @Sendable () -> [Int]) -> TextGeneration {
        let cancellation = CancellationFlag()
        return TextGeneration(
            AsyncThrowingStream { continuation in
                continuation.onTermination = { _ in cancellation.set() }
                thread.start { [engine] in
                    do {
                        try cancellation.check()
                        let result = try engine.generate(prompt(), options, cancellation) {
                            continuation.yield(.piece($0))
                        }
                        continuation.yield(.finished(result))
                        continuation.finish()
                    } catch {
                        continuation.finish(throwing: error)
                    }
                }
            })
    }
}
