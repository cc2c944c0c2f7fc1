import Foundation
import VkdynCore
import VkdynFormats
import VkdynTechniques

/// What `run speculative` prints under `--json`.
struct SpeculativeReport: Encodable {
    struct Output: Encodable {
        var tokens: [Int]
        var text: String
        var durationSeconds: Double
        var stopReason: StopReason
        var rounds: Int?
        var draftedTokens: Int?
        var acceptedTokens: Int?
        var submits: Int
        var readbacks: Int
        var tokensPerSecond: Double

        init(plain: Bool = true, _ generation: Generation, _ tokenizer: Tokenizer) {
            let telemetry = generation.telemetry
            tokens = generation.tokens
            text = HostSpans.measure(.detokenise) { tokenizer.decode(generation.tokens) }
            durationSeconds = telemetry.durationSeconds
            stopReason = generation.stopReason
            if !plain {
                rounds = telemetry.rounds
                draftedTokens = telemetry.draftedTokens
                acceptedTokens = telemetry.acceptedTokens
            }
            submits = telemetry.submits
            readbacks = telemetry.readbacks
            tokensPerSecond = telemetry.tokensPerSecond
        }

        var acceptanceRate: Double {
            guard let draftedTokens, let acceptedTokens, draftedTokens > 0 else { return 0 }
            return Double(acceptedTokens) / Double(draftedTokens)
        }
    }

    struct Result: Encodable {
        var prompt: String
        var promptTokens: [Int]
        var standard: Output
        var speculative: Output
        /// Whether the tokens and the final logits are the same; absent under the rejection rule, which keeps the
        /// distribution alone.
        var identical: Bool?
        var speedup: Double

        init(
            prompt: String, promptTokens: [Int], standard: Output, speculative: Output, comparesOutputs: Bool,
            logitsIdentical: Bool
        ) {
            self.prompt = prompt
            self.promptTokens = promptTokens
            self.standard = standard
            self.speculative = speculative
            identical = comparesOutputs ? standard.tokens == speculative.tokens && logitsIdentical : nil
            speedup = speculative.durationSeconds > 0 ? standard.durationSeconds / speculative.durationSeconds : 0
        }
    }

    struct Summary: Encodable {
        var standardSeconds: Double
        var speculativeSeconds: Double
        var speedup: Double
        var acceptanceRate: Double
        var tokensPerRound: Double
        var submitsPerRound: Double
        var readbacksPerRound: Double
        var targetParameters: Int
        var draftParameters: Int
        var draftShare: Double
        /// No output differs; see `comparesOutputs` for whether any was compared.
        var identical: Bool
        var comparesOutputs: Bool
        var lockstepDispatches: Int?
        var lockstepValues: Int?
        var acceptanceRates: [String: Double]?
        /// Whether drafting paid, and why not; absent under lockstep, whose times say nothing.
        var economics: SpeculationVerdict?

        init(
            _ results: [Result], targetParameters: Int, draftParameters: Int, comparedValues: Int?,
            comparedDispatches: Int?, acceptanceRates: [String: Double]?, economics: SpeculationVerdict?
        ) {
            standardSeconds = results.reduce(0) { $0 + $1.standard.durationSeconds }
            speculativeSeconds = results.reduce(0) { $0 + $1.speculative.durationSeconds }
            speedup = speculativeSeconds > 0 ? standardSeconds / speculativeSeconds : 0
            let rounds = Double(max(1, results.reduce(0) { $0 + ($1.speculative.rounds ?? 0) }))
            let drafted = results.reduce(0) { $0 + ($1.speculative.draftedTokens ?? 0) }
            let accepted = results.reduce(0) { $0 + ($1.speculative.acceptedTokens ?? 0) }
            acceptanceRate = drafted == 0 ? 0 : Double(accepted) / Double(drafted)
            tokensPerRound = Double(results.reduce(0) { $0 + $1.speculative.tokens.count }) / rounds
            submitsPerRound = Double(results.reduce(0) { $0 + $1.speculative.submits }) / rounds
            readbacksPerRound = Double(results.reduce(0) { $0 + $1.speculative.readbacks }) / rounds
            self.targetParameters = targetParameters
            self.draftParameters = draftParameters
            draftShare = Double(draftParameters) / Double(max(1, targetParameters))
            identical = results.allSatisfy { $0.identical ?? true }
            comparesOutputs = results.allSatisfy { $0.identical != nil }
            lockstepDispatches = comparedDispatches
            lockstepValues = comparedValues
            self.acceptanceRates = acceptanceRates
            self.economics = economics
        }
    }

    var device: String
    var target: String
    var draft: String
    var results: [Result]
    var summary: Summary
}

// MARK: For people

extension Console {
    func show(_ result: SpeculativeReport.Result) {
        let fast = result.speculative
        let agreement =
            switch result.identical {
            case true: "identical"
            case false: "DIFFERENT"
            case nil: "same distribution"
            }
        line(
            String(
                format: "  standard %.3f s, speculative %.3f s: %.2fx; %d tokens in %d rounds, %.0f%% accepted; %@",
                result.standard.durationSeconds, fast.durationSeconds, result.speedup, fast.tokens.count,
                fast.rounds ?? 0, fast.acceptanceRate * 100, agreement))
    }

    func show(_ summary: SpeculativeReport.Summary) {
        line("")
        heading(
            String(
                format: "%.2fx: %.3f s standard, %.3f s speculative; %.0f%% of drafts accepted, %.2f tokens a round",
                summary.speedup, summary.standardSeconds, summary.speculativeSeconds, summary.acceptanceRate * 100,
                summary.tokensPerRound))
        line(
            String(
                format: "one round: %.2f submits, %.2f readbacks; the draft has %.1f%% of the target's parameters; outputs %@",
                summary.submitsPerRound, summary.readbacksPerRound, summary.draftShare * 100,
                summary.comparesOutputs ? (summary.identical ? "identical" : "DIFFERENT") : "of the same distribution"))
        if let rates = summary.acceptanceRates {
            line(
                "accepted: " + rates.sorted { $0.key < $1.key }.map {
                    String(format: "%@ %.1f%%", $0.key, $0.value * 100)
                }.joined(separator: ", "))
        }
        if let values = summary.lockstepValues, let dispatches = summary.lockstepDispatches {
            line("lockstep: \(values) values of \(dispatches) dispatches compared with their twins, 0 bits differ")
        }
    }
}
