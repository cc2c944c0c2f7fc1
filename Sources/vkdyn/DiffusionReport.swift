import Foundation
import VkdynImage
import VkdynModels
import VkdynReference
import VkdynSchedule
import VkdynTechniques

/// What all methods have in common, and the texts that pictures carry.
struct DiffusionSettings: Encodable {
    let model: String
    let prompts: [String]
    let negativePrompts: [String]
    let steps: Int
    let guidance: Double
    let seed: UInt64
    let scheduler: String
    let width: Int
    let height: Int
    /// Of `--latents`.
    let latents: String?
    let cache: String
    let merging: String
    /// Whether DeepCache and merging change nothing: interval 1, ratio 0.
    let cacheIsIdle: Bool
    let mergingIsIdle: Bool

    init(
        _ options: RunDiffusion, prompts: [String], model: String, size: (width: Int, height: Int),
        scheduler: SchedulerKind
    ) {
        self.model = model
        self.prompts = prompts
        negativePrompts = options.negativePrompt
        steps = options.steps
        guidance = options.guidance
        seed = options.seed
        self.scheduler = scheduler.rawValue
        width = options.size?.width ?? size.width
        height = options.size?.height ?? size.height
        latents = options.latents
        cache = options.cache.summary
        merging = options.tome.summary
        cacheIsIdle = options.cache.cacheInterval == 1
        mergingIsIdle = options.tome.tomeRatio == 0
    }

    /// Whether a method must give the baseline's bits.
    func isIdle(_ method: DiffusionMethod) -> Bool {
        (!method.caches || cacheIsIdle) && (!method.merges || mergingIsIdle)
    }

    /// In one line.
    var summary: String {
        "\(width)×\(height), \(steps) steps of \(scheduler), guidance \(guidance), seed \(seed)"
    }

    func fileName(_ method: DiffusionMethod, picture: Int) -> String {
        method.fileStem + (prompts.count > 1 ? "_\(picture + 1)" : "") + ".png"
    }

    /// The settings of a picture, nothing that changes from run to run.
    /// - Parameters:
    ///   - method: nil for the comparison.
    ///   - picture: nil for all.
    func texts(_ method: DiffusionMethod?, picture: Int?) -> [PNGText] {
        let shown = picture.map { [prompts[$0]] } ?? prompts
        let negatives = picture.map { negativePrompts.count > 1 ? [negativePrompts[$0]] : negativePrompts }
        var texts = [
            PNGText(keyword: "Software", text: "vkdyn run diffusion"), PNGText(keyword: "model", text: model),
            PNGText(keyword: "prompt", text: shown.joined(separator: "\n")),
        ]
        let negative = (negatives ?? negativePrompts).joined(separator: "\n")
        if !negative.isEmpty { texts.append(PNGText(keyword: "negative prompt", text: negative)) }
        texts += [
            PNGText(keyword: "steps", text: "\(steps)"), PNGText(keyword: "guidance", text: "\(guidance)"),
            PNGText(keyword: "seed", text: "\(seed)"), PNGText(keyword: "scheduler", text: scheduler),
            PNGText(keyword: "size", text: "\(width)x\(height)"),
        ]
        if let latents { texts.append(PNGText(keyword: "latents", text: latents)) }
        if let method { texts.append(PNGText(keyword: "method", text: method.rawValue)) }
        if method?.caches ?? true { texts.append(PNGText(keyword: "deepcache", text: cache)) }
        if method?.merges ?? true { texts.append(PNGText(keyword: "tome", text: merging)) }
        return texts
    }
}

/// What `run diffusion` found, as JSON has it.
struct DiffusionReport: Encodable {
    struct Result: Encodable {
        let method: DiffusionMethod
        /// Of all evaluations of the U-Net; absent under lockstep, where they would be the twins'.
        let seconds: Double?
        /// What the first evaluations took beyond the others, in which drivers compile; not in `seconds`.
        let warmUpSeconds: Double?
        let textSeconds: Double?
        let decodeSeconds: Double?
        /// Against the baseline; absent without one.
        let speedup: Double?
        let evaluations: Int
        let fullEvaluations: Int
        let multiplyAdds: Int
        /// Of the baseline's.
        let multiplyAddsShare: Double?
        /// In decibels, against the baseline's pictures, the mean; absent without a baseline and where all are equal.
        let psnr: Double?
        /// The mean; absent without a baseline and where pictures are smaller than its window.
        let ssim: Double?
        /// Whether the latents have the baseline's bits; absent without one.
        let identical: Bool?
        let trainingRequired: Bool
        let pictures: [String]
        let submits: Int
        let memory: DiffusionMemory
    }

    struct Summary: Encodable {
        /// Whether methods that change nothing gave the baseline's bits; absent where there was none.
        let unchangedIsBaseline: Bool?
        let parameters: Int
        /// The most that any method took, weights included; absent where the device does not count.
        let peakBytes: Int?
        let weightBytes: Int
        /// The most of tensors, other than weights, that any method had alive at one time.
        let liveBytes: Int
        let lockstepDispatches: Int?
        let lockstepValues: Int?
    }

