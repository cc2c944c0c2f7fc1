import Foundation
import VkdynBenchmark
import VkdynCore
import VkdynTechniques

/// Classifies a model's held-out images at every r and with merging switched off, and compares with their classes.
struct ToMeAccuracy {
    private let session: ToMeSession
    private let labels: [Int]

    init(_ options: RunToMe) throws {
        var labels: [Int] = []
        session = try ToMeSession(options) { source in
            let heldOut = try source.heldOut()
            labels = heldOut.labels
            return heldOut.images
        }
        self.labels = labels
    }

    func run() throws -> ToMeAccuracyReport {
        let console = session.console
        var runs = try session.prepare()
        console.heading(session.title + ", \(labels.count) held-out images, \(session.batchSize) a pass")
        console.line("")
        try session.run(&runs, turns: 1)
        let proof = session.proof(runs)
        let report = HostSpans.measure(.output, "report") {
            let predictions = runs.map { run in run.results.map { $0.top(1)[0] } }
            return ToMeAccuracyReport(
                device: session.device.description.name, model: session.source.name, labels: labels,
                accuracy: zip(runs, predictions).map { row($0, $1, off: predictions[0]) },
                summary: .init(
                    zeroIsOff: proof.zeroIsOff, parameters: session.model.parameterCount, batch: session.batchSize,
                    lockstepDispatches: proof.lockstepDispatches, lockstepValues: proof.lockstepValues))
        }
        console.show(report)
        console.line("")
        console.show(proof)
        if let path = session.options.plot {
            try HostSpans.measure(.output, path) {
                try OutputFile(path, option: "--plot").write(AccuracyPlot(report).svg)
            }
            console.line("\(path): accuracy and multiply-adds against r")
        }
        return report
    }

    private func row(_ run: ToMeSession.Run, _ predictions: [Int], off: [Int]) -> ToMeAccuracyReport.Row {
        let correct = zip(predictions, labels).count { $0 == $1 }
        // By the middle pass, so that the first one's compiling does not count.
        let seconds = zip(run.times, session.batches).map { $0.median / Double($1.count) }.median
        return ToMeAccuracyReport.Row(
            r: run.rate.map { .init(rate: $0) }, tokensPerLayer: run.classifier.tokensPerLayer,
            multiplyAdds: run.classifier.multiplyAdds, correct: correct, wrong: labels.count - correct,
            accuracy: Double(correct) / Double(labels.count), changed: zip(predictions, off).count { $0 != $1 },
            secondsPerImage: session.lockstep == nil ? seconds : nil, predictions: predictions)
    }
}

/// What `run tome --accuracy` found, as JSON has it.
struct ToMeAccuracyReport: Encodable {
    /// All images at one r, or with merging off.
    struct Row: Encodable {
        /// Absent for merging switched off.
        let r: ToMeReport.Rate?
        let tokensPerLayer: [Int]
        /// Of one image.
        let multiplyAdds: Int
        let correct: Int
        let wrong: Int
        /// 0 to 1.
        let accuracy: Double
        /// Images that became another class than with merging off.
        let changed: Int
        /// The median pass's time, divided by its images; absent under lockstep, where it would be the twins'.
        let secondsPerImage: Double?
        /// The class of every image.
        let predictions: [Int]

        /// Tokens of an image after half of the layers.
        var tokensByMidDepth: Int { tokensPerLayer[max(0, tokensPerLayer.count / 2 - 1)] }
    }

    struct Summary: Encodable {
        /// Whether r = 0 gave the bits of merging switched off; absent when no r was 0.
        let zeroIsOff: Bool?
        let parameters: Int
        let batch: Int
        let lockstepDispatches: Int?
        let lockstepValues: Int?
    }

    let device: String
    let model: String
    /// The class of every held-out image.
    let labels: [Int]
    /// Merging off first.
    let accuracy: [Row]
    let summary: Summary
}

extension Console {
    func show(_ report: ToMeAccuracyReport) {
        let names = report.accuracy.map { $0.r?.rate.description ?? "off" }
        let width = max(4, names.map(\.count).max() ?? 0)
        heading(
            pad("r", width) + pad("tokens: middle", 16) + pad("last", 6) + pad("multiply-adds", 21)
                + pad("accuracy", 10) + pad("wrong", 7) + pad("changed", 9) + pad("an image", 12) + pad("speed-up", 10))
        guard let off = report.accuracy.first else { return }
        for (row, name) in zip(report.accuracy, names) {
            let share = Double(row.multiplyAdds) / Double(off.multiplyAdds)
            let work = count(row.multiplyAdds) + pad(String(format: "%.0f%%", share * 100), 6)
            var text = pad(name, width) + pad("\(row.tokensByMidDepth)", 16)
            text += pad("\(row.tokensPerLayer.last ?? 0)", 6) + pad(work, 21)
            text += pad(String(format: "%.1f%%", row.accuracy * 100), 10) + pad("\(row.wrong)", 7)
            text += pad("\(row.changed)", 9)
            if let seconds = row.secondsPerImage, let offSeconds = off.secondsPerImage {
                text += pad(time(seconds), 12) + pad(String(format: "%.2fx", offSeconds / seconds), 10)
            } else {
                text += pad("-", 12) + pad("-", 10)
            }
            line(text)
        }
    }
}
