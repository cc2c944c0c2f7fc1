import ArgumentParser
import Foundation
import VkdynCore
import VkdynFormats
import VkdynModels
import VkdynSchedule
import VkdynTechniques

struct ProfileSpeculation: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "speculation",
        abstract: "Measure whether drafting pays: what verifying rows costs, and the break-even acceptance.",
        discussion: """
            Times the target's pass over 1 to 17 rows and the draft's steps on the device, after --context tokens, and \
            from these, for each draft length, what a round costs in decoding steps, the acceptance from which on it \
            pays, and how much faster than plain decoding it is at the acceptance seen. Acceptance is the probability \
            that a draft is accepted when all before it in its round were; without --acceptance a short greedy run of \
            the default prompts finds it. Without --target and --draft the small pair that comes with vkdyn is used.

            Examples:
              vkdyn profile speculation
              vkdyn profile speculation --context 400 --acceptance 0.6
              vkdyn profile speculation --target opt-1.3b --draft opt-125m --json
            """)

    @Option(help: "Folder of the target model, as Hugging Face publishes it.")
    var target: String?

    @Option(help: "Folder of the draft model, or prompt-lookup.")
    var draft: String?

    @Option(help: "Storage of the weights: f32, f16, bf16 or int8 (default: the checkpoint's own).")
    var weights: ElementType?

    @Option(help: "Tokens of the sequence that the passes attend to.")
    var context = 64

    @Option(help: ArgumentHelp("Acceptance to predict with, 0 to 1, instead of the one seen.", valueName: "α"))
    var acceptance: Double?

    @OptionGroup var device: DeviceOptions

    @Flag(help: "Print JSON and nothing else on standard output.")
    var json = false

    /// Of the run that finds the acceptance: long enough to see later positions too.
    private static let seenDraftLength = 8
    private static let seenTokens = 60

    func validate() throws {
        guard (1...1_000_000).contains(context) else {
            throw ValidationError("--context \(context): must be 1 to 1000000")
        }
        if let acceptance, !(0...1).contains(acceptance) {
            throw ValidationError("--acceptance \(acceptance): must be 0 to 1")
        }
        if let weights, !weights.storesWeights {
            throw ValidationError("--weights \(weights.rawValue): must be f32, f16, bf16 or int8")
        }
    }

    func run() throws {
        let console = Console(isJSON: json)
        let opened = try device.open(for: .separate, console: console).device
        let pair = try load(on: opened, console)
        guard let draft = pair.draft else { throw SetupError("there is no draft to measure") }
        let prompts = GenerationFlags.defaultPrompts.map { pair.tokenizer.encode($0) }

        let measuring = console.progress("measuring")
        defer { measuring.finish() }
        let costs = try SpeculationCosts.measure(
            device: opened, target: pair.target, draft: draft, tokens: Self.repeated(prompts, count: context)
        ) {
            measuring.update($0)
            if console.isInterrupted { throw ExitCode(130) }
        }
        measuring.finish()
        let seen = acceptance == nil ? try run(prompts, pair, draft, on: opened, console) : nil
        let report = SpeculationCostReport(
            device: opened.description.name, target: pair.targetPath, draft: pair.draftPath ?? "prompt-lookup",
            costs: costs, findsDrafts: pair.draftPath == nil, acceptance: acceptance, seen: seen,
            seenDraftLength: Self.seenDraftLength)
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(report), as: UTF8.self))
        } else {
            console.heading(SpeculativeComparison.title(pair, on: opened))
            console.show(report)
        }
    }

    private func load(on device: any Device, _ console: Console) throws -> SpeculativePair {
        let folders = try SpeculativeComparison.folders(target: target, draft: draft)
        let longest = GenerationFlags.defaultPrompts.map { folders.tokenizer.encode($0).count }.max() ?? 1
        let beyond = SpeculationCosts.longestDraft + 1
        let progress = console.progress("loading the models")
        defer { progress.finish() }
        let pair = try folders.load(
            on: device, weightType: weights, contextLimit: max(context + beyond, longest + Self.seenTokens)
        ) {
            progress.update($0.fraction)
            if console.isInterrupted { throw ExitCode(130) }
        }
        var limit = pair.target.contextLength
        if case .model(let draft) = pair.draft { limit = min(limit, draft.contextLength) }
        guard context + beyond <= limit else {
            throw SetupError(
                "--context \(context): must be at most \(limit - beyond) for these models, "
                    + "which leaves room for \(SpeculationCosts.longestDraft) drafts")
        }
        return pair
    }

    /// The prompts one after the other, over and over.
    private static func repeated(_ prompts: [[Int]], count: Int) -> [Int] {
        let tokens = prompts.flatMap { $0 }
        return (0..<count).map { tokens[$0 % tokens.count] }
    }

    /// Generates after the prompts, for what becomes of the drafts.
    private func run(
        _ prompts: [[Int]], _ pair: SpeculativePair, _ draft: DraftSource, on device: any Device, _ console: Console
    ) throws -> GenerationTelemetry {
        let longest = prompts.map(\.count).max() ?? 1
        let decoder = try Decoder(
            device: device, target: pair.target,
            configuration: .init(
                draft: draft, schedule: .constant(length: Self.seenDraftLength),
                contextLength: longest + Self.seenTokens))
        let progress = console.progress("generating")
        defer { progress.finish() }
        try decoder.prepare()
        var sum = GenerationTelemetry()
        for (index, prompt) in prompts.enumerated() {
            progress.update(Double(index) / Double(prompts.count))
            let found = try decoder.generate(
                prompt: prompt, options: .init(maximumNewTokens: Self.seenTokens, stopTokens: pair.stopTokens),
                isCancelled: { console.isInterrupted }
            ).telemetry
            if console.isInterrupted { throw ExitCode(130) }
            sum.acceptance = sum.acceptance + found.acceptance
            sum.rounds += found.rounds
            sum.generatedTokens += found.generatedTokens
            sum.decodeSeconds += found.decodeSeconds
        }
        return sum
    }
}

