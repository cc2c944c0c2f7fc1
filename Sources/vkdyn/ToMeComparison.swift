import ArgumentParser
import Foundation
import VkdynCore
import VkdynFormats
import VkdynModels
import VkdynReference
import VkdynSchedule
import VkdynTechniques
import VkdynVulkan

/// Runs the same images at every r and with merging switched off, in turns, and compares.
struct ToMeComparison {
    private let options: RunToMe
    private let console: Console
    private let device: any Device
    private let lockstep: LockstepDevice?
    private let source: ToMeModel
    private let model: VisionTransformer
    private let images: [ToMeImage]

    init(_ options: RunToMe) throws {
        self.options = options
        let console = Console(isJSON: options.json)
        self.console = console
        (device, lockstep) = try Self.open(options, console)
        source = try ToMeModel(options)
        for rate in options.rates.items {
            do throws(MergeScheduleError) {
                _ = try ToMe(rate.schedule, configuration: source.configuration)
            } catch {
                throw SetupError("--r \(rate): \(error)")
            }
        }
        images = try source.images(options)
        let progress = console.progress("loading the model")
        defer { progress.finish() }
        model = try source.load(on: device, weightType: options.weights) { loaded, total in
            progress.update(total == 0 ? 0 : min(1, Double(loaded) / Double(total)))
            if console.isInterrupted { throw ExitCode(130) }
        }
    }

    private static func open(
        _ options: RunToMe, _ console: Console
    ) throws -> (any Device, LockstepDevice?) {
        if options.device.device == "reference" {
            if options.lockstep { throw SetupError("--lockstep needs a Vulkan device to compare with the twins") }
            return (ReferenceDevice(), nil)
        }
        let device = try DeviceList().open(options.device.device)
        if let note = device.tuningNote { console.note(note) }
        if let reason = try device.probe().reason { console.note("\(device.description.name) is not exact: \(reason)") }
        guard options.lockstep else { return (device, nil) }
        let lockstep = LockstepDevice(device)
        return (lockstep, lockstep)
    }

    // MARK: Running

    /// One r, or merging switched off.
    private struct Run {
        /// Nil for off.
        let rate: MergeRate?
        let classifier: ImageClassifier
        /// Of each batch.
        var times: [[Double]]
        var results: [Classification] = []

        func seconds(_ choose: ([Double]) -> Double) -> Double { times.reduce(0) { $0 + choose($1) } }
    }

    func run() throws -> ToMeReport {
        var runs = try prepare()
        console.heading(
            "\(device.description.name): \(source.name) "
                + String(format: "(%.1fM parameters), ", Double(model.parameterCount) / 1e6)
                + (images.count == 1 ? images[0].name : "\(images.count) images, \(batchSize) a pass"))
        console.line("")
        try time(&runs)
        let report = try report(runs)
        console.show(report, isTimed: lockstep == nil)
        if let path = options.visualize {
            try ToMeVisualization(configuration: model.configuration).write(
                images,
                runs.compactMap { run in
                    run.rate.map { (rate: $0, tokens: run.classifier.tokensPerLayer.last ?? 0, run.results) }
                }, to: path)
            console.line("\(path): which patches became one")
        }
        return report
    }

    private var batchSize: Int { min(options.batch, images.count) }

    private var batches: [[ToMeImage]] {
        stride(from: 0, to: images.count, by: batchSize).map {
            Array(images[$0..<min($0 + batchSize, images.count)])
        }
    }

    private func prepare() throws -> [Run] {
        let progress = console.progress("preparing")
        defer { progress.finish() }
        let rates = [nil] + options.rates.items.map(Optional.some)
        return try rates.enumerated().map { index, rate in
            progress.update(Double(index) / Double(rates.count))
            if console.isInterrupted { throw ExitCode(130) }
            return Run(
                rate: rate,
                classifier: try ImageClassifier(
                    device: device, model: model, schedule: rate?.schedule, batchSize: batchSize,
                    tracesSources: options.visualize != nil && rate != nil),
                times: Array(repeating: [], count: batches.count))
        }
    }

    /// The first turn gives the results, and under lockstep is the only one; the others are timed.
    private func time(_ runs: inout [Run]) throws {
        let progress = console.progress("running")
        defer { progress.finish() }
        let turns = lockstep == nil ? options.repetitions + 1 : 1
        let total = turns * batches.count * runs.count
        var done = 0
        for turn in 0..<turns {
            for (index, batch) in batches.enumerated() {
                let patches = batch.map(\.patches)
                // There and back, so that no r always follows the same one.
                for run in turn % 2 == 0 ? Array(runs.indices) : runs.indices.reversed() {
                    progress.update(Double(done) / Double(total))
                    if console.isInterrupted { throw ExitCode(130) }
                    let classifier = runs[run].classifier
                    if turn == 0 || batches.count > 1 { try classifier.write(patches) }
                    let clock = ContinuousClock()
                    let start = clock.now
                    try classifier.run()
                    let passed = (clock.now - start).components
                    if turn == 0 { runs[run].results += try classifier.read() }
                    if turn > 0 || turns == 1 {
                        runs[run].times[index].append(Double(passed.seconds) + Double(passed.attoseconds) * 1e-18)
                    }
                    done += 1
                }
            }
        }
    }

    // MARK: Reporting

    private func report(_ runs: [Run]) throws -> ToMeReport {
        let median = { (times: [Double]) in
            let sorted = times.sorted()
            return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        }
        let off = runs[0]
        let passes = Double(batches.count)
        let speeds = runs.map { run in
            let seconds = run.seconds(median)
            return ToMeReport.Speed(
                r: run.rate.map { .init(rate: $0) }, medianSeconds: seconds / passes,
                bestSeconds: run.seconds { $0.min() ?? 0 } / passes, imagesPerSecond: Double(images.count) / seconds,
                speedup: off.seconds(median) / seconds, tokens: run.classifier.tokensPerLayer.last ?? 0,
                multiplyAdds: run.classifier.multiplyAdds)
        }
        let results = try images.indices.flatMap { index in
            try runs.compactMap { run -> ToMeReport.Result? in
                guard let rate = run.rate else { return nil }
                let found = run.results[index]
                let probabilities = found.probabilities
                return ToMeReport.Result(
                    image: images[index].name, r: .init(rate: rate),
                    latencySeconds: median(run.times[index / batchSize]),
                    tokensPerLayer: run.classifier.tokensPerLayer, multiplyAdds: run.classifier.multiplyAdds,
                    top: try found.top(5).map {
                        .init(index: $0, label: try source.label($0), probability: probabilities[$0])
                    }, logits: found.logits)
            }
        }
        let bits = { (run: Run) in run.results.map { $0.logits.map(\.bitPattern) } }
        let zeros = runs.filter { $0.rate != nil && $0.classifier.merging?.merges == false }
        return ToMeReport(
            device: device.description.name, model: source.name, results: results,
            summary: .init(
                speeds: speeds, zeroIsOff: zeros.isEmpty ? nil : zeros.allSatisfy { bits($0) == bits(off) },
                parameters: model.parameterCount, batch: batchSize, lockstepDispatches: lockstep?.report.dispatches,
                lockstepValues: lockstep?.report.values))
    }
}
