@testable import VkdynModels

/// Runs a schedule's recurrence on the host: what `DenoiseStep` computes, in f32 or in double precision.
struct DenoisingRun<Value: BinaryFloatingPoint> {
    private(set) var sample: [Value]
    private var history: [[Value]]
    let schedule: DenoisingSchedule

    /// - Parameter noise: of variance 1; scaled by the schedule.
    init(_ schedule: DenoisingSchedule, noise: [Value]) {
        self.schedule = schedule
        sample = noise.map { $0 * Value(schedule.initialScale) }
        history = .init(repeating: .init(repeating: .nan, count: noise.count), count: schedule.slotCount)
    }

    /// What the model sees at a step.
    func input(_ step: Int) -> [Value] { sample.map { $0 * Value(schedule.steps[step].inputScale) } }

    /// Takes a step; noise may be left out where the step adds none.
    mutating func take(_ index: Int, output: [Value], noise: [Value]? = nil) {
        let step = schedule.steps[index]
        precondition(step.terms.count <= DenoisingStep.termLimit)
        let before = sample
        for element in sample.indices {
            if let slot = step.storedSlot {
                var stored = Value(step.storedOutput) * output[element]
                if step.storedSample != 0 { stored += Value(step.storedSample) * before[element] }
                history[slot][element] = stored
            }
            if let slot = step.savedSlot { history[slot][element] = before[element] }
            var next: Value = 0
            if step.sampleWeight != 0 { next = Value(step.sampleWeight) * before[element] }
            for term in step.terms where term.weight != 0 { next += Value(term.weight) * history[term.slot][element] }
            if step.noiseWeight != 0 { next += Value(step.noiseWeight) * (noise?[element] ?? .nan) }
            sample[element] = next
        }
    }

    /// All steps with a model of input and timestep, and noise of a step.
    mutating func run(
        _ model: (_ input: [Value], _ timestep: Value) -> [Value], noise: (_ step: Int) -> [Value]? = { _ in nil }
    ) {
        for (index, step) in schedule.steps.enumerated() {
            take(index, output: model(input(index), Value(step.timestep)), noise: noise(index))
        }
    }
}
