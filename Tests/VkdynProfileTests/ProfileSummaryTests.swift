import Foundation
import Testing
import VkdynCore
import VkdynSchedule

@testable import VkdynProfile

/// Hand-made profiles with answers that can be computed by hand. Powers of two keep the sums exact.
@Suite struct ProfileSummaryTests {
    private func profile(wallSeconds: Double) -> Profile {
        var profile = Profile(
            command: ["run"], date: "2026-11-22T00:00:00Z",
            device: DeviceDescription(name: "test", driver: "none", apiVersion: "none"), mode: .sampled)
        profile.wallSeconds = wallSeconds
        return profile
    }

    private func step(
        _ label: String, _ kernel: String, seconds: Double, operations: Int = 0, bytes: Int = 0
    ) -> StepProfile {
        StepProfile(
            label: label, kernel: kernel, variant: "scalars", operations: operations, bytes: bytes,
            phase: StepProfile.phase(ofPath: label), needsBarrier: false, sampleCount: seconds > 0 ? 1 : 0,
            minimumSeconds: seconds, medianSeconds: seconds, meanSeconds: seconds)
    }

    @Test func aSpanInsideAnotherIsTakenOffTheOuterOne() {
        var profile = profile(wallSeconds: 16)
        profile.spans = [
            Span(phase: .load, start: 0, seconds: 8), Span(phase: .write, start: 1, seconds: 2),
            Span(phase: .output, start: 1.5, seconds: 0.5), Span(phase: .write, start: 4, seconds: 1),
            Span(phase: .read, start: 8, seconds: 4),
        ]
        let attribution = profile.attribution
        #expect(attribution.hostSeconds == [.load: 5, .write: 2.5, .output: 0.5, .read: 4])
        #expect(attribution.deviceSeconds == 0)
        #expect(attribution.unnamedSeconds == 4)
        #expect(attribution.namedShare == 0.75)
    }

    @Test func dispatchesExplainTheWaitFirstAndTheSubmitThen() {
        var profile = profile(wallSeconds: 16)
        profile.spans = [
            Span(phase: .submit, start: 0, seconds: 2), Span(phase: .wait, start: 2, seconds: 6),
            Span(phase: .submit, start: 8, seconds: 2), Span(phase: .wait, start: 10, seconds: 4),
        ]
        profile.plans = [
            // Two runs of 2.5 seconds: the wait of 6 explains itself.
            PlanProfile(
                label: "a", runCount: 2, submitSeconds: 2, waitSeconds: 6,
                steps: [step("verify.up", "matmul", seconds: 2), step("verify.down", "matmul", seconds: 0.5)]),
            // Five seconds in a wait of four: one is the submit's.
            PlanProfile(
                label: "b", runCount: 1, submitSeconds: 2, waitSeconds: 4, steps: [step("draft0.up", "add", seconds: 5)]),
        ]
        let attribution = profile.attribution
        #expect(attribution.deviceSeconds == 10)
        #expect(attribution.hostSeconds == [.submit: 3, .wait: 1])
        #expect(attribution.unnamedSeconds == 2 && attribution.namedShare == 0.875)
    }

    @Test func samplesThatComeToMoreThanARunTookExplainNoMoreThanTheRun() {
        var profile = profile(wallSeconds: 4)
        profile.spans = [Span(phase: .submit, start: 0, seconds: 1), Span(phase: .wait, start: 1, seconds: 2)]
        profile.plans = [
            PlanProfile(
                label: "a", runCount: 1, submitSeconds: 1, waitSeconds: 2, steps: [step("up", "add", seconds: 64)])
        ]
        #expect(profile.attribution.deviceSeconds == 3)
        #expect(profile.totals(by: .kernel).map(\.seconds) == [3])
        #expect(profile.attribution.hostSeconds == [.submit: 0, .wait: 0])
        #expect(profile.attribution.unnamedSeconds == 1)
    }

    @Test func secondsBeyondTheKeptSpansAreNamedToo() {
        var profile = profile(wallSeconds: 4)
        profile.spans = [Span(phase: .read, start: 0, seconds: 1)]
        profile.furtherHostSeconds = [.read: 1, .sample: 1]
        #expect(profile.attribution.hostSeconds == [.read: 2, .sample: 1])
        #expect(profile.attribution.unnamedSeconds == 1)
    }

