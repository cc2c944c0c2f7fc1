public import VkdynCore
public import VkdynFormats

/// Draft and target must mean the same tokens by the same numbers.
public enum VocabularyCheck {
    /// - Throws: naming how many tokens differ and the first of them.
    public static func requireEqual(
        target: Tokenizer, draft: Tokenizer
    ) throws(VocabularyMismatch) {
        let count = max(target.vocabularySize, draft.vocabularySize)
        var examples: [String] = []
        var differences = 0
        for id in 0..<count {
            let (a, b) = (target.token(of: id), draft.token(of: id))
            guard a != b else { continue }
            differences += 1
            if examples.count < 3 {
                examples.append("\(id) is \(a.map { "\"\($0)\"" } ?? "absent") and \(b.map { "\"\($0)\"" } ?? "absent")")
            }
        }
        if differences > 0 { throw VocabularyMismatch(differenceCount: differences, examples: examples) }
    }
}

public struct VocabularyMismatch: UserFacingError, Equatable {
    public let differenceCount: Int
    public let examples: [String]

    public var description: String {
        "target and draft have different vocabularies: \(differenceCount) tokens differ (\(examples.joined(separator: "; "))); "
            + "a draft must share the target's tokenizer, or use --draft prompt-lookup"
    }
}