    let device: String
    let settings: DiffusionSettings
    /// The baseline first.
    let results: [Result]
    let summary: Summary
}

extension DiffusionReport.Result {
    init(
        _ method: DiffusionMethod, _ found: DiffusionResult, baseline: DiffusionResult?, isTimed: Bool,
        isIdentical: Bool?, files: [String]
    ) {
        let pairs = baseline.map { Array(zip($0.images, found.images)) } ?? []
        let ratios = pairs.map { $0.peakSignalToNoiseRatio(to: $1) }
        let similarities = pairs.compactMap { $0.structuralSimilarity(to: $1) }
        func mean(_ values: [Double]) -> Double? {
            values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
        }
        self.init(
            method: method, seconds: isTimed ? found.seconds : nil,
            warmUpSeconds: isTimed ? found.warmUpSeconds : nil, textSeconds: isTimed ? found.textSeconds : nil,
            decodeSeconds: isTimed ? found.decodeSeconds : nil,
            speedup: isTimed ? baseline.map { $0.seconds / found.seconds } : nil, evaluations: found.evaluations,
            fullEvaluations: found.fullEvaluations, multiplyAdds: found.multiplyAdds,
            multiplyAddsShare: baseline.map { Double(found.multiplyAdds) / Double($0.multiplyAdds) },
            // JSON has no infinity: the mean of those that differ.
            psnr: mean(ratios.filter(\.isFinite)), ssim: mean(similarities), identical: isIdentical,
            trainingRequired: false, pictures: files, submits: found.counters.submits, memory: found.memory)
    }
}

extension DiffusionReport.Summary {
    init(
        _ results: [DiffusionReport.Result], settings: DiffusionSettings, parameters: Int,
        lockstep: LockstepDevice.Report?
    ) {
        let idle = results.filter { $0.method != .baseline && settings.isIdle($0.method) }.compactMap(\.identical)
        self.init(
            unchangedIsBaseline: idle.isEmpty ? nil : idle.allSatisfy { $0 }, parameters: parameters,
            peakBytes: results.compactMap(\.memory.peakBytes).max(),
            weightBytes: results.map(\.memory.weightBytes).max() ?? 0,
            liveBytes: results.map(\.memory.liveBytes).max() ?? 0, lockstepDispatches: lockstep?.dispatches,
            lockstepValues: lockstep?.values)
    }
}

// MARK: For people

extension DiffusionReport.Result {
    private static let columns = [
        ("method", 9), ("time", 12), ("speed-up", 10), ("steps in full", 15), ("multiply-adds", 21), ("PSNR", 11),
        ("SSIM", 8), ("training", 10),
    ]

    static var heading: String {
        columns.enumerated().map { index, column in
            let space = String(repeating: " ", count: max(0, column.1 - column.0.count))
            return index == 0 ? column.0 + space : space + column.0
        }.joined()
    }
}

extension Console {
    func show(_ result: DiffusionReport.Result) {
        var text = result.method.rawValue + String(repeating: " ", count: max(0, 9 - result.method.rawValue.count))
        text += pad(result.seconds.map(time) ?? "-", 12)
        text += pad(result.speedup.map { String(format: "%.2fx", $0) } ?? "-", 10)
        text += pad("\(result.fullEvaluations) of \(result.evaluations)", 15)
        let share = result.multiplyAddsShare.map { pad(String(format: "%.0f%%", $0 * 100), 6) } ?? ""
        text += pad(count(result.multiplyAdds) + share, 21)
        let isBaseline = result.method == .baseline
        let isEqual = result.identical == true
        let ratio = result.psnr.map { String(format: "%.2f dB", $0) } ?? (isEqual ? "equal" : "-")
        text += pad(isBaseline ? "-" : ratio, 11)
        text += pad(isBaseline ? "-" : result.ssim.map { String(format: "%.4f", $0) } ?? "-", 8)
        text += pad(result.trainingRequired ? "yes" : "none", 10)
        line(text)
    }

    func show(_ summary: DiffusionReport.Summary) {
        func mebibytes(_ bytes: Int) -> String { String(format: "%.1f MiB", Double(bytes) / 1_048_576) }
        if let peak = summary.peakBytes {
            line(
                "at most \(mebibytes(peak)) on the device: \(mebibytes(summary.weightBytes)) of weights, "
                    + "\(mebibytes(peak - summary.weightBytes)) of the rest, of which \(mebibytes(summary.liveBytes)) "
                    + "were in use at one time")
        }
        switch summary.unchangedIsBaseline {
        case true?: line("interval 1 and ratio 0: the baseline's latents in every bit")
        case false?: line("interval 1 and ratio 0: latents DIFFER from the baseline's")
        case nil: break
        }
        if let values = summary.lockstepValues, let dispatches = summary.lockstepDispatches {
            line("lockstep: \(values) values of \(dispatches) dispatches compared with their twins, 0 bits differ")
        }
    }
}
