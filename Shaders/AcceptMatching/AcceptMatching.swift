public import VkdynCore

/// The end of a round whose drafts count when they equal the target's own choice, greedy or coupled:
/// `n = leading i < drafted with tokens[length + i] = sampled[i]`; the n tokens stay and `sampled[n]` follows them.
///
/// | buffer   | shape                                                      | type |
/// |----------|------------------------------------------------------------|------|
/// | sequence | one `SequenceState`                                        | u32  |
/// | tokens   | [context], with room for one token more than the drafts    | u32  |
/// | sampled  | [drafted + 1], the target's choice after each verified row | u32  |
///
/// `accepted = n; emitted = n + 1; length += n + 1; verified = drafted; drafted = 0; stopped = 0`, and both cached counts become
/// at most `length − 1`. With no drafts it is a plain decoding step. Nothing is reduced.
/// Source: Leviathan, Kalman and Matias (arXiv 2211.17192) with deterministic choices. Exact.
public enum AcceptMatching: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(1) }

    public static func cost(_ call: KernelCall<AcceptMatching>) -> Cost { Cost(operations: 0, bytes: 72) }

    public static func twin(_ b: Views, _ call: KernelCall<AcceptMatching>) {
        let state = b.sequence.pointee
        var accepted = 0
        while accepted < Int(state.drafted), b.tokens[Int(state.length) + accepted] == b.sampled[accepted] {
            accepted += 1
        }
        b.sequence.pointee.commit(accepted: UInt32(accepted), token: b.sampled[accepted], tokens: b.tokens)
    }

    public static var cases: [KernelCase] {
        [
            makeCase("no drafts", drafted: 0, matching: 0, targetCached: 7, draftCached: 0),
            makeCase("1 draft, rejected", drafted: 1, matching: 0, targetCached: 8, draftCached: 7),
            makeCase("1 draft, accepted", drafted: 1, matching: 1, targetCached: 8, draftCached: 7),
            makeCase("5 drafts, none", drafted: 5, matching: 0, targetCached: 12, draftCached: 11, stopped: true),
            makeCase("5 drafts, 3 before a wrong one", drafted: 5, matching: 3, targetCached: 12, draftCached: 11),
            makeCase("5 drafts, all", drafted: 5, matching: 5, targetCached: 12, draftCached: 11),
            makeCase("70 drafts, 65", drafted: 70, matching: 65, targetCached: 77, draftCached: 76),
            makeCase("empty sequence", drafted: 0, matching: 0, targetCached: 0, draftCached: 0, length: 0),
            makeCase("caches far behind", drafted: 2, matching: 2, targetCached: 0, draftCached: 3),
        ]
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("drafted", 0...100, standard: 4), ShapeAxis("matching", 0...100, standard: 4),
            ShapeAxis("length", 0...500, standard: 100), ShapeAxis("target_cached", 0...500, standard: 104),
            ShapeAxis("draft_cached", 0...500, standard: 103), ShapeAxis("stopped", 0...1, standard: 0),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (drafted, matching) = (shape["drafted"], shape["matching"])
        return makeCase(
            "length \(shape["length"]), drafts \(drafted), \(matching) match", drafted: drafted, matching: matching,
            targetCached: shape["target_cached"], draftCached: shape["draft_cached"], stopped: shape.has("stopped"),
            length: shape["length"])
    }

    private static func makeCase(
        _ label: String, drafted: Int, matching: Int, targetCached: Int, draftCached: Int, stopped: Bool = false,
        length: Int = 7
    ) -> KernelCase {
        let sampled = (0...drafted).map { UInt32(100 + $0) }
        let drafts = (0..<drafted).map { $0 == matching ? 9 : sampled[$0] }
        return makeCase(
            label, Contents(
                sequence: .structure(
                    SequenceState(
                        length: UInt32(length), drafted: UInt32(drafted), targetCached: UInt32(targetCached),
                        draftCached: UInt32(draftCached), accepted: 1, emitted: 2, stopped: stopped ? 1 : 0,
                        verified: 3)),
                tokens: .words((0..<UInt32(length)).map { $0 } + drafts + [77, 78]),
                sampled: .words(sampled)),
            Parameters())
    }
}
