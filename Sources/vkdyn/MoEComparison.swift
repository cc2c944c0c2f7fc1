import ArgumentParser
import Foundation
import VkdynCore
import VkdynFormats
import VkdynModels
import VkdynReference
import VkdynSchedule
import VkdynTechniques

/// Generates with the chosen experts, with all of them, and with drafts, and compares.
struct MoEComparison {
    private let options: RunMoE
    private let flags: GenerationFlags
    private let device: any Device
    private let lockstep: LockstepDevice?
    private let pair: SpeculativePair
    private let experts: ExpertConfiguration
    private let prompts: [Prompt]
    private let contextLength: Int
    private let console: Console

    init(_ options: RunMoE) throws {
        self.options = options
        flags = options.generation
        let flags = options.generation
        let console = Console(isJSON: flags.json)
        self.console = console
        let draft: DraftChoice? = options.draft.map { $0 == "prompt-lookup" ? .promptLookup : .folder($0) }
        let folders = try SpeculativeFolders(target: Self.source(options.model), draft: draft)
        guard let experts = try ExpertConfiguration(folders.target.config.root) else {
            throw SetupError(
                "--model \(options.model): has no experts in any layer; vkdyn run speculative runs dense models")
        }
        let opened = try flags.device.open(
            for: flags.flavour, lockstep: flags.lockstep, reportsInexact: true, console: console)
        device = opened.device
        lockstep = opened.lockstep
        prompts = flags.prompts(folders.tokenizer)
        let longest = prompts.map(\.tokens.count).max() ?? 1
        let progress = console.progress("loading the model")
        defer { progress.finish() }
        pair = try folders.load(
            on: device, weightType: flags.weights, contextLimit: longest + flags.maxNewTokens,
            expertCapacity: try options.capacity.map { try Self.expertCapacity($0, experts) },
            expertCacheBytes: options.expertCache?.bytes
        ) {
            progress.update($0.fraction)
            if console.isInterrupted { throw ExitCode(130) }
        }
        // With the capacity.
        self.experts = pair.target.experts ?? experts
        contextLength = min(pair.target.contextLength, longest + flags.maxNewTokens)
    }

    /// A folder, or else one of the shipped models.
    private static func source(_ model: String) -> ModelSource {
        FileManager.default.fileExists(atPath: model) ? .folder(model)
            : ShippedModels.folder(model).map { .folder($0) } ?? .folder(model)
    }

    /// Rows of the largest piece of a prompt that one expert takes: ⌊rows · chosen / experts · factor⌋, at least 1, and
    /// 0 for a factor of 0. An encoder has no pieces: its experts take their share of the whole prompt.
    static func expertCapacity(
        _ capacity: CapacityFactor, _ experts: ExpertConfiguration
    ) throws(SetupError) -> ExpertCapacity {
        guard case .factor(let factor) = capacity else { return .unlimited }
        if experts.encoderLayers != nil {
            guard factor > 0 else {
                throw SetupError("--capacity 0: an expert of an encoder takes at least one token of a prompt")
            }
            return .factor(factor)
        }
        guard factor > 0 else { return .rows(0) }
        let even = Double(Decoder.largestPrefillLength * experts.chosenCount) / Double(experts.count)
        return .rows(max(1, Int(even * factor)))
    }

    // MARK: Running

    func run() throws -> MoEReport {
        let generator = TextGenerator(
            device: device, tokenizer: pair.tokenizer, stopTokens: pair.stopTokens, prompts: prompts,
            maximumNewTokens: flags.maxNewTokens, warmsUp: lockstep == nil, console: console)
        func decoder(draft: DraftSource? = nil, all: Bool = false) throws -> Decoder {
            try generator.decoder(
                target: pair.target,
                .init(
                    draft: draft, schedule: options.draftTokens.policy, choice: flags.sampling.choice(),
                    flavour: flags.flavour, contextLength: contextLength, computesAllExperts: all))
        }
        let sparse = try decoder()
        let leavesOut = experts.mayDrop(rows: Decoder.largestPass(of: pair.target))
        let dense = options.noDense || leavesOut ? nil : try decoder(all: true)
        let drafting = try pair.draft.map { try decoder(draft: $0) }
        console.heading(title)
        var results: [MoEReport.Result] = []
        var traces: [ExpertTrace] = []
        for prompt in prompts where !console.isInterrupted {
            console.line("")
            console.prompt(prompt.text)
            // What an encoder has read is not gone on with.
            if sparse.encodesPrompt { console.line("") }
            let plain = try generator.generate(sparse, prompt, streams: true)
            let all = try dense.map { try generator.generate($0, prompt, streams: false) }
            let drafted = try drafting.map { try generator.generate($0, prompt, streams: false) }
            if console.isInterrupted { break }
            let result = MoEReport.Result(
                prompt, plain: plain, dense: all, drafted: drafted, comparesDrafted: comparesDrafted,
                model: pair.target, tokenizer: pair.tokenizer)
            console.show(result)
            results.append(result)
            if let trace = plain.experts { traces.append(trace) }
        }
        if console.isInterrupted { throw ExitCode(130) }
        let report = MoEReport(
            device: device.description.name, model: pair.targetPath, results: results,
            summary: .init(
                results, traces: traces, model: pair.target, experts: experts,
                lockstep: lockstep?.report))
        console.show(report.summary)
        return report
    }

    /// Leviathan's rule keeps the distribution, not the tokens.
    private var comparesDrafted: Bool {
        if case .sampled(_, .rejection) = flags.sampling.choice() { false } else { true }
    }

    private var title: String {
        func millions(_ count: Int) -> String { String(format: "%.1fM", Double(count) / 1e6) }
        let model = pair.target
        let name = URL(fileURLWithPath: pair.targetPath).lastPathComponent
        let stacks = experts.encoderLayers == nil ? "" : " of encoder and decoder"
        let shared = experts.sharedWidth > 0 ? " and a shared one" : ""
        return "\(device.description.name): \(name), \(experts.chosenCount) of \(experts.count) experts\(shared) in "
            + "\(experts.layerCount) of \(model.layerCount) layers\(stacks); "
            + "\(millions(model.activeParameterCount)) of "
            + "\(millions(model.parameterCount)) parameters active"
    }
}
