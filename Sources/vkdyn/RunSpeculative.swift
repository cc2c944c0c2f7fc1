import ArgumentParser
import VkdynTechniques

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

    @Option(help: ArgumentHelp("Tokens to draft a round: 1 to 16, heuristic or confidence.", valueName: "n"))
    var draftTokens = DraftLength.constant(4)

    @OptionGroup var generation: GenerationFlags

    func run() throws {
        let comparison = try SpeculativeComparison(self)
        let report = try comparison.run()
        if generation.json { try report.printJSON() }
        if !report.summary.identical { throw ExitCode(1) }
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
