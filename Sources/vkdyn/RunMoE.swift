import ArgumentParser
import Foundation
import VkdynTechniques

struct RunMoE: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "moe",
        abstract: "Generate text with a mixture of experts: which experts fire, and what the others save.",
        discussion: """
            Every token reads the weights of the few experts that its router chooses. The same text is then generated \
            with all experts computed, for the time and the bytes that choosing saves. Without --model a small model \
            of Mixtral's architecture that comes with vkdyn is used; --model prose-deepseek is one of DeepSeek-V3's. \
            Exits with 0 only when the run of all experts, and the one with drafts, gave the same bits.

            Examples:
              vkdyn run moe
              vkdyn run moe --model prose-deepseek --report experts.html
              vkdyn run moe --model Mixtral-8x7B-v0.1 --weights int8 --prompt "The first rule"
              vkdyn run moe --draft prompt-lookup --draft-tokens 4
              vkdyn run moe --model Mixtral-8x7B-v0.1 --expert-cache 8G --no-dense
            """)

    @Option(
        help: ArgumentHelp(
            "Folder of a model, as Hugging Face publishes it (Mixtral, Qwen2-MoE, DeepSeek-V2 and V3, Switch "
                + "Transformers), or prose-mixtral or prose-deepseek, which come with vkdyn.", valueName: "model"))
    var model = "prose-mixtral"

    @Option(
        help: ArgumentHelp(
            "Device memory for experts, as in 512M or 8G: those that a token needs and that are not there come from the "
                + "checkpoint. Without it all experts are loaded.", valueName: "bytes"))
    var expertCache: ByteCount?

    @Option(help: "Draft with the model of this folder, or prompt-lookup, and count the experts of a verifying pass.")
    var draft: String?

    @Option(help: ArgumentHelp("Tokens to draft a round: 1 to 16, heuristic or confidence.", valueName: "n"))
    var draftTokens = DraftLength.constant(4)

    @Option(
        help: ArgumentHelp(
            "Rows of a prompt's piece that an expert takes, over those of an even spread; those beyond it pass "
                + "through the residual. Or none, which leaves no row out, as is the rule but in Switch Transformers, "
                + "whose experts take a number of a prompt's tokens that their configuration says.",
            valueName: "factor"))
    var capacity: CapacityFactor?

    @Flag(help: "Leave the run of all experts out.")
    var noDense = false

    @Option(help: ArgumentHelp("Write a page with the load of every expert and the way of the tokens.", valueName: "html"))
    var report: String?

    @OptionGroup var generation: GenerationFlags

    func validate() throws {
        if case .factor(let capacity) = capacity {
            guard capacity >= 0, capacity.isFinite, capacity <= 1000 else {
                throw ValidationError("--capacity \(capacity): must be 0 to 1000")
            }
            if draft != nil { throw ValidationError("--capacity makes a row depend on its pass: not with --draft") }
        }
    }

    func run() throws {
        if let report { try OutputFile(report, option: "--report").check() }
        let found = try MoEComparison(self).run()
        if let report {
            try OutputFile(report, option: "--report").write(found.page(command: CommandLine.arguments.dropFirst().map { $0 }))
        }
        if generation.json { try found.printJSON() }
        if !found.summary.identical { throw ExitCode(1) }
    }
}

/// `1.25`, or `none`.
enum CapacityFactor: ExpressibleByArgument, Equatable {
    case factor(Double)
    /// No row is left out.
    case none

    init?(argument: String) {
        if argument == "none" {
            self = .none
        } else if let factor = Double(argument) {
            self = .factor(factor)
        } else {
            return nil
        }
    }
}

/// `4096`, `512K`, `64M` or `8G`, in powers of 1024.
struct ByteCount: ExpressibleByArgument {
    let bytes: Int

    init?(argument: String) {
        let units: [Character: Int] = ["K": 10, "M": 20, "G": 30]
        let shift = argument.last.flatMap { units[$0] }
        guard let number = Int(shift == nil ? argument : String(argument.dropLast())), number > 0 else { return nil }
        let (bytes, overflows) = number.multipliedReportingOverflow(by: 1 << (shift ?? 0))
        guard !overflows else { return nil }
        self.bytes = bytes
    }
}
