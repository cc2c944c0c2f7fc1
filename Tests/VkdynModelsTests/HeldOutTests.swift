import Foundation
import TestSupport
import Testing
import VkdynCore
import VkdynFormats
import VkdynImage
import VkdynModels
import VkdynReference
import VkdynSchedule
import VkdynTechniques
import VkdynVulkan

/// The shipped vision transformer on the 500 images that it was not trained on, with tokens merged and without.
@Suite(.serialized) struct HeldOutTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Sources/VkdynModels/Shipped/digits-vit").path

    /// [images] of [patches, patch size], with their classes.
    private func heldOut(
        _ configuration: VisionTransformer.Configuration
    ) throws -> (images: [[Float]], labels: [Int]) {
        let heldOut = try HeldOutImages(folder: Self.folder, classCount: configuration.classCount)
        let preprocessing = try ImagePreprocessing(folder: Self.folder)
        return (heldOut.pictures.map { configuration.patches(of: preprocessing.tensor(of: $0).values) }, heldOut.labels)
    }

    private func bits(_ results: [Classification]) -> [[UInt32]] { results.map { $0.logits.map(\.bitPattern) } }

    /// PyTorch, with the authors' merging, has 4 wrong at r = 0 and 3 at r = 33, out of the same 500.
    @Test func halvingTheTokensByMidDepthCostsAtMostHalfAPoint() throws {
        let device = try TestDevices.vulkan()
        let model = try ImageModelFolder(Self.folder).load(on: device)
        let (images, labels) = try heldOut(model.configuration)
        #expect(images.count == 500 && model.parameterCount == 420_298)
        var wrong: [Int: [Int]] = [:]
        for r in [0, 33] {
            let classifier = try ImageClassifier(
                device: device, model: model, schedule: .constant(r), batchSize: 25)
            let found = try classifier.classify(images).map { $0.top(1)[0] }
            wrong[r] = images.indices.filter { found[$0] != labels[$0] }
            if r == 33 {
                let tokens = model.configuration.tokenCount
                #expect(2 * classifier.tokensPerLayer[model.layerCount / 2 - 1] <= tokens)
                #expect(classifier.multiplyAdds * 2 < model.configuration.multiplyAdds(
                    tokensPerLayer: Array(repeating: tokens, count: model.layerCount)))
            }
        }
        let (off, merged) = (try #require(wrong[0]), try #require(wrong[33]))
        #expect(Double(merged.count - off.count) / Double(images.count) <= 0.005)
        #expect(off == Self.wrongWithoutMerging && merged == Self.wrongAt33)
    }

    private static let wrongWithoutMerging = [17, 31, 296, 476]
    private static let wrongAt33 = [17, 31, 476]

    /// What the device says of the first images; the twins take seconds for an image.
    @Test func theFirstImagesAreThoseDigits() throws {
        let device = try TestDevices.vulkan()
        let model = try ImageModelFolder(Self.folder).load(on: device)
        let images = Array(try heldOut(model.configuration).images.prefix(60))
        for (r, expected) in [(0, Self.first), (33, Self.firstAt33)] {
            // 60 is no multiple of 16: the last pass has fewer images.
            let classifier = try ImageClassifier(device: device, model: model, schedule: .constant(r), batchSize: 16)
            #expect(try classifier.classify(images).map { "\($0.top(1)[0])" }.joined() == expected, "r \(r)")
        }
    }

    private static let first = "014585659913522221074168153945911248950871664052763291377255"
    private static let firstAt33 = "014585659913522221074168153945911248950871664052763291377255"

    @Test func lockstepFindsNoDifference() throws {
        let device = LockstepDevice(try TestDevices.vulkan())
        let model = try ImageModelFolder(Self.folder).load(on: device)
        let image = try heldOut(model.configuration).images[7]
        for r in [0, 33] {
            let before = device.report
            let classifier = try ImageClassifier(
                device: device, model: model, schedule: .constant(r), tracesSources: true)
            let found = try classifier.classify([image])
            #expect(device.report.dispatches - before.dispatches == classifier.plan.steps.count)
            #expect(device.report.values - before.values > 100_000)
            let map = try #require(found[0].sourceMap)
            #expect(Set(map).count == classifier.tokensPerLayer.last)
        }
    }

    @Test func anImageHasTheSameBitsInEveryBatch() throws {
        let device = try TestDevices.vulkan()
        let model = try ImageModelFolder(Self.folder).load(on: device)
        let images = Array(try heldOut(model.configuration).images.prefix(5))
        for r in [0, 33] {
            func results(_ images: [[Float]], batchSize: Int) throws -> [Classification] {
                try ImageClassifier(
                    device: device, model: model, schedule: .constant(r), batchSize: batchSize, tracesSources: true
                ).classify(images)
            }
            let alone = try results(images, batchSize: 1)
            for batchSize in [3, 5, 8] {
                let found = try results(images, batchSize: batchSize)
                #expect(bits(found) == bits(alone), "\(batchSize) a pass, r \(r)")
                #expect(found.map(\.sourceMap) == alone.map(\.sourceMap))
            }
            #expect(bits(try results(images.reversed(), batchSize: 4)) == bits(alone).reversed())
        }
    }

    // MARK: The files

    @Test func tilesAreReadFromLeftToRightAndFromTopToBottom() throws {
        let folder = try TemporaryFolder()
        try write(folder, labels: "[2, 0, 1, 1]")
        let heldOut = try HeldOutImages(folder: folder.path, classCount: 3)
        #expect(heldOut.labels == [2, 0, 1, 1] && heldOut.pictures.count == 4)
        #expect(heldOut.pictures.allSatisfy { $0.width == 2 && $0.height == 1 })
        let reds = heldOut.pictures.map { picture in (0..<2).map { picture[$0, 0].red } }
        #expect(reds == [[0, 1], [2, 3], [4, 5], [10, 11]])
    }

    /// Three tiles of 2×1 across and two down, each pixel red by its place.
    private func write(
        _ folder: TemporaryFolder, image: String = "\"sheet.png\"", tileWidth: String = "2", tileHeight: String = "1",
        columns: String = "3", labels: String?
    ) throws {
        var sheet = Image(width: 6, height: 2, color: .black)
        for y in 0..<2 {
            for x in 0..<6 { sheet[x, y] = Color(red: UInt8(10 * y + x), green: 0, blue: 0) }
        }
        try sheet.writePNG(to: folder.path + "/sheet.png")
        let text = """
            {"image": \(image), "tileWidth": \(tileWidth), "tileHeight": \(tileHeight), "columns": \(columns)\
            \(labels.map { ", \"labels\": \($0)" } ?? "")}
            """
        try text.write(toFile: folder.path + "/heldout.json", atomically: true, encoding: .utf8)
    }

    private func expectRefusal(
        naming words: String..., write: (TemporaryFolder) throws -> Void
    ) throws {
        let folder = try TemporaryFolder()
        try write(folder)
        let path = folder.path
        let found = Result { try HeldOutImages(folder: path, classCount: 3) }
        guard case .failure(let error) = found else {
            Issue.record("accepted what should name \(words)")
            return
        }
        let message = "\(error)"
        for word in words { #expect(message.contains(word), "\(word) in \(message)") }
        #expect(!message.contains("\n") && error is FormatError)
    }

    @Test func brokenFilesAreNamedWithTheirFields() throws {
        try expectRefusal(naming: "heldout.json: labels[1]", "0 to 2", "3") { try write($0, labels: "[0, 3, 1, 1]") }
        try expectRefusal(naming: "heldout.json: labels[0]") { try write($0, labels: "[\"1\", 0]") }
        try expectRefusal(naming: "heldout.json: labels[0]") { try write($0, labels: "[-1]") }
        try expectRefusal(naming: "heldout.json: labels", "none") { try write($0, labels: nil) }
        try expectRefusal(naming: "heldout.json: labels", "none") { try write($0, labels: "[]") }
        try expectRefusal(naming: "heldout.json: labels", "7 are 3 rows") { try write($0, labels: "[0,0,0,0,0,0,0]") }
        try expectRefusal(naming: "heldout.json: labels", "3 are 1 rows") { try write($0, labels: "[0,0,0]") }
        try expectRefusal(naming: "heldout.json: columns", "4 tiles") {
            try write($0, columns: "4", labels: "[0,1,2,0]")
        }
        try expectRefusal(naming: "heldout.json: tileWidth", "16384") { try write($0, tileWidth: "0", labels: "[0]") }
        try expectRefusal(naming: "heldout.json: tileHeight") { try write($0, tileHeight: "20000", labels: "[0]") }
        try expectRefusal(naming: "heldout.json: image", "same folder") {
            try write($0, image: "\"../sheet.png\"", labels: "[0,1,2,0]")
        }
        try expectRefusal(naming: "heldout.json: image") { try write($0, image: "5", labels: "[0,1,2,0]") }
        try expectRefusal(naming: "nowhere.png") { try write($0, image: "\"nowhere.png\"", labels: "[0,1,2,0]") }
        try expectRefusal(naming: "heldout.json", "line 1, column 11") { folder in
            try "{\"image\": ".write(toFile: folder.path + "/heldout.json", atomically: true, encoding: .utf8)
        }
        try expectRefusal(naming: "heldout.json") { _ in }
        try expectRefusal(naming: "sheet.png") { folder in
            try write(folder, labels: "[0,1,2,0]")
            try "no picture".write(toFile: folder.path + "/sheet.png", atomically: true, encoding: .utf8)
        }
    }
}
