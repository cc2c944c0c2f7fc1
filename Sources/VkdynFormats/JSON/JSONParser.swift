/// What is wrong with a JSON text, and where.
struct JSONError: Error, Equatable {
    /// Byte offset in the text.
    let offset: Int
    let problem: String
}

/// How strictly a JSON text is read; the grammar is RFC 8259's.
struct JSONOptions: Sendable {
    /// Whether an object may hold a key twice.
    var allowsDuplicateKeys = true
    /// Whether `NaN`, `Infinity` and `-Infinity` are numbers, as Python writes them.
    var allowsNonFinite = false
    /// Nesting beyond this depth is an error, not a stack overflow.
    var depthLimit = 128
}

/// A recursive-descent parser over bytes in memory.
struct JSONParser {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let options: JSONOptions
    private var position = 0

    /// Parses one JSON value that must fill `bytes` but for white space.
    static func parse(_ bytes: UnsafeBufferPointer<UInt8>, options: JSONOptions) throws(JSONError) -> JSONValue {
        if let offset = firstInvalidUTF8Offset(in: bytes) {
            throw JSONError(offset: offset, problem: "the bytes are not UTF-8")
        }
        var parser = JSONParser(bytes: bytes, options: options)
        parser.skipWhitespace()
        let value = try parser.value(depth: 0)
        parser.skipWhitespace()
        if parser.position < bytes.count { throw parser.error("text after the end of the value") }
        return value
    }

    private init(bytes: UnsafeBufferPointer<UInt8>, options: JSONOptions) {
        self.bytes = bytes
        self.options = options
    }

    private func error(_ problem: String, at offset: Int? = nil) -> JSONError {
        JSONError(offset: offset ?? position, problem: problem)
    }

    /// The byte at the position, or 0 at the end (a NUL is nowhere legal outside an escape).
    private var current: UInt8 { position < bytes.count ? bytes[position] : 0 }

    private func unexpected(_ expected: String) -> JSONError {
        if position >= bytes.count { return error("ends where \(expected) was expected") }
        return error("expected \(expected)")
    }

    private mutating func skipWhitespace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        switch current {
        case UInt8(ascii: "{"): return .object(try object(depth: depth + 1))
        case UInt8(ascii: "["): return .array(try array(depth: depth + 1))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"):
            try word("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try word("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try word("null")
            return .null
        case UInt8(ascii: "N") where options.allowsNonFinite:
            try word("NaN")
            return .double(.nan)
        case UInt8(ascii: "I") where options.allowsNonFinite:
            try word("Infinity")
            return .double(.infinity)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            return try number()
        default:
            throw unexpected("a value")
        }
    }