/// What `profile speculation` found.
struct SpeculationCostReport: Encodable {
    struct Pass: Encodable {
        var rows: Int
        var seconds: Double
        /// In decoding steps.
        var steps: Double
    }

    struct Round: Encodable {
        var draftTokens: Int
        var seconds: Double
        /// In decoding steps.
        var steps: Double
        /// Absent where drafts of this length never pay.
        var breakEvenAcceptance: Double?
        /// Against plain decoding, at the acceptance; absent where there is none.
        var speedup: Double?
        /// The same by each position's own acceptance; absent with `--acceptance`.
        var speedupByPosition: Double?
    }

    /// The run that found the acceptance, beside what the parts predict for it.
    struct Seen: Encodable {
        var draftTokens: Int
        var rounds: Int
        var tokensPerRound: Double
        var roundSeconds: Double
        var predictedRoundSeconds: Double
        var positions: [DraftAcceptance.Position]
    }

    var device: String
    var target: String
    var draft: String
    var contextLength: Int
    var decodeSeconds: Double
    var firstDraftSeconds: Double
    var nextDraftSeconds: Double
    var passes: [Pass]
    var rounds: [Round]
    /// Given or seen; absent where nothing was drafted.
    var acceptance: Double?
    var isAcceptanceGiven: Bool
    /// Of the rounds, those with drafts: 1 for a draft model, which always has some, and with `--acceptance`.
    var draftingShare: Double
    /// 0 where plain decoding is fastest; absent without an acceptance.
    var bestDraftTokens: Int?
    var bestSpeedup: Double?
    var seen: Seen?

