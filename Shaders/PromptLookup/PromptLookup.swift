public import VkdynCore

/// Drafts by looking the last tokens up in what came before: for n from `maxNgram` down to 1, the leftmost start
/// `i < length − n` with `tokens[i + j] = tokens[length − n + j]` for all j < n; the first n that has one gives
/// `drafted = min(maxDrafts, length − (i + n))` and `tokens[length + j] = tokens[i + n + j]` for j < drafted.
///
/// | buffer   | shape                                 | type |
/// |----------|---------------------------------------|------|
/// | sequence | one `SequenceState`                   | u32  |
/// | tokens   | [context], with room for `maxDrafts`  | u32  |
///
/// A minimum of integers, exact in any order. A match may overlap the last n tokens, and its continuation may run into
/// them; it ends with the committed tokens. No match, or fewer than two tokens: `drafted = 0`.
/// Source: Saxena, prompt lookup decoding (2023), as in transformers' `PromptLookupCandidateGenerator`. Exact.
public enum PromptLookup: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(1) }

    public static func cost(_ call: KernelCall<PromptLookup>) -> Cost {
        // The context is read once a size of n-gram, however long it is.
        Cost(operations: 0, bytes: 8 * Int(call.parameters.maxDrafts) + 36)
    }

    public static func variants(_ call: KernelCall<PromptLookup>, _ traits: DeviceTraits) -> [String] {
        (traits.kind == .cpu ? [64, 256] : [256, 64])
            .filter { $0 <= traits.maximumWorkgroupInvocations }.map { "lanes\($0)" }
    }

    public static func twin(_ b: Views, _ call: KernelCall<PromptLookup>) {
        let length = Int(b.sequence.pointee.length)
        b.sequence.pointee.drafted = 0
        let largest = min(Int(call.parameters.maxNgram), length - 1)
        for size in stride(from: largest, to: 0, by: -1) {
            let match = (0..<length - size).first { start in
                (0..<size).allSatisfy { b.tokens[start + $0] == b.tokens[length - size + $0] }
            }
            guard let match else { continue }
            let drafted = min(Int(call.parameters.maxDrafts), length - (match + size))
            for index in 0..<drafted { b.tokens[length + index] = b.tokens[match + size + index] }
            b.sequence.pointee.drafted = UInt32(drafted)
            return
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 109)
        var cases = [
            makeCase("nothing", []),
            makeCase("one token", [5]),
            makeCase("two equal tokens", [5, 5]),
            makeCase("two tokens", [5, 6]),
            makeCase("no match", [1, 2, 3, 4, 5, 6]),
            makeCase("a pair", [1, 2, 3, 4, 9, 8, 1, 2]),
            makeCase("leftmost of two", [1, 2, 3, 7, 1, 2, 4, 8, 1, 2]),
            makeCase("falls back to one token", [4, 2, 3, 4, 9, 8, 1, 2]),
            makeCase("overlaps itself", [7, 7, 7, 7, 7]),
            makeCase("continuation is short", [3, 1, 2, 1, 2]),
            makeCase("longer than the context", [1, 2, 1, 2, 1, 2], maxNgram: 40, maxDrafts: 64),
            makeCase("no n-grams", [1, 2, 1, 2], maxNgram: 0),
            makeCase("no drafts", [1, 2, 1, 2], maxDrafts: 0),
        ]
        for (count, letters): (Int, UInt32) in [(63, 9), (64, 40), (65, 3), (257, 30), (700, 2), (1500, 1000), (4096, 60)] {
            for maxNgram in [1, 3, 5] {
                cases.append(
                    makeCase("\(count) tokens of \(letters)", text(count, letters: letters, &random), maxNgram: maxNgram, maxDrafts: 20))
            }
        }
        // The only match lies in the last workgroup's worth of starts.
        cases.append(makeCase("late match", (0..<1000).map { UInt32($0) } + [997, 998], maxNgram: 3, maxDrafts: 8))
        return cases
    }

    /// Tokens are drawn from so many letters: few give long matches, many none.
    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("length", 0...1500, standard: 1024), ShapeAxis("letters", 1...300, standard: 100),
            ShapeAxis("max_ngram", 0...6, standard: 2), ShapeAxis("max_drafts", 0...20, standard: 8),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            "\(shape["length"]) tokens of \(shape["letters"])",
            text(shape["length"], letters: UInt32(shape["letters"]), &random), maxNgram: shape["max_ngram"],
            maxDrafts: shape["max_drafts"])
    }

    private static func text(_ count: Int, letters: UInt32, _ random: inout CaseGenerator) -> [UInt32] {
        (0..<count).map { _ in UInt32.random(in: 0..<letters, using: &random) }
    }

    private static func makeCase(
        _ label: String, _ tokens: [UInt32], maxNgram: Int = 2, maxDrafts: Int = 5
    ) -> KernelCase {
        makeCase(
            "\(label), n-grams up to \(maxNgram), drafts up to \(maxDrafts)",
            Contents(
                sequence: .structure(
                    SequenceState(
                        length: UInt32(tokens.count), drafted: 9, targetCached: 1, draftCached: 1, accepted: 1,
                        emitted: 2, verified: 3)),
                tokens: .words(tokens + Array(repeating: .max, count: maxDrafts + 2))),
            Parameters(maxNgram: UInt32(maxNgram), maxDrafts: UInt32(maxDrafts)))
    }
}
