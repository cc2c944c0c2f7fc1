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
        if !single { showPredictions(report, Array(rates.dropFirst())) }
        line("")
        show(
            ToMeProof(
                zeroIsOff: report.summary.zeroIsOff, lockstepDispatches: report.summary.lockstepDispatches,
                lockstepValues: report.summary.lockstepValues))
    }

    /// What every image became at every r: a table where it fits, else an image below the other.
    private func showPredictions(_ report: ToMeReport, _ rates: [String]) {
        let images = unique(report.results.map(\.image))
        let texts = images.map { image in report.results.filter { $0.image == image }.map(prediction) }
        // Files of one folder are told apart by their last part.
        let ends = images.map { URL(fileURLWithPath: $0).lastPathComponent }
        let names = Set(ends).count == ends.count ? ends : images
        let width = names.map(\.count).max() ?? 0
        let headings = rates.map { "r \($0)" }
        let widths = headings.indices.map { column in
            max(headings[column].count, texts.map { $0[column].count }.max() ?? 0)
        }
        line("")
        if width + widths.reduce(0, { $0 + $1 + 2 }) <= 118 {
            func row(_ name: String, _ cells: [String]) -> String {
                name + String(repeating: " ", count: width - name.count)
                    + zip(cells, widths).map { "  " + pad($0, $1) }.joined()
            }
            heading(row("", headings))
            for (name, cells) in zip(names, texts) { line(row(name, cells)) }
            return
        }
        for (index, cells) in texts.enumerated() {
            if index > 0 { line("") }
            heading(names[index])
            let rateWidth = max(4, rates.map(\.count).max() ?? 0)
            for (rate, cell) in zip(rates, cells) { line(pad(rate, rateWidth) + "  " + cell) }
        }
    }

    private func prediction(_ result: ToMeReport.Result) -> String {
        guard let top = result.top.first else { return "" }
        return (top.label ?? "class \(top.index)") + String(format: " %.1f%%", top.probability * 100)
    }

    private func unique(_ names: [String]) -> [String] {
        var seen: Set<String> = []
        return names.filter { seen.insert($0).inserted }
    }

    func pad(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    func time(_ seconds: Double) -> String {
        seconds < 1 ? String(format: "%.2f ms", seconds * 1e3) : String(format: "%.3f s", seconds)
    }

    func count(_ value: Int) -> String {
        value < 1_000_000_000
            ? String(format: "%.2f M", Double(value) / 1e6) : String(format: "%.3f G", Double(value) / 1e9)
    }
}