    @Test func totalsCountWhatWasExecuted() throws {
        var profile = profile(wallSeconds: 16)
        profile.plans = [
            PlanProfile(
                label: "round", runCount: 4,
                steps: [
                    step("draft0.layer0.up", "matmul", seconds: 0.25, operations: 10, bytes: 100),
                    step("draft1.layer0.up", "matmul", seconds: 0.25, operations: 10, bytes: 100),
                    step("verify.layer0.attention.key", "attention", seconds: 0.5, operations: 7, bytes: 3),
                    step("accept.argmax", "argmax", seconds: 0, operations: 5, bytes: 5),
                ]),
            PlanProfile(
                label: "prefill", runCount: 2, steps: [step("prefill.layer10.up", "matmul", seconds: 1, operations: 1)]),
        ]
        let kernels = profile.totals(by: .kernel)
        #expect(kernels.map(\.name) == ["matmul", "attention", "argmax"])
        #expect(kernels.map(\.seconds) == [4, 2, 0])
        #expect(kernels.map(\.share) == [0.25, 0.125, 0])
        #expect(kernels.map(\.dispatches) == [10, 4, 4])
        #expect(kernels.map(\.operations) == [82, 28, 20])
        #expect(kernels.map(\.bytes) == [800, 12, 20])
        #expect(kernels.map(\.operationsPerSecond) == [20.5, 14, 0])
        #expect(profile.totals(by: .phase).map(\.name) == ["draft", "prefill", "verify", "accept"])
        #expect(profile.totals(by: .layer).map(\.name) == ["layer0", "layer10", "argmax"])
        #expect(profile.totals(by: .layer).map(\.dispatches) == [12, 2, 4])
    }

    @Test func ratesLeaveOutWhatWasNeverStamped() {
        var profile = profile(wallSeconds: 16)
        profile.plans = [
            PlanProfile(
                label: "a", runCount: 2,
                steps: [
                    step("up", "matmul", seconds: 1, operations: 8, bytes: 16),
                    step("down", "matmul", seconds: 0, operations: 1000, bytes: 1000),
                ])
        ]
        let total = profile.totals(by: .kernel)[0]
        #expect(total.operations == 2016 && total.operationsPerSecond == 8 && total.bytesPerSecond == 16)
        var ceilings = CeilingFigures(
            readBytesPerSecond: 64, copyBytesPerSecond: 1, dispatchSeconds: 0, barrierSeconds: 0, submitSeconds: 0,
            hostToDeviceBytesPerSecond: 1, deviceToHostBytesPerSecond: 1, date: "")
        #expect(total.ceilingShare(ceilings) == 0.25)
        ceilings.multiplyThenAddOperationsPerSecond = 16
        #expect(total.ceilingShare(ceilings) == 0.5)
    }

    @Test(arguments: [
        ("verify.layer3.attention.key", "verify", "layer3"), ("draft12.layer0.up", "draft", "layer0"),
        ("verify.blocks.2.up", "verify", "blocks.2"), ("accept.argmax", "accept", "argmax"),
        ("draft.prompt_lookup", "draft", "prompt_lookup"), ("alone", "alone", "alone"), ("7.up", "7", "up"),
    ])
    func phaseAndLayerComeFromThePath(label: String, phase: String, layer: String) {
        #expect(StepProfile.phase(ofPath: label) == phase)
        #expect(step(label, "add", seconds: 0).layer == layer)
    }

    @Test func theDocumentSurvivesItsEncoding() throws {
        var profile = profile(wallSeconds: 1)
        profile.spans = [Span(phase: .open, label: "auto", start: 0, seconds: 0.5)]
        profile.furtherHostSeconds = [.detokenise: 0.25]
        profile.plans = [PlanProfile(label: "a", runCount: 1, steps: [step("draft0.up", "add", seconds: 0.125)])]
        profile.events = [DispatchEvent(plan: 0, step: 0, run: 3, start: 0.5, seconds: 0.25)]
        let data = try JSONEncoder().encode(profile)
        #expect(try JSONDecoder().decode(Profile.self, from: data) == profile)
        // Phases are names, as readers in other languages expect them.
        #expect(String(decoding: data, as: UTF8.self).contains("\"furtherHostSeconds\":{\"detokenise\":0.25}"))
    }
}
