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
    private let device: any Device
    private let lockstep: LockstepDevice?
    private let pair: SpeculativePair
    private let tokenizer: Tokenizer
    private let target: any DecoderModel
    private let prompts: [Prompt]
    private let contextLength: Int
    private let console: Console

    private struct Prompt {
        let text: String
        let tokens: [Int]
    }

    init(_ options: RunSpeculative) throws {
        self.options = options
        let console = Console(isJSON: options.json)
        self.console = console
        let opened = try options.device.open(
            for: options.flavour, lockstep: options.lockstep, reportsInexact: true, console: console)
        device = opened.device
        lockstep = opened.lockstep
        let folders = try Self.folders(target: options.target, draft: options.draft)
        tokenizer = folders.tokenizer
        let tokenizer = folders.tokenizer
        prompts = HostSpans.measure(.tokenise) { Self.prompts(options, tokenizer) }
        let longest = prompts.map(\.tokens.count).max() ?? 1
        let progress = console.progress("loading the models")
        defer { progress.finish() }
        // Positions beyond what this run can reach need no tables.
        pair = try folders.load(
            on: device, weightType: options.weights, contextLimit: longest + options.maxNewTokens
        ) {
            progress.update($0.fraction)
            if console.isInterrupted { throw ExitCode(130) }
        }
        target = pair.target
        contextLength = min(target.contextLength, longest + options.maxNewTokens)
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

    private static func prompts(_ options: RunSpeculative, _ tokenizer: Tokenizer) -> [Prompt] {
        var prompts = options.prompt.map { Prompt(text: $0, tokens: tokenizer.encode($0)) }
        prompts += options.promptTokens.map {
            Prompt(text: tokenizer.decode($0.tokens, skipSpecialTokens: false), tokens: $0.tokens)
        }
        if prompts.isEmpty {
            prompts = RunSpeculative.defaultPrompts.map { Prompt(text: $0, tokens: tokenizer.encode($0)) }
        }
        return prompts
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
        if case .sampled(_, .rejection) = options.sampling.choice() { false } else { true }
    }

    private func decoder(draft: DraftSource?, acceptance: Acceptance? = nil) throws -> Decoder {
        let decoder = try Decoder(
            device: device, target: target,
            configuration: .init(
                draft: draft, schedule: options.draftTokens.policy, choice: options.sampling.choice(acceptance),
                flavour: options.flavour, contextLength: contextLength))
        let progress = console.progress("preparing")
        defer { progress.finish() }
        try decoder.prepare()
        // One short generation, so that neither side pays for the driver's first run of a pipeline.
        if let prompt = prompts.first, prompt.tokens.count + 1 < contextLength, lockstep == nil {
            _ = try decoder.generate(
                prompt: prompt.tokens, options: GenerationOptions(maximumNewTokens: 8),
                isCancelled: { console.isInterrupted })
        }
        return decoder
    }

    private func generate(_ decoder: Decoder, _ prompt: Prompt, streams: Bool) throws -> Generation {
        var text = HostSpans.measure(.detokenise) { tokenizer.streamingDecoder(after: prompt.tokens) }
        let generation = try decoder.generate(
            prompt: prompt.tokens,
            options: GenerationOptions(
                maximumNewTokens: options.maxNewTokens, choice: decoder.configuration.choice,
                stopTokens: pair.stopTokens),
            onTokens: { tokens in
                guard streams else { return }
                for token in tokens { console.stream(HostSpans.measure(.detokenise) { text.push(token) }) }
            }, isCancelled: { console.isInterrupted })
        if streams { console.stream(text.finish() + "\n") }
        return generation
    }

    /// For sampled text, what both rules accept on the same prompts.
    private func acceptanceRates(_ decoder: Decoder) throws -> [String: Double]? {
        guard case .sampled(_, let used) = options.sampling.choice(), case .model = pair.draft, lockstep == nil else {
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
