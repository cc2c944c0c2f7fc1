import ArgumentParser
import Foundation
import VkdynCore
import VkdynModels
import VkdynReference
import VkdynSchedule
import VkdynTechniques

/// A device with a model's weights on it, and passes over the same images at every r and with merging switched off, in
/// turns.
struct ToMeSession {
    let options: RunToMe
    let console: Console
    let device: any Device
    let lockstep: LockstepDevice?
    let source: ToMeModel
    let model: VisionTransformer
    let images: [ToMeImage]
    /// Images of one pass.
    let batchSize: Int

    /// - Parameter read: gives the images, before any weight is loaded.
    init(_ options: RunToMe, images read: (ToMeModel) throws -> [ToMeImage]) throws {
        self.options = options
        let console = Console(isJSON: options.json)
        self.console = console
        let opened = try options.device.open(
            for: .separate, lockstep: options.lockstep, reportsInexact: true, console: console)
        device = opened.device
        lockstep = opened.lockstep
        source = try ToMeModel(options)
        for rate in options.rates.items {
            do throws(MergeScheduleError) {
                _ = try ToMe(rate.schedule, configuration: source.configuration)
            } catch {
                throw SetupError("--r \(rate): \(error)")
            }
        }
        let source = source
        images = try HostSpans.measure(.image, "images") { try read(source) }
        batchSize = min(options.batchSize, images.count)
        let progress = console.progress("loading the model")
        defer { progress.finish() }
        model = try source.load(on: device, weightType: options.weights) { loaded, total in
            progress.update(total == 0 ? 0 : min(1, Double(loaded) / Double(total)))
            if console.isInterrupted { throw ExitCode(130) }
        }
    }

    /// One r, or merging switched off.
    struct Run {
        /// Nil for off.
        let rate: MergeRate?
        let classifier: ImageClassifier
        /// Of each batch.
        var times: [[Double]]
        /// In the order of the images.
        var results: [Classification] = []
    }

    /// The device and the model, in one line.
    var title: String {
        "\(device.description.name): \(source.name) "
            + String(format: "(%.1fM parameters)", Double(model.parameterCount) / 1e6)
    }

    var batches: [[ToMeImage]] {
        stride(from: 0, to: images.count, by: batchSize).map {
            Array(images[$0..<min($0 + batchSize, images.count)])
        }
    }

    /// Merging switched off, and every r.
    func prepare() throws -> [Run] {
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

    /// Runs all images so many times. The first turn gives the results; it is timed only where there is no other.
    func run(_ runs: inout [Run], turns: Int) throws {
        let progress = console.progress("running")
        defer { progress.finish() }
        let batches = batches
        let total = turns * batches.count * runs.count
        var done = 0
        for turn in 0..<turns {
            for (index, batch) in batches.enumerated() {
                let patches = batch.map(\.patches)
                // There and back, so that no r always follows the same one.
                for run in (turn + index) % 2 == 0 ? Array(runs.indices) : runs.indices.reversed() {
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

    /// Whether r = 0 gave the bits of merging switched off; nil when no r was 0.
    func zeroIsOff(_ runs: [Run]) -> Bool? {
        let bits = { (run: Run) in run.results.map { $0.logits.map(\.bitPattern) } }
        let zeros = runs.filter { $0.rate != nil && $0.classifier.merging?.merges == false }
        guard let off = runs.first, !zeros.isEmpty else { return nil }
        let expected = bits(off)
        return zeros.allSatisfy { bits($0) == expected }
    }

    /// What a run of the command proved.
    func proof(_ runs: [Run]) -> ToMeProof {
        ToMeProof(
            zeroIsOff: zeroIsOff(runs), lockstepDispatches: lockstep?.report.dispatches,
            lockstepValues: lockstep?.report.values)
    }
}

/// What holds in every bit.
struct ToMeProof {
    /// Whether r = 0 gave the bits of merging switched off; nil when no r was 0.
    let zeroIsOff: Bool?
    let lockstepDispatches: Int?
    let lockstepValues: Int?
}

extension Console {
    func show(_ proof: ToMeProof) {
        switch proof.zeroIsOff {
        case true?: line("r = 0 and merging switched off: the same logits in every bit")
        case false?: line("r = 0 and merging switched off: logits DIFFER")
        case nil: break
        }
        if let values = proof.lockstepValues, let dispatches = proof.lockstepDispatches {
            line("lockstep: \(values) values of \(dispatches) dispatches compared with their twins, 0 bits differ")
        }
    }
}