    /// - Parameter findsDrafts: in the text, by prompt lookup, and so not in every round.
    init(
        device: String, target: String, draft: String, costs: SpeculationCosts, findsDrafts: Bool,
        acceptance: Double?, seen: GenerationTelemetry?, seenDraftLength: Int
    ) {
        let share = findsDrafts ? seen?.acceptance.draftingShare ?? 1 : 1
        let economics = SpeculationEconomics(costs, draftingShare: share > 0 ? share : 1)
        draftingShare = economics.draftingShare
        let acceptance = acceptance ?? seen?.acceptance.rate
        let positions = seen.flatMap { $0.acceptance.rate == nil ? nil : $0.acceptance }
        self.device = device
        self.target = target
        self.draft = draft
        contextLength = costs.contextLength
        decodeSeconds = costs.decodeSeconds
        firstDraftSeconds = costs.firstDraftSeconds
        nextDraftSeconds = costs.nextDraftSeconds
        passes = costs.verifySeconds.enumerated().map { index, seconds in
            Pass(rows: index + 1, seconds: seconds, steps: seconds / costs.decodeSeconds)
        }
        rounds = (1...costs.maximumDraftLength).map { length in
            let seconds = economics.meanRoundSeconds(draftLength: length)
            return Round(
                draftTokens: length, seconds: seconds, steps: seconds / costs.decodeSeconds,
                breakEvenAcceptance: economics.breakEvenAcceptance(draftLength: length),
                speedup: acceptance.map { economics.speedUp(acceptance: $0, draftLength: length) },
                speedupByPosition: positions.map {
                    economics.speedUp(
                        expectedTokens: $0.expectedTokens(draftLength: length), draftLength: length)
                })
        }
        self.acceptance = acceptance
        isAcceptanceGiven = seen == nil
        if let acceptance {
            let best = economics.bestDraftLength(acceptance: acceptance)
            bestDraftTokens = best
            bestSpeedup = economics.speedUp(acceptance: acceptance, draftLength: best)
        }
        self.seen = seen.flatMap { telemetry in
            guard telemetry.rounds > 0 else { return nil }
            return Seen(
                draftTokens: seenDraftLength, rounds: telemetry.rounds, tokensPerRound: telemetry.tokensPerRound,
                roundSeconds: telemetry.decodeSeconds / Double(telemetry.rounds),
                predictedRoundSeconds: economics.meanRoundSeconds(draftLength: seenDraftLength),
                positions: telemetry.acceptance.positions)
        }
    }
}

// MARK: For people

extension Console {
    func show(_ report: SpeculationCostReport) {
        line(
            "after \(report.contextLength) tokens: a decoding step takes \(Self.duration(report.decodeSeconds)), a round's "
                + "first draft \(Self.duration(report.firstDraftSeconds)), "
                + "each further one \(Self.duration(report.nextDraftSeconds))")
        line("")
        heading("verified rows       time     decoding steps")
        for pass in report.passes {
            line(Self.cell("\(pass.rows)", 13) + Self.cell(Self.duration(pass.seconds), 11) + Self.cell(pass.steps, 19))
        }
        line("")
        heading(
            "draft tokens       round     decoding steps   break-even acceptance   speed-up"
                + (report.seen == nil ? "" : "   by position"))
        for round in report.rounds {
            line(
                Self.cell("\(round.draftTokens)", 12) + Self.cell(Self.duration(round.seconds), 12)
                    + Self.cell(round.steps, 19)
                    + Self.cell(round.breakEvenAcceptance.map { String(format: "%.2f", $0) } ?? "never pays", 24)
                    + Self.cell(round.speedup, 11) + Self.cell(round.speedupByPosition, 14))
        }
        line("")
        if let seen = report.seen {
            line(
                String(
                    format: "a run with %d drafts: %.2f tokens a round, %@ a round (its parts predict %@)",
                    seen.draftTokens, seen.tokensPerRound, Self.duration(seen.roundSeconds),
                    Self.duration(seen.predictedRoundSeconds)))
        }
        if report.draftingShare < 1 {
            line(String(format: "%.0f%% of the rounds found drafts, as in the table", report.draftingShare * 100))
        }
        guard let acceptance = report.acceptance, let best = report.bestDraftTokens, let speedup = report.bestSpeedup
        else {
            heading("nothing was drafted: no acceptance to predict with; --acceptance takes one")
            return
        }
        let source = report.isAcceptanceGiven ? "given" : "seen"
        heading(
            best == 0
                ? String(format: "acceptance %.2f (\(source)): no draft length pays", acceptance)
                : String(
                    format: "acceptance %.2f (\(source)): --draft-tokens %d is best, %.2fx", acceptance, best, speedup))
    }

    private static func cell(_ value: Double?, _ width: Int) -> String {
        value.map { cell(String(format: "%.2f", $0), width) } ?? ""
    }

    private static func cell(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
