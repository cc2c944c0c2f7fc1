import Foundation
import Testing
import VkdynCore
import VkdynFormats
import VkdynModels
import VkdynReference
import VkdynSchedule
import VkdynTechniques
import VkdynVulkan

/// Vision transformers against timm and transformers, and with merged tokens against the authors' ToMe: logits within
/// 1e-3 of the largest, the same merges.
@Suite(.serialized) struct VisionTests {
    private func bits(_ results: [Classification]) -> [[UInt32]] { results.map { $0.logits.map(\.bitPattern) } }

    @Test(arguments: VisionFixture.names, TestDevices.Choice.allCases)
    func logitsAndMergesAreThoseOfTheReferences(name: String, choice: TestDevices.Choice) throws {
        let fixture = try VisionFixture.load(name)
        let device = try TestDevices.device(choice)
        let model = try ImageModelFolder(fixture.folder).load(on: device)
        let images = try fixture.images(model.configuration)
        #expect(fixture.runs.count == 6)
        for run in fixture.runs {
            let classifier = try ImageClassifier(
                device: device, model: model, schedule: run.schedule, batchSize: images.count, tracesSources: true)
            #expect(classifier.tokensPerLayer == run.tokensPerLayer, "r \(run.r)")
            #expect(PlanChecker.violations(of: classifier.plan) == [])
            let found = try classifier.classify(images)
            let expected = try ModelFixture.floats(run.logits)
            let logits = found.flatMap(\.logits)
            #expect(logits.count == expected.count)
            let worst = zip(logits, expected).map { abs($0 - $1) }.max() ?? .infinity
            #expect(worst <= 1e-3 * run.largestLogit, "r \(run.r): largest difference \(worst) of \(run.largestLogit)")
            #expect(found.map(\.sourceMap) == run.sourceMap, "r \(run.r)")
            if let gap = run.gap { #expect(gap >= 2e-5) }
        }
        if choice == .vulkan { #expect(ValidationMessages.all == []) }
    }

    @Test(arguments: VisionFixture.names) func theDeviceAndTheTwinsGiveTheSameBits(name: String) throws {
        let fixture = try VisionFixture.load(name)
        for run in fixture.runs {
            var found: [[Classification]] = []
            for choice in TestDevices.Choice.allCases {
                let device = try TestDevices.device(choice)
                let model = try ImageModelFolder(fixture.folder).load(on: device)
                found.append(
                    try ImageClassifier(
                        device: device, model: model, schedule: run.schedule, batchSize: 2, tracesSources: true
                    ).classify(fixture.images(model.configuration)))
            }
            #expect(bits(found[0]) == bits(found[1]))
            #expect(found[0].map(\.sourceMap) == found[1].map(\.sourceMap))
        }
    }

    @Test func lockstepFindsNoDifference() throws {
        let device = LockstepDevice(try TestDevices.vulkan())
        let fixture = try VisionFixture.load("distilled")
        let model = try ImageModelFolder(fixture.folder).load(on: device)
        let images = try fixture.images(model.configuration)
        for r in [0, 3, 8, 16] {
            let before = device.report
            let classifier = try ImageClassifier(
                device: device, model: model, schedule: .constant(r), batchSize: 3, tracesSources: true)
            _ = try classifier.classify(images + images)
            #expect(device.report.dispatches - before.dispatches == 2 * classifier.plan.steps.count)
            #expect(device.report.values > before.values)
        }
    }

    /// Merging switched off records nothing of it, and so does r = 0, in any of its forms.
    @Test(arguments: VisionFixture.names) func zeroGivesTheBitsOfOff(name: String) throws {
        let fixture = try VisionFixture.load(name)
        let device = try TestDevices.vulkan()
        let model = try ImageModelFolder(fixture.folder).load(on: device)
        let images = try fixture.images(model.configuration)
        let off = try ImageClassifier(device: device, model: model, schedule: nil, batchSize: 2)
        let labels = off.plan.steps.map(\.dispatch.label)
        #expect(!labels.contains { $0.contains("merge") })
        let expected = bits(try off.classify(images))
        for zero in [MergeSchedule.constant(0), .perLayer([]), .perLayer([0, 0]), .inflected(0, inflection: -1)] {
            let classifier = try ImageClassifier(device: device, model: model, schedule: zero, batchSize: 2)
            #expect(classifier.plan.steps.map(\.dispatch.label) == labels)
            #expect(bits(try classifier.classify(images)) == expected)
            #expect(classifier.multiplyAdds == off.multiplyAdds)
        }
        // What merges is another model.
        let merging = try ImageClassifier(device: device, model: model, schedule: .constant(4), batchSize: 2)
        #expect(bits(try merging.classify(images)) != expected)
        #expect(merging.multiplyAdds < off.multiplyAdds)
    }

    @Test(arguments: ["class", "average", "distilled"]) func anImageHasTheSameBitsInEveryBatch(name: String) throws {
        let fixture = try VisionFixture.load(name)
        let device = try TestDevices.vulkan()
        let model = try ImageModelFolder(fixture.folder).load(on: device)
        let images = try fixture.images(model.configuration)
        for schedule in [MergeSchedule.constant(0), .constant(5), .perLayer([20, 1])] {
            func results(_ images: [[Float]], batchSize: Int) throws -> [Classification] {
                try ImageClassifier(
                    device: device, model: model, schedule: schedule, batchSize: batchSize, tracesSources: true
                ).classify(images)
            }
            let alone = try images.map { try results([$0], batchSize: 1)[0] }
            // The last pass of each has fewer images than the batch.
            for (order, size) in [([0, 1], 3), ([1, 0, 1], 2), ([1, 1, 0, 0, 1], 4)] {
                let found = try results(order.map { images[$0] }, batchSize: size)
                #expect(bits(found) == bits(order.map { alone[$0] }))
                #expect(found.map(\.sourceMap) == order.map { alone[$0].sourceMap })
            }
        }
    }

    @Test func narrowWeightsStayNearTheWideOnes() throws {
        let fixture = try VisionFixture.load("class")
        let device = try TestDevices.vulkan()
        let expected = try ModelFixture.floats(fixture.runs[0].logits)
        for (type, bound) in [(ElementType.f16, Float(5e-3)), (.bf16, 0.05), (.i8, 0.05)] {
            let model = try ImageModelFolder(fixture.folder).load(on: device, weightType: type)
            let found = try ImageClassifier(device: device, model: model, schedule: nil, batchSize: 2)
                .classify(fixture.images(model.configuration)).flatMap(\.logits)
            let worst = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
            #expect(worst > 0 && worst <= bound * fixture.runs[0].largestLogit, "\(type): \(worst)")
        }
    }

    // MARK: Counts

    @Test func parametersAreAsManyAsTimmHas() throws {
        let counts = try VisionFixture.load().parameters
        #expect(counts.count == 15)
        for (name, count) in counts {
            #expect(VisionTransformer.Configuration(architecture: name)?.parameterCount == count, "\(name)")
        }
        for fixture in try VisionFixture.load().cases {
            let model = try ImageModelFolder(fixture.folder).load(on: TestDevices.reference)
            #expect(model.parameterCount == model.configuration.parameterCount, "\(fixture.name)")
        }
    }

    /// timm states 17.6 G for ViT-B/16 at 224 pixels.
    @Test func multiplyAddsAreThoseThatTimmStates() throws {
        let base = try #require(VisionTransformer.Configuration(architecture: "vit_base_patch16_224"))
        #expect(abs(Double(base.multiplyAdds(tokensPerLayer: Array(repeating: 197, count: 12))) - 17.6e9) < 0.05e9)
        let merging = try ToMe(.constant(8), configuration: base)
        #expect(merging.tokensPerLayer.last == 197 - 8 * 12)
        #expect(Double(merging.multiplyAdds) < 14e9 && Double(merging.multiplyAdds) > 12e9)
    }

    @Test func moreThanTheTokensAllowBecomesWhatTheyAllow() throws {
        let model = try #require(VisionTransformer.Configuration(architecture: "deit_tiny_distilled_patch16_224"))
        let merging = try ToMe(.constant(1_000_000), configuration: model)
        var tokens = 198
        #expect(
            merging.tokensPerLayer
                == (0..<12).map { _ in
                    tokens -= (tokens - 2) / 2
                    return tokens
                })
        #expect(merging.tokensPerLayer.last == 3)
        #expect(throws: MergeScheduleError.tooLong(listed: 13, layers: 12)) {
            try ToMe(.perLayer(Array(repeating: 1, count: 13)), configuration: model)
        }
    }

