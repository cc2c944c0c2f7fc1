import Foundation
import Testing
import VkdynCore
import VkdynFormats
import VkdynModels
import VkdynTechniques

/// Small pipelines against diffusers, and against the authors' DeepCache and tomesd: `tools/fixtures/diffusion.py` wrote
/// what they gave.
@Suite(.serialized) struct DiffusionFixtureTests {
    struct Description: Decodable {
        struct Cache: Decodable {
            let interval: Int
            let branch: Int
            let power: Double?
            let centre: Int?
            let fullSteps: [Int]

            var policy: FeatureSchedule.Policy {
                guard let power, let centre else { return .interval(interval) }
                return .nonUniform(interval: interval, power: power, centre: centre)
            }
        }

        struct Merging: Decodable {
            let ratio: Double
            let maxDownsample: Int
            let strideX: Int
            let strideY: Int
            let attention: Bool
            let crossAttention: Bool
            let feedForward: Bool
        }

        struct Case: Decodable {
            let name: String
            let scheduler: String
            let changes: [String: String]
            let steps: Int
            let size: [Int]
            let prompts: Int
            let guidance: Double
            let cache: Cache?
            let merging: Merging?
            let latents: String
        }

        struct Schedule: Decodable {
            let steps: Int
            let interval: Int
            let power: Double
            let centre: Int
            let full: [Int]?
        }

        let prompts: [String]
        let prompt: String
        let secondPrompt: String
        let negativePrompt: String
        let secondNegativePrompt: String
        let cases: [Case]
        let schedules: [Schedule]
    }

    private struct Fixture {
        let path: String
        let description: Description
        let tensors: Safetensors

        init(_ name: String) throws {
            path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("Fixtures/\(name)").path
            description = try JSONDecoder().decode(
                Description.self, from: Data(contentsOf: URL(fileURLWithPath: path + "/expected.json")))
            tensors = try Safetensors(path: path + "/expected.safetensors")
        }

        func floats(_ name: String) throws -> [Float] { try tensors.tensor(name).floats() }
    }

    /// The largest difference, as a share of the largest expected value.
    private func difference(_ found: [Float], _ expected: [Float]) -> Float {
        guard found.count == expected.count else { return .infinity }
        let largest = expected.reduce(0) { max($0, abs($1)) }
        return zip(found, expected).reduce(0) { max($0, ($1.0 - $1.1).magnitude.isNaN ? .infinity : abs($1.0 - $1.1)) }
            / largest
    }

    /// Of float32 against float64; the reference's own float32 stays within 2e-5.
    private let tolerance: Float = 1e-4

    @Test(arguments: ["diffusion-sd1", "diffusion-sd2"]) func partsAreThoseOfDiffusers(name: String) throws {
        let fixture = try Fixture(name)
        for choice in TestDevices.Choice.allCases {
            let pipeline = try DiffusionPipeline(
                folder: PipelineFolder(fixture.path), on: TestDevices.device(choice))
            let embeddings = try pipeline.embeddings(fixture.description.prompts)
            #expect(difference(embeddings, try fixture.floats("prompts.embeddings")) < tolerance)
            let side = pipeline.models.unet.configuration.sampleHeight
            for (kind, height, width, timestep) in [("square", side, side, 981), ("odd", 11, 14, 40)] {
                let output = try pipeline.prediction(
                    sample: fixture.floats("unet.\(kind).sample"), height: height, width: width,
                    timestep: Float(timestep),
                    texts: [fixture.description.prompts[0], fixture.description.prompts[2]])
                #expect(difference(output, try fixture.floats("unet.\(kind).output")) < tolerance, "\(kind)")
            }
            for (kind, height, width) in [("square", side, side), ("odd", 5, 7)] {
                let picture = try pipeline.pixels(
                    latents: fixture.floats("vae.\(kind).latents"), height: height, width: width)
                #expect(difference(picture, try fixture.floats("vae.\(kind).picture")) < tolerance, "\(kind)")
            }
        }
    }

    /// Final latents of every scheduler, and of both methods alone and together.
    @Test(arguments: ["diffusion-sd1", "diffusion-sd2"]) func runsAreThoseOfDiffusersAndTheAuthors(name: String) throws {
        let fixture = try Fixture(name)
        let description = fixture.description
        let pipeline = try DiffusionPipeline(folder: PipelineFolder(fixture.path), on: TestDevices.vulkan())
        let configuration = pipeline.schedulerConfiguration
        for entry in description.cases {
            pipeline.schedulerConfiguration = configuration
            for (field, value) in entry.changes {
                try #require(field == "timestep_spacing")
                pipeline.schedulerConfiguration.spacing = try #require(SchedulerConfiguration.Spacing(rawValue: value))
            }
            var request = DiffusionRequest(
                prompts: Array([description.prompt, description.secondPrompt].prefix(entry.prompts)),
                negativePrompts: Array(
                    [description.negativePrompt, description.secondNegativePrompt].prefix(entry.prompts)),
                steps: entry.steps, guidance: entry.guidance,
                scheduler: try #require(SchedulerKind(rawValue: entry.scheduler)),
                width: entry.size[1] * pipeline.enlargement, height: entry.size[0] * pipeline.enlargement,
                latents: try fixture.floats(entry.latents))
            if entry.scheduler == "euler-ancestral" {
                let noise = try fixture.floats("\(entry.name).noise")
                let count = noise.count / entry.steps
                request.stepNoise = (0..<entry.steps).map { Array(noise[$0 * count..<($0 + 1) * count]) }
            }
            request.cache = entry.cache.map { DeepCacheOptions(policy: $0.policy, branch: $0.branch) }
            request.merging = try entry.merging.map {
                try ToMeSDOptions(
                    ratio: $0.ratio, cellHeight: $0.strideY, cellWidth: $0.strideX, maxDownsample: $0.maxDownsample,
                    randomDestinations: false, includesAttention: $0.attention,
                    includesCrossAttention: $0.crossAttention, includesFeedForward: $0.feedForward)
            }
            let result = try pipeline.generate(request)
            let found = difference(result.latents, try fixture.floats("\(entry.name).result"))
            #expect(found < 1e-3, "\(entry.name): \(found)")
            if let cache = entry.cache {
                #expect(result.fullEvaluations == cache.fullSteps.count, "\(entry.name)")
                let schedule = try FeatureSchedule(cache.policy, stepCount: result.evaluations)
                #expect(schedule.fullSteps == cache.fullSteps, "\(entry.name)")
            }
        }
    }

    @Test func unevenSchedulesAreTheAuthors() throws {
        for entry in try Fixture("diffusion-sd1").description.schedules {
            let found = try? FeatureSchedule(
                .nonUniform(interval: entry.interval, power: entry.power, centre: entry.centre),
                stepCount: entry.steps)
            #expect(found?.fullSteps == entry.full, "\(entry)")
        }
    }
}
