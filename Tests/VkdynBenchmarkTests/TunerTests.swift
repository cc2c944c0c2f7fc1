import Testing
import VkdynCore
import VkdynKernels
import VkdynSchedule

@testable import VkdynBenchmark

@Suite struct TunerTests {
    private let cpu = DeviceTraits(
        kind: .cpu, subgroupSize: 8, maximumWorkgroupInvocations: 1024, sharedMemoryBytes: 32768,
        maximumTexels: 1 << 27, maximumStorageBytes: 1 << 27)

    /// Timings of all variants of a product: `seconds` by name, others 1.
    private func timings(_ rows: Int, _ seconds: [String: Double]) throws -> [KernelTiming] {
        let shape = Matmul.shapes.shape(["rows": rows, "columns": 64, "depth": 8])
        return try BenchmarkCall.make(Matmul.self, shape, variants: .all, traits: cpu).map {
            KernelTiming(
                call: $0, samples: [2, seconds[$0.variant.name] ?? 1, 3], repetitionCount: 1, copyCount: 1)
        }
    }

    @Test func theFastestVariantIsChosenByItsFastestSample() throws {
        let timings = try timings(8, ["lanes8_rows4": 0.5])
        let tuning = Tuning(timings)
        #expect(tuning[timings[0].call.callClass] == "lanes8_rows4")
        #expect(tuning.sorted.count == 1)
        let call = try BenchmarkCall.make(
            Matmul.self, timings[0].call.shape, traits: cpu, tuning: tuning)
        #expect(call.map(\.variant.name) == ["lanes8_rows4"])
    }

    @Test func theFirstChoiceStaysWhereTheDifferenceIsNoise() throws {
        let timings = try timings(8, ["general": 0.98])
        #expect(Tuning(timings)[timings[0].call.callClass] == "lanes8_rows8")
    }

    @Test func shapesOfOneClassAreJudgedTogether() throws {
        let (five, eight) = (try timings(5, ["lanes8_rows5": 0.5, "lanes8_rows4": 0.6]), try timings(8, ["lanes8_rows4": 0.7]))
        #expect(five[0].call.callClass == eight[0].call.callClass)
        let tuning = Tuning(five + eight)
        // 1 + 1/0.7 against 1.2 + 1.
        #expect(tuning.sorted.map(\.variant) == ["lanes8_rows4"])
    }

    @Test func classesAreTunedApart() throws {
        let tuning = Tuning(try timings(1, ["general": 0.5]) + timings(2, ["lanes32_rows2": 0.5]))
        #expect(Set(tuning.sorted.map(\.variant)) == ["general", "lanes32_rows2"])
    }
}
