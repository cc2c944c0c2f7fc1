import ArgumentParser
import Foundation
import VkdynCore
import VkdynFormats
import VkdynModels
import VkdynReference
import VkdynSchedule
import VkdynTechniques
import VkdynVulkan

/// Runs the same prompts with and without drafts and compares.
struct SpeculativeComparison {
    private let options: RunSpeculative
    private let flags: GenerationFlags
    private let device: any Device
    private let lockstep: LockstepDevice?
    private let pair: SpeculativePair
    private let tokenizer: Tokenizer
    private let target: any DecoderModel
    private let prompts: [Prompt]
    private let contextLength: Int
    private let console: Console

    init(_ options: RunSpeculative) throws {
        self.options = options
        flags = options.generation
        let flags = options.generation
        let console = Console(isJSON: flags.json)
        self.console = console
        let opened = try flags.device.open(
            for: flags.flavour, lockstep: flags.lockstep, reportsInexact: true, console: console)
        device = opened.device
        lockstep = opened.lockstep
        let folders = try Self.folders(target: options.target, draft: options.draft)
        tokenizer = folders.tokenizer
        prompts = flags.prompts(tokenizer)
        let longest = prompts.map(\.tokens.count).max() ?? 1
        let progress = console.progress("loading the models")
        defer { progress.finish() }
        // Positions beyond what this run can reach need no tables.
        pair = try folders.load(
            on: device, weightType: flags.weights, contextLimit: longest + flags.maxNewTokens
        ) {
            progress.update($0.fraction)
            if console.isInterrupted { throw ExitCode(130) }
        }
        target = pair.target
        contextLength = min(target.contextLength, longest + flags.maxNewTokens)
    }

    /// The pair that `--target` and `--draft` name.
    static func folders(target: String?, draft: String?) throws -> SpeculativeFolders {
        let choice: DraftChoice
        switch (draft, target) {
        case ("prompt-lookup", _): choice = .promptLookup
        case (_?, nil): throw SetupError("--draft needs --target: the shipped target has its own draft")
        case (let path?, _): choice = .folder(path)
        case (nil, nil): choice = .shipped
        case (nil, let target?): throw SetupError("--target \(target) needs --draft: a folder or prompt-lookup")
        }
        return try SpeculativeFolders(target: target.map { .folder($0) } ?? .shipped, draft: choice)
    }

    /// The models in one line.
    static func title(_ pair: SpeculativePair, on device: any Device) -> String {
        func name(_ path: String) -> String { URL(fileURLWithPath: path).lastPathComponent }
        func millions(_ count: Int) -> String { String(format: "%.1fM", Double(count) / 1e6) }
        let draft = pair.draftPath.map { "draft \(name($0)) (\(millions(pair.draftParameterCount)))" }
        return "\(device.description.name): \(name(pair.targetPath)) "
            + "(\(millions(pair.target.parameterCount)) parameters), \(draft ?? "prompt lookup")"
    }

    // MARK: Running

    func run() throws -> SpeculativeReport {
        var results: [SpeculativeReport.Result] = []
        var telemetry: [(plain: GenerationTelemetry, fast: GenerationTelemetry)] = []
        let standard = try decoder(draft: nil)
        let speculative = try decoder(draft: pair.draft)
        console.heading(Self.title(pair, on: device))
        for prompt in prompts {
            if console.isInterrupted { break }
            console.line("")
            console.prompt(prompt.text)
            let plain = try generate(standard, prompt, streams: true)
            let fast = try generate(speculative, prompt, streams: false)
            // What a Ctrl-C cut short is not compared.
            if console.isInterrupted { break }
            let result = SpeculativeReport.Result(
                prompt: prompt.text, promptTokens: prompt.tokens, standard: .init(plain, tokenizer),
                speculative: .init(plain: false, fast, tokenizer), comparesOutputs: comparesOutputs,
                logitsIdentical: !comparesOutputs || plain.finalLogits.map(\.bitPattern) == fast.finalLogits.map(\.bitPattern))
            console.show(result)
            results.append(result)
            telemetry.append((plain.telemetry, fast.telemetry))
        }
        if console.isInterrupted { throw ExitCode(130) }
        let rates = try acceptanceRates(speculative)
        // The twins beside every dispatch would be what is timed.
        let economics = lockstep == nil
            ? SpeculationVerdict(plain: telemetry.map(\.plain), speculative: telemetry.map(\.fast)) : nil
        let report = SpeculativeReport(
            device: device.description.name, target: pair.targetPath, draft: pair.draftPath ?? "prompt-lookup",
            results: results,
            summary: .init(
                results, targetParameters: target.parameterCount, draftParameters: pair.draftParameterCount,
                comparedValues: lockstep?.report.values, comparedDispatches: lockstep?.report.dispatches,
                acceptanceRates: rates, economics: economics))
        console.show(report.summary)
        if let warning = economics?.warning { console.note(warning) }
        return report
    }

    /// Leviathan's rule keeps the distribution, not the tokens.
    private var comparesOutputs: Bool {
        if case .sampled(_, .rejection) = flags.sampling.choice() { false } else { true }
    }

    private func decoder(draft: DraftSource?, acceptance: Acceptance? = nil) throws -> Decoder {
        try generator.decoder(
            target: target,
            .init(
                draft: draft, schedule: options.draftTokens.policy, choice: flags.sampling.choice(acceptance),
                flavour: flags.flavour, contextLength: contextLength))
    }

    private var generator: TextGenerator {
        TextGenerator(
            device: device, tokenizer: tokenizer, stopTokens: pair.stopTokens, prompts: prompts,
            maximumNewTokens: flags.maxNewTokens, warmsUp: lockstep == nil, console: console)
    }

    private func generate(_ decoder: Decoder, _ prompt: Prompt, streams: Bool) throws -> Generation {
        try generator.generate(decoder, prompt, streams: streams)
    }

    /// For sampled text, what both rules accept on the same prompts.
    private func acceptanceRates(_ decoder: Decoder) throws -> [String: Double]? {
        guard case .sampled(_, let used) = flags.sampling.choice(), case .model = pair.draft, lockstep == nil else {
            return nil
        }
        var rates: [String: Double] = [:]
        for acceptance in Acceptance.allCases {
            let decoder = acceptance == used ? decoder : try self.decoder(draft: pair.draft, acceptance: acceptance)
            var telemetry = GenerationTelemetry()
            for prompt in prompts where !console.isInterrupted {
                let generation = try generate(decoder, prompt, streams: false)
                telemetry.draftedTokens += generation.telemetry.draftedTokens
                telemetry.acceptedTokens += generation.telemetry.acceptedTokens
            }
            rates[acceptance.rawValue] = telemetry.acceptanceRate
        }
        return rates
    }
}
