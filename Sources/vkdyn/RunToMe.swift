import ArgumentParser
import Foundation
import VkdynCore
import VkdynTechniques

struct RunToMe: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tome",
        abstract: "Classify images with and without token merging, and compare: speed, tokens, predictions.",
        discussion: """
            Without --model the small classifier that comes with vkdyn is used, and without --image its own images. An \
            item of --r says how many tokens merge in each layer: a number; a list by layer, later layers 0; or \
            r@inflection from -1 (early layers merge more) to 1. More than a layer's tokens allow becomes what they \
            allow: half of those that are no class or distillation token. Exits with 0 only when r = 0 gives the bits \
            of merging switched off. --accuracy takes the images that a model's folder holds with their classes, in \
            heldout.json, and counts at every r how many are classified rightly.

            Examples:
              vkdyn run tome
              vkdyn run tome --accuracy --r 0,8,16,24,33 --plot accuracy.svg
              vkdyn run tome --model vit_base_patch16_224.augreg_in21k_ft_in1k --image cat.jpg --visualize merged.png
              vkdyn run tome --image cat.jpg --r 0,8,10/0/7/3,8@-1.0 --json
              vkdyn run tome --model vit_base_patch16_224 --seed-weights 1 --batch 4 --r 0,8,16
            """)

    @Option(
        help: ArgumentHelp(
            "Folder of a model, as timm or Hugging Face publishes it; with --seed-weights the name of an architecture.",
            valueName: "folder"))
    var model: String?

    @Option(
        help: ArgumentHelp(
            "Time an architecture with no checkpoint: weights, and images where none are given, from this seed.",
            valueName: "seed"))
    var seedWeights: UInt64?

    @Option(help: ArgumentHelp("A PNG or JPEG file; repeat for several.", valueName: "file"))
    var image: [String] = []

    @Option(
        name: .customLong("r"), parsing: .unconditional,
        help: ArgumentHelp("Tokens to merge in each layer, separated by commas.", valueName: "r,r,…"))
    var rates = MergeRates.standard

    @Option(help: "Images of one pass (default: 1; 25 with --accuracy).")
    var batch: Int?

    @Option(help: "Timed passes for each r, in turns; with --accuracy every image is run once.")
    var repetitions = 5

    @Option(help: ArgumentHelp("Draw which patches became one, for every image and r.", valueName: "out.png"))
    var visualize: String?

    @Flag(help: "Classify the model's held-out images at every r, and compare with their classes.")
    var accuracy = false

    @Option(
        help: ArgumentHelp("With --accuracy: plot accuracy and multiply-adds against r.", valueName: "out.svg"))
    var plot: String?

    @Option(help: "Storage of the weights: f32, f16, bf16 or int8 (default: the checkpoint's own).")
    var weights: ElementType?

    @OptionGroup var device: DeviceOptions

    @Flag(help: "Run every dispatch on its CPU twin too, and stop at the first differing bit.")
    var lockstep = false

    @Flag(help: "Print JSON and nothing else on standard output.")
    var json = false

    func validate() throws {
        guard (1...1024).contains(batchSize) else { throw ValidationError("--batch \(batchSize): must be 1 to 1024") }
        guard (1...1000).contains(repetitions) else {
            throw ValidationError("--repetitions \(repetitions): must be 1 to 1000")
        }
        if let weights, !weights.storesWeights {
            throw ValidationError("--weights \(weights.rawValue): must be f32, f16, bf16 or int8")
        }
        if seedWeights != nil, model == nil {
            throw ValidationError("--seed-weights needs --model with an architecture, such as vit_base_patch16_224")
        }
        if visualize != nil, seedWeights != nil, image.isEmpty {
            throw ValidationError("--visualize needs --image")
        }
        if accuracy, !image.isEmpty {
            throw ValidationError("--accuracy takes the model's held-out images, not --image")
        }
        if accuracy, visualize != nil { throw ValidationError("--accuracy and --visualize: one of the two") }
        if accuracy, seedWeights != nil {
            throw ValidationError("--accuracy needs a trained model; --seed-weights makes one of random weights")
        }
        if let plot {
            guard accuracy else { throw ValidationError("--plot needs --accuracy") }
            guard rates.constants.count > 1 else {
                throw ValidationError("--plot needs two numbers in --r; lists and slopes have no place on its axis")
            }
            try OutputFile(plot, option: "--plot").check()
        }
        if let visualize { try OutputFile(visualize, option: "--visualize").check() }
        // What no model allows is said before any is loaded.
        for rate in rates.items {
            do throws(MergeScheduleError) {
                _ = try rate.schedule.counts(layerCount: 1_000_000)
            } catch {
                throw ValidationError("--r \(rate): \(error)")
            }
        }
    }

    var batchSize: Int { batch ?? (accuracy ? 25 : 1) }

    func run() throws {
        if accuracy {
            let report = try ToMeAccuracy(self).run()
            try finish(report, zeroIsOff: report.summary.zeroIsOff)
        } else {
            let report = try ToMeComparison(self).run()
            try finish(report, zeroIsOff: report.summary.zeroIsOff)
        }
    }

    private func finish(_ report: some Encodable, zeroIsOff: Bool?) throws {
        if json {
            try HostSpans.measure(.output, "json") {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(report), as: UTF8.self))
            }
        }
        if zeroIsOff == false { throw ExitCode(1) }
    }
}

/// `8`, `10/0/7/3` or `8@-1.0`.
struct MergeRate: CustomStringConvertible {
    let schedule: MergeSchedule
    /// As it was given.
    let description: String

    init?(_ text: some StringProtocol) {
        let text = text.trimmingCharacters(in: .whitespaces)
        description = text
        if let count = Int(text) {
            schedule = .constant(count)
        } else if text.contains("@") {
            let parts = text.split(separator: "@", omittingEmptySubsequences: false)
            guard parts.count == 2, let count = Int(parts[0]), let inflection = Double(parts[1]) else { return nil }
            schedule = .inflected(count, inflection: inflection)
        } else {
            let counts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
            let numbers = counts.compactMap { $0 }
            guard numbers.count == counts.count else { return nil }
            schedule = .perLayer(numbers)
        }
    }
}

/// `0,4,8`.
struct MergeRates: ExpressibleByArgument, CustomStringConvertible {
    let items: [MergeRate]

    static let standard = MergeRates(items: [0, 4, 8, 16, 24, 32].compactMap { MergeRate("\($0)") })

    private init(items: [MergeRate]) { self.items = items }

    init?(argument: String) {
        let items = argument.split(separator: ",", omittingEmptySubsequences: false).map { MergeRate($0) }
        let known = items.compactMap { $0 }
        guard known.count == items.count else { return nil }
        self.items = known
    }

    /// Those that are the same in every layer.
    var constants: [Int] {
        items.compactMap { if case .constant(let count) = $0.schedule { count } else { nil } }
    }

    var description: String { items.map(\.description).joined(separator: ",") }
}
