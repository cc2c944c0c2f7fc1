import Foundation
import Testing
import VkdynFormats

@testable import VkdynModels

/// The schedulers against diffusers' own: `tools/fixtures/schedulers.py`.
@Suite struct SchedulerFixtureTests {
    private struct Case {
        let kind: SchedulerKind
        let name: String
        let configuration: SchedulerConfiguration
        let stepCount: Int
        let initialScale: Double
        let timesteps: [Double]
        let sigmas: [Double]?
        let inputsRow: Int
    }

    private static let folder = ModelFixture.path("schedulers") + "/"

    private static func cases() throws -> [Case] {
        let data = try Data(contentsOf: URL(fileURLWithPath: folder + "schedulers.json"))
        let root = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let configurations = try #require(root["configurations"] as? [String: [String: Any]])
        return try #require(root["cases"] as? [[String: Any]]).map { entry in
            let kind = try #require((entry["scheduler"] as? String).flatMap { SchedulerKind(rawValue: $0) })
            let changes = try #require(entry["changes"] as? [String: Any])
            let merged = try #require(configurations[kind.rawValue]).merging(changes) { $1 }
            let text = String(decoding: try JSONSerialization.data(withJSONObject: merged), as: UTF8.self)
            let stepCount = try #require(entry["steps"] as? Int)
            return Case(
                kind: kind, name: "\(kind.rawValue) \(changes) \(stepCount) steps",
                configuration: try SchedulerConfiguration(ConfigFile(path: "scheduler_config.json", text: text)),
                stepCount: stepCount, initialScale: try #require(entry["initialScale"] as? Double),
                timesteps: try #require(entry["timesteps"] as? [Double]), sigmas: entry["sigmas"] as? [Double],
                inputsRow: try #require(entry["inputsRow"] as? Int))
        }
    }

    private static func rows(_ file: Safetensors, _ name: String) throws -> [[Double]] {
        let values = try file.tensor(name).floats().map(Double.init)
        return stride(from: 0, to: values.count, by: 6).map { Array(values[$0..<$0 + 6]) }
    }

    /// The largest difference, as a share of the largest expected value.
    private static func difference(_ values: [Double], _ expected: [Double]) -> Double {
        let largest = expected.map(abs).max() ?? 1
        return zip(values, expected).map { abs($0 - $1) }.reduce(0, max) / max(largest, 1e-9)
    }

    @Test func everyStepIsDiffusers() throws {
        let file = try Safetensors(path: Self.folder + "schedulers.safetensors")
        let (outputs, noise) = (try Self.rows(file, "outputs"), try Self.rows(file, "noise"))
        let (inputs, results) = (try Self.rows(file, "inputs"), try Self.rows(file, "results"))
        let first = try Self.rows(file, "first")[0]
        let cases = try Self.cases()
        #expect(cases.count >= 190 && Set(cases.map(\.kind)).count == 5)
        var worst = (difference: 0.0, name: "")
        func note(_ difference: Double, _ name: String) {
            if !(difference <= worst.difference) { worst = (difference, name) }
        }
        for (index, test) in cases.enumerated() {
            let schedule = try DenoisingSchedule(
                kind: test.kind, configuration: test.configuration, stepCount: test.stepCount)
            let timesteps = schedule.steps.map { Double($0.timestep) }
            guard timesteps.count == test.timesteps.count else {
                Issue.record("\(test.name): \(timesteps.count) steps instead of \(test.timesteps.count)")
                continue
            }
            #expect(Self.difference(timesteps, test.timesteps) < 1e-6, "\(test.name): \(timesteps)")
            #expect(abs(Double(schedule.initialScale) / test.initialScale - 1) < 1e-4, "\(test.name)")
            if let sigmas = test.sigmas, test.kind != .dpmSolver {
                let found = schedule.steps.map { step in
                    (1 / (Double(step.inputScale) * Double(step.inputScale)) - 1).squareRoot()
                }
                #expect(Self.difference(found, Array(sigmas.dropLast())) < 1e-4, "\(test.name)")
            }
            var run = DenoisingRun<Double>(schedule, noise: first)
            for step in schedule.steps.indices {
                note(
                    Self.difference(run.input(step), inputs[test.inputsRow + step]),
                    "\(test.name), the input of step \(step)")
                run.take(step, output: outputs[step], noise: noise[step])
            }
            note(Self.difference(run.sample, results[index]), test.name)
        }
        #expect(worst.difference < 1e-4, "\(worst)")
    }
}
