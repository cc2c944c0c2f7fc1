import Testing

@testable import VkdynProfile

@Suite struct StampRotationTests {
    /// Runs of a plan with steps of the same length, as a device would spend them.
    private struct Simulation {
        var rotation: StampRotation
        let stepCount: Int
        let stampSeconds: Double
        let runSeconds: Double
        var allowance = Double.infinity
        var choices: [StampRotation.Choice?] = []

        init(stepCount: Int, stampSeconds: Double, runSeconds: Double, share: Double) {
            rotation = StampRotation(stepCount: stepCount, share: share)
            self.stepCount = stepCount
            self.stampSeconds = stampSeconds
            self.runSeconds = runSeconds
        }

        mutating func run(_ count: Int) {
            for _ in 0..<count {
                choices.append(rotation.next(stampSeconds: stampSeconds, allowance: allowance))
                rotation.ran(seconds: runSeconds, stampSeconds: stampSeconds)
            }
        }

        /// Seconds of stamps in the runs from `first` on.
        func cost(from first: Int) -> Double {
            choices[first...].reduce(0) {
                $0 + Double($1.map { StampRotation.stampCount($0, of: stepCount) } ?? 0) * stampSeconds
            }
        }

        /// How often each step was stamped by itself.
        var samples: [Int] {
            var samples = [Int](repeating: 0, count: stepCount)
            for case let choice? in choices where choice != .whole {
                for stretch in StampRotation.stretches(choice, of: stepCount) { samples[stretch.lowerBound] += 1 }
            }
            return samples
        }
    }

    @Test func twoRunsAreLeftAloneAndTheThirdStampsAll() {
        var simulation = Simulation(stepCount: 70, stampSeconds: 13e-6, runSeconds: 7e-3, share: 0.04)
        simulation.allowance = 3.9 * 71 * 13e-6
        simulation.run(3)
        #expect(simulation.choices == [nil, nil, .everything])
    }

    @Test func whereStampsAreCheapBesideTheRunsTheSecondStampsAll() {
        var simulation = Simulation(stepCount: 70, stampSeconds: 13e-6, runSeconds: 1, share: 0.04)
        simulation.allowance = 4.1 * 71 * 13e-6
        simulation.run(2)
        #expect(simulation.choices == [nil, .everything])
    }

    @Test(arguments: [1, 2, 9, 70, 250], [0.2e-3, 1e-3, 7e-3, 100e-3])
    func stampsCostNoMoreThanTheirShare(stepCount: Int, runSeconds: Double) {
        var simulation = Simulation(stepCount: stepCount, stampSeconds: 13e-6, runSeconds: runSeconds, share: 0.04)
        simulation.run(2000)
        #expect(simulation.cost(from: 3) <= 0.04 * 2000 * runSeconds)
        // And no less than is there to be used, up to what a turn costs.
        let turn = Double(stepCount + 9 + 2) * 13e-6
        let usable = min(0.04 * 1998 * runSeconds, 1990 * 2 * 13e-6)
        #expect(simulation.cost(from: 3) >= usable - turn)
    }

    @Test(arguments: [1, 2, 9, 70, 250]) func everyStepHasItsTurn(stepCount: Int) {
        var simulation = Simulation(stepCount: stepCount, stampSeconds: 13e-6, runSeconds: 1e-3, share: 0.04)
        simulation.run(4000)
        let samples = simulation.samples
        let least = samples.min() ?? 0
        #expect(least >= 4 && (samples.max() ?? 0) <= least + 1)
        #expect(simulation.choices.contains(.whole))
    }

    @Test func windowsAreAsLargeAsARunPaysFor() {
        var simulation = Simulation(stepCount: 70, stampSeconds: 10e-6, runSeconds: 10.1e-3, share: 0.03)
        simulation.run(200)
        // 303 µs pay for 30 stamps, which bound 29 steps.
        let windows = Set(simulation.choices.compactMap { $0 }).subtracting([.everything, .whole])
        #expect(windows == [.window(0..<29), .window(29..<58), .window(58..<70)])
    }

