import Testing
import VkdynCore
import VkdynSchedule

@testable import VkdynProfile

@Suite struct GapTests {
    private func profile(_ mode: Profile.Mode = .all) -> Profile {
        var profile = Profile(
            command: [], date: "", device: DeviceDescription(name: "d", driver: "", apiVersion: ""), mode: mode)
        profile.wallSeconds = 20
        let steps = (0..<4).map {
            StepProfile(
                label: "p.s\($0)", kernel: "k", variant: "v", operations: 1, bytes: 1, phase: "p", needsBarrier: false,
                sampleCount: 1, minimumSeconds: 1, medianSeconds: 1, meanSeconds: 1)
        }
        profile.plans = [PlanProfile(label: "plan", runCount: 2, steps: steps)]
        return profile
    }

    private func event(_ step: Int, _ run: Int, _ start: Double, _ seconds: Double) -> DispatchEvent {
        DispatchEvent(plan: 0, step: step, run: run, start: start, seconds: seconds)
    }

    @Test func aGapSaysWhatTheHostDidInIt() throws {
        var profile = profile()
        profile.events =
            (0..<4).map { event($0, 0, 1 + Double($0), 1) } + (0..<4).map { event($0, 1, 10 + Double($0), 1) }
        profile.spans = [
            Span(phase: .wait, start: 0.5, seconds: 5), Span(phase: .sample, start: 6, seconds: 3),
            Span(phase: .read, label: "tokens", start: 7, seconds: 1), Span(phase: .submit, start: 9.5, seconds: 2),
        ]
        let gaps = profile.deviceGaps(atMost: 5)
        let gap = try #require(gaps.first)
        #expect(gaps.count == 1)
        #expect(gap.start == 5 && gap.seconds == 5 && gap.idleSeconds == 5 && gap.unstampedCount == 0)
        #expect(gap.before == 3 && gap.after == 4)
        let host = Dictionary(uniqueKeysWithValues: gap.host.map { ($0.phase?.rawValue ?? "unnamed", $0.seconds) })
        #expect(host == ["sample": 2, "read": 1, "wait": 0.5, "submit": 0.5, "unnamed": 1])
        #expect(gap.host.first?.phase == .sample)
    }

    @Test func dispatchesThatWereNotStampedAreNoGap() {
        var profile = profile(.sampled)
        // Steps 1 and 2 between them were not stamped, nor 3 of the first run and 0 of the second.
        profile.events = [event(0, 0, 0, 1), event(3, 0, 3, 1), event(2, 1, 7.5, 1)]
        let gaps = profile.deviceGaps(atMost: 5)
        #expect(gaps.count == 1)
        #expect(gaps.first?.seconds == 3.5 && gaps.first?.unstampedCount == 2 && gaps.first?.idleSeconds == 1.5)
    }

    /// A whole run between two stamped ones is known by its submit alone.
    @Test func aRunWithoutAnyStampIsNoGap() {
        var profile = profile(.sampled)
        profile.events = [event(3, 0, 3, 1), event(0, 2, 10, 1)]
        profile.spans = [
            Span(phase: .submit, label: "plan", start: 4.5, seconds: 0.1),
            Span(phase: .submit, label: "plan", start: 9.5, seconds: 0.1),
        ]
        let gaps = profile.deviceGaps(atMost: 5)
        #expect(gaps.count == 1)
        #expect(gaps.first?.seconds == 6 && gaps.first?.unstampedCount == 4 && gaps.first?.idleSeconds == 2)
        // One of its dispatches was never timed: nothing is known.
        profile.plans[0].steps[2].sampleCount = 0
        #expect(profile.deviceGaps(atMost: 5).isEmpty)
    }

    @Test func anOuterSpanHasWhatNoInnerOneHas() {
        let timeline = HostTimeline([
            Span(phase: .load, start: 0, seconds: 10), Span(phase: .read, start: 2, seconds: 3),
            Span(phase: .write, start: 3, seconds: 1), Span(phase: .read, start: 6, seconds: 1),
            Span(phase: .wait, start: 12, seconds: 1),
        ])
        #expect(timeline.depths == [0, 1, 2, 1, 0])
        #expect(timeline.pieces.map(\.span) == [0, 1, 2, 1, 0, 3, 0, 4])
        #expect(timeline.pieces.map(\.start) == [0, 2, 3, 4, 5, 6, 7, 12])
        #expect(timeline.pieces.map(\.end) == [2, 3, 4, 5, 6, 7, 10, 13])
        let shares = timeline.shares(from: 4.5, to: 12.5)
        #expect(shares.map(\.span) == [0, 3, 1, 4] && shares.map(\.seconds) == [4, 1, 0.5, 0.5])
    }
}