    private mutating func word(_ text: StaticString) throws(JSONError) {
        let count = text.utf8CodeUnitCount
        let matches =
            position + count <= bytes.count
            && (0..<count).allSatisfy { bytes[position + $0] == text.utf8Start[$0] }
        guard matches else { throw unexpected("a value") }
        position += count
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
        if depth > options.depthLimit { throw error("nested more than \(options.depthLimit) deep") }
        position += 1
        var members: [JSONObject.Member] = []
        var seen: Set<ByteExactString> = []
        skipWhitespace()
        if current == UInt8(ascii: "}") {
            position += 1
            return JSONObject(members: [])
        }
        while true {
            skipWhitespace()
            guard current == UInt8(ascii: "\"") else { throw unexpected("a key in double quotes") }
            let start = position
            let key = try string()
            if !options.allowsDuplicateKeys, !seen.insert(ByteExactString(key)).inserted {
                throw error("the key \(quotedForMessage(key)) occurs twice", at: start)
            }
            skipWhitespace()
            guard current == UInt8(ascii: ":") else { throw unexpected("':' after a key") }
            position += 1
            skipWhitespace()
            members.append(.init(key: key, value: try value(depth: depth)))
            skipWhitespace()
            switch current {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "}"):
                position += 1
                return JSONObject(members: members)
            default: throw unexpected("',' or '}'")
            }
        }
    }

    private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
        if depth > options.depthLimit { throw error("nested more than \(options.depthLimit) deep") }
        position += 1
        var elements: [JSONValue] = []
        skipWhitespace()
        if current == UInt8(ascii: "]") {
            position += 1
            return []
        }
        while true {
            skipWhitespace()
            elements.append(try value(depth: depth))
            skipWhitespace()
            switch current {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "]"):
                position += 1
                return elements
            default: throw unexpected("',' or ']'")
            }
        }
    }

    // MARK: Numbers

    private mutating func number() throws(JSONError) -> JSONValue {
        let start = position
        if current == UInt8(ascii: "-") {
            position += 1
            if current == UInt8(ascii: "I"), options.allowsNonFinite {
                try word("Infinity")
                return .double(-.infinity)
            }
        }
        let firstDigit = current
        guard skipDigits() else { throw unexpected("a digit") }
        if firstDigit == UInt8(ascii: "0"), position - start > (bytes[start] == UInt8(ascii: "-") ? 2 : 1) {
            throw error("a number with a leading zero", at: start)
        }
        var isInteger = true
        if current == UInt8(ascii: ".") {
            isInteger = false
            position += 1
            guard skipDigits() else { throw unexpected("a digit") }
        }
        if current | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            position += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            guard skipDigits() else { throw unexpected("a digit") }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger, let value = Int(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else { throw error("a number out of range", at: start) }
        return .double(value)
    }

    /// Whether there was at least one digit.
    private mutating func skipDigits() -> Bool {
        let start = position
        while case UInt8(ascii: "0")...UInt8(ascii: "9") = current { position += 1 }
        return position > start
    }

    // MARK: Strings

    private mutating func string() throws(JSONError) -> String {
        let open = position
        position += 1
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                let text = String(decoding: bytes[start..<position], as: UTF8.self)
                position += 1
                return text
            case UInt8(ascii: "\\"): return try escapedString(open: open, start: start)
            case 0..<0x20: throw error("a control character in a string")
            default: position += 1
            }
        }
        throw error("a string without its closing quote", at: open)
    }

    private mutating func escapedString(open: Int, start: Int) throws(JSONError) -> String {
        var text = Array(bytes[start..<position])
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                position += 1
                text.appendUTF8(try escape().value)
            case 0..<0x20: throw error("a control character in a string")
            default:
                text.append(byte)
                position += 1
            }
        }
        throw error("a string without its closing quote", at: open)
    }

    private mutating func escape() throws(JSONError) -> Unicode.Scalar {
        let byte = current
        position += 1
        switch byte {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape()
        default: throw error("an unknown escape in a string", at: position - 1)
        }
    }

    private mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar {
        let start = position - 2
        let first = try hexadecimal()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, current == UInt8(ascii: "\\") else {
            throw error("half of a surrogate pair", at: start)
        }
        position += 1
        guard current == UInt8(ascii: "u") else { throw error("half of a surrogate pair", at: start) }
        position += 1
        let second = try hexadecimal()
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw error("half of a surrogate pair", at: start) }
        return scalar
    }

    private mutating func hexadecimal() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            switch current {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(current - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"):
                value = value << 4 | UInt32(current - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"):
                value = value << 4 | UInt32(current - UInt8(ascii: "A") + 10)
            default: throw unexpected("four hexadecimal digits")
            }
            position += 1
        }
        return value
    }
}

extension JSONValue {
    /// Parses the contents of a JSON file; errors name the file, the line and the column.
    static func parse(
        _ bytes: UnsafeBufferPointer<UInt8>, file: String, options: JSONOptions = JSONOptions()
    ) throws(FormatError) -> JSONValue {
        do {
            return try JSONParser.parse(bytes, options: options)
        } catch {
            let before = bytes[..<min(error.offset, bytes.count)]
            let line = before.reduce(1) { $0 + ($1 == 0x0A ? 1 : 0) }
            let column = before.count - (before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0) + 1
            throw FormatError(
                file: file, problem: "is not valid JSON: line \(line), column \(column): \(error.problem)")
        }
    }
}
