import ArgumentParser
import Foundation
import VkdynCore
import VkdynFormats
import VkdynTechniques

/// What every command that generates text takes.
struct GenerationFlags: ParsableArguments {
    @Option(help: "A prompt; repeat for several.")
    var prompt: [String] = []

    @Option(help: ArgumentHelp("A prompt as token ids.", valueName: "1,2,3"))
    var promptTokens: [TokenList] = []

    @Option(help: "Tokens to generate for each prompt.")
    var maxNewTokens = 80

    @OptionGroup(title: "Sampling") var sampling: SamplingFlags

    @Option(help: "Storage of the weights: f32, f16, bf16 or int8 (default: the checkpoint's own).")
    var weights: ElementType?

    @Option(help: "Arithmetic of dot products: separate (the same bits everywhere) or fused.")
    var flavour = Flavour.separate

    @OptionGroup var device: DeviceOptions

    @Flag(help: "Run every dispatch on its CPU twin too, and stop at the first differing bit.")
    var lockstep = false

    @Flag(help: "Print JSON and nothing else on standard output.")
    var json = false

    static let defaultPrompts = [
        "The key advantage of dynamic computation in AI is", "Large language models can be accelerated by",
        "In the future, efficient AI inference will",
    ]

    func validate() throws {
        guard (1...1_000_000).contains(maxNewTokens) else {
            throw ValidationError("--max-new-tokens \(maxNewTokens): must be 1 to 1000000")
        }
        if let weights, !weights.storesWeights {
            throw ValidationError("--weights \(weights.rawValue): must be f32, f16, bf16 or int8")
        }
        try sampling.check()
    }

    /// What was asked for, or the default prompts.
    func prompts(_ tokenizer: Tokenizer) -> [Prompt] {
        HostSpans.measure(.tokenise) {
            var prompts = prompt.map { Prompt(text: $0, tokens: tokenizer.encode($0)) }
            prompts += promptTokens.map {
                Prompt(text: tokenizer.decode($0.tokens, skipSpecialTokens: false), tokens: $0.tokens)
            }
            if prompts.isEmpty {
                prompts = Self.defaultPrompts.map { Prompt(text: $0, tokens: tokenizer.encode($0)) }
            }
            return prompts
        }
    }
}

struct Prompt: Sendable {
    let text: String
    let tokens: [Int]
}

extension Encodable {
    /// One line on standard output, with keys in order.
    func printJSON() throws {
        try HostSpans.measure(.output, "json") {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(self), as: UTF8.self))
        }
    }
}

/// `1,2,3`.
struct TokenList: ExpressibleByArgument {
    let tokens: [Int]

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map {
            Int($0.trimmingCharacters(in: .whitespaces))
        }
        guard parts.allSatisfy({ $0 != nil }) else { return nil }
        tokens = parts.compactMap { $0 }
    }
}

struct SamplingFlags: ParsableArguments {
    @Option(help: "0 chooses the most probable token.")
    var temperature: Float = 0

    @Option(help: "Keep the k most probable tokens; 0 keeps all.")
    var topK = 0

    @Option(help: "Keep the most probable tokens of this mass; 1 keeps all.")
    var topP: Float = 1

    @Option(help: "Seed of the random numbers.")
    var seed: UInt64 = 0

    @Option(help: "coupled (the output equals plain sampling) or rejection (Leviathan's rule).")
    var acceptance = Acceptance.coupled

    func check() throws {
        guard temperature >= 0, temperature.isFinite else {
            throw ValidationError("--temperature \(temperature): must be 0 or more")
        }
        guard topK >= 0 else { throw ValidationError("--top-k \(topK): must be 0 or more") }
        guard topP > 0, topP <= 1 else { throw ValidationError("--top-p \(topP): must be above 0 and at most 1") }
    }

    func choice(_ acceptance: Acceptance? = nil) -> TokenChoice {
        guard temperature > 0 else { return .greedy }
        return .sampled(
            Sampling(temperature: temperature, topK: topK, topP: topP, seed: seed),
            acceptance: acceptance ?? self.acceptance)
    }
}

extension Acceptance: ExpressibleByArgument {}
