/// Character classes, fixed to those of Hugging Face tokenizers whatever Unicode version Swift has.
struct UnicodeClasses: Sendable {
    /// The classes of one scalar.
    struct Flags: OptionSet, Sendable {
        let rawValue: UInt8

        /// `\p{L}` of Oniguruma.
        static let letter = Flags(rawValue: 1)
        /// `\p{N}` of Oniguruma.
        static let number = Flags(rawValue: 2)
        /// White_Space, `\s` everywhere.
        static let space = Flags(rawValue: 4)
        /// `\w` of Rust's regex crate.
        static let word = Flags(rawValue: 8)
        /// Rust's `char::is_numeric`.
        static let numeric = Flags(rawValue: 16)
        /// What StripAccents removes.
        static let combiningMark = Flags(rawValue: 32)
    }

    static let shared = UnicodeClasses()

    /// The classes of every scalar of the first two planes, and none beyond but for the ranges below.
    private let flags: [Flags]
    /// Classes of the planes beyond, by ascending first scalar.
    private let beyond: [(range: ClosedRange<UInt32>, flags: Flags)]
    private let lowercaseRuns: [UnicodeMapRun]

    private static let flaggedCount: UInt32 = 0x20000

    private init() {
        var flags = [Flags](repeating: [], count: Int(Self.flaggedCount))
        var beyond: [(range: ClosedRange<UInt32>, flags: Flags)] = []
        func add(_ table: String, _ flag: Flags) {
            for range in parseUnicodeRanges(table) {
                for scalar in range where scalar < Self.flaggedCount { flags[Int(scalar)].insert(flag) }
                if range.upperBound >= Self.flaggedCount {
                    beyond.append((max(range.lowerBound, Self.flaggedCount)...range.upperBound, flag))
                }
            }
        }
        add(UnicodeClassTables.letters, .letter)
        add(UnicodeClassTables.numbers, .number)
        add("9-d 20 85 a0 1680 2000-200a 2028-2029 202f 205f 3000", .space)
        add(UnicodeClassTables.words, .word)
        add(UnicodeClassTables.numeric, .numeric)
        add(UnicodeClassTables.combiningMarks, .combiningMark)
        self.flags = flags
        self.beyond = beyond
        lowercaseRuns = parseUnicodeMaps(UnicodeClassTables.lowercase)
    }

    /// The classes of a scalar.
    @inline(__always)
    func flags(_ scalar: UInt32) -> Flags {
        scalar < Self.flaggedCount ? flags[Int(scalar)] : flagsBeyond(scalar)
    }

    private func flagsBeyond(_ scalar: UInt32) -> Flags {
        var union: Flags = []
        for entry in beyond where entry.range.contains(scalar) { union.formUnion(entry.flags) }
        return union
    }

    /// Appends the lower-case form of a scalar.
    func appendLowercase(_ scalar: UInt32, to text: inout [UInt8]) {
        guard let run = lowercaseRuns.run(containing: scalar) else { return text.appendUTF8(scalar) }
        for target in run.targets(of: scalar) { text.appendUTF8(target) }
    }
}

/// Neighbouring scalars that map to neighbours, or one scalar that maps to several.
struct UnicodeMapRun: Sendable {
    let range: ClosedRange<UInt32>
    let target: [UInt32]

    func targets(of scalar: UInt32) -> [UInt32] {
        target.count == 1 ? [target[0] + (scalar - range.lowerBound)] : target
    }
}

extension [UnicodeMapRun] {
    /// The run that holds `scalar`; the runs ascend.
    func run(containing scalar: UInt32) -> UnicodeMapRun? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].range.upperBound < scalar { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low].range.contains(scalar) ? self[low] : nil
    }
}

/// Parses `a b-c …` of the generated tables.
func parseUnicodeRanges(_ table: String) -> [ClosedRange<UInt32>] {
    table.split(separator: " ").map { parseUnicodeRange($0) }
}

/// Parses `a>b+c d-e>f …` of the generated tables.
func parseUnicodeMaps(_ table: String) -> [UnicodeMapRun] {
    table.split(separator: " ").map { item in
        let sides = item.split(separator: ">")
        return UnicodeMapRun(
            range: parseUnicodeRange(sides[0]), target: sides[1].split(separator: "+").map(parseUnicodeScalar))
    }
}

private func parseUnicodeRange(_ text: Substring) -> ClosedRange<UInt32> {
    let bounds = text.split(separator: "-").map(parseUnicodeScalar)
    return bounds[0]...bounds[bounds.count - 1]
}

private func parseUnicodeScalar(_ text: Substring) -> UInt32 {
    guard let value = UInt32(text, radix: 16) else { preconditionFailure("a malformed generated table: \(text)") }
    return value
}
