/// A JSON configuration file whose fields are read with their types checked; every error names the file and
/// the field: `config.json: hidden_size: expected a positive integer, found "x"`.
public struct ConfigFile: Sendable {
    /// Path of the file as given.
    public let path: String
    /// The outermost object.
    public let root: ConfigObject

    /// Reads and parses the file at `path`; throws when it cannot be read or is not a JSON object.
    public init(path: String) throws(FormatError) {
        let file = try MappedFile(path: path)
        self = try file.withUnsafeBytes { (bytes) throws(FormatError) in
            try ConfigFile(path: path, bytes: bytes)
        }
    }

    /// Parses `bytes` as the contents of the file `path`, which appears in messages only.
    public init(path: String, bytes: UnsafeRawBufferPointer) throws(FormatError) {
        var options = JSONOptions()
        options.allowsNonFinite = true
        let value = try JSONValue.parse(bytes.bindMemory(to: UInt8.self), file: path, options: options)
        guard case .object(let object) = value else {
            throw FormatError(file: path, problem: "expected a JSON object, found \(value.summary)")
        }
        self.path = path
        root = ConfigObject(file: path, prefix: "", object: object)
    }

    /// Parses `text` as the contents of the file `path`, which appears in messages only.
    public init(path: String, text: String) throws(FormatError) {
        self = try Array(text.utf8).withUnsafeBufferPointer { (bytes) throws(FormatError) in
            try ConfigFile(path: path, bytes: UnsafeRawBufferPointer(bytes))
        }
    }
}

/// An object of a configuration file. A field that is `null` counts as absent.
public struct ConfigObject: Sendable {
    /// Path of the file, for messages.
    public let file: String
    let prefix: String
    let object: JSONObject

    /// The keys in file order.
    public var keys: [String] { object.members.map(\.key) }

    /// Whether `field` is present and not null.
    public func contains(_ field: String) -> Bool { value(field) != nil }

    /// Whether `field` is an object, for fields that may also be something else.
    public func isObject(_ field: String) -> Bool {
        if case .object = value(field) { true } else { false }
    }

    /// Whether `field` is a list, for fields that may also be something else.
    public func isList(_ field: String) -> Bool {
        if case .array = value(field) { true } else { false }
    }

    /// An error about `field`, for checks that a model makes on top of the types.
    public func error(_ field: String, _ problem: String) -> FormatError {
        FormatError(file: file, field: prefix + plainForMessage(field), problem: problem)
    }

    // MARK: Required fields, or with a default

    /// An integer in `range`; throws when it is absent and there is no default, or is anything else.
    public func integer(
        _ field: String, in range: ClosedRange<Int> = 1...Int(Int32.max), default fallback: Int? = nil
    ) throws(FormatError) -> Int {
        try required(field, try optionalInteger(field, in: range), fallback, Self.expectation(range))
    }

    /// A number in `range`, or a finite one without; throws when it is absent and there is no default, or is anything
    /// else.
    public func number(
        _ field: String, in range: ClosedRange<Double>? = nil, default fallback: Double? = nil
    ) throws(FormatError) -> Double {
        try required(field, try optionalNumber(field, in: range), fallback, Self.expectation(range))
    }

    /// `true` or `false`; throws when it is absent and there is no default, or is anything else.
    public func boolean(_ field: String, default fallback: Bool? = nil) throws(FormatError) -> Bool {
        try required(field, try optionalBoolean(field), fallback, "true or false")
    }

    /// A string; throws when it is absent and there is no default, or is anything else.
    public func string(_ field: String, default fallback: String? = nil) throws(FormatError) -> String {
        try required(field, try optionalString(field), fallback, "a string")
    }

    /// A string that is one of the cases' raw values; throws when it is another, or absent without a default.
    public func choice<Choice: RawRepresentable & CaseIterable>(
        _ field: String, of type: Choice.Type = Choice.self, default fallback: Choice? = nil
    ) throws(FormatError) -> Choice where Choice.RawValue == String {
        let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        guard let text = try optionalString(field) else {
            return try required(field, nil, fallback, "one of \(names)")
        }
        guard let choice = Choice(rawValue: text) else {
            throw error(field, "expected one of \(names), found \(quotedForMessage(text))")
        }
        return choice
    }

    /// A nested object; throws when it is absent or anything else.
    public func object(_ field: String) throws(FormatError) -> ConfigObject {
        try required(field, try optionalObject(field), nil, "an object")
    }

    // MARK: Optional fields

    /// An integer in `range`, or nil when absent.
    public func optionalInteger(
        _ field: String, in range: ClosedRange<Int> = 1...Int(Int32.max)
    ) throws(FormatError) -> Int? {
        guard let value = value(field) else { return nil }
        guard case .integer(let integer) = value, range.contains(integer) else {
            throw error(field, "expected \(Self.expectation(range)), found \(value.summary)")
        }
        return integer
    }

