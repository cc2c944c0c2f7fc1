import Testing

@testable import VkdynFormats

/// The Unicode tables against tokenizers itself, for every scalar (`tools/fixtures/unicode_tables.py`).
@Suite struct UnicodeTests {
    private static let block = 0x4000

    @Test(arguments: UnicodeNormalization.Form.allCases) func everyScalarNormalizesAsThere(
        form: UnicodeNormalization.Form
    )
        throws
    {
        try check(form.rawValue) { UnicodeNormalization.shared.normalize($0, to: form) }
    }

    @Test func everyScalarLowercasesAsThere() throws {
        try check("Lowercase") { Normalizer.lowercase.normalize($0) }
    }

    @Test func accentsAreStrippedAsThere() throws {
        try check("StripAccents") { Normalizer.stripAccents.normalize($0) }
    }

    @Test func everyScalarHasTheClassesThatItHasThere() throws {
        try check("classes") { text in
            let value = text.withUnsafeBufferPointer { scalar(in: $0, at: 0).value }
            return Array(String(UnicodeClasses.shared.flags(value).rawValue).utf8)
        }
    }

    @Test func marksReorderAndComposeAsThere() throws {
        let rows = try #require(Fixture.json("unicode.json").object?["sequences"]?.array)
        #expect(rows.count == 2000)
        var differences: [String] = []
        for row in rows {
            let row = try #require(row.array)
            let text = try #require(row[0].string)
            var made: [UInt8] = []
            for form in [UnicodeNormalization.Form.nfc, .nfd, .nfkc, .nfkd] {
                if form != .nfc { made.append(0) }
                made += UnicodeNormalization.shared.normalize(Array(text.utf8), to: form)
            }
            if hash(made) != row[1].string { differences.append(text.debugDescription) }
        }
        #expect(differences.isEmpty, "\(differences.prefix(5))")
    }

    private func check(_ name: String, _ function: ([UInt8]) -> [UInt8]) throws {
        let expected = try #require(Fixture.json("unicode.json").object?["scalars"]?.object?[name]?.array)
        try #require(expected.count == 0x110000 / Self.block)
        for (index, expected) in expected.enumerated() {
            var made: [UInt8] = []
            for value in UInt32(index * Self.block)..<UInt32((index + 1) * Self.block) {
                guard let scalar = Unicode.Scalar(value) else { continue }
                made += function(Array(String(scalar).utf8))
                made.append(0)
            }
            #expect(hash(made) == expected.string, "scalars from \(String(index * Self.block, radix: 16))")
        }
    }

    /// FNV-1a, 64 bits, in hexadecimal.
    private func hash(_ bytes: [UInt8]) -> String {
        let value = bytes.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
