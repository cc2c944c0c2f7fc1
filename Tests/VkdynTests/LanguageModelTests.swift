import Foundation
import Testing
import VkdynReference
import VkdynSchedule
import VkdynTechniques

@testable import Vkdyn

/// The library's face, on the reference device with the smallest pair.
@Suite struct LanguageModelTests {
    private let prompt = [14, 44, 25, 7, 17, 30]

    private func load(
        _ pair: TinyPair, draft: DraftChoice? = nil, contextLength: Int = 2048
    ) async throws -> LanguageModel {
        try await LanguageModel.load(
            target: .folder(pair.target), draft: draft ?? .folder(pair.draft), device: .reference,
            contextLength: contextLength)
    }

    private func model(_ pair: TinyPair, on device: GateDevice) throws -> LanguageModel {
        let opened = OpenedDevice(device: device, info: DeviceInfo(device, inexactReason: nil, isFused: true))
        return LanguageModel(
            try pair.pair(.folder(pair.draft)).load(on: device), on: opened, flavour: .separate, contextLength: 512,
            thread: WorkThread())
    }

    /// What the decoder itself gives, without drafts.
    private func plain(_ pair: TinyPair, _ prompt: [Int], _ count: Int) throws -> Generation {
        let device = ReferenceDevice()
        let loaded = try pair.pair(nil).load(on: device)
        return try Decoder(
            device: device, target: loaded.target, configuration: .init(contextLength: 512)
        ).generate(prompt: prompt, options: .init(maximumNewTokens: count))
    }

    @Test func theStreamEqualsTheDecoder() async throws {
        let pair = try TinyPair()
        let expected = try plain(pair, prompt, 30)
        let model = try await load(pair)
        #expect(model.vocabularySize == 64)
        #expect(model.contextLength == 512)
        #expect(model.draftParameterCount > 0 && model.draftParameterCount < model.parameterCount)
        for drafting in [nil, .constant(length: 1), .constant(length: 4), .heuristic(initial: 3, maximum: 8)]
            as [DraftSchedule.Policy?]
        {
            var pieces: [GeneratedPiece] = []
            var finished: GenerationResult?
            let options = GenerateOptions(maximumNewTokens: 30, drafting: drafting)
            for try await event in model.generate(tokens: prompt, options: options) {
                switch event {
                case .piece(let piece): pieces.append(piece)
                case .finished(let result): finished = result
                }
            }
            let result = try #require(finished)
            #expect(result.tokens == expected.tokens)
            #expect(pieces.flatMap(\.tokens) == expected.tokens)
            #expect(result.finalLogits.map(\.bitPattern) == expected.finalLogits.map(\.bitPattern))
            #expect(result.text == expected.tokens.map { TinyPair.alphabet[$0] }.joined())
            #expect(pieces.map(\.text).joined() == result.text)
            #expect(result.stopReason == .tokenLimit)
            #expect(result.telemetry.rounds == pieces.count)
            #expect((result.telemetry.draftedTokens == 0) == (drafting == nil))
        }
    }

    @Test func textIsEncodedAndDecoded() async throws {
        let pair = try TinyPair()
        let model = try await load(pair, draft: .promptLookup)
        #expect(model.tokenizer.encode("a bc") == [1, 0, 2, 3])
        let options = GenerateOptions(maximumNewTokens: 12)
        let result = try await model.generate("a bc", options: options).result()
        #expect(try result.tokens == plain(pair, [1, 0, 2, 3], 12).tokens)
        #expect(result.text == model.tokenizer.decode(result.tokens))
    }

    @Test func aSeedIsNotKeptFromTheGenerationBefore() async throws {
        let pair = try TinyPair()
        let model = try await load(pair)
        func sample(_ seed: UInt64, _ drafting: DraftSchedule.Policy?) async throws -> [Int] {
            try await model.generate(
                tokens: prompt,
                options: GenerateOptions(
                    maximumNewTokens: 24, choice: .sampled(Sampling(temperature: 2, seed: seed), acceptance: .coupled),
                    drafting: drafting)
            ).result().tokens
        }
        let first = try await sample(1, .constant(length: 3))
        let second = try await sample(2, .constant(length: 3))
        #expect(first != second)
        #expect(try await sample(1, .constant(length: 3)) == first)
        #expect(try await sample(1, nil) == first)
        #expect(try await sample(2, nil) == second)
    }

    @Test func aStopTokenIsTheLast() async throws {
        let pair = try TinyPair()
        let expected = try plain(pair, prompt, 30).tokens
        let end = try #require(expected.firstIndex { $0 != expected[0] })
        let options = GenerateOptions(maximumNewTokens: 30, stopTokens: [expected[end]])
        let result = try await load(pair).generate(tokens: prompt, options: options).result()
        #expect(result.stopReason == .stopToken)
        #expect(result.tokens == Array(expected[...end]))
    }

