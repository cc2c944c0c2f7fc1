import ArgumentParser
import Foundation
import VkdynCore
import VkdynFormats
import VkdynModels
import VkdynReference
import VkdynSchedule
import VkdynTechniques
import VkdynVulkan

struct RunSpeculative: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "speculative",
        abstract: "Generate text with and without a draft, and compare: the same tokens, in less time.",
        discussion: """
            Without --target and --draft the small pair that comes with vkdyn is used. Exits with 0 only when \
            every output is identical (greedy, and sampled with coupled acceptance).

            Examples:
              vkdyn run speculative
              vkdyn run speculative --target opt-1.3b --draft opt-125m --draft-tokens 5
              vkdyn run speculative --draft prompt-lookup --prompt "one two three one two"
              vkdyn run speculative --temperature 0.8 --top-p 0.9 --seed 7
            """)

    @Option(help: "Folder of the target model, as Hugging Face publishes it.")
    var target: String?

    @Option(help: "Folder of the draft model, or prompt-lookup.")
    var draft: String?

    @Option(help: "A prompt; repeat for several.")
    var prompt: [String] = []

    @Option(help: ArgumentHelp("A prompt as token ids.", valueName: "1,2,3"))
    var promptTokens: [TokenList] = []

    @Option(help: "Tokens to generate for each prompt.")
    var maxNewTokens = 80

    @Option(help: ArgumentHelp("Tokens to draft a round: 1 to 16, heuristic or confidence.", valueName: "n"))
    var draftTokens = DraftLength.constant(4)

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

    func run() throws {
        let comparison = try SpeculativeComparison(self)
        let report = try comparison.run()
        if json {
            try HostSpans.measure(.output, "json") {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(report), as: UTF8.self))
            }
        }
        if !report.summary.identical { throw ExitCode(1) }
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

/// `--draft-tokens`.
enum DraftLength: ExpressibleByArgument, CustomStringConvertible {
    case constant(Int)
    case heuristic
    case confidence

    init?(argument: String) {
        switch argument {
        case "heuristic": self = .heuristic
        case "confidence": self = .confidence
        default:
            guard let length = Int(argument), (1...16).contains(length) else { return nil }
            self = .constant(length)
        }
    }

    var description: String {
        switch self {
        case .constant(let length): "\(length)"
        case .heuristic: "heuristic"
        case .confidence: "confidence"
        }
    }

    var policy: DraftSchedule.Policy {
        switch self {
        case .constant(let length): .constant(length: length)
        case .heuristic: .heuristic(initial: 5, maximum: 16)
        case .confidence: .confidence(threshold: 0.4, maximum: 16)
        }
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
