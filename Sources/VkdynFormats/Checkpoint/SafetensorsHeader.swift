import VkdynCore

/// The parsed and checked header of a safetensors file.
///
/// The file is an 8-byte little-endian length, that many bytes of JSON, then the tensors' bytes without gaps
/// (<https://github.com/huggingface/safetensors>, "Format").
struct SafetensorsHeader: Sendable {
    /// Where a tensor's bytes are and how they are read.
    struct Entry: Sendable {
        let name: String
        let storedType: SafetensorsType
        let shape: [Int]
        /// Byte range in the file.
        let range: Range<Int>
    }

    /// Headers beyond this size are refused, as the reference implementation does.
    static let lengthLimit = 100_000_000

    /// The tensors by ascending offset.
    let entries: [Entry]
    /// The `__metadata__` map.
    let metadata: [String: String]

    /// Parses and checks the header of a whole file; `path` appears in messages only.
    init(file bytes: UnsafeRawBufferPointer, path: String) throws(FormatError) {
        func failure(_ problem: String) -> FormatError {
            FormatError(file: path, field: "header", problem: problem)
        }

        guard bytes.count >= 8 else {
            throw failure("is truncated: the file has \(bytes.count) bytes, expected at least 8")
        }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length <= Self.lengthLimit else {
            throw failure("claims \(length) bytes, more than the \(Self.lengthLimit) that the format allows")
        }
        let dataStart = 8 + Int(length)
        guard dataStart <= bytes.count else {
            throw failure("claims \(length) bytes, but the file ends after \(bytes.count - 8) of them")
        }
        let text = UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart]).bindMemory(to: UInt8.self)
        var options = JSONOptions()
        options.allowsDuplicateKeys = false
        let value: JSONValue
        do {
            value = try JSONParser.parse(text, options: options)
        } catch {
            throw failure("is not valid JSON: byte \(error.offset): \(error.problem)")
        }
        guard case .object(let object) = value else {
            throw failure("expected a JSON object, found \(value.summary)")
        }
        var entries: [Entry] = []
        var metadata: [String: String] = [:]
        for member in object.members {
            if member.key == "__metadata__" {
                metadata = try Self.metadata(member.value, path: path)
            } else {
                entries.append(
                    try Self.entry(
                        name: member.key, value: member.value, dataStart: dataStart, fileSize: bytes.count,
                        path: path))
            }
        }
        entries.sort {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }
        var end = dataStart
        for entry in entries {
            guard entry.range.lowerBound == end else {
                let what = entry.range.lowerBound < end ? "overlaps" : "leaves a hole after"
                throw FormatError(
                    file: path, field: plainForMessage(entry.name),
                    problem: "data_offsets: starts at byte \(entry.range.lowerBound - dataStart) and \(what) "
                        + "the tensor before, which ends at byte \(end - dataStart)")
            }
            end = entry.range.upperBound
        }
        guard end == bytes.count else {
            throw failure(
                "describes \(end - dataStart) bytes of tensors, but the file holds \(bytes.count - dataStart)")
        }
        self.entries = entries
        self.metadata = metadata
    }

    private static func metadata(_ value: JSONValue, path: String) throws(FormatError) -> [String: String] {
        guard case .object(let object) = value else {
            throw FormatError(
                file: path, field: "__metadata__", problem: "expected an object, found \(value.summary)")
        }
        var metadata: [String: String] = [:]
        for member in object.members {
            guard case .string(let text) = member.value else {
                throw FormatError(
                    file: path, field: "__metadata__." + plainForMessage(member.key),
                    problem: "expected a string, found \(member.value.summary)")
            }
            metadata[member.key] = text
        }
        return metadata
    }

    private static func entry(
        name: String, value: JSONValue, dataStart: Int, fileSize: Int, path: String
    ) throws(FormatError) -> Entry {
        func failure(_ problem: String) -> FormatError {
            FormatError(file: path, field: plainForMessage(name), problem: problem)
        }
        guard case .object(let object) = value else {
            throw failure("expected an object, found \(value.summary)")
        }

        guard let typeValue = object["dtype"] else { throw failure("dtype: is missing") }
        guard case .string(let typeName) = typeValue, let type = SafetensorsType(rawValue: typeName) else {
            throw failure("dtype: \(typeValue.summary) is not a safetensors type")
        }
        guard let shape = sizes(object["shape"]) else {
            throw failure("shape: expected a list of sizes, found \(object["shape"]?.summary ?? "nothing")")
        }
        guard let offsets = sizes(object["data_offsets"]), offsets.count == 2 else {
            let found = object["data_offsets"]?.summary ?? "nothing"
            throw failure("data_offsets: expected two byte offsets, found \(found)")
        }
        guard offsets[0] <= offsets[1] else {
            throw failure("data_offsets: the end, \(offsets[1]), is before the start, \(offsets[0])")
        }
        guard offsets[1] <= fileSize - dataStart else {
            throw failure(
                "data_offsets: ends at byte \(offsets[1]), but the file holds \(fileSize - dataStart) bytes of tensors"
            )
        }
        guard let bits = product(shape + [type.bitCount]) else { throw failure("shape: \(shape) is too large") }
        guard bits % 8 == 0, bits / 8 == offsets[1] - offsets[0] else {
            throw failure(
                "data_offsets: span \(offsets[1] - offsets[0]) bytes, but shape \(shape) of \(typeName) "
                    + "takes \(bits % 8 == 0 ? bits / 8 : bits / 8 + 1)")
        }
        return Entry(
            name: name, storedType: type, shape: shape,
            range: dataStart + offsets[0]..<dataStart + offsets[1])
    }

    /// A list of integers of at least 0, or nil when `value` is anything else.
    private static func sizes(_ value: JSONValue?) -> [Int]? {
        guard case .array(let elements) = value else { return nil }
        var sizes: [Int] = []
        for element in elements {
            guard case .integer(let size) = element, size >= 0 else { return nil }
            sizes.append(size)
        }
        return sizes
    }
}

