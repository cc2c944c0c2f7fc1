import Testing
import VkdynCore
import VkdynModels
import VkdynReference
import VkdynSchedule
import VkdynTechniques

/// What must hold of a pipeline whatever its weights.
@Suite(.serialized) struct DiffusionPropertyTests {
    private static let merging = Result { try ToMeSDOptions(ratio: 0.5) }
    private static let cache = DeepCacheOptions(policy: .interval(2), branch: 1)

    private func bits(_ result: DiffusionResult) -> [UInt32] { result.latents.map(\.bitPattern) }

    @Test(arguments: [false, true]) func deviceGivesTheTwinsBitsInEveryMethod(secondKind: Bool) throws {
        let device = LockstepDevice(try TestDevices.vulkan())
        let pipeline = try SeededDiffusion.pipeline(on: device, secondKind: secondKind)
        for (cache, merging) in [(nil, nil), (Self.cache, try Self.merging.get())] as [(
            DeepCacheOptions?, ToMeSDOptions?
        )] {
            var request = SeededDiffusion.request()
            (request.cache, request.merging, request.scheduler) = (cache, merging, .eulerAncestral)
            let result = try pipeline.generate(request)
            let isFinite = result.latents.allSatisfy { $0.isFinite }
            #expect(isFinite)
        }
        #expect(device.report.values > 100_000)
    }

    @Test func methodsThatDoNothingGiveTheBaselinesBits() throws {
        let pipeline = try SeededDiffusion.pipeline(on: TestDevices.vulkan())
        let baseline = try pipeline.generate(SeededDiffusion.request())
        var request = SeededDiffusion.request()
        request.cache = DeepCacheOptions(policy: .interval(1), branch: 2)
        request.merging = try ToMeSDOptions(ratio: 0)
        let off = try pipeline.generate(request)
        #expect(bits(off) == bits(baseline))
        #expect(off.images == baseline.images)
        #expect(off.multiplyAdds == baseline.multiplyAdds)
    }

    @Test func methodsChangeThePictureAndSaveWork() throws {
        let pipeline = try SeededDiffusion.pipeline(on: TestDevices.vulkan())
        let baseline = try pipeline.generate(SeededDiffusion.request())
        var request = SeededDiffusion.request()
        request.cache = Self.cache
        let cached = try pipeline.generate(request)
        request.merging = try Self.merging.get()
        let both = try pipeline.generate(request)
        request.cache = nil
        let merged = try pipeline.generate(request)
        #expect(Set([bits(baseline), bits(cached), bits(both), bits(merged)]).count == 4)
        #expect(cached.multiplyAdds < baseline.multiplyAdds)
        #expect(merged.multiplyAdds < baseline.multiplyAdds)
        #expect(both.multiplyAdds < min(cached.multiplyAdds, merged.multiplyAdds))
        #expect(cached.fullEvaluations == 3 && cached.evaluations == 5)
    }

    /// Whoever shares the batch.
    @Test func aPicturesBitsDoNotDependOnItsBatch() throws {
        let pipeline = try SeededDiffusion.pipeline(on: TestDevices.vulkan())
        var request = SeededDiffusion.request(["a fish", "two boats", "the sea at night"])
        request.cache = Self.cache
        request.merging = try ToMeSDOptions(ratio: 0.5, randomDestinations: false)
        let size = 4 * 6 * 8
        request.latents = (0..<3 * size).map { Float(($0 * 7919) % 1000) / 250 - 2 }
        let together = try pipeline.generate(request)
        for (index, prompt) in request.prompts.enumerated() {
            var alone = request
            alone.prompts = [prompt]
            alone.latents = request.latents.map { Array($0[index * size..<(index + 1) * size]) }
            let result = try pipeline.generate(alone)
            #expect(bits(result) == Array(bits(together)[index * size..<(index + 1) * size]))
            #expect(result.images[0] == together.images[index])
        }
    }

    /// A picture that is not guided takes one evaluation a step, and the guided one another picture.
    @Test func guidanceOfOneIsNone() throws {
        let pipeline = try SeededDiffusion.pipeline(on: TestDevices.vulkan())
        var request = SeededDiffusion.request()
        let guided = try pipeline.generate(request)
        request.guidance = 1
        let plain = try pipeline.generate(request)
        // All but the time's embedding, which both have once.
        #expect((1.99..<2).contains(Double(guided.multiplyAdds) / Double(plain.multiplyAdds)))
        #expect(bits(plain) != bits(guided))
    }

    @Test func aStepIsOneSubmit() throws {
        let device = try TestDevices.unshared()
        let pipeline = try SeededDiffusion.pipeline(on: device)
        func submits(steps: Int) throws -> DeviceCounters {
            var request = SeededDiffusion.request()
            (request.steps, request.cache) = (steps, Self.cache)
            return try pipeline.generate(request).counters
        }
        let few = try submits(steps: 4)
        let many = try submits(steps: 9)
        #expect(many.submits - few.submits == 5)
        #expect(many.readbacks == few.readbacks)
    }

    @Test func memoryIsWeightsAndWhatIsAliveAtOnce() throws {
        let pipeline = try SeededDiffusion.pipeline(on: TestDevices.unshared())
        var request = SeededDiffusion.request()
        (request.width, request.height) = (64, 48)
        (request.steps, request.cache) = (2, Self.cache)
        let memory = try pipeline.generate(request).memory
        let peak = try #require(memory.peakBytes)
        #expect(Double(peak) <= Double(memory.weightBytes) + 1.3 * Double(memory.liveBytes))
        #expect(peak > memory.weightBytes)
    }

    @Test func seedsAndPromptsMakePictures() throws {
        let pipeline = try SeededDiffusion.pipeline(on: TestDevices.vulkan())
        let first = try pipeline.generate(SeededDiffusion.request())
        #expect(try bits(pipeline.generate(SeededDiffusion.request())) == bits(first))
        var request = SeededDiffusion.request()
        request.seed += 1
        #expect(try bits(pipeline.generate(request)) != bits(first))
        #expect(try bits(pipeline.generate(SeededDiffusion.request(["a boat"]))) != bits(first))
        request = SeededDiffusion.request()
        request.negativePrompts = ["rain"]
        #expect(try bits(pipeline.generate(request)) != bits(first))
    }

    @Test func requestsThatCannotBeAreRefused() throws {
        let pipeline = try SeededDiffusion.pipeline(on: TestDevices.reference)
        func refused(_ change: (inout DiffusionRequest) -> Void) -> DiffusionError? {
            var request = SeededDiffusion.request()
            change(&request)
            do {
                _ = try pipeline.generate(request)
                return nil
            } catch {
                return error as? DiffusionError
            }
        }
        #expect(refused { $0.width = 15 } == .size(width: 15, height: 12, multiple: 2))
        #expect(refused { $0.height = 0 } == .size(width: 16, height: 0, multiple: 2))
        #expect(refused { $0.latents = [1] } == .latents(count: 1, expected: 192))
        #expect(refused { $0.cache = DeepCacheOptions(policy: .everyStep, branch: 6) } == .branch(6, count: 6))
        #expect(refused { $0.prompts = [] } != nil)
        #expect(refused { $0.negativePrompts = ["a", "b"] } != nil)
    }
}
