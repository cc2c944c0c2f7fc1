public import VkdynCore

/// The rows of a model's next pass over one sequence: its tokens that are not in that model's key-value cache yet.
/// `from = cached; to = length + drafted − holdBack; count = clamp(to − from, 0, rowCapacity)`;
/// `rowTokens[r] = tokens[from + r]; positions[r] = from + r` for r < count; then `cached += count`.
///
/// | buffer    | shape               | type |
/// |-----------|---------------------|------|
/// | sequence  | one `SequenceState` | u32  |
/// | tokens    | [context]           | u32  |
/// | rows      | one `RowCount`      | u32  |
/// | rowTokens | [rowCapacity]       | u32  |
/// | positions | [rowCapacity], counted from the sequence's first token | u32 |
///
/// `model` is 0 for the target and 1 for the draft, whose cached counts are separate. Nothing is reduced.
/// The count is 0 when all is cached, and when `skipWhenStopped` and `stopped` are both set. With nothing held back,
/// tokens left over for want of capacity set the overflow flag; a pass that holds tokens back is one of several.
/// Rows from the count on are not touched.
/// Source: none; the bookkeeping of speculative decoding (arXiv 2211.17192). Exact.
public enum BeginPass: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(1) }

    public static func cost(_ call: KernelCall<BeginPass>) -> Cost {
        Cost(operations: 0, bytes: 12 * Int(call.parameters.rowCapacity) + 44)
    }

    public static func twin(_ b: Views, _ call: KernelCall<BeginPass>) {
        let p = call.parameters
        let state = b.sequence.pointee
        let from = p.model == 0 ? state.targetCached : state.draftCached
        let to = Int(state.length) + Int(state.drafted) - Int(p.holdBack)
        let skips = p.skipWhenStopped != 0 && state.stopped != 0
        let wanted = skips ? 0 : max(to - Int(from), 0)
        let count = min(wanted, Int(p.rowCapacity))
        let overflows = wanted > Int(p.rowCapacity) && p.holdBack == 0
        b.rows.pointee = RowCount(count: UInt32(count), capacity: p.rowCapacity, overflow: overflows ? 1 : 0)
        for row in 0..<count {
            b.rowTokens[row] = b.tokens[Int(from) + row]
            b.positions[row] = from + UInt32(row)
        }
        if p.model == 0 {
            b.sequence.pointee.targetCached = from + UInt32(count)
        } else {
            b.sequence.pointee.draftCached = from + UInt32(count)
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 101)
        func makeCase(
            _ label: String, length: Int, drafted: Int, cached: Int, capacity: Int, model: Int = 0, holdBack: Int = 0,
            skipWhenStopped: Bool = false, stopped: Bool = false
        ) -> KernelCase {
            Self.makeCase(
                label, length: length, drafted: drafted, cached: cached, capacity: capacity, model: model,
                holdBack: holdBack, skipWhenStopped: skipWhenStopped, stopped: stopped, &random)
        }
        return [
            makeCase("empty sequence", length: 0, drafted: 0, cached: 0, capacity: 4),
            makeCase("no capacity", length: 3, drafted: 0, cached: 0, capacity: 0),
            makeCase("one row", length: 9, drafted: 0, cached: 8, capacity: 1),
            makeCase("verify 5 drafts", length: 9, drafted: 5, cached: 8, capacity: 6),
            makeCase("fewer rows than capacity", length: 9, drafted: 2, cached: 8, capacity: 17),
            makeCase("all cached", length: 9, drafted: 0, cached: 9, capacity: 4),
            makeCase("overflow", length: 12, drafted: 4, cached: 3, capacity: 7),
            makeCase("prefill 63", length: 63, drafted: 0, cached: 0, capacity: 64),
            makeCase("prefill 64", length: 64, drafted: 0, cached: 0, capacity: 64),
            makeCase("prefill 65", length: 65, drafted: 0, cached: 0, capacity: 65),
            makeCase("prefill 301, hold back 1", length: 301, drafted: 0, cached: 0, capacity: 512, holdBack: 1),
            makeCase("chunk of a prefill", length: 301, drafted: 0, cached: 128, capacity: 128, holdBack: 1),
            makeCase("hold back more than there is", length: 1, drafted: 0, cached: 0, capacity: 8, holdBack: 3),
            makeCase("hold back all", length: 6, drafted: 0, cached: 5, capacity: 8, holdBack: 1),
            makeCase("draft catches up by 2", length: 20, drafted: 0, cached: 18, capacity: 2, model: 1),
            makeCase("draft goes on", length: 20, drafted: 3, cached: 22, capacity: 1, model: 1),
            makeCase(
                "stopped draft", length: 20, drafted: 3, cached: 22, capacity: 1, model: 1, skipWhenStopped: true,
                stopped: true),
            makeCase(
                "stopped, not skipped", length: 20, drafted: 3, cached: 19, capacity: 4, skipWhenStopped: false,
                stopped: true),
        ]
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("capacity", 0...200, standard: 8), ShapeAxis("length", 0...500, standard: 100),
            ShapeAxis("drafted", 0...20, standard: 4), ShapeAxis("cached", 0...500, standard: 99),
            ShapeAxis("model", 0...1, standard: 0), ShapeAxis("hold_back", 0...3, standard: 0),
            ShapeAxis("skip_when_stopped", 0...1, standard: 0), ShapeAxis("stopped", 0...1, standard: 0),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (length, drafted) = (shape["length"], shape["drafted"])
        return makeCase(
            "length \(length), drafts \(drafted), cached \(shape["cached"]), capacity \(shape["capacity"])",
            length: length, drafted: drafted, cached: min(shape["cached"], length + drafted),
            capacity: shape["capacity"], model: shape["model"], holdBack: shape["hold_back"],
            skipWhenStopped: shape.has("skip_when_stopped"), stopped: shape.has("stopped"), &random)
    }

    private static func makeCase(
        _ label: String, length: Int, drafted: Int, cached: Int, capacity: Int, model: Int, holdBack: Int,
        skipWhenStopped: Bool, stopped: Bool, _ random: inout CaseGenerator
    ) -> KernelCase {
        let otherCached = 3
        let state = SequenceState(
            length: UInt32(length), drafted: UInt32(drafted),
            targetCached: UInt32(model == 0 ? cached : otherCached),
            draftCached: UInt32(model == 0 ? otherCached : cached), accepted: 2, emitted: 3,
            stopped: stopped ? 1 : 0, verified: 7)
        let tokens = (0..<length + drafted + 5).map { _ in UInt32.random(in: 0..<152_000, using: &random) }
        return makeCase(
            label, Contents(
                sequence: .structure(state), tokens: .words(tokens), rows: .unwritten(3, as: .u32),
                rowTokens: .unwritten(capacity, as: .u32), positions: .unwritten(capacity, as: .u32)),
            Parameters(
                rowCapacity: UInt32(capacity), model: UInt32(model), holdBack: UInt32(holdBack),
                skipWhenStopped: skipWhenStopped ? 1 : 0))
    }
}
