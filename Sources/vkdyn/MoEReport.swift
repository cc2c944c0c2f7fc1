import Foundation
import VkdynFormats
import VkdynModels
import VkdynProfile
import VkdynReference
import VkdynTechniques

/// What `run moe` found, as JSON has it.
struct MoEReport: Encodable {
    /// The same text with all experts computed, or with drafts.
    struct Other: Encodable {
        let durationSeconds: Double
        let tokensPerSecond: Double
        /// Whether tokens and final logits are those of the chosen experts' run; absent under the rejection rule, which
        /// keeps the distribution alone.
        let identical: Bool?
        /// Of weights, over the generated tokens.
        let bytesReadPerToken: Double
        /// Experts that a pass over the model read, over all layers.
        let expertsTouchedPerPass: Double
        let rounds: Int
        let acceptedTokens: Int
        let draftedTokens: Int
    }

    struct Result: Encodable {
        let prompt: String
        let promptTokens: [Int]
        let tokens: [Int]
        let text: String
        let stopReason: StopReason
        let durationSeconds: Double
        let tokensPerSecond: Double
        let submits: Int
        let readbacks: Int
        /// By token that the model read (all but the last) and layer with experts: in descending score. Where an
        /// encoder reads the prompt, its tokens come first and have no experts in the decoder's layers, and the
        /// decoder's, which begin with a start token, none in the encoder's.
        let experts: [[[Int]]]
        /// What each of those tokens adds to the text.
        let tokenTexts: [String]
        /// Of weights, over the generated tokens.
        let bytesReadPerToken: Double
        let expertsTouchedPerPass: Double
        /// What a capacity left without its expert, prompt and output together.
        let droppedAssignments: Int
        /// With all experts computed.
        let dense: Other?
        /// How many times as much the run of all experts reads, and takes.
        let bytesSaving: Double
        let timeSaving: Double?
        let speculative: Other?

        init(
            _ prompt: Prompt, plain: Generation, dense: Generation?, drafted: Generation?, comparesDrafted: Bool,
            model: any DecoderModel, tokenizer: Tokenizer
        ) {
            self.prompt = prompt.text
            promptTokens = prompt.tokens
            tokens = plain.tokens
            text = tokenizer.decode(plain.tokens)
            stopReason = plain.stopReason
            let telemetry = plain.telemetry
            durationSeconds = telemetry.durationSeconds
            tokensPerSecond = telemetry.tokensPerSecond
            submits = telemetry.submits
            readbacks = telemetry.readbacks
            let traffic = ExpertTraffic(plain.experts?.rounds ?? [], tokens: plain.tokens.count, model: model)
            let prefill = ExpertTraffic(plain.experts?.prompt ?? [], tokens: 0, model: model)
            experts = plain.experts?.lists ?? []
            let all = prompt.tokens + (model.encoder.map { [$0.startToken] } ?? []) + plain.tokens
            tokenTexts = experts.indices.map { tokenizer.decode([all[$0]], skipSpecialTokens: false) }
            bytesReadPerToken = traffic.bytesPerToken
            expertsTouchedPerPass = traffic.touchedPerPass
            droppedAssignments = traffic.droppedAssignments + prefill.droppedAssignments
            bytesSaving = traffic.saving
            func other(_ generation: Generation, compares: Bool) -> Other {
                let telemetry = generation.telemetry
                let traffic = ExpertTraffic(
                    generation.experts?.rounds ?? [], tokens: generation.tokens.count, model: model)
                let isSame = generation.tokens == plain.tokens
                    && generation.finalLogits.map(\.bitPattern) == plain.finalLogits.map(\.bitPattern)
                return Other(
                    durationSeconds: telemetry.durationSeconds, tokensPerSecond: telemetry.tokensPerSecond,
                    identical: compares ? isSame : nil, bytesReadPerToken: traffic.bytesPerToken,
                    expertsTouchedPerPass: traffic.touchedPerPass, rounds: telemetry.rounds,
                    acceptedTokens: telemetry.acceptedTokens, draftedTokens: telemetry.draftedTokens)
            }
            self.dense = dense.map { other($0, compares: true) }
            timeSaving = dense.map { $0.telemetry.decodeSeconds / max(telemetry.decodeSeconds, .leastNormalMagnitude) }
            speculative = drafted.map { other($0, compares: comparesDrafted) }
        }
    }

    /// One layer with experts.
    struct LayerLoad: Encodable {
        /// In its stack.
        let layer: Int
        /// encoder or decoder; absent where the model has no encoder.
        let stack: ExpertConfiguration.Stack?
        /// Tokens that chose each expert.
        let tokensPerExpert: [Int]
        /// The busiest expert's tokens over those of an even spread.
        let imbalance: Double
        let unusedExperts: Int
    }

    /// Experts that came as they were needed, over all runs.
    struct Cache: Encodable {
        /// Experts that fit.
        let slots: Int
        let bytes: Int
        let hitRate: Double
        let uploadedBytes: Int
        /// Reads of what a router chose: one for each expert layer of a pass.
        let readbacks: Int
    }

