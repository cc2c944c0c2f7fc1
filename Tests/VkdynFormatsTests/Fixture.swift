import Testing

@testable import VkdynFormats

/// Files under `Fixtures`.
enum Fixture {
    static func folder(_ name: String, here: String = #filePath) -> String {
        here.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            + "/Fixtures/" + name
    }

    /// A JSON file by its path, or by its name under `Fixtures`.
    static func json(_ name: String) throws -> JSONValue {
        let path = name.hasPrefix("/") ? name : folder(name)
        let file = try MappedFile(path: path)
        return try file.withUnsafeBytes { try JSONValue.parse($0.bindMemory(to: UInt8.self), file: path) }
    }

    /// The strings that all tokenizer families encode.
    static func strings() throws -> [String] {
        try #require(json("Tokenizers/strings.json").array).map { try #require($0.string) }
    }
}

extension JSONValue {
    var object: JSONObject? { if case .object(let object) = self { object } else { nil } }
    var array: [JSONValue]? { if case .array(let array) = self { array } else { nil } }
    var string: String? { if case .string(let string) = self { string } else { nil } }
    var integer: Int? { if case .integer(let integer) = self { integer } else { nil } }

    func integers() throws -> [Int] { try #require(array).map { try #require($0.integer) } }

    /// Decimal numbers in a string, separated by spaces.
    func idList() throws -> [Int] { try #require(string).split(separator: " ").map { try #require(Int($0)) } }
}
