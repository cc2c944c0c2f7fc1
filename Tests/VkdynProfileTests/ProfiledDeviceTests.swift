import Synchronization
import Testing
import VkdynCore
import VkdynKernels
import VkdynReference
import VkdynSchedule

@testable import VkdynProfile

@Suite struct ProfiledDeviceTests {
    /// Adds `ones` to a buffer again and again.
    private struct Sums {
        let result: Buffer
        let plan: Plan

        init(on device: any Device, stepCount: Int) throws {
            let rows = Counted(
                buffer: try device.makeBuffer(.structure(RowCount(count: 2, capacity: 2)), label: "rows"), capacity: 2,
                isIndirect: false)
            let ones = try device.makeBuffer(.floats([Float](repeating: 1, count: 16)), label: "ones")
            result = try device.makeBuffer(.floats([Float](repeating: 0, count: 16)), label: "result")
            var recording = Recording()
            var sum = ones
            for index in 0..<stepCount {
                let isLast = index == stepCount - 1
                let next = isLast ? result : recording.transient(.f32, count: 16, "sum\(index)")
                recording.dispatch(
                    Add.self, "layer\(index).add", .init(rows: rows.buffer, left: sum, right: ones, result: next),
                    .init(rowCapacity: 2, width: 8), rows: rows)
                sum = next
            }
            plan = try Plan(recording, label: "sums", traits: device.traits)
        }
    }

    /// The twins with a clock: step i takes i + 1 µs, a stamp 10, a run 10 ms and what its stamps add.
    private final class ClockedDevice: TimestampingDevice {
        let twins = ReferenceDevice()
        let recordings = Mutex<[[Range<Int>]]>([])
        /// Seconds, as its runs and whoever watches it have them.
        let clock = Mutex(0.0)
        private let hasTimestamps: Bool
        /// What a stamp adds to a run.
        let addedSeconds: Double

        init(hasTimestamps: Bool = true, addedSeconds: Double = 0) {
            self.hasTimestamps = hasTimestamps
            self.addedSeconds = addedSeconds
        }

        var description: DeviceDescription { twins.description }
        var traits: DeviceTraits { twins.traits }
        var counters: DeviceCounters { twins.counters }

        func makeBuffer(
            _ elementType: ElementType, count: Int, placement: BufferPlacement, label: String
        ) throws(DeviceError) -> Buffer {
            try twins.makeBuffer(elementType, count: count, placement: placement, label: label)
        }

        func write(_ bytes: UnsafeRawBufferPointer, to buffer: Buffer, byteOffset: Int) throws(DeviceError) {
            try twins.write(bytes, to: buffer, byteOffset: byteOffset)
        }

        func read(_ parts: [BufferPart]) throws(DeviceError) -> [[UInt8]] { try twins.read(parts) }

        func prepare(_ plan: Plan) throws(DeviceError) -> any PreparedPlan { try twins.prepare(plan) }

        func measureTimestampCost() -> TimestampCost? {
            hasTimestamps ? TimestampCost(intervalSeconds: 10e-6, runSeconds: 10e-6) : nil
        }

        func prepareTimed(_ plan: Plan) throws(DeviceError) -> any TimedPlan {
            ClockedPlan(inner: try twins.prepare(plan), device: self)
        }
    }

    private final class ClockedPlan: TimedPlan {
        private let inner: any PreparedPlan
        private let device: ClockedDevice

        init(inner: any PreparedPlan, device: ClockedDevice) {
            self.inner = inner
            self.device = device
        }

        func run() throws(DeviceError) { try inner.run() }

        func record(stamping stretches: [Range<Int>]) -> Int {
            device.recordings.withLock {
                $0.append(stretches)
                return $0.count - 1
            }
        }

        func run(stamped: Int?) throws(DeviceError) -> TimedRun {
            let stretches = stamped.map { index in device.recordings.withLock { $0[index] } } ?? []
            let boundaries = Set(stretches.flatMap { [$0.lowerBound, $0.upperBound] })
            let runSeconds = 10e-3 + Double(boundaries.count) * device.addedSeconds
            let start = device.clock.withLock { seconds in
                seconds += runSeconds
                return seconds - runSeconds
            }
            try inner.run()
            return TimedRun(
                start: start, submitted: start + 1e-3, finished: start + runSeconds,
                stretches: stretches.map { steps in
                    let stamps = boundaries.count { steps.lowerBound < $0 && $0 <= steps.upperBound }
                    let seconds = steps.reduce(0) { $0 + Double($1 + 1) * 1e-6 } + Double(stamps) * 10e-6
                    return TimedRun.Stretch(steps: steps, start: start, seconds: seconds, stampCount: stamps)
                })
        }
    }

