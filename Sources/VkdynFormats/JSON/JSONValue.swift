/// A parsed JSON document.
///
/// Foundation's parsers are not used: they merge keys that are canonically equivalent in Unicode (a
/// vocabulary holds such tokens side by side), and they hide duplicate keys.
enum JSONValue: Sendable {
    case null
    case bool(Bool)
    /// A number written without fraction and exponent that fits `Int`.
    case integer(Int)
    case double(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// A number of either kind; nil for anything else.
    var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }

    /// The value as it would stand in a message, cut after some 40 characters.
    var summary: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .double(let value): String(value)
        case .string(let value): quotedForMessage(value)
        case .array(let elements): elements.isEmpty ? "an empty list" : "a list of \(elements.count)"
        case .object: "an object"
        }
    }
}

/// The members of a JSON object in file order; keys are compared byte by byte.
struct JSONObject: Sendable {
    struct Member: Sendable {
        let key: String
        let value: JSONValue
    }

    let members: [Member]

    /// The value of `key`, or nil; of duplicate keys the last one counts, as in Python and Rust.
    subscript(key: String) -> JSONValue? {
        members.last { $0.key.utf8.elementsEqual(key.utf8) }?.value
    }
}

/// `text` in double quotes for a one-line message: control characters escaped, cut after 40 characters.
public func quotedForMessage(_ text: String) -> String {
    var out = "\""
    for (index, scalar) in text.unicodeScalars.enumerated() {
        if index == 40 {
            out += "…"
            break
        }
        out += isPrintable(scalar) ? String(scalar) : "\\u{\(String(scalar.value, radix: 16))}"
    }
    return out + "\""
}

/// `text` made safe for a one-line message, without quotes; for tensor and field names.
func plainForMessage(_ text: String) -> String {
    if text.utf8.count <= 200, text.unicodeScalars.allSatisfy(isPrintable) { return text }
    return quotedForMessage(text)
}

private func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator, .format, .surrogate: false
    default: true
    }
}

/// A string that is equal to another only when their bytes are (Swift's `==` is canonical equivalence).
struct ByteExactString: Hashable, Sendable {
    let string: String

    init(_ string: String) { self.string = string }

    static func == (a: ByteExactString, b: ByteExactString) -> Bool {
        a.string.utf8.elementsEqual(b.string.utf8)
    }

    func hash(into hasher: inout Hasher) {
        var copy = string
        copy.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        hasher.combine(0xFF as UInt8)
    }
}
