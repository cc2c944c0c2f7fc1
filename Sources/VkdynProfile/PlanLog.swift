import Synchronization
import VkdynCore
import VkdynSchedule

/// What is known of a plan so far; the session keeps it when the plan is gone.
final class PlanLog: Sendable {
    /// In `Profile.plans`.
    let index: Int
    private let state: Mutex<State>

    private struct State {
        var profile: PlanProfile
        var samples: [SampleSummary]
        var whole = SampleSummary()
    }

    init(_ plan: Plan, index: Int) {
        self.index = index
        state = Mutex(
            State(
                profile: PlanProfile(
                    label: plan.label, barrierCount: plan.steps.count { $0.needsBarrier },
                    arenaByteCount: plan.arenaByteCount, steps: plan.steps.map(StepProfile.init)),
                samples: [SampleSummary](repeating: SampleSummary(), count: plan.steps.count)))
    }

    func prepared(seconds: Double) { state.withLock { $0.profile.prepareSeconds = seconds } }

    /// - Returns: the run's number, from 0.
    func ran(_ run: TimedRun, _ cost: TimestampCost?) -> Int {
        state.withLock { state in
            state.profile.submitSeconds += run.submitSeconds
            state.profile.waitSeconds += run.waitSeconds
            if state.profile.runCount == 0 { state.profile.firstRunSeconds = run.submitSeconds + run.waitSeconds }
            // Stamps of a first run, in which a driver may compile, count only while there are no others.
            if state.profile.runCount == 1 {
                state.samples = [SampleSummary](repeating: SampleSummary(), count: state.samples.count)
                state.whole = SampleSummary()
            }
            for stretch in run.stretches {
                let seconds = cost.map { stretch.seconds(without: $0) } ?? stretch.seconds
                if stretch.steps.count == 1 { state.samples[stretch.steps.lowerBound].add(seconds) }
                if stretch.steps == state.profile.steps.indices { state.whole.add(seconds) }
            }
            state.profile.runCount += 1
            return state.profile.runCount - 1
        }
    }

    var profile: PlanProfile {
        state.withLock { state in
            var profile = state.profile
            for (index, samples) in state.samples.enumerated() where samples.count > 0 {
                profile.steps[index].sampleCount = samples.count
                profile.steps[index].minimumSeconds = samples.minimum
                profile.steps[index].medianSeconds = samples.median
                profile.steps[index].meanSeconds = samples.mean
            }
            if state.whole.count > 0 {
                profile.deviceSeconds = state.whole.mean * Double(profile.runCount)
            } else if !state.samples.isEmpty, state.samples.allSatisfy({ $0.count > 0 }) {
                profile.deviceSeconds = profile.dispatchSeconds
            }
            return profile
        }
    }
}

extension StepProfile {
    init(_ step: Plan.Step) {
        let dispatch = step.dispatch
        let cost = dispatch.kernel.cost(
            parameters: dispatch.parameters, constants: dispatch.constants,
            elements: dispatch.buffers.map { $0?.elementType })
        self.init(
            label: dispatch.label, kernel: dispatch.kernel.interface.name, variant: step.variant.name,
            operations: cost.operations, bytes: cost.bytes, phase: Self.phase(ofPath: dispatch.label),
            needsBarrier: step.needsBarrier, isCounted: dispatch.rows?.isIndirect ?? false)
    }
}
