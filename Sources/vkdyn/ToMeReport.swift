import Foundation
import VkdynTechniques

/// What `run tome` found, as JSON has it.
struct ToMeReport: Encodable {
    struct Class: Encodable {
        let index: Int
        /// Absent where the checkpoint names no classes.
        let label: String?
        let probability: Double
    }

    /// One image at one r.
    struct Result: Encodable {
        let image: String
        let r: Rate
        /// The median time of the pass that the image was in.
        let latencySeconds: Double
        let tokensPerLayer: [Int]
        /// Of this image alone.
        let multiplyAdds: Int
        /// The five most probable classes.
        let top: [Class]
        let logits: [Float]
    }

    /// A number where r is one, else as it was given.
    struct Rate: Encodable {
        let rate: MergeRate

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            if case .constant(let count) = rate.schedule {
                try container.encode(count)
            } else {
                try container.encode(rate.description)
            }
        }
    }

    /// All images at one r, or with merging off.
    struct Speed: Encodable {
        /// Absent for merging switched off.
        let r: Rate?
        let medianSeconds: Double
        let bestSeconds: Double
        let imagesPerSecond: Double
        /// Against merging switched off.
        let speedup: Double
        let tokens: Int
        let multiplyAdds: Int
    }

    struct Summary: Encodable {
        let speeds: [Speed]
        /// Whether r = 0 gave the bits of merging switched off; absent when no r was 0.
        let zeroIsOff: Bool?
        let parameters: Int
        let batch: Int
        let lockstepDispatches: Int?
        let lockstepValues: Int?
    }

    let device: String
    let model: String
    let results: [Result]
    let summary: Summary
}

// MARK: For people

extension Console {
    /// - Parameter isTimed: false under lockstep, where passes take what the twins take.
    func show(_ report: ToMeReport, isTimed: Bool) {
        let single = Set(report.results.map(\.image)).count == 1
        let rates = report.summary.speeds.map { $0.r?.rate.description ?? "off" }
        let width = max(4, rates.map(\.count).max() ?? 0)
        heading(
            pad("r", width) + "  " + pad("latency", 10) + pad("best", 11) + pad("images/s", 10) + pad("speed-up", 10)
                + pad("tokens", 8) + pad("multiply-adds", 15) + (single ? "   prediction" : ""))
        for (speed, rate) in zip(report.summary.speeds, rates) {
            var text = pad(rate, width) + "  "
            text +=
                isTimed
                ? pad(time(speed.medianSeconds), 10) + pad(time(speed.bestSeconds), 11) : pad("-", 10) + pad("-", 11)
            text += isTimed ? pad(String(format: "%.2f", speed.imagesPerSecond), 10) : pad("-", 10)
            text += isTimed ? pad(String(format: "%.2fx", speed.speedup), 10) : pad("-", 10)
            text += pad("\(speed.tokens)", 8) + pad(count(speed.multiplyAdds), 15)
            if single, let result = report.results.first(where: { $0.r.rate.description == rate }) {
                text += "   " + prediction(result)
            }
            line(text)
        }
        if !single {
            for image in unique(report.results.map(\.image)) {
                line("")
                heading(image)
                for result in report.results where result.image == image {
                    line(pad(result.r.rate.description, width) + "  " + prediction(result))
                }
            }
        }
        line("")
        switch report.summary.zeroIsOff {
        case true?: line("r = 0 and merging switched off: the same logits in every bit")
        case false?: line("r = 0 and merging switched off: logits DIFFER")
        case nil: break
        }
        if let values = report.summary.lockstepValues, let dispatches = report.summary.lockstepDispatches {
            line("lockstep: \(values) values of \(dispatches) dispatches compared with their twins, 0 bits differ")
        }
    }

    private func prediction(_ result: ToMeReport.Result) -> String {
        guard let top = result.top.first else { return "" }
        return String(format: "%.1f%% ", top.probability * 100) + (top.label ?? "class \(top.index)")
    }

    private func unique(_ names: [String]) -> [String] {
        var seen: Set<String> = []
        return names.filter { seen.insert($0).inserted }
    }

    private func pad(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    private func time(_ seconds: Double) -> String {
        seconds < 1 ? String(format: "%.2f ms", seconds * 1e3) : String(format: "%.3f s", seconds)
    }

    private func count(_ value: Int) -> String {
        value < 1_000_000_000
            ? String(format: "%.2f M", Double(value) / 1e6) : String(format: "%.3f G", Double(value) / 1e9)
    }
}