    /// A number in `range`, or a finite one without, or nil when absent.
    public func optionalNumber(
        _ field: String, in range: ClosedRange<Double>? = nil
    ) throws(FormatError) -> Double? {
        guard let value = value(field) else { return nil }
        guard let number = value.number, range?.contains(number) ?? number.isFinite else {
            throw error(field, "expected \(Self.expectation(range)), found \(value.summary)")
        }
        return number
    }

    /// `true` or `false`, or nil when absent.
    public func optionalBoolean(_ field: String) throws(FormatError) -> Bool? {
        guard let value = value(field) else { return nil }
        guard case .bool(let flag) = value else {
            throw error(field, "expected true or false, found \(value.summary)")
        }
        return flag
    }

    /// A string, or nil when absent.
    public func optionalString(_ field: String) throws(FormatError) -> String? {
        guard let value = value(field) else { return nil }
        guard case .string(let text) = value else {
            throw error(field, "expected a string, found \(value.summary)")
        }
        return text
    }

    /// A nested object, or nil when absent.
    public func optionalObject(_ field: String) throws(FormatError) -> ConfigObject? {
        guard let value = value(field) else { return nil }
        guard case .object(let nested) = value else {
            throw error(field, "expected an object, found \(value.summary)")
        }
        return ConfigObject(file: file, prefix: prefix + plainForMessage(field) + ".", object: nested)
    }

    // MARK: Lists

    /// A list of integers in `range`, or nil when absent. A lone integer counts as a list of one.
    public func optionalIntegers(
        _ field: String, in range: ClosedRange<Int> = 1...Int(Int32.max)
    ) throws(FormatError) -> [Int]? {
        try list(field, expected: Self.expectation(range)) { value in
            if case .integer(let integer) = value, range.contains(integer) { integer } else { nil }
        }
    }

    /// A list of finite numbers, or nil when absent. A lone number counts as a list of one.
    public func optionalNumbers(_ field: String) throws(FormatError) -> [Double]? {
        try list(field, expected: "a number") { value in
            value.number.flatMap { $0.isFinite ? $0 : nil }
        }
    }

    /// A list of strings, or nil when absent. A lone string counts as a list of one.
    public func optionalStrings(_ field: String) throws(FormatError) -> [String]? {
        try list(field, expected: "a string") { value in
            if case .string(let text) = value { text } else { nil }
        }
    }

    /// A list of objects, or nil when absent; element i is called `field[i]` in messages.
    public func optionalObjects(_ field: String) throws(FormatError) -> [ConfigObject]? {
        guard let value = value(field) else { return nil }
        guard case .array(let elements) = value else {
            throw error(field, "expected a list of objects, found \(value.summary)")
        }
        var objects: [ConfigObject] = []
        for (index, element) in elements.enumerated() {
            guard case .object(let nested) = element else {
                throw error("\(field)[\(index)]", "expected an object, found \(element.summary)")
            }
            objects.append(ConfigObject(file: file, prefix: "\(prefix)\(field)[\(index)].", object: nested))
        }
        return objects
    }

    // MARK: Internals

    func value(_ field: String) -> JSONValue? {
        guard let value = object[field] else { return nil }
        if case .null = value { return nil }
        return value
    }

    private func required<Value>(
        _ field: String, _ value: Value?, _ fallback: Value?, _ expected: String
    ) throws(FormatError) -> Value {
        guard let value = value ?? fallback else { throw error(field, "is missing; expected \(expected)") }
        return value
    }

    private func list<Element>(
        _ field: String, expected: String, _ convert: (JSONValue) -> Element?
    ) throws(FormatError) -> [Element]? {
        guard let value = value(field) else { return nil }
        guard case .array(let elements) = value else {
            if let single = convert(value) { return [single] }
            throw error(field, "expected \(expected) or a list of such, found \(value.summary)")
        }
        var list: [Element] = []
        for (index, element) in elements.enumerated() {
            guard let converted = convert(element) else {
                throw error("\(field)[\(index)]", "expected \(expected), found \(element.summary)")
            }
            list.append(converted)
        }
        return list
    }

    private static func expectation(_ range: ClosedRange<Int>) -> String {
        switch (range.lowerBound, range.upperBound) {
        case (1, Int(Int32.max)...): "a positive integer"
        case (0, Int(Int32.max)...): "an integer of at least 0"
        case (Int.min, Int.max): "an integer"
        default: "an integer from \(range.lowerBound) to \(range.upperBound)"
        }
    }

    private static func expectation(_ range: ClosedRange<Double>?) -> String {
        range.map { "a number from \($0.lowerBound) to \($0.upperBound)" } ?? "a finite number"
    }
}