    @Test func cancellationEndsAfterTheCurrentSubmit() async throws {
        let pair = try TinyPair()
        // The prompt for the target and for the draft, and two rounds.
        let device = GateDevice(letsThrough: 4)
        let model = try model(pair, on: device)
        let (firstPieces, firstPiece) = AsyncStream.makeStream(of: Void.self)
        let consumer = Task {
            for try await _ in model.generate(tokens: prompt, options: GenerateOptions(maximumNewTokens: 400)) {
                firstPiece.yield()
            }
        }
        for await _ in firstPieces { break }
        consumer.cancel()
        await #expect(throws: CancellationError.self) { try await consumer.value }
        device.open()
        // Runs after what is left of the generation.
        try await model.prepare()
        #expect(device.counters.submits <= 5)
        // Nothing is left over for the next one.
        let result = try await model.generate(tokens: prompt, options: GenerateOptions(maximumNewTokens: 20)).result()
        #expect(try result.tokens == plain(pair, prompt, 20).tokens)
    }

    @Test func leavingTheLoopEndsTheGeneration() async throws {
        let device = GateDevice(letsThrough: 4)
        let model = try model(TinyPair(), on: device)
        for try await _ in model.generate(tokens: prompt, options: GenerateOptions(maximumNewTokens: 400)) { break }
        device.open()
        try await model.prepare()
        #expect(device.counters.submits <= 5)
    }

    @Test func generationsAtTheSameTimeRunOneAfterAnother() async throws {
        let pair = try TinyPair()
        let device = GateDevice(letsThrough: .max)
        let model = try model(pair, on: device)
        let prompts = [[14, 44, 25], [61], [3, 33, 39, 21, 40]]
        let results = try await withThrowingTaskGroup(of: (Int, [Int]).self) { group in
            for (index, prompt) in prompts.enumerated() {
                group.addTask {
                    let drafting = DraftSchedule.Policy.constant(length: index + 1)
                    let options = GenerateOptions(maximumNewTokens: 24, drafting: drafting)
                    return (index, try await model.generate(tokens: prompt, options: options).result().tokens)
                }
            }
            return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        for (index, prompt) in prompts.enumerated() {
            #expect(try results[index] == plain(pair, prompt, 24).tokens)
        }
        #expect(device.mostRunning == 1)
    }

    // MARK: Bad input

    @Test func promptsThatCannotBeContinued() async throws {
        let model = try await load(TinyPair(), contextLength: 16)
        #expect(model.contextLength == 16)
        await #expect(throws: GenerationError.emptyPrompt) { try await model.generate("").result() }
        await #expect(throws: GenerationError.emptyPrompt) { try await model.generate(tokens: []).result() }
        await #expect(throws: GenerationError.promptTooLong(tokens: 16, contextLength: 16)) {
            try await model.generate(tokens: Array(repeating: 5, count: 16)).result()
        }
        await #expect(throws: GenerationError.tokenOutOfRange(token: 64, vocabularySize: 64)) {
            try await model.generate(tokens: [1, 64]).result()
        }
        let result = try await model.generate(tokens: Array(repeating: 5, count: 15)).result()
        #expect(result.tokens.count == 1)
        #expect(result.stopReason == .contextLimit)
    }

    @Test func optionsOutsideTheirRange() async throws {
        let model = try await load(TinyPair())
        let sampled = { (sampling: Sampling) in TokenChoice.sampled(sampling, acceptance: .coupled) }
        for options in [
            GenerateOptions(maximumNewTokens: 0), GenerateOptions(drafting: .constant(length: 17)),
            GenerateOptions(drafting: .heuristic(initial: 5, maximum: 4)),
            GenerateOptions(drafting: .confidence(threshold: .nan, maximum: 4)),
            GenerateOptions(choice: sampled(Sampling(temperature: 0))),
            GenerateOptions(choice: sampled(Sampling(temperature: .infinity))),
            GenerateOptions(choice: sampled(Sampling(topK: -1))), GenerateOptions(choice: sampled(Sampling(topP: 1.5))),
        ] {
            await #expect(throws: InvalidOption.self) {
                try await model.generate(tokens: [1], options: options).result()
            }
        }
    }

    @Test func modelsThatCannotBeLoaded() async throws {
        var other = TinyPair.alphabet
        other.swapAt(3, 4)
        let mismatch = try TinyPair(draftAlphabet: other)
        let error = await #expect(throws: VocabularyMismatch.self) { try await load(mismatch) }
        #expect(error?.differenceCount == 2)
        let pair = try TinyPair()
        await #expect(throws: FormatError.self) { try await load(pair, draft: .folder(pair.folder + "/absent")) }
        await #expect(throws: InvalidOption.self) { try await load(pair, contextLength: 1) }
    }

    @Test func loadingIsReportedAndCanBeCancelled() async throws {
        let pair = try TinyPair()
        let (fractions, progress) = AsyncStream.makeStream(of: Double.self)
        _ = try await LanguageModel.load(
            target: .folder(pair.target), draft: .folder(pair.draft), device: .reference
        ) { progress.yield($0.fraction) }
        progress.finish()
        var seen: [Double] = []
        for await fraction in fractions { seen.append(fraction) }
        #expect(seen == seen.sorted())
        #expect(try #require(seen.last) > 0.9)

        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await load(pair)
        }
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func aDeviceByItsText() {
        #expect(DeviceChoice("auto") == .automatic)
        #expect(DeviceChoice("reference") == .reference)
        #expect(DeviceChoice("1") == .index(1))
        #expect(DeviceChoice("llvm") == .named("llvm"))
    }
}
