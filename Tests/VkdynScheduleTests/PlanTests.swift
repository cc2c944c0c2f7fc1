import Testing
import VkdynCore
import VkdynKernels
import VkdynReference

@testable import VkdynSchedule

/// The passes, without any device: what they place must satisfy the checker, which knows nothing of them.
@Suite struct PlanTests {
    /// A storage that only marks a buffer as persistent.
    final class Persistent: BufferStorage {}

    private func persistent(_ count: Int, _ label: String) -> Buffer {
        Buffer(elementType: .f32, count: count, label: label, storage: Persistent())
    }

    private func rows(_ capacity: Int, isIndirect: Bool = false) -> Counted {
        Counted(
            buffer: Buffer(elementType: .u32, count: 3, label: "rows", storage: Persistent()), capacity: capacity,
            isIndirect: isIndirect)
    }

    private func add(
        _ recording: inout Recording, _ label: String, _ left: Buffer, _ right: Buffer, _ result: Buffer, _ rows: Counted
    ) {
        recording.dispatch(
            Add.self, label, .init(rows: rows.buffer, left: left, right: right, result: result),
            .init(rowCapacity: UInt32(rows.capacity), width: 8), rows: rows)
    }

    private func plan(_ recording: Recording) throws -> Plan {
        try Plan(recording, label: "test", traits: .reference)
    }

    /// Additions over random buffers: long chains, forks, joins and reuse.
    private func randomRecording(seed: UInt64, count: Int) -> Recording {
        var random = CaseGenerator(seed: seed)
        var recording = Recording()
        let rows = rows(4)
        var known = [persistent(32, "a"), persistent(32, "b")]
        for index in 0..<count {
            let result = recording.transient(.f32, count: 32 + Int.random(in: 0..<200, using: &random), "t\(index)")
            add(
                &recording, "add\(index)", known.randomElement(using: &random)!, known.randomElement(using: &random)!,
                result, rows)
            known.append(result)
            if known.count > 6 { known.remove(at: Int.random(in: 2..<known.count, using: &random)) }
        }
        return recording
    }

    @Test(arguments: 0..<40) func randomRecordingsGiveOrderedPlansWithoutOverlap(seed: UInt64) throws {
        let plan = try plan(randomRecording(seed: seed, count: 30))
        #expect(PlanChecker.violations(of: plan) == [])
        #expect(plan.steps.count == 30)
    }

    @Test func aPauseKeepsItsPlaceAmongStepsThatVanishAndStepsThatAreAdded() throws {
        let (a, b) = (persistent(32, "a"), persistent(32, "b"))
        var recording = Recording()
        recording.pause("first") {}
        add(&recording, "none", a, b, recording.transient(.f32, count: 8, "none"), rows(0))
        let counted = rows(4, isIndirect: true)
        let sum = recording.transient(.f32, count: 32, "sum")
        recording.scope("layer") { $0.pause("second") {} }
        add(&recording, "sum", a, b, sum, counted)
        add(&recording, "again", sum, b, persistent(32, "c"), counted)
        recording.pause("third") {}
        let plan = try plan(recording)
        // The set-up of the indirect calls comes first, after the pause before them.
        #expect(plan.steps.map(\.dispatch.label) == ["rows.dispatch0", "sum", "again"])
        #expect(plan.pauses.map(\.label) == ["first", "layer.second", "third"])
        #expect(plan.segments == [0..<0, 0..<0, 0..<3, 3..<3])
    }

    @Test func droppingAnyBarrierIsSeenByTheChecker() throws {
        let whole = try plan(randomRecording(seed: 7, count: 25))
        let barriers = whole.steps.indices.filter { whole.steps[$0].needsBarrier }
        #expect(barriers.count > 5)
        for index in barriers {
            var broken = whole
            broken.steps[index].needsBarrier = false
            let isSeen = PlanChecker.violations(of: broken).contains {
                if case .unordered = $0 { true } else { false }
            }
            #expect(isSeen, "the barrier before step \(index)")
        }
    }