    struct Summary: Encodable {
        let activeParameters: Int
        let totalParameters: Int
        let activeShare: Double
        let expertCount: Int
        let chosenCount: Int
        /// The most rows of a pass that an expert takes; absent where none is left out.
        let expertCapacity: Int?
        /// Instead of it, of a prompt's even share.
        let capacityFactor: Double?
        /// Absent where the model has no encoder.
        let encodesPrompt: Bool?
        let layers: [LayerLoad]
        let tokensPerSecond: Double
        let bytesReadPerToken: Double
        let denseBytesReadPerToken: Double
        let bytesSaving: Double
        let denseTokensPerSecond: Double?
        let timeSaving: Double?
        /// Of keys and values, or latents; and what keys and values of all heads would take.
        let cacheBytesPerToken: Int
        let fullHeadCacheBytesPerToken: Int
        let droppedAssignments: Int
        /// Absent where all experts lie in memory.
        let expertCache: Cache?
        /// Nothing that was compared differs.
        let identical: Bool
        let lockstepDispatches: Int?
        let lockstepValues: Int?

        init(
            _ results: [Result], traces: [ExpertTrace], model: any DecoderModel, experts: ExpertConfiguration,
            lockstep: LockstepDevice.Report?
        ) {
            activeParameters = model.activeParameterCount
            totalParameters = model.parameterCount
            activeShare = Double(activeParameters) / Double(max(totalParameters, 1))
            expertCount = experts.count
            chosenCount = experts.chosenCount
            expertCapacity = experts.capacityFactor == nil ? experts.capacity : nil
            capacityFactor = experts.capacityFactor
            encodesPrompt = model.encoder == nil ? nil : true
            let report = ExpertReport(
                ExpertTrace(joining: traces, of: experts), configuration: experts, expertBytes: model.expertByteCount,
                generatedTokens: results.reduce(0) { $0 + $1.tokens.count })
            layers = report.layers.map {
                LayerLoad(
                    layer: $0.layer, stack: experts.encoderLayers == nil ? nil : $0.stack,
                    tokensPerExpert: $0.tokenCounts, imbalance: $0.imbalance, unusedExperts: $0.unusedCount)
            }
            func mean(_ value: (Result) -> Double?) -> Double? {
                let pairs = results.compactMap { result in value(result).map { ($0, Double(result.tokens.count)) } }
                let weight = pairs.reduce(0) { $0 + $1.1 }
                return weight > 0 ? pairs.reduce(0) { $0 + $1.0 * $1.1 } / weight : nil
            }
            /// Over all tokens, from rates a token.
            func rate(_ perSecond: (Result) -> Double?) -> Double? {
                mean { result in perSecond(result).flatMap { $0 > 0 ? 1 / $0 : nil } }.map { 1 / $0 }
            }
            let tokensPerSecond = rate(\.tokensPerSecond) ?? 0
            self.tokensPerSecond = tokensPerSecond
            bytesReadPerToken = mean(\.bytesReadPerToken) ?? 0
            denseBytesReadPerToken = mean { $0.bytesReadPerToken * $0.bytesSaving } ?? 0
            bytesSaving = denseBytesReadPerToken / max(bytesReadPerToken, .leastNormalMagnitude)
            denseTokensPerSecond = rate { $0.dense?.tokensPerSecond }
            timeSaving = denseTokensPerSecond.map { tokensPerSecond / $0 }
            cacheBytesPerToken = model.cacheBytesPerToken
            fullHeadCacheBytesPerToken = model.fullHeadCacheBytesPerToken
            droppedAssignments = results.reduce(0) { $0 + $1.droppedAssignments }
            expertCache = model.expertCache.map { cache in
                let found = cache.statistics
                return Cache(
                    slots: cache.slotCount, bytes: cache.byteCount, hitRate: found.hitRate,
                    uploadedBytes: found.uploadedBytes, readbacks: found.readbacks)
            }
            identical = results.allSatisfy { $0.dense?.identical ?? true && $0.speculative?.identical ?? true }
            lockstepDispatches = lockstep?.dispatches
            lockstepValues = lockstep?.values
        }
    }

    let device: String
    let model: String
    let results: [Result]
    let summary: Summary
}

extension MoEReport.LayerLoad {
    var name: String { (stack.map { "\($0) " } ?? "") + "layer \(layer)" }
}

extension MoEReport.Summary {
    /// How many rows an expert takes; nil for all. With an encoder it says what that means for a token.
    var capacityRule: String? {
        guard encodesPrompt != nil else { return expertCapacity.map { "an expert takes \($0) rows of a pass" } }
        let share = capacityFactor.map { String(format: "%g times an even share", $0) }
        return (share ?? expertCapacity.map(String.init)).map {
            "of the prompt's tokens that choose an expert it takes the first (\($0)), so that a token's output depends "
                + "on those before it"
        }
    }
}