    @Test func aPlanHasFewRecordingsHoweverLittleItEarns() {
        var simulation = Simulation(stepCount: 1000, stampSeconds: 13e-6, runSeconds: 1e-4, share: 0.04)
        simulation.run(20_000)
        #expect(Set(simulation.choices.compactMap { $0 }).count <= StampRotation.largestWindowCount + 2)
    }

    @Test func nothingIsStampedThatTheCommandCannotAfford() {
        var simulation = Simulation(stepCount: 70, stampSeconds: 13e-6, runSeconds: 7e-3, share: 0.04)
        simulation.allowance = 0
        simulation.run(50)
        #expect(simulation.choices.allSatisfy { $0 == nil })
        simulation.allowance = 71.5 * 13e-6
        simulation.run(1)
        #expect(simulation.choices.last == .everything)
    }

    @Test func stampsThatCostNothingAreTakenInEveryRun() {
        var simulation = Simulation(stepCount: 12, stampSeconds: 0, runSeconds: 1e-3, share: 0.04)
        simulation.run(10)
        #expect(simulation.samples.min() ?? 0 >= 4)
        #expect(simulation.choices.dropFirst(2).allSatisfy { $0 != nil })
    }

    @Test func aPlanWithoutStepsIsNeverStamped() {
        var simulation = Simulation(stepCount: 0, stampSeconds: 13e-6, runSeconds: 1e-3, share: 0.04)
        simulation.run(5)
        #expect(simulation.choices.allSatisfy { $0 == nil })
    }
}

@Suite struct StampBudgetTests {
    @Test func aStampIsTakenToCostWhatItDoesByItselfUntilRunsShowMore() {
        var budget = StampBudget(share: 0.03)
        budget.opened(stampSeconds: 10e-6)
        #expect(budget.stampSeconds == 10e-6)
        // Runs of 1 ms, with and without ten stamps of 50 µs.
        for _ in 0..<200 {
            _ = budget.ran(seconds: 1e-3, stampCount: 0, plainSeconds: nil)
            _ = budget.ran(seconds: 1.5e-3, stampCount: 10, plainSeconds: 1e-3)
        }
        #expect(abs(budget.stampSeconds - 50e-6) < 2e-6)
        #expect(abs(budget.spentSeconds - 200 * 0.5e-3) < 4e-3)
        #expect(abs(budget.allowance - (0.03 * 0.4 - 0.1)) < 4e-3)
        #expect(abs(budget.ran(seconds: 1.5e-3, stampCount: 10, plainSeconds: 1e-3) - 1e-3) < 2e-5)
    }

    @Test func aStampNeverCostsLessThanByItself() {
        var budget = StampBudget(share: 0.03)
        budget.opened(stampSeconds: 10e-6)
        // The runs with stamps happen to be the faster ones.
        for _ in 0..<100 { _ = budget.ran(seconds: 0.9e-3, stampCount: 10, plainSeconds: 1e-3) }
        #expect(budget.stampSeconds == 10e-6)
    }

    @Test func recordingsForStampsAreSpentToo() {
        var budget = StampBudget(share: 0.5)
        _ = budget.ran(seconds: 1, stampCount: 0, plainSeconds: nil)
        budget.recorded(seconds: 0.2)
        #expect(budget.spentSeconds == 0.2 && abs(budget.allowance - 0.3) < 1e-12)
    }
}

@Suite struct SampleSummaryTests {
    @Test func fewSamplesAreSummedUpExactly() {
        var summary = SampleSummary()
        #expect(summary.mean == 0 && summary.median == 0)
        for value in [4.0, 1, 8, 3] { summary.add(value) }
        #expect(summary.count == 4 && summary.sum == 16 && summary.mean == 4)
        #expect(summary.minimum == 1 && summary.median == 3.5)
        summary.add(9)
        #expect(summary.median == 4)
    }

    @Test func ofManySamplesCountMeanAndMinimumAreExactAndTheMedianIsNear() {
        var summary = SampleSummary()
        // All of 0 ..< 10007 in a scattered order, then one far out.
        for index in 0..<10_007 { summary.add(Double(index * 5003 % 10_007)) }
        #expect(summary.count == 10_007 && summary.minimum == 0 && summary.mean == 5003)
        // 128 of them: the median's standard deviation is 442.
        #expect(abs(summary.median - 5003) < 5 * 442)
    }
}
