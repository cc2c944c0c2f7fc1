import VkdynCore

/// Proves that a plan's conflicting accesses are ordered and that live buffers do not share memory.
///
/// Written apart from the passes that it judges: it looks at every pair of steps and every pair of transient
/// buffers, and derives lifetimes anew. Validation layers do not see a missing barrier between two dispatches, and
/// a driver that runs them in order never trips over one.
public enum PlanChecker {
    public enum Violation: Sendable, Equatable, CustomStringConvertible {
        case unordered(first: String, second: String, buffer: String)
        case overlap(first: String, second: String)
        case unplaced(buffer: String)
        case beyondArena(buffer: String)
        case readBeforeWrite(buffer: String, step: String)

        public var description: String {
            switch self {
            case .unordered(let first, let second, let buffer):
                "\(first) and \(second) both use \(buffer) without a barrier between them"
            case .overlap(let first, let second): "\(first) and \(second) are alive at once in the same memory"
            case .unplaced(let buffer): "\(buffer) has no place in the arena"
            case .beyondArena(let buffer): "\(buffer) reaches beyond the arena"
            case .readBeforeWrite(let buffer, let step): "\(step) reads \(buffer), which no earlier step writes"
            }
        }
    }

    public static func violations(of plan: Plan) -> [Violation] {
        lifetimeViolations(plan) + orderViolations(plan)
    }

    private struct Use {
        let step: Int
        let buffer: Buffer
        let writes: Bool
    }

    private static func uses(_ plan: Plan) -> [Use] {
        plan.steps.enumerated().flatMap { index, step -> [Use] in
            var uses: [Use] = []
            for (position, binding) in step.dispatch.kernel.interface.bindings.enumerated() {
                guard let buffer = step.dispatch.buffers[position] else { continue }
                if binding.access != .write { uses.append(Use(step: index, buffer: buffer, writes: false)) }
                if binding.access != .read { uses.append(Use(step: index, buffer: buffer, writes: true)) }
            }
            if case .indirect(let arguments, _) = step.grid {
                uses.append(Use(step: index, buffer: arguments, writes: false))
            }
            return uses
        }
    }

    private static func lifetimeViolations(_ plan: Plan) -> [Violation] {
        let grouped = Dictionary(grouping: uses(plan).filter { $0.buffer.storage == nil }, by: { $0.buffer.id })
        let tables = Set(plan.tables.map { $0.buffer.id })
        var violations: [Violation] = []
        var lives: [(buffer: Buffer, memory: Range<Int>, steps: ClosedRange<Int>)] = []
        for (id, uses) in grouped.sorted(by: { $0.key < $1.key }) where !tables.contains(id) {
            let buffer = uses[0].buffer
            guard let place = plan.arena[id] else {
                violations.append(.unplaced(buffer: buffer.label))
                continue
            }
            if place.byteCount < buffer.byteCount || place.byteOffset < 0
                || place.byteOffset + place.byteCount > plan.arenaByteCount
            {
                violations.append(.beyondArena(buffer: buffer.label))
            }
            let steps = uses.map(\.step)
            let firstWrite = uses.filter(\.writes).map(\.step).min() ?? Int.max
            if let early = uses.first(where: { !$0.writes && $0.step < firstWrite }) {
                violations.append(
                    .readBeforeWrite(buffer: buffer.label, step: plan.steps[early.step].dispatch.label))
            }
            lives.append(
                (buffer, place.byteOffset..<place.byteOffset + place.byteCount, steps.min()!...steps.max()!))
        }
        for (index, a) in lives.enumerated() {
            for b in lives[(index + 1)...] where a.steps.overlaps(b.steps) && a.memory.overlaps(b.memory) {
                violations.append(.overlap(first: a.buffer.label, second: b.buffer.label))
            }
        }
        return violations
    }

    private static func orderViolations(_ plan: Plan) -> [Violation] {
        /// Steps in one epoch may run at once.
        var epochs: [Int] = []
        var epoch = 0
        for step in plan.steps {
            if step.needsBarrier { epoch += 1 }
            epochs.append(epoch)
        }
        func memory(_ buffer: Buffer) -> (space: Int, range: Range<Int>) {
            if let place = plan.arena[buffer.id] {
                return (-1, place.byteOffset..<place.byteOffset + place.byteCount)
            }
            return (buffer.id, 0..<max(1, buffer.byteCount))
        }
        var violations: [Violation] = []
        let byEpoch = Dictionary(grouping: uses(plan), by: { epochs[$0.step] })
        for (_, uses) in byEpoch.sorted(by: { $0.key < $1.key }) {
            for (index, a) in uses.enumerated() {
                for b in uses[(index + 1)...] where a.step != b.step && (a.writes || b.writes) {
                    let (spaceA, rangeA) = memory(a.buffer)
                    let (spaceB, rangeB) = memory(b.buffer)
                    guard spaceA == spaceB, rangeA.overlaps(rangeB) else { continue }
                    violations.append(
                        .unordered(
                            first: plan.steps[a.step].dispatch.label, second: plan.steps[b.step].dispatch.label,
                            buffer: a.buffer.label))
                }
            }
        }
        return violations
    }
}
