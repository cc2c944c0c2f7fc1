import Foundation
import VkdynBenchmark
import VkdynCore
import VkdynTechniques

/// Runs the same images at every r and with merging switched off, in turns, and compares.
struct ToMeComparison {
    private let session: ToMeSession

    init(_ options: RunToMe) throws {
        session = try ToMeSession(options) { try $0.images(options) }
    }

    func run() throws -> ToMeReport {
        let (console, images, options) = (session.console, session.images, session.options)
        var runs = try session.prepare()
        console.heading(
            session.title + ", "
                + (images.count == 1 ? images[0].name : "\(images.count) images, \(session.batchSize) a pass"))
        console.line("")
        try session.run(&runs, turns: session.lockstep == nil ? options.repetitions + 1 : 1)
        let report = try HostSpans.measure(.output, "report") { try self.report(runs) }
        console.show(report, isTimed: session.lockstep == nil)
        if let path = options.visualize {
            try HostSpans.measure(.image, path) {
                try ToMeVisualization(configuration: session.model.configuration).write(
                    images,
                    runs.compactMap { run in
                        run.rate.map { (rate: $0, tokens: run.classifier.tokensPerLayer.last ?? 0, run.results) }
                    }, to: path)
            }
            console.line("\(path): which patches became one")
        }
        return report
    }

    private func report(_ runs: [ToMeSession.Run]) throws -> ToMeReport {
        let (images, source) = (session.images, session.source)
        func seconds(_ run: ToMeSession.Run, _ choose: ([Double]) -> Double) -> Double {
            run.times.reduce(0) { $0 + choose($1) }
        }
        let off = runs[0]
        let passes = Double(session.batches.count)
        let speeds = runs.map { run in
            let median = seconds(run, \.median)
            return ToMeReport.Speed(
                r: run.rate.map { .init(rate: $0) }, medianSeconds: median / passes,
                bestSeconds: seconds(run) { $0.min() ?? 0 } / passes, imagesPerSecond: Double(images.count) / median,
                speedup: seconds(off, \.median) / median, tokens: run.classifier.tokensPerLayer.last ?? 0,
                multiplyAdds: run.classifier.multiplyAdds)
        }
        let results = try images.indices.flatMap { index in
            try runs.compactMap { run -> ToMeReport.Result? in
                guard let rate = run.rate else { return nil }
                let found = run.results[index]
                let probabilities = found.probabilities
                return ToMeReport.Result(
                    image: images[index].name, r: .init(rate: rate),
                    latencySeconds: run.times[index / session.batchSize].median,
                    tokensPerLayer: run.classifier.tokensPerLayer, multiplyAdds: run.classifier.multiplyAdds,
                    top: try found.top(5).map {
                        .init(index: $0, label: try source.label($0), probability: probabilities[$0])
                    }, logits: found.logits)
            }
        }
        let proof = session.proof(runs)
        return ToMeReport(
            device: session.device.description.name, model: source.name, results: results,
            summary: .init(
                speeds: speeds, zeroIsOff: proof.zeroIsOff, parameters: session.model.parameterCount,
                batch: session.batchSize, lockstepDispatches: proof.lockstepDispatches,
                lockstepValues: proof.lockstepValues))
    }
}
