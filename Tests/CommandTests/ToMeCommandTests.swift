import Foundation
import Testing
import VkdynFormats
import VkdynImage

/// `vkdyn run tome`: its report, its picture and what it refuses; never how long anything takes.
@Suite(.serialized) struct ToMeCommandTests {
    /// A number, or what stood for a list or a slope.
    private enum Rate: Decodable, Equatable {
        case count(Int)
        case text(String)

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let count = try? container.decode(Int.self) {
                self = .count(count)
            } else {
                self = .text(try container.decode(String.self))
            }
        }
    }

    private struct Report: Decodable {
        struct Class: Decodable, Equatable {
            let index: Int
            let label: String?
            let probability: Double
        }

        struct Result: Decodable {
            let image: String
            let r: Rate
            let latencySeconds: Double
            let tokensPerLayer: [Int]
            let multiplyAdds: Int
            let top: [Class]
            let logits: [Float]
        }

        struct Summary: Decodable {
            struct Speed: Decodable {
                let r: Rate?
                let medianSeconds: Double
                let bestSeconds: Double
                let imagesPerSecond: Double
                let speedup: Double
                let tokens: Int
                let multiplyAdds: Int
            }

            let speeds: [Speed]
            let zeroIsOff: Bool?
            let lockstepDispatches: Int?
            let lockstepValues: Int?
        }

        let results: [Result]
        let summary: Summary
    }

    private let model = Program.fixtures + "/vision/class"

    /// A picture with a gradient and a square in it.
    private func picture(in folder: Scratch, _ name: String = "picture.png", width: Int = 80, height: Int = 64) throws
        -> String
    {
        var image = Image(width: width, height: height, color: .white)
        for y in 0..<height {
            for x in 0..<width {
                let isSquare = (width / 4..<width / 2).contains(x) && (height / 4..<height / 2).contains(y)
                image[x, y] = Color(
                    red: UInt8(x * 255 / max(width - 1, 1)), green: UInt8(y * 255 / max(height - 1, 1)),
                    blue: isSquare ? 255 : 40)
            }
        }
        let path = folder.path + "/" + name
        try image.writePNG(to: path)
        return path
    }

    private func report(_ arguments: [String], shipped: Bool = false) throws -> Report {
        let outcome = try Program.run(
            ["run", "tome", "--json", "--repetitions", "1"] + arguments,
            environment: shipped ? ["VKDYN_MODELS": Program.shipped] : [:])
        #expect(outcome.status == 0, "\(outcome.error)")
        return try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
    }

    @Test func theReportHoldsEveryImageAtEveryR() throws {
        let folder = try Scratch()
        let images = [try picture(in: folder), try picture(in: folder, "tall.png", width: 50, height: 120)]
        let found = try report(
            ["--model", model, "--image", images[0], "--image", images[1], "--r", "0,8,7/0/5,6@-1.0", "--batch", "2"])
        #expect(found.results.map(\.image) == images.flatMap { Array(repeating: $0, count: 4) })
        let rates: [Rate] = [.count(0), .count(8), .text("7/0/5"), .text("6@-1.0")]
        #expect(found.results.map(\.r) == rates + rates)
        #expect(
            found.results.prefix(4).map(\.tokensPerLayer) == [
                [50, 50, 50, 50], [42, 34, 26, 18], [43, 43, 38, 38], [38, 30, 26, 26],
            ])
        for result in found.results {
            #expect(result.latencySeconds > 0 && result.logits.count == 6)
            let best = try #require(result.logits.indices.max { result.logits[$0] < result.logits[$1] })
            #expect(result.top.count == 5 && result.top[0].index == best && result.top[0].label == "kind \(best)")
            #expect(zip(result.top, result.top.dropFirst()).allSatisfy { $0.probability >= $1.probability })
            #expect(result.top.map(\.probability).reduce(0, +) <= 1 + 1e-12)
        }
        #expect(found.results[1].multiplyAdds < found.results[0].multiplyAdds)
        #expect(found.results[0].logits != found.results[4].logits)
        #expect(found.summary.zeroIsOff == true && found.summary.lockstepValues == nil)
        #expect(
            found.summary.speeds.map(\.r) == [nil] + rates
                && found.summary.speeds.map(\.tokens) == [50, 50, 18, 38, 26])
        #expect(found.summary.speeds[0].speedup == 1)
        #expect(found.summary.speeds.allSatisfy { $0.bestSeconds > 0 && $0.bestSeconds <= $0.medianSeconds })
    }

    @Test func anImageHasTheSameLogitsAloneAndAmongOthers() throws {
        let folder = try Scratch()
        let images = [try picture(in: folder), try picture(in: folder, "wide.png", width: 200, height: 61)]
        let together = try report([
            "--model", model, "--image", images[0], "--image", images[1], "--r", "9", "--batch", "5",
        ])
        let alone = try report(["--model", model, "--image", images[1], "--r", "9"])
        #expect(together.results[1].logits == alone.results[0].logits)
        #expect(together.summary.zeroIsOff == nil)
    }

    @Test func lockstepComparesEveryDispatch() throws {
        let folder = try Scratch()
        let found = try report(
            [
                "--model", Program.fixtures + "/vision/hugging-face", "--image", try picture(in: folder), "--r", "0,16",
                "--lockstep",
            ])
        #expect(try #require(found.summary.lockstepDispatches) > 100)
        #expect(try #require(found.summary.lockstepValues) > 10_000)
        #expect(found.summary.zeroIsOff == true)
    }

    @Test func anArchitectureIsTimedWithoutACheckpoint() throws {
        let arguments = ["--model", "vit_tiny_patch16_224", "--seed-weights", "3", "--r", "0,16"]
        let found = try report(arguments)
        #expect(found.results.count == 2 && found.results[1].tokensPerLayer.last == 11)
        #expect(found.summary.speeds[1].multiplyAdds == found.summary.speeds[0].multiplyAdds)
        #expect(found.results.allSatisfy { $0.top.allSatisfy { $0.label == nil } })
        #expect(try report(arguments).results.map(\.logits) == found.results.map(\.logits))
    }

    @Test func thePictureShowsEveryImageAndR() throws {
        let folder = try Scratch()
        let drawn = folder.path + "/merged.png"
        let outcome = try Program.run([
            "run", "tome", "--model", model, "--image", try picture(in: folder), "--image",
            try picture(in: folder, "other.png", width: 70, height: 90), "--r", "0,12", "--repetitions", "1",
            "--visualize",
            drawn,
        ])
        #expect(outcome.status == 0 && outcome.output.contains(drawn), "\(outcome.error)")
        let sheet = try Image(path: drawn)
        // Four times 56 pixels: the image, r = 0 and r = 12 beside each other; two images below each other.
        #expect(sheet.width == 3 * 224 + 2 * 8)
        #expect(sheet.height > 2 * 224 && sheet.height < 2 * 224 + 60)
        // Without a merge every patch has its own outline; with some, fewer colours are left.
        func colors(_ x: Range<Int>) -> Int {
            Set(x.flatMap { x in (sheet.height - 224..<sheet.height).map { sheet[x, $0] } }).count
        }
        #expect(colors(232..<456) > colors(464..<688) && colors(464..<688) > 2)
    }

    @Test func theTableSaysWhatTheReportSays() throws {
        let folder = try Scratch()
        let image = try picture(in: folder)
        let outcome = try Program.run(
            ["run", "tome", "--model", model, "--image", image, "--r", "0,16", "--repetitions", "1"])
        #expect(outcome.status == 0, "\(outcome.error)")
        for word in [
            "tokens", "multiply-adds", "prediction", "speed-up", "off", "kind ", "%", "the same logits in every bit",
        ] {
            #expect(outcome.output.contains(word), "\(word) in \(outcome.output)")
        }
    }

    // MARK: The shipped model

    @Test func theShippedModelReadsItsOwnExamples() throws {
        let found = try report(["--r", "0,33", "--batch", "10"], shipped: true)
        #expect(found.results.count == 20 && found.summary.zeroIsOff == true)
        for (index, result) in found.results.enumerated() {
            #expect(result.image.hasSuffix("/examples/digit-\(index / 2).png"))
            #expect(result.top[0].label == "\(index / 2)", "\(result.image) at r \(result.r)")
        }
        #expect(found.results[1].tokensPerLayer[3] == 125)
    }

    private struct Accuracy: Decodable {
        struct Row: Decodable {
            let r: Rate?
            let tokensPerLayer: [Int]
            let multiplyAdds: Int
            let correct: Int
            let wrong: Int
            let accuracy: Double
            let changed: Int
            let secondsPerImage: Double?
            let predictions: [Int]
        }

        struct Summary: Decodable {
            let zeroIsOff: Bool?
            let batch: Int
        }

        let labels: [Int]
        let accuracy: [Row]
        let summary: Summary
    }

    /// The shipped model with fewer held-out images: whole rows of its sheet.
    private func model(rows: Int) throws -> Scratch {
        let folder = try Scratch(copying: Program.shipped + "/digits-vit")
        let whole = try Image(path: folder.path + "/heldout.png")
        var sheet = Image(width: whole.width, height: 8 * rows, color: .black)
        sheet.draw(whole, x: 0, y: 0)
        try sheet.writePNG(to: folder.path + "/heldout.png")
        let path = folder.path + "/heldout.json"
        let labels = try HeldOutLabels(path).labels.prefix(25 * rows)
        try """
            {"image": "heldout.png", "tileWidth": 8, "tileHeight": 8, "columns": 25, "labels": \(Array(labels))}
            """.write(toFile: path, atomically: true, encoding: .utf8)
        return folder
    }

    private struct HeldOutLabels: Decodable {
        let labels: [Int]

        init(_ path: String) throws {
            self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
        }
    }

    @Test func accuracyIsCountedOnHeldOutImages() throws {
        let folder = try model(rows: 2)
        // One class is wrong on purpose.
        let labels = try HeldOutLabels(folder.path + "/heldout.json").labels
        try folder.replace("heldout.json", "[\(labels[0]),", "[\((labels[0] + 1) % 10),")
        let plot = folder.path + "/plot.svg"
        let arguments = ["run", "tome", "--accuracy", "--model", folder.path, "--r", "0,12,33/33"]
        let outcome = try Program.run(arguments + ["--json", "--plot", plot])
        #expect(outcome.status == 0, "\(outcome.error)")
        let found = try JSONDecoder().decode(Accuracy.self, from: Data(outcome.output.utf8))
        #expect(found.labels.dropFirst() == labels.dropFirst() && found.summary.batch == 25)
        #expect(found.accuracy.map(\.r) == [nil, .count(0), .count(12), .text("33/33")])
        #expect(found.accuracy.map { $0.tokensPerLayer.last } == [257, 257, 161, 191])
        for row in found.accuracy {
            #expect(row.predictions.count == 50 && row.correct + row.wrong == 50)
            #expect(row.correct == zip(row.predictions, found.labels).count { $0 == $1 })
            #expect(row.accuracy == Double(row.correct) / 50 && row.predictions[0] == labels[0])
            #expect(row.changed == zip(row.predictions, found.accuracy[0].predictions).count { $0 != $1 })
            #expect(try #require(row.secondsPerImage) > 0)
        }
        #expect(found.accuracy[0].wrong >= 1 && found.accuracy[0].wrong < 5)
        #expect(found.summary.zeroIsOff == true)
        // The list has no place on the axis.
        let svg = try String(contentsOfFile: plot, encoding: .utf8)
        #expect(svg.components(separatedBy: "<circle class=\"accuracy\"").count == 3)
        #expect(svg.contains("50 held-out images") && svg.contains("prefers-color-scheme: dark"))
        let table = try Program.run(arguments)
        #expect(table.status == 0)
        for word in ["50 held-out images", "accuracy", "changed", "33/33", "the same logits in every bit"] {
            #expect(table.output.contains(word), "\(word) in \(table.output)")
        }
    }

    @Test func accuracyWithNothingToCompareWith() throws {
        try expectRefusal(["--accuracy", "--model", model], naming: "--accuracy", model, "heldout.json")
        let folder = try Scratch(copying: Program.shipped + "/digits-vit")
        let image = folder.path + "/examples/digit-3.png"
        try expectRefusal(["--accuracy", "--image", image], naming: "--accuracy", "--image")
        try expectRefusal(["--accuracy", "--visualize", "x.png"], naming: "--accuracy", "--visualize")
        try expectRefusal(
            ["--accuracy", "--model", "vit_tiny_patch16_224", "--seed-weights", "1"], naming: "--seed-weights")
        try expectRefusal(["--plot", "x.svg"], naming: "--plot", "--accuracy")
        try expectRefusal(["--accuracy", "--plot", "x.svg", "--r", "8,1/2"], naming: "--plot", "--r")
        try expectRefusal(["--accuracy", "--plot", "/nowhere/x.svg"], naming: "--plot", "/nowhere/x.svg")
        try expectRefusal(["--image", image, "--visualize", "/nowhere/x.png"], naming: "--visualize", "/nowhere/x.png")
        try folder.replace("heldout.json", "\"columns\": 25", "\"columns\": 24")
        try expectRefusal(["--accuracy", "--model", folder.path], naming: "heldout.json: columns")
    }

    // MARK: Refusals

    private func expectRefusal(_ arguments: [String], naming words: String...) throws {
        let outcome = try Program.run(["run", "tome", "--device", "reference"] + arguments)
        #expect(outcome.status != 0 && outcome.output == "")
        for word in words { #expect(outcome.error.contains(word), "\(word) in: \(outcome.error)") }
        let lines = outcome.error.split(separator: "\n").filter { !$0.hasPrefix("Usage:") && !$0.hasPrefix("  See") }
        #expect(lines.count == 1, "\(outcome.error)")
    }

    @Test func ratesThatNoModelAllows() throws {
        try expectRefusal(["--model", model, "--r", "-1"], naming: "--r -1", "0 or more")
        try expectRefusal(["--model", model, "--r", "4,3/-2"], naming: "--r 3/-2", "-2")
        try expectRefusal(["--model", model, "--r", "8@1.5"], naming: "--r 8@1.5", "-1 to 1")
        for text in ["x", "", "4,,8", "1//2", "8@", "8@a@b"] {
            let outcome = try Program.run("run", "tome", "--model", model, "--r", text)
            #expect(outcome.status != 0 && outcome.error.contains("--r"), "\(text)")
        }
    }

    @Test func aListOfMoreLayersThanTheModelHas() throws {
        let folder = try Scratch()
        try expectRefusal(
            ["--model", model, "--image", try picture(in: folder), "--r", "1/2/3/4/5"], naming: "--r 1/2/3/4/5",
            "5 layers",
            "has 4")
    }

    @Test func moreThanTheTokensAllowIsWhatTheyAllow() throws {
        let folder = try Scratch()
        let found = try report(["--model", model, "--image", try picture(in: folder), "--r", "1000"])
        #expect(found.results[0].tokensPerLayer == [26, 14, 8, 5])
    }

    @Test func imagesThatAreNone() throws {
        let folder = try Scratch()
        let text = folder.path + "/text.png"
        try "not an image".write(toFile: text, atomically: true, encoding: .utf8)
        try expectRefusal(["--model", model, "--image", text], naming: text)
        let pixel = try picture(in: folder, "pixel.png", width: 1, height: 1)
        try expectRefusal(["--model", model, "--image", pixel], naming: pixel, "1×1")
        try expectRefusal(["--model", model, "--image", "/nowhere.png"], naming: "/nowhere.png")
        try expectRefusal(["--model", model], naming: "--image", model)
    }

    /// A header alone says how large a picture would be.
    @Test func aSideOf20000Pixels() throws {
        let folder = try Scratch()
        let path = try picture(in: folder)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        // The width of IHDR, and its checksum.
        bytes.replaceSubrange(16..<20, with: [0, 0, 0x4E, 0x20])
        var checksum: UInt32 = 0xFFFF_FFFF
        for byte in bytes[12..<29] {
            checksum ^= UInt32(byte)
            for _ in 0..<8 { checksum = checksum >> 1 ^ (checksum & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
        checksum = ~checksum
        bytes.replaceSubrange(29..<33, with: (0..<4).map { UInt8(truncatingIfNeeded: checksum >> (24 - 8 * $0)) })
        try bytes.write(to: URL(fileURLWithPath: path))
        try expectRefusal(["--model", model, "--image", path], naming: path, "20000")
    }

    @Test func modelsThatAreNone() throws {
        try expectRefusal(["--model", "/nowhere/model"], naming: "/nowhere/model")
        try expectRefusal(
            ["--model", Program.shipped + "/prose-target", "--image", "x.png"], naming: "config.json", "llama")
        try expectRefusal(["--model", "resnet50", "--seed-weights", "1"], naming: "--model resnet50")
        let outcome = try Program.run("run", "tome", "--seed-weights", "1")
        #expect(outcome.status != 0 && outcome.error.contains("--model"))
        let folder = try Scratch(copying: model)
        try folder.truncate("model.safetensors", to: 3000)
        try expectRefusal(["--model", folder.path, "--image", try picture(in: folder)], naming: "model.safetensors")
    }

    @Test(arguments: [["--batch", "0"], ["--repetitions", "0"], ["--weights", "i64"]])
    func flagsOutsideTheirRange(arguments: [String]) throws {
        let outcome = try Program.run(["run", "tome", "--model", model] + arguments)
        #expect(outcome.status != 0 && outcome.output == "" && outcome.error.contains(arguments[0]))
    }
}