/// The product of non-negative sizes, or nil when it overflows `Int` at any step.
func product(_ sizes: [Int]) -> Int? {
    var product = 1
    for size in sizes {
        let (next, overflow) = product.multipliedReportingOverflow(by: size)
        if overflow { return nil }
        product = next
    }
    return product
}

/// The element types that the safetensors format names.
enum SafetensorsType: String, CaseIterable, Sendable {
    case bool = "BOOL"
    case u8 = "U8"
    case i8 = "I8"
    case u16 = "U16"
    case i16 = "I16"
    case u32 = "U32"
    case i32 = "I32"
    case u64 = "U64"
    case i64 = "I64"
    case f16 = "F16"
    case bf16 = "BF16"
    case f32 = "F32"
    case f64 = "F64"
    case c64 = "C64"
    case f8e4m3 = "F8_E4M3"
    case f8e5m2 = "F8_E5M2"
    case f8e8m0 = "F8_E8M0"
    case f6e2m3 = "F6_E2M3"
    case f6e3m2 = "F6_E3M2"
    case f4 = "F4"

    /// Bits of one element.
    var bitCount: Int {
        switch self {
        case .u64, .i64, .f64, .c64: 64
        case .u32, .i32, .f32: 32
        case .u16, .i16, .f16, .bf16: 16
        case .bool, .u8, .i8, .f8e4m3, .f8e5m2, .f8e8m0: 8
        case .f6e2m3, .f6e3m2: 6
        case .f4: 4
        }
    }

    /// The engine's element type, or nil for one that it does not compute with.
    var elementType: ElementType? {
        switch self {
        case .bool: .bool
        case .u8: .u8
        case .i8: .i8
        case .u32: .u32
        case .i32: .i32
        case .i64: .i64
        case .f16: .f16
        case .bf16: .bf16
        case .f32: .f32
        case .f8e4m3: .f8e4m3
        case .u16, .i16, .u64, .f64, .c64, .f8e5m2, .f8e8m0, .f6e2m3, .f6e3m2, .f4: nil
        }
    }

    init(_ type: ElementType) {
        switch type {
        case .f32: self = .f32
        case .f16: self = .f16
        case .bf16: self = .bf16
        case .i32: self = .i32
        case .u32: self = .u32
        case .i8: self = .i8
        case .u8: self = .u8
        case .i64: self = .i64
        case .bool: self = .bool
        case .f8e4m3: self = .f8e4m3
        }
    }
}