    private func run(_ device: any Device, stepCount: Int, times: Int) throws -> [UInt32] {
        let sums = try Sums(on: device, stepCount: stepCount)
        let plan = try device.prepare(sums.plan)
        for _ in 0..<times { try plan.run() }
        return try device.read(Float.self, from: sums.result, count: 16).map(\.bitPattern)
    }

    @Test func theTwinsGiveTheSameResultsAndCounts() throws {
        let plain = ReferenceDevice()
        let expected = try run(plain, stepCount: 5, times: 3)
        let inner = ReferenceDevice()
        let session = ProfileSession()
        let device = try session.profiled(inner)
        #expect(try run(device, stepCount: 5, times: 3) == expected)
        let profile = session.profile(command: ["test"])
        #expect(profile.counters == plain.counters && device.counters == plain.counters)
        #expect(profile.mode == .none && profile.overheadSeconds == 0)
        #expect(profile.plans.map(\.runCount) == [3] && profile.plans[0].steps.count == 5)
        #expect(profile.plans[0].steps.allSatisfy { $0.sampleCount == 0 } && profile.plans[0].deviceSeconds == nil)
        let phases = profile.spans.map(\.phase)
        #expect(phases.count { $0 == .wait } == 3 && phases.count { $0 == .read } == 1)
        #expect(phases.count { $0 == .record } == 1 && phases.contains(.write))
    }

    @Test func stepsCarryTheirPathKernelAndDeclaredCost() throws {
        let session = ProfileSession()
        _ = try run(try session.profiled(ReferenceDevice()), stepCount: 3, times: 1)
        let steps = session.profile(command: []).plans[0].steps
        #expect(steps.map(\.label) == ["layer0.add", "layer1.add", "layer2.add"])
        #expect(steps.allSatisfy { $0.kernel == "add" && $0.variant == "scalars" && $0.phase == "layer" })
        // Sixteen sums; two operands, a result and the count of rows.
        let cost = Add.cost(parameters: [2, 8], constants: [], elements: [.u32, .f32, .f32, .f32])
        #expect(cost.operations == 16)
        #expect(steps.allSatisfy { $0.operations == cost.operations && $0.bytes == cost.bytes })
        #expect(steps.map(\.needsBarrier) == [false, true, true])
    }

    @Test func aStepsTimeIsWithoutTheStamps() throws {
        let session = ProfileSession(stamping: .all)
        let inner = ClockedDevice()
        _ = try run(try session.profiled(inner), stepCount: 4, times: 6)
        let profile = session.profile(command: [])
        #expect(profile.mode == .all)
        let plan = profile.plans[0]
        // All runs but the first, in which a driver may compile, and the third, which shows what stamps add.
        #expect(plan.steps.map(\.sampleCount) == [4, 4, 4, 4])
        for (index, step) in plan.steps.enumerated() {
            for seconds in [step.minimumSeconds, step.medianSeconds, step.meanSeconds] {
                #expect(abs(seconds - Double(index + 1) * 1e-6) < 1e-12)
            }
        }
        #expect(abs((plan.deviceSeconds ?? 0) - 60e-6) < 1e-12)
        #expect(abs(plan.submitSeconds - 6e-3) < 1e-6 && abs(plan.waitSeconds - 54e-3) < 1e-6)
        // Five stamps a run, and the one recording.
        #expect(profile.overheadSeconds >= 5 * 5 * 10e-6)
        #expect(inner.recordings.withLock { $0.count } == 1)
        #expect(profile.events.count == 20)
        #expect(profile.events.map(\.run) == [0, 1, 3, 4, 5].flatMap { [$0, $0, $0, $0] })
    }

