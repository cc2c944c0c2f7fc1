import Foundation
import Testing
import VkdynCore
import VkdynModels
import VkdynReference
import VkdynSchedule
import VkdynTechniques
import VkdynVulkan

/// What generations with the shipped pair take, against the figures that `Benchmarks/check` compares too.
@Suite(.serialized) struct GenerationCountsTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    private func committed(_ work: CountedGeneration.Work) throws -> [String: Int] {
        let path = Self.root + "/Benchmarks/Thresholds/EndToEnd.\(work.rawValue).p90.json"
        return try JSONDecoder().decode([String: Int].self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }

    private func generation(_ work: CountedGeneration.Work, on device: any Device) throws -> CountedGeneration {
        let shipped = Self.root + "/Sources/VkdynModels/Shipped"
        let folders = try SpeculativeFolders(
            target: .folder(shipped + "/prose-target"), draft: .folder(shipped + "/prose-draft"))
        return try CountedGeneration(work, on: device, pair: try folders.load(on: device))
    }

    private func device(_ choice: TestDevices.Choice) throws -> any Device {
        switch choice {
        case .reference: ReferenceDevice()
        case .vulkan: try TestDevices.unshared()
        }
    }

    @Test(arguments: CountedGeneration.Work.allCases, TestDevices.Choice.allCases)
    func theCountsAreTheCommittedOnes(work: CountedGeneration.Work, choice: TestDevices.Choice) throws {
        let device = try device(choice)
        let generation = try generation(work, on: device)
        let before = device.counters
        let result = try generation.run()
        let used = device.counters - before
        let counts = generation.counts(of: result)
        let figures = Dictionary(uniqueKeysWithValues: counts.figures.map { ($0.name, $0.value) })
        let expected = try committed(work)
        for name in Set(figures.keys).union(expected.keys).sorted() where figures[name] != expected[name] {
            Issue.record(
                """
                \(work.rawValue), \(name): \(figures[name].map(String.init) ?? "absent"), committed \
                \(expected[name].map(String.init) ?? "nothing"); if it is meant, run Benchmarks/check --update
                """)
        }
        // What the plans say is what the device did: whole rounds, after the pieces of the prompt.
        let pieces = counts.prefill.dispatches + counts.draftPrefill.dispatches
        let shorter = generation.decoder.plans.filter { $0.label.hasPrefix("round") }.map(\.steps.count).min() ?? 0
        #expect(used.dispatches <= counts.rounds * counts.round.dispatches + pieces)
        #expect(used.dispatches >= counts.rounds * shorter + pieces)
    }

    @Test func histogramsOfThreeDigitsHoldEveryFigure() throws {
        for work in CountedGeneration.Work.allCases {
            let figures = try committed(work)
            #expect(figures.count == GenerationCounts().figures.count)
            #expect(figures.values.allSatisfy { (0...2047).contains($0) })
        }
    }

    @Test func bytesAreWrittenWithoutLoss() {
        var counts = GenerationCounts()
        counts.deviceBytes = 5 << 20 | 1023 << 10 | 17
        let figures = Dictionary(uniqueKeysWithValues: counts.figures.map { ($0.name, $0.value) })
        #expect(figures["device memory MiB"] == 5)
        #expect(figures["device memory KiB"] == 1023)
        #expect(figures["device memory B"] == 17)
    }

    /// The gate sees one dispatch more, and one barrier more.
    @Test func aFurtherDispatchAndABarrierChangeTheCounts() throws {
        let generation = try generation(.speculative, on: TestDevices.reference)
        var telemetry = GenerationTelemetry()
        telemetry.rounds = 1
        let plans = generation.decoder.plans
        let counts = GenerationCounts(telemetry, plans: plans, draftLength: 4)
        let isolated = GenerationCounts(telemetry, plans: plans.map { $0.isolated() }, draftLength: 4)
        #expect(isolated.round.barriers == counts.round.dispatches && counts.round.barriers < counts.round.dispatches)
        let longer = GenerationCounts(telemetry, plans: plans, draftLength: 3)
        #expect(longer.round.dispatches < counts.round.dispatches)
    }
}
