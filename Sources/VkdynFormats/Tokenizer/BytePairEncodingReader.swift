/// Reads `model` of tokenizer.json, or the vocabulary and merges that stand in files of their own.
struct BytePairEncodingReader {
    private let object: ConfigObject

    init(_ object: ConfigObject) { self.object = object }

    func model() throws(FormatError) -> BytePairEncoding {
        if let dropout = try object.optionalNumber("dropout"), dropout != 0 {
            throw object.error("dropout", "expected none, found \(dropout): encoding would be random")
        }
        let vocabulary = try Self.vocabulary(object.object("vocab"))
        guard case .array(let elements)? = object.value("merges") else {
            throw object.error(
                "merges", "expected a list, found \(object.value("merges")?.summary ?? "nothing")")
        }
        let prefix = try object.string("continuing_subword_prefix", default: "")
        var merges = MergeListBuilder(
            vocabulary: vocabulary, prefixCount: prefix.utf8.count, capacity: elements.count)
        for (index, element) in elements.enumerated() {
            do throws(MergeError) {
                switch element {
                case .string(let line): try merges.add(line: line)
                case .array(let pair):
                    guard pair.count == 2, case .string(let first) = pair[0], case .string(let second) = pair[1]
                    else { throw MergeError(problem: "expected two tokens, found \(element.summary)") }
                    try merges.add(first, second)
                default: throw MergeError(problem: "expected two tokens, found \(element.summary)")
                }
            } catch {
                throw object.error("merges[\(index)]", error.problem)
            }
        }
        var options = BytePairEncoding.Options()
        options.continuingSubwordPrefix = prefix
        options.endOfWordSuffix = try object.string("end_of_word_suffix", default: "")
        options.fusesUnknown = try object.boolean("fuse_unk", default: false)
        options.byteFallback = try object.boolean("byte_fallback", default: false)
        options.ignoresMerges = try object.boolean("ignore_merges", default: false)
        if let unknown = try object.optionalString("unk_token"), !unknown.isEmpty {
            guard let id = vocabulary.id(of: unknown) else {
                throw object.error("unk_token", "\(quotedForMessage(unknown)) is not in the vocabulary")
            }
            options.unknownID = id
        }
        return BytePairEncoding(vocabulary: vocabulary, merges: merges.table, options: options)
    }

    /// Reads an object from tokens to ids.
    static func vocabulary(_ object: ConfigObject) throws(FormatError) -> Vocabulary {
        let members = object.object.members
        if members.isEmpty { throw FormatError(file: object.file, field: "vocab", problem: "holds no token") }
        var vocabulary = Vocabulary(minimumCapacity: members.count)
        for member in members {
            guard case .integer(let id) = member.value, (0..<Vocabulary.idLimit).contains(id) else {
                throw object.error(
                    member.key,
                    "expected an id from 0 to \(Vocabulary.idLimit - 1), found \(member.value.summary)")
            }
            guard vocabulary.add(member.key, id: id) else {
                throw object.error(member.key, "the id \(id) is taken by another token")
            }
        }
        return vocabulary
    }

    /// Reads the lines of a `merges.txt`.
    static func merges(_ text: UnsafeRawBufferPointer, file: String, vocabulary: Vocabulary) throws(FormatError)
        -> MergeTable
    {
        let bytes = text.bindMemory(to: UInt8.self)
        if firstInvalidUTF8Offset(in: bytes) != nil {
            throw FormatError(file: file, problem: "is not UTF-8 text")
        }
        let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
        var merges = MergeListBuilder(vocabulary: vocabulary, prefixCount: 0, capacity: lines.count)
        for (index, line) in lines.enumerated() {
            let trimmed = line.last == 0x0D ? line.dropLast() : line
            if trimmed.isEmpty { continue }
            do {
                try merges.add(line: String(decoding: trimmed, as: UTF8.self))
            } catch {
                throw FormatError(file: file, field: "line \(index + 1)", problem: error.problem)
            }
        }
        return merges.table
    }
}

private struct MergeError: Error {
    let problem: String
}

/// Collects merges in the order of their ranks.
private struct MergeListBuilder {
    private(set) var table: MergeTable
    private let vocabulary: Vocabulary
    private let prefixCount: Int
    private var rank = 0
    private var scratch: [UInt8] = []

    init(vocabulary: Vocabulary, prefixCount: Int, capacity: Int) {
        self.vocabulary = vocabulary
        self.prefixCount = prefixCount
        table = MergeTable(capacity: capacity)
    }

    /// Adds `a b`; a line that begins with `#version` is skipped.
    mutating func add(line: String) throws(MergeError) {
        if line.hasPrefix("#version") { return }
        let parts = line.utf8.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw MergeError(problem: "expected two tokens and a space, found \(quotedForMessage(line))")
        }
        try add(String(Substring(parts[0])), String(Substring(parts[1])))
    }

    mutating func add(_ first: String, _ second: String) throws(MergeError) {
        let firstID = try id(of: first)
        let secondID = try id(of: second)
        guard second.utf8.count >= prefixCount else {
            throw MergeError(problem: "\(quotedForMessage(second)) is shorter than continuing_subword_prefix")
        }
        scratch.removeAll(keepingCapacity: true)
        scratch.append(contentsOf: first.utf8)
        scratch.append(contentsOf: second.utf8.dropFirst(prefixCount))
        guard let id = scratch.withUnsafeBufferPointer({ vocabulary.id(of: $0) }) else {
            throw MergeError(
                problem: "makes \(quotedForMessage(String(decoding: scratch, as: UTF8.self))), "
                    + "which is not in the vocabulary")
        }
        table.insert(firstID, secondID, rank: rank, id: id)
        rank += 1
    }

    private func id(of token: String) throws(MergeError) -> Int32 {
        guard let id = vocabulary.id(of: token) else {
            throw MergeError(problem: "\(quotedForMessage(token)) is not in the vocabulary")
        }
        return id
    }
}