    @Test func whatAllStampsTakeIsMeasuredInTheRunsThemselves() throws {
        let session = ProfileSession(stamping: .all)
        _ = try run(try session.profiled(ClockedDevice(addedSeconds: 200e-6)), stepCount: 4, times: 400)
        // One run in 32 has no stamps; the others have five. That a stamp by itself takes 10 µs weighs little by then.
        let expected = 387.0 * 5 * 200e-6
        let overhead = session.profile(command: []).overheadSeconds
        #expect(overhead > 0.9 * expected && overhead < 1.1 * expected)
    }

    @Test(arguments: [10e-6, 100e-6, 1e-3]) func sampledStampsKeepToTheirShareWhateverTheyAdd(addedSeconds: Double) throws {
        let inner = ClockedDevice(addedSeconds: addedSeconds)
        let session = ProfileSession()
        _ = try run(try session.profiled(inner), stepCount: 40, times: 1000)
        let elapsed = inner.clock.withLock { $0 }
        let added = elapsed - 1000 * 10e-3
        // Beside what was stamped once before it was known how much stamps add here; that knowledge comes from samples.
        #expect(added > 0 && added <= 1.25 * ProfileSession.totalShare * 1000 * 10e-3 + 41 * addedSeconds)
    }

    @Test func sampledStepsAllHaveTheirTurn() throws {
        let inner = ClockedDevice()
        let session = ProfileSession()
        _ = try run(try session.profiled(inner), stepCount: 40, times: 200)
        let plan = session.profile(command: []).plans[0]
        #expect(plan.steps.allSatisfy { $0.sampleCount > 0 && $0.sampleCount < 200 })
        for (index, step) in plan.steps.enumerated() { #expect(abs(step.meanSeconds - Double(index + 1) * 1e-6) < 1e-12) }
        // Both ends of the plan, stamped by themselves.
        #expect(inner.recordings.withLock { $0.contains([0..<40]) })
        #expect(abs((plan.deviceSeconds ?? 0) - 200 * 820e-6) < 1e-9)
        // Replayed, not recorded again.
        #expect(inner.recordings.withLock { $0.count } <= StampRotation.largestWindowCount + 2)
    }

    @Test func isolatedPlansHaveABarrierBeforeEachStep() throws {
        let session = ProfileSession(stamping: .isolated)
        _ = try run(try session.profiled(ClockedDevice()), stepCount: 3, times: 1)
        let profile = session.profile(command: [])
        #expect(profile.mode == .isolated && profile.plans[0].barrierCount == 3)
        #expect(profile.plans[0].steps.allSatisfy { $0.needsBarrier && $0.sampleCount == 1 })
    }

    @Test func aDeviceWithoutTimestampsStillTellsSubmitsFromWaits() throws {
        let session = ProfileSession(stamping: .all)
        _ = try run(try session.profiled(ClockedDevice(hasTimestamps: false)), stepCount: 3, times: 2)
        let profile = session.profile(command: [])
        #expect(profile.mode == .none && profile.events.isEmpty)
        #expect(profile.plans[0].submitSeconds > 0 && profile.plans[0].waitSeconds > 0)
    }

    @Test func thePeakIsTheMostThatLivedAtOneTime() throws {
        let session = ProfileSession()
        let device = try session.profiled(ReferenceDevice())
        do {
            let first = try device.makeBuffer(.f32, count: 1000, placement: .device, label: "first")
            withExtendedLifetime(first) {}
        }
        let second = try device.makeBuffer(.f32, count: 500, placement: .device, label: "second")
        #expect(session.profile(command: []).peakDeviceBytes == 4000)
        let third = try device.makeBuffer(.f32, count: 600, placement: .device, label: "third")
        withExtendedLifetime((second, third)) {}
        #expect(session.profile(command: []).peakDeviceBytes == 4400)
    }

    @Test func whatRunsUnderTheSessionIsNamed() throws {
        let session = ProfileSession()
        let value = HostSpans.$recorder.withValue(session) {
            #expect(ProfileSession.current === session)
            return HostSpans.measure(.load, "outer") { HostSpans.measure(.tokenise) { 7 } }
        }
        #expect(value == 7 && ProfileSession.current == nil)
        #expect(HostSpans.measure(.load) { 8 } == 8)
        let spans = session.profile(command: []).spans
        #expect(spans.map(\.phase) == [.load, .tokenise] && spans.map(\.label) == ["outer", ""])
    }
}
