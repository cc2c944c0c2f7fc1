/// Unicode normalization forms (Unicode Standard Annex 15) with the tables of Hugging Face tokenizers, which
/// are of Unicode 12: newer scalars neither decompose nor compose nor reorder there.
struct UnicodeNormalization: Sendable {
    /// A normalization form.
    enum Form: String, Sendable, CaseIterable {
        case nfc = "NFC"
        case nfd = "NFD"
        case nfkc = "NFKC"
        case nfkd = "NFKD"

        var composes: Bool { self == .nfc || self == .nfkc }
        var isCompatible: Bool { self == .nfkc || self == .nfkd }
    }

    static let shared = UnicodeNormalization()

    private let canonical: [UnicodeMapRun]
    private let compatibility: [UnicodeMapRun]
    private let combiningClasses: [UInt32: UInt8]
    private let compositions: [UInt64: UInt32]

    private init() {
        canonical = parseUnicodeMaps(UnicodeDecompositionTables.canonical)
        compatibility = parseUnicodeMaps(UnicodeDecompositionTables.compatibility)
        var classes: [UInt32: UInt8] = [:]
        var currentClass: UInt8 = 0
        for item in UnicodeDecompositionTables.combiningClasses.split(separator: " ") {
            if item.last == ":", let value = UInt8(item.dropLast()) {
                currentClass = value
            } else {
                for scalar in parseUnicodeRanges(String(item)).joined() { classes[scalar] = currentClass }
            }
        }
        combiningClasses = classes
        let excluded = Set(parseUnicodeRanges(UnicodeDecompositionTables.compositionExclusions).joined())
        var compositions: [UInt64: UInt32] = [:]
        for run in canonical where run.target.count == 2 && !excluded.contains(run.range.lowerBound) {
            compositions[Self.pair(run.target[0], run.target[1])] = run.range.lowerBound
        }
        self.compositions = compositions
    }

    /// The form of well-formed UTF-8 text.
    func normalize(_ text: [UInt8], to form: Form) -> [UInt8] {
        if text.allSatisfy({ $0 < 0x80 }) { return text }
        var scalars = text.withUnsafeBufferPointer { decomposed($0, form: form) }
        if form.composes { compose(&scalars) }
        var out: [UInt8] = []
        out.reserveCapacity(text.count)
        for scalar in scalars { out.appendUTF8(scalar) }
        return out
    }

    // MARK: Decomposition

    private func decomposed(_ bytes: UnsafeBufferPointer<UInt8>, form: Form) -> [UInt32] {
        var scalars: [UInt32] = []
        scalars.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            let (value, length) = scalar(in: bytes, at: index)
            index += length
            if value < 0x80 { scalars.append(value) } else { decompose(value, form, into: &scalars) }
        }
        reorder(&scalars)
        return scalars
    }

    private func decompose(_ scalar: UInt32, _ form: Form, into scalars: inout [UInt32]) {
        if Hangul.syllables.contains(scalar) {
            Hangul.decompose(scalar, into: &scalars)
            return
        }
        let run =
            canonical.run(containing: scalar)
            ?? (form.isCompatible ? compatibility.run(containing: scalar) : nil)
        guard let run else { return scalars.append(scalar) }
        for target in run.targets(of: scalar) { decompose(target, form, into: &scalars) }
    }

    /// Sorts every run of combining marks by class, stably.
    private func reorder(_ scalars: inout [UInt32]) {
        var start = 0
        while start < scalars.count {
            guard combiningClass(scalars[start]) > 0 else {
                start += 1
                continue
            }
            var end = start + 1
            while end < scalars.count, combiningClass(scalars[end]) > 0 { end += 1 }
            if end - start > 1 {
                let sorted = scalars[start..<end].enumerated().sorted {
                    (combiningClass($0.element), $0.offset) < (combiningClass($1.element), $1.offset)
                }
                scalars.replaceSubrange(start..<end, with: sorted.map(\.element))
            }
            start = end
        }
    }

    @inline(__always)
    private func combiningClass(_ scalar: UInt32) -> UInt8 {
        scalar < 0x300 ? 0 : combiningClasses[scalar] ?? 0
    }

    // MARK: Composition

    private func compose(_ scalars: inout [UInt32]) {
        var out: [UInt32] = []
        out.reserveCapacity(scalars.count)
        var starter: Int?
        var lastClass: UInt8 = 0
        for scalar in scalars {
            let scalarClass = combiningClass(scalar)
            if let index = starter {
                // A mark is blocked by one of the same or a higher class between it and the starter.
                let isAdjacent = index == out.count - 1
                if isAdjacent || lastClass < scalarClass, let composed = composition(out[index], scalar) {
                    out[index] = composed
                    continue
                }
            }
            if scalarClass == 0 { starter = out.count }
            lastClass = scalarClass
            out.append(scalar)
        }
        scalars = out
    }

    private func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if first < 0x80, second < 0x80 { return nil }
        return Hangul.compose(first, second) ?? compositions[Self.pair(first, second)]
    }

    private static func pair(_ first: UInt32, _ second: UInt32) -> UInt64 { UInt64(first) << 32 | UInt64(second) }
}

/// The arithmetic of Hangul syllables (Unicode 3.12).
private enum Hangul {
    static let syllables: ClosedRange<UInt32> = 0xAC00...0xD7A3
    private static let leadBase: UInt32 = 0x1100
    private static let vowelBase: UInt32 = 0x1161
    private static let tailBase: UInt32 = 0x11A7
    private static let leadCount: UInt32 = 19
    private static let vowelCount: UInt32 = 21
    private static let tailCount: UInt32 = 28

    static func decompose(_ syllable: UInt32, into scalars: inout [UInt32]) {
        let index = syllable - syllables.lowerBound
        scalars.append(leadBase + index / (vowelCount * tailCount))
        scalars.append(vowelBase + index % (vowelCount * tailCount) / tailCount)
        if index % tailCount > 0 { scalars.append(tailBase + index % tailCount) }
    }

    static func compose(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if (leadBase..<leadBase + leadCount).contains(first),
            (vowelBase..<vowelBase + vowelCount).contains(second)
        {
            return syllables.lowerBound + ((first - leadBase) * vowelCount + second - vowelBase) * tailCount
        }
        if syllables.contains(first), (first - syllables.lowerBound) % tailCount == 0,
            (tailBase + 1..<tailBase + tailCount).contains(second)
        {
            return first + second - tailBase
        }
        return nil
    }
}
