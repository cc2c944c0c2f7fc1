import VkdynCore

/// Writes a safetensors file: as a whole or not at all.
public enum SafetensorsWriter {
    /// A tensor to be written.
    public struct Tensor: Sendable {
        /// The key in the file.
        public let name: String
        /// How one element is stored.
        public let elementType: ElementType
        /// Number of elements along each dimension, slowest first.
        public let shape: [Int]
        /// The elements, little-endian, in row-major order.
        public let bytes: [UInt8]

        /// A tensor from bytes; their number must be what shape and type take.
        public init(name: String, elementType: ElementType, shape: [Int], bytes: [UInt8]) {
            self.name = name
            self.elementType = elementType
            self.shape = shape
            self.bytes = bytes
        }

        /// An f32 tensor from values; their number must be the product of the shape.
        public init(name: String, shape: [Int], floats: [Float]) {
            self.init(
                name: name, elementType: .f32, shape: shape,
                bytes: floats.flatMap { value in
                    let bits = value.bitPattern
                    return [
                        UInt8(bits & 0xFF), UInt8(bits >> 8 & 0xFF), UInt8(bits >> 16 & 0xFF), UInt8(bits >> 24),
                    ]
                })
        }
    }

    /// Writes `tensors` in the given order to `path`, replacing what is there only when everything has been
    /// written. Throws when a name occurs twice, when bytes and shape disagree, or when writing fails; then
    /// nothing is left behind.
    public static func write(
        _ tensors: [Tensor], metadata: [String: String] = [:], to path: String
    ) throws(FormatError) {
        var header = "{"
        if !metadata.isEmpty {
            let members = metadata.sorted { $0.key < $1.key }.map { jsonQuoted($0) + ":" + jsonQuoted($1) }
            header += "\"__metadata__\":{" + members.joined(separator: ",") + "},"
        }
        var offset = 0
        var names: Set<ByteExactString> = []
        for tensor in tensors {
            let failure = { (problem: String) in
                FormatError(file: path, field: plainForMessage(tensor.name), problem: problem)
            }
            guard tensor.name != "__metadata__", names.insert(ByteExactString(tensor.name)).inserted else {
                throw failure("the name is taken; expected one that occurs once")
            }
            guard tensor.shape.allSatisfy({ $0 >= 0 }),
                product(tensor.shape + [tensor.elementType.byteCount]) == tensor.bytes.count
            else {
                throw failure(
                    "\(tensor.bytes.count) bytes do not fill shape \(tensor.shape) of \(tensor.elementType.rawValue)"
                )
            }
            let end = offset + tensor.bytes.count
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            header +=
                "\(jsonQuoted(tensor.name)):{\"dtype\":\"\(SafetensorsType(tensor.elementType).rawValue)\","
                + "\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]},"
            offset = end
        }
        if header.last == "," { header.removeLast() }
        header += "}"
        // Spaces align the tensors to 8 bytes.
        header += String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
        guard header.utf8.count <= SafetensorsHeader.lengthLimit else {
            throw FormatError(
                file: path, field: "header",
                problem: "would take more than \(SafetensorsHeader.lengthLimit) bytes")
        }

        var file = try AtomicFile(path: path)
        let length = UInt64(header.utf8.count)
        let prefix = (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + Array(header.utf8)
        try write(prefix, to: &file)
        for tensor in tensors { try write(tensor.bytes, to: &file) }
        try file.commit()
    }

    private static func write(_ bytes: [UInt8], to file: inout AtomicFile) throws(FormatError) {
        try bytes.withUnsafeBufferPointer { (buffer) throws(FormatError) in
            try file.write(UnsafeRawBufferPointer(buffer))
        }
    }

    /// `text` as a JSON string.
    private static func jsonQuoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\u{0}"..<"\u{20}":
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
