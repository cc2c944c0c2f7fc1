import Testing
import VkdynCore
import VkdynKernels
import VkdynProfile
import VkdynReference
import VkdynSchedule

@testable import VkdynVulkan

/// Stamps between the dispatches of a plan: what they say, and that they change nothing.
@Suite(.serialized) struct TimestampTests {
    /// Softmax over rows and sums, in a chain with a fork, over a count that the device has.
    private struct Work {
        let result: Buffer
        let plan: Plan
        private static let width = 512

        init(on device: any Device, stepCount: Int) throws {
            let rows = Counted(
                buffer: try device.makeBuffer(.structure(RowCount(count: 8, capacity: 8)), label: "rows"), capacity: 8,
                isIndirect: true)
            let count = 8 * Self.width
            let values = (0..<count).map { Float($0 * 7919 % 1000) / 100 }
            let source = try device.makeBuffer(.floats(values), label: "source")
            result = try device.makeBuffer(.f32, count: count, placement: .device, label: "result")
            var recording = Recording()
            var (left, right) = (source, source)
            for index in 0..<stepCount {
                let isLast = index == stepCount - 1
                let next = isLast ? result : recording.transient(.f32, count: count, "t\(index)")
                if index % 3 == 0 {
                    recording.dispatch(
                        Softmax.self, "layer\(index).softmax", .init(rows: rows.buffer, source: left, result: next),
                        .init(rowCapacity: 8, width: UInt32(Self.width), resultOffset: 0), rows: rows)
                } else {
                    recording.dispatch(
                        Add.self, "layer\(index).add",
                        .init(rows: rows.buffer, left: left, right: right, result: next),
                        .init(rowCapacity: 8, width: UInt32(Self.width)), rows: rows)
                }
                (left, right) = (next, left)
            }
            plan = try Plan(recording, label: "work", traits: device.traits)
        }

        func bits(_ device: any Device) throws -> [UInt32] {
            try device.read(Float.self, from: result, count: result.count).map(\.bitPattern)
        }
    }

    @Test func stampsAreOrderedAndAddUpToNoMoreThanTheRun() throws {
        let device = try TestDevice.open()
        let work = try Work(on: device, stepCount: 9)
        let count = work.plan.steps.count
        let plan = try device.prepareTimed(work.plan)
        let each = try plan.record(stamping: (0..<count).map { $0..<$0 + 1 })
        for _ in 0..<5 {
            let run = try plan.run(stamped: each)
            #expect(run.start <= run.submitted && run.submitted <= run.finished)
            #expect(run.stretches.map(\.steps) == (0..<count).map { $0..<$0 + 1 })
            #expect(run.stretches.allSatisfy { $0.seconds >= 0 && $0.stampCount == 1 })
            let sum = run.stretches.reduce(0) { $0 + $1.seconds }
            #expect(sum > 0 && sum <= run.finished - run.start)
            for (one, next) in zip(run.stretches, run.stretches.dropFirst()) {
                #expect(abs(one.start + one.seconds - next.start) < 1e-7, "neighbours share a stamp")
            }
            // On the host's clock the work lies within the run;
            let last = run.stretches[count - 1]
            #expect(run.stretches[0].start >= run.start)
            #expect(last.start + last.seconds <= run.finished + 1e-7)
        }
        #expect(ValidationMessages.all == [])
    }

    @Test func aStretchKnowsTheStampsInsideIt() throws {
        let device = try TestDevice.open()
        let work = try Work(on: device, stepCount: 6)
        let count = work.plan.steps.count
        let plan = try device.prepareTimed(work.plan)
        let stamped = try plan.record(stamping: [0..<count, 1..<2, 4..<5])
        let run = try plan.run(stamped: stamped)
        #expect(run.stretches.map(\.stampCount) == [5, 1, 1])
        #expect(run.stretches[0].seconds >= run.stretches[1].seconds + run.stretches[2].seconds)
        #expect(try plan.run(stamped: nil).stretches == [])
    }

    @Test func stampsChangeNoBitAndNoBarrier() throws {
        let device = try TestDevice.openAnother()
        let plain = try Work(on: device, stepCount: 10)
        try device.prepare(plain.plan).run()
        let expected = try plain.bits(device)
        #expect(Set(expected).count > 100)
        let work = try Work(on: device, stepCount: 10)
        let plan = try device.prepareTimed(work.plan)
        for stretches in [[0..<3], (0..<work.plan.steps.count).map { $0..<$0 + 1 }] {
            try device.write([Float](repeating: .nan, count: work.result.count), to: work.result)
            let before = device.counters
            _ = try plan.run(stamped: try plan.record(stamping: stretches))
            let used = device.counters - before
            #expect(used.submits == 1 && used.dispatches == work.plan.steps.count)
            #expect(try work.bits(device) == expected)
        }
        #expect(ValidationMessages.all == [])
    }

    @Test func everyStepIsStampedAfterATurnAndTheBitsStayTheSame() throws {
        let device = try TestDevice.open()
        let plain = try Work(on: device, stepCount: 12)
        try device.prepare(plain.plan).run()
        let expected = try plain.bits(device)
        let session = ProfileSession()
        let profiled = try session.profiled(device)
        let work = try Work(on: profiled, stepCount: 12)
        let plan = try profiled.prepare(work.plan)
        var steps: [StepProfile] = []
        for _ in 0..<1000 {
            for _ in 0..<25 { try plan.run() }
            steps = session.profile(command: []).plans[0].steps
            if steps.allSatisfy({ $0.sampleCount > 1 }) { break }
        }
        #expect(steps.count == work.plan.steps.count && steps.allSatisfy { $0.sampleCount > 1 })
        #expect(steps.allSatisfy { $0.minimumSeconds >= 0 && $0.minimumSeconds <= $0.meanSeconds })
        #expect(try work.bits(profiled) == expected)
        let profile = session.profile(command: [])
        #expect(profile.mode == .sampled && (profile.plans[0].deviceSeconds ?? 0) > 0)
        #expect(ValidationMessages.all == [])
    }

    @Test func aTimestampHasACost() throws {
        let cost = try #require(try TestDevice.open().measureTimestampCost())
        #expect(cost.intervalSeconds > 0 && cost.intervalSeconds < 1e-2 && cost.runSeconds >= 0)
    }

    @Test func aCounterThatStartsAgainIsNoJump() {
        let wrap = UInt64(1) << 36
        func ticks(_ first: UInt64, _ second: UInt64, _ bits: UInt32) -> Double {
            PhysicalDevice.ticks(from: first, to: second, validBits: bits)
        }
        #expect(ticks(wrap - 10, 5, 36) == 15 && ticks(5, wrap - 10, 36) == -15)
        #expect(ticks(100, 340, 36) == 240 && ticks(100, 340, 64) == 240)
        #expect(ticks(.max - 1, 3, 64) == 5 && ticks(3, .max - 1, 64) == -5)
    }
}