extension ExpertTrace {
    /// Several texts' traces, one after the other.
    init(joining traces: [ExpertTrace], of experts: ExpertConfiguration) {
        let none = [LayerTally](repeating: LayerTally(), count: experts.layerCount)
        func sum(_ tallies: (ExpertTrace) -> [LayerTally]) -> [LayerTally] {
            traces.reduce(none) { sum, trace in zip(sum, tallies(trace)).map { $0 + $1 } }
        }
        self.init(
            layerCount: experts.layerCount, chosenCount: experts.chosenCount, choices: traces.flatMap(\.choices),
            prompt: sum(\.prompt), rounds: sum(\.rounds))
    }

    /// By token and layer, in descending score.
    var lists: [[[Int]]] {
        (0..<positionCount).map { position in
            (0..<layerCount).map { layer in
                experts(position: position, layer: layer).filter { $0 != .max }.map(Int.init)
            }
        }
    }
}

// MARK: For people

extension Console {
    func show(_ result: MoEReport.Result) {
        line(
            String(format: "  %.1f tokens/s, %.3f s; a token reads ", result.tokensPerSecond, result.durationSeconds)
                + Figures.bytes(Int(result.bytesReadPerToken)) + " of weights")
        if let dense = result.dense {
            line(
                String(format: "  all experts: %.1f tokens/s, ", dense.tokensPerSecond)
                    + Figures.bytes(Int(dense.bytesReadPerToken))
                    + String(
                        format: " a token: %.2fx the bytes, %.2fx the time; ", result.bytesSaving,
                        result.timeSaving ?? 0) + (dense.identical == true ? "identical" : "DIFFERENT"))
        }
        if let drafted = result.speculative {
            let agreement =
                switch drafted.identical {
                case true: "identical"
                case false: "DIFFERENT"
                case nil: "same distribution"
                }
            line(
                String(
                    format: "  with drafts: %.1f tokens/s, %d of %d drafts accepted; a verifying pass touches %.1f experts, "
                        + "a plain one %.1f; ", drafted.tokensPerSecond, drafted.acceptedTokens, drafted.draftedTokens,
                    drafted.expertsTouchedPerPass, result.expertsTouchedPerPass) + agreement)
        }
    }

    func show(_ summary: MoEReport.Summary) {
        line("")
        var text = String(
            format: "%.1f tokens/s; %.0f%% of the parameters are active; a token reads ", summary.tokensPerSecond,
            summary.activeShare * 100)
        text += Figures.bytes(Int(summary.bytesReadPerToken)) + " of weights"
        if let dense = summary.denseTokensPerSecond, let saving = summary.timeSaving {
            text += String(format: ", with all experts %.2fx as much in %.2fx the time (%.1f tokens/s)",
                summary.bytesSaving, saving, dense)
        }
        heading(text)
        if summary.cacheBytesPerToken < summary.fullHeadCacheBytesPerToken {
            line(
                "the latent cache takes \(Figures.bytes(summary.cacheBytesPerToken)) a token, full heads would take "
                    + Figures.bytes(summary.fullHeadCacheBytesPerToken))
        }
        line("tokens of each expert, from none to the most of the layer:")
        let width = max(10, summary.layers.map(\.name.count).max() ?? 0)
        for load in summary.layers {
            line(
                pad(load.name, width) + "  " + bars(load.tokensPerExpert)
                    + String(format: "  busiest %.2fx an even share", load.imbalance)
                    + (load.unusedExperts > 0 ? ", \(load.unusedExperts) unused" : ""))
        }
        if let rule = summary.capacityRule {
            line("capacity: \(rule); \(Figures.count(summary.droppedAssignments)) assignments were left out")
        }
        if let cache = summary.expertCache {
            line(
                "expert cache: \(cache.slots) experts in \(Figures.bytes(cache.bytes)); "
                    + "\(Figures.percent(cache.hitRate)) were there, \(Figures.bytes(cache.uploadedBytes)) uploaded, "
                    + "\(Figures.count(cache.readbacks)) readbacks of choices, over all runs")
        }
        if let values = summary.lockstepValues, let dispatches = summary.lockstepDispatches {
            line("lockstep: \(values) values of \(dispatches) dispatches compared with their twins, 0 bits differ")
        }
    }

    /// One character an expert; neighbours are added up where there are more than a line holds.
    private func bars(_ counts: [Int]) -> String {
        let width = 64
        let groupSize = (counts.count + width - 1) / width
        let groups = stride(from: 0, to: counts.count, by: groupSize).map { start in
            counts[start..<min(start + groupSize, counts.count)].reduce(0, +)
        }
        let most = max(groups.max() ?? 1, 1)
        let levels = Array("▁▂▃▄▅▆▇█")
        return String(groups.map { $0 == 0 ? "·" : levels[min(levels.count - 1, $0 * levels.count / (most + 1))] })
    }
}
