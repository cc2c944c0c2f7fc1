import Synchronization
import Testing
import VkdynCore
import VkdynKernels
import VkdynProfile
import VkdynReference
import VkdynSchedule

@testable import VkdynVulkan

/// The host's work in the middle of a plan: it sees what is before it, and what is after it sees its work.
@Suite(.serialized) struct PauseTests {
    enum Choice: CaseIterable, Sendable {
        case reference, vulkan, lockstep, profiled

        func open() throws -> any Device {
            switch self {
            case .reference: ReferenceDevice()
            case .vulkan: try TestDevice.openAnother()
            case .lockstep: LockstepDevice(try TestDevice.openAnother())
            case .profiled: try ProfileSession(stamping: .all).profiled(try TestDevice.openAnother())
            }
        }
    }

    /// `first = a + a`; the host writes twice that to `b`; `last = first + b` with `first` in the arena, and so on for
    /// every pause.
    @Test(arguments: Choice.allCases) func callsAfterAPauseSeeWhatTheHostWroteAndTheArenaLivesOn(choice: Choice) throws {
        let device = try choice.open()
        let rows = Counted(
            buffer: try device.makeBuffer(.structure(RowCount(count: 3, capacity: 4)), label: "rows"), capacity: 4,
            isIndirect: true)
        func buffer(_ values: [Float], _ label: String) throws -> Buffer {
            try device.makeBuffer(.floats(values), placement: .shared, label: label)
        }
        let source = try buffer((0..<32).map(Float.init), "source")
        let seen = try buffer([Float](repeating: 0, count: 32), "seen")
        let given = try buffer([Float](repeating: 0, count: 32), "given")
        let result = try buffer([Float](repeating: -1, count: 32), "result")
        var recording = Recording()
        func add(_ left: Buffer, _ right: Buffer, _ result: Buffer, _ label: String) {
            recording.dispatch(
                Add.self, label, .init(rows: rows.buffer, left: left, right: right, result: result),
                .init(rowCapacity: 4, width: 8), rows: rows)
        }
        let kept = recording.transient(.f32, count: 32, "kept")
        add(source, source, kept, "kept")
        add(kept, source, seen, "seen")
        let runs = Mutex(0)
        recording.pause("host") { () throws(DeviceError) in
            runs.withLock { $0 += 1 }
            let values = try device.read(Float.self, from: seen, count: 24)
            try device.write(values.map { $0 * 10 }, to: given)
        }
        add(kept, given, result, "result")
        recording.pause("end") { () throws(DeviceError) in runs.withLock { $0 += 100 } }
        let plan = try Plan(recording, label: "paused", traits: device.traits)
        #expect(plan.pauses.map(\.label) == ["host", "end"] && plan.segments.count == 3)
        #expect(PlanChecker.violations(of: plan) == [])
        let prepared = try device.prepare(plan)
        let before = device.counters
        for _ in 0..<2 { try prepared.run() }
        #expect(runs.withLock { $0 } == 202)
        // 2x + 30x, and nothing beyond the count of rows.
        let expected = (0..<32).map { $0 < 24 ? Float($0) * 32 : -1 }
        #expect(try device.read(Float.self, from: result, count: 32) == expected)
        let used = device.counters - before
        #expect(used.readbacks == 3)
        if choice != .lockstep { #expect(used.submits == 6) }
        #expect(ValidationMessages.all == [])
    }

    @Test func anErrorOfThePauseEndsTheRun() throws {
        let device = ReferenceDevice()
        var recording = Recording()
        recording.pause("fails") { () throws(DeviceError) in throw .lost(device: "test") }
        let plan = try device.prepare(try Plan(recording, label: "paused", traits: device.traits))
        #expect(throws: DeviceError.lost(device: "test")) { try plan.run() }
    }
}
