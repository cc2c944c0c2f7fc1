public import VkdynTechniques

/// What a generation gives as it runs.
public enum GenerationEvent: Sendable {
    /// The tokens of one round, as soon as the device has them.
    case piece(GeneratedPiece)
    /// The last event.
    case finished(GenerationResult)
}

/// The tokens of one round: one of the target's own after the accepted drafts.
public struct GeneratedPiece: Sendable, Equatable {
    /// Ids; empty when only text that was held back is given.
    public let tokens: [Int]
    /// The text that is certain with these tokens, often empty: no piece ends inside a character.
    public let text: String
}

/// A generation as a whole.
public struct GenerationResult: Sendable {
    /// The generated ids, without the prompt's; a stop token is the last.
    public let tokens: [Int]
    /// The texts of all pieces.
    public let text: String
    public let stopReason: StopReason
    /// Counts, times and the rates that follow from them.
    public let telemetry: GenerationTelemetry
    /// The target's logits from which the last token was chosen, [vocabulary].
    public let finalLogits: [Float]
}

/// A generation that runs: its events in order, to be iterated once.
///
/// It began when it was asked for and does not wait for its consumer. It ends early, after the submit that runs, when
/// the consuming task is cancelled, the loop over it is left, or the sequence is let go.
///
/// Iterating throws `GenerationError` for a prompt that is empty, too long, or outside the vocabulary,
/// `InvalidOption`, `DeviceError`, and `CancellationError` when the task was cancelled.
public struct TextGeneration: AsyncSequence, Sendable {
    public typealias Element = GenerationEvent
    public typealias Failure = any Error

    private let events: AsyncThrowingStream<GenerationEvent, any Error>

    init(_ events: AsyncThrowingStream<GenerationEvent, any Error>) { self.events = events }

    public func makeAsyncIterator() -> Iterator { Iterator(base: events.makeAsyncIterator()) }

    public struct Iterator: AsyncIteratorProtocol {
        var base: AsyncThrowingStream<GenerationEvent, any Error>.Iterator
        private var isFinished = false

        init(base: AsyncThrowingStream<GenerationEvent, any Error>.Iterator) { self.base = base }

        public mutating func next() async throws -> GenerationEvent? { try await next(isolation: nil) }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> GenerationEvent? {
            if isFinished { return nil }
            guard let event = try await base.next(isolation: actor) else {
                // A stream ends without its last event only when its consumer was cancelled.
                isFinished = true
                throw CancellationError()
            }
            if case .finished = event { isFinished = true }
            return event
        }
    }

    /// Waits for the end.
    /// - Throws: what iterating throws.
    public func result() async throws -> GenerationResult {
        for try await event in self {
            if case .finished(let result) = event { return result }
        }
        throw CancellationError()
    }
}