    @Test func seededWeightsFollowFromTheirSeed() throws {
        let device = TestDevices.reference
        var configuration = try #require(VisionTransformer.Configuration(architecture: "vit_tiny_patch16_224"))
        (configuration.imageHeight, configuration.imageWidth, configuration.layerCount) = (48, 32, 2)
        var random = CaseGenerator(seed: 7)
        let image = random.floats(configuration.patchCount * configuration.patchSize)
        func logits(_ seed: UInt64) throws -> [UInt32] {
            let source = SeededWeights(seed: seed, byteCount: 4 * configuration.parameterCount)
            let model = try VisionTransformer(
                configuration: configuration,
                loader: WeightLoader(checkpoint: source, device: device, weightType: nil))
            #expect(model.parameterCount == configuration.parameterCount)
            return bits(
                try ImageClassifier(device: device, model: model, schedule: .constant(1)).classify([image]))[0]
        }
        let first = try logits(1)
        #expect(try first == logits(1) && first != logits(2))
        #expect(first.allSatisfy { Float(bitPattern: $0).isFinite } && Set(first).count > 900)
    }

    @Test func regionsAndTheirOutlinesFollowTheMap() {
        // Two patches of the first row and the one below the first are one region.
        let merged = MergedRegions(sourceMap: [0, 3, 3, 1, 3, 2, 4], prefixCount: 1, columns: 3, rows: 2)
        #expect(merged.count == 4)
        #expect(merged.edges(0, 0) == [.left, .top])
        #expect(merged.edges(1, 0) == [.top, .right, .bottom])
        #expect(merged.edges(0, 1) == [.left, .bottom, .right])
        #expect(merged.edges(2, 1) == [.left, .top, .right, .bottom])
    }
}