    @Test func buffersAliveAtOnceInOnePlaceAreSeenByTheChecker() throws {
        var broken = try plan(randomRecording(seed: 3, count: 12))
        let first = broken.steps[0].dispatch.buffers[3]!
        for (id, placement) in broken.arena where id != first.id {
            broken.arena[id] = Plan.Placement(byteOffset: broken.arena[first.id]!.byteOffset, byteCount: placement.byteCount)
        }
        #expect(
            PlanChecker.violations(of: broken).contains { if case .overlap = $0 { true } else { false } })
    }

    @Test func aBufferReadBeforeAnyWriteIsSeenByTheChecker() throws {
        var recording = Recording()
        let never = recording.transient(.f32, count: 32, "never")
        add(&recording, "add", never, never, persistent(32, "result"), rows(4))
        #expect(try PlanChecker.violations(of: plan(recording)) == [.readBeforeWrite(buffer: "never", step: "add")])
    }

    @Test func independentStepsNeedNoBarrierAndDependentOnesDo() throws {
        var recording = Recording()
        let (a, b) = (persistent(32, "a"), persistent(32, "b"))
        let rows = rows(4)
        let (x, y) = (recording.transient(.f32, count: 32, "x"), recording.transient(.f32, count: 32, "y"))
        add(&recording, "x", a, b, x, rows)
        add(&recording, "y", b, a, y, rows)
        add(&recording, "sum", x, y, persistent(32, "sum"), rows)
        #expect(try plan(recording).steps.map(\.needsBarrier) == [false, false, true])
    }

    @Test func aChainNeedsTheMemoryOfTwoBuffersOnly() throws {
        var recording = Recording()
        let rows = rows(4)
        var last = persistent(32, "input")
        for index in 0..<20 {
            let next = recording.transient(.f32, count: 1024, "t\(index)")
            add(&recording, "add\(index)", last, last, next, rows)
            last = next
        }
        #expect(try plan(recording).arenaByteCount == 2 * 4096)
    }

    @Test func callsWithoutWorkAreLeftOut() throws {
        var recording = Recording()
        let a = persistent(32, "a")
        recording.dispatch(
            Add.self, "none", .init(rows: rows(0).buffer, left: a, right: a, result: persistent(32, "b")),
            .init(rowCapacity: 0, width: 8))
        #expect(try plan(recording).steps.isEmpty)
    }

    @Test func aCallThatNoVariantMayRunIsATypedError() {
        var recording = Recording()
        let a = persistent(32, "a")
        add(&recording, "layer0.sum", a, a, persistent(32, "b"), rows(4))
        #expect(throws: DeviceError.noVariant(kernel: "add", call: "layer0.sum")) {
            try Plan(recording, label: "test", traits: .reference, variant: { _ in nil })
        }
    }

    @Test func countedRowsAreSetUpOnceAWriteAndLaunchedIndirectly() throws {
        var recording = Recording()
        let (a, b) = (persistent(32, "a"), persistent(32, "b"))
        let state = Buffer(elementType: .u32, count: 8, label: "sequence", storage: Persistent())
        let tokens = Buffer(elementType: .u32, count: 64, label: "tokens", storage: Persistent())
        let counted = Counted(
            buffer: recording.transient(.u32, count: 3, "rows"), capacity: 4, isIndirect: true)
        for pass in 0..<2 {
            recording.dispatch(
                BeginPass.self, "begin\(pass)",
                .init(
                    sequence: state, tokens: tokens, rows: counted.buffer,
                    rowTokens: recording.transient(.u32, count: 4, "row_tokens\(pass)"),
                    positions: recording.transient(.u32, count: 4, "positions\(pass)")),
                .init(rowCapacity: 4, model: 0, holdBack: 0, skipWhenStopped: 0))
            let x = recording.transient(.f32, count: 32, "x\(pass)")
            add(&recording, "x\(pass)", a, b, x, counted)
            add(&recording, "y\(pass)", x, b, persistent(32, "y\(pass)"), counted)
        }
        let plan = try plan(recording)
        let names = plan.steps.map { $0.dispatch.kernel.interface.name }
        #expect(
            names == ["begin_pass", "dispatch_setup", "add", "add", "begin_pass", "dispatch_setup", "add", "add"])
        let indirect = plan.steps.map { if case .indirect = $0.grid { true } else { false } }
        #expect(indirect == [false, false, true, true, false, false, true, true])
        #expect(plan.tables.count == 2)
        #expect(PlanChecker.violations(of: plan) == [])
    }
}
