import Foundation
import Testing
import VkdynCore
import VkdynSchedule

@testable import VkdynProfile

@Suite struct ComparisonTests {
    private func verdicts(_ comparison: ProfileComparison) -> [String: ProfileComparison.Verdict] {
        Dictionary(uniqueKeysWithValues: comparison.rows.map { ("\($0.group) \($0.name)", $0.verdict) })
    }

    @Test func aProfileEqualsItself() {
        let profile = ProfileFixture(roundCount: 4).make()
        let comparison = ProfileComparison([profile], [profile])
        #expect(!comparison.isSlower)
        #expect(comparison.rows.allSatisfy { $0.change == 0 && [.same, .unclear, .small].contains($0.verdict) })
        #expect(comparison.rows.contains { $0.group == .kernel && $0.name == "matmul" && $0.verdict == .same })
    }

    /// 40 comparisons of five repetitions of the same thing, on a machine whose runs differ by 2%.
    @Test func noiseIsNotCalledADifference() {
        var called = 0
        for seed in 1...40 {
            var a = ProfileFixture(seed: UInt64(seed), roundCount: 3, layerCount: 4, runNoise: 0.02)
            var b = a
            a.seed += 1000
            b.seed += 2000
            let comparison = ProfileComparison(a.repetitions(5), b.repetitions(5), threshold: 0)
            if comparison.rows.contains(where: { $0.group == .total && [.slower, .faster].contains($0.verdict) }) {
                called += 1
            }
        }
        // Three standard errors: seldom, even with no threshold at all.
        #expect(called <= 4, "\(called) of 40")
    }

    @Test func aSlowerKernelIsFoundBeyondNoise() {
        let a = ProfileFixture(seed: 3, roundCount: 4, runNoise: 0.01)
        var b = a
        b.seed = 4
        b.kernelSlowdown = ["matmul": 1.25]
        let comparison = ProfileComparison(a.repetitions(5), b.repetitions(5))
        let found = verdicts(comparison)
        #expect(comparison.isSlower)
        #expect(found["kernel matmul"] == .slower && found["kernel int8_matmul"] == .same)
        #expect(found["total dispatches"] == .slower)
        let row = comparison.rows.first { $0.group == .kernel && $0.name == "matmul" }
        #expect(abs((row?.change ?? 0) - 0.25) < 0.06)
        // The other way round it got faster, and nothing slower.
        let reverse = ProfileComparison(b.repetitions(5), a.repetitions(5))
        #expect(verdicts(reverse)["kernel matmul"] == .faster && !reverse.isSlower)
    }

    @Test func aDifferenceBelowTheThresholdIsNotCalled() {
        let a = ProfileFixture(seed: 3, roundCount: 3, noise: 0.001)
        var b = a
        b.slowdown = 1.04
        #expect(!ProfileComparison(a.repetitions(5), b.repetitions(5)).isSlower)
        #expect(ProfileComparison(a.repetitions(5), b.repetitions(5), threshold: 0.02).isSlower)
    }

    /// A neighbour doubles some runs on both sides: the medians of pairs do not move.
    @Test func aDisturbedPairDoesNotDecide() {
        let fixture = ProfileFixture(seed: 5, roundCount: 3, layerCount: 4, noise: 0.01)
        var disturbed = fixture
        disturbed.slowdown = 2
        let a = fixture.repetitions(7)
        let b = fixture.repetitions(6) + disturbed.repetitions(1)
        #expect(!ProfileComparison(a, b).isSlower)
    }

    /// Samples that are spread by 20% cannot show a tenth; steady ones can.
    @Test(arguments: [(0.005, true), (0.2, false)]) func singleProfilesHaveTheSpreadOfTheirSamples(
        noise: Double, isCalled: Bool
    ) {
        let a = ProfileFixture(seed: 1, noise: noise)
        var b = a
        b.seed = 2
        b.slowdown = 1.1
        let comparison = ProfileComparison([a.make()], [b.make()])
        #expect((verdicts(comparison)["kernel matmul"] == .slower) == isCalled)
        #expect(comparison.notes.contains { $0.contains("single profiles") })
    }

    @Test func whatWasSampledOnceIsUnclear() {
        let a = ProfileFixture(roundCount: 1).make()
        var b = a
        for plan in b.plans.indices {
            for step in b.plans[plan].steps.indices { b.plans[plan].steps[step].meanSeconds *= 3 }
        }
        let comparison = ProfileComparison([a], [b])
        #expect(verdicts(comparison)["kernel matmul"] == .unclear && !comparison.isSlower)
        #expect(comparison.rows.first { $0.name == "matmul" }?.noise == nil)
    }

    @Test func kernelsOfOneSideAreAddedOrRemoved() {
        let a = ProfileFixture(roundCount: 2).make()
        var b = a
        for plan in b.plans.indices {
            for step in b.plans[plan].steps.indices where b.plans[plan].steps[step].kernel == "int8_matmul" {
                b.plans[plan].steps[step].kernel = "matmul_new"
            }
        }
        let found = verdicts(ProfileComparison([a], [b]))
        #expect(found["kernel int8_matmul"] == .removed && found["kernel matmul_new"] == .added)
    }

    @Test func otherCommandsAndDevicesAreSaid() {
        let a = ProfileFixture(roundCount: 2).make()
        var b = a
        b.command = ["run", "other"]
        b.device.name = "another device"
        b.mode = .isolated
        let notes = ProfileComparison([a], [b]).notes
        #expect(notes.contains { $0.hasPrefix("different commands: a run speculative") && $0.hasSuffix("b run other") })
        #expect(notes.contains { $0.hasPrefix("different devices: ") && $0.hasSuffix("b another device") })
        #expect(notes.contains { $0.hasPrefix("different ways of timing: a all; b isolated") })
    }

    @Test func theTableHasALineForEveryRowThatCounts() {
        let a = ProfileFixture(seed: 3, roundCount: 3)
        var b = a
        b.kernelSlowdown = ["matmul": 1.5]
        let comparison = ProfileComparison(a.repetitions(3), b.repetitions(3))
        let table = comparison.table
        for row in comparison.rows where row.verdict != .small {
            #expect(table.contains { $0.hasPrefix("  \(row.name) ") }, "\(row.name)")
        }
        let line = table.first { $0.hasPrefix("  matmul ") } ?? ""
        #expect(line.hasSuffix("slower") && line.contains("+5"))
        #expect(table.last?.contains("slower, 0 faster") == true)
        #expect(table.allSatisfy { $0.count <= 120 })
    }

    @Test func mediansAndNoiseAreTheTextbooks() {
        #expect(Statistics.median([3, 1, 2]) == 2 && Statistics.median([4, 1, 2, 3]) == 2.5)
        #expect(Statistics.noise(ofPairs: [1]) == nil)
        #expect(abs((Statistics.noise(ofPairs: [1, 1.02, 1.5]) ?? 0) - 0.48) < 1e-12)
        // Their median is 1.01, and the deviations from it 0, 1, 1, 2, 4 hundredths.
        let noise = Statistics.noise(ofPairs: [1, 1.01, 0.99, 1.02, 1.05]) ?? 0
        #expect(abs(noise - 3 * 1.2533 * 1.4826 * 0.01 / 5.0.squareRoot()) < 1e-12)
    }
}
