import Foundation
import TestSupport
import Testing

@testable import VkdynFormats

/// Every lie that a header can tell, and what the user reads.
@Suite struct BadSafetensorsTests {
    struct Lie: CustomTestStringConvertible, Sendable {
        let header: String
        /// Bytes after the header.
        var dataCount = 8
        let message: String

        var testDescription: String { header }
    }

    static let lies = [
        Lie(header: "", message: "header: is not valid JSON: byte 0: ends where a value was expected"),
        Lie(
            header: "{",
            message: "header: is not valid JSON: byte 1: ends where a key in double quotes was expected"),
        Lie(header: "[]", message: "header: expected a JSON object, found an empty list"),
        Lie(header: #"{"a":1,"a":2}"#, message: #"header: is not valid JSON: byte 7: the key "a" occurs twice"#),
        Lie(header: #"{"a":1}"#, message: "a: expected an object, found 1"),
        Lie(header: #"{"a":{"shape":[2],"data_offsets":[0,8]}}"#, message: "a: dtype: is missing"),
        Lie(
            header: #"{"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}"#,
            message: #"a: dtype: "F33" is not a safetensors type"#),
        Lie(
            header: #"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#,
            message: "a: shape: expected a list of sizes, found a list of 1"),
        Lie(
            header: #"{"a":{"dtype":"F32","data_offsets":[0,8]}}"#,
            message: "a: shape: expected a list of sizes, found nothing"),
        Lie(
            header: #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#,
            message: "a: data_offsets: expected two byte offsets, found a list of 1"),
        Lie(
            header: #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
            message: "a: data_offsets: the end, 0, is before the start, 8"),
        Lie(
            header: #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}"#,
            message: "a: data_offsets: ends at byte 12, but the file holds 8 bytes of tensors"),
        Lie(
            header: #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
            message: "a: data_offsets: span 8 bytes, but shape [3] of F32 takes 12"),
        Lie(
            header: #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#,
            message: "a: shape: [4294967296, 4294967296] is too large"),
        Lie(
            header: #"{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}}"#,
            message: "a: shape: expected a list of sizes, found a list of 1"),
        Lie(
            header:
                #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[6],"data_offsets":[2,8]}}"#,
            message: "b: data_offsets: starts at byte 2 and overlaps the tensor before, which ends at byte 4"),
        Lie(
            header:
                #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2],"data_offsets":[6,8]}}"#,
            message:
                "b: data_offsets: starts at byte 6 and leaves a hole after the tensor before, which ends at byte 4"
        ),
        Lie(
            header: #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
            message: "header: describes 4 bytes of tensors, but the file holds 8"),
        Lie(header: #"{"__metadata__":[]}"#, message: "__metadata__: expected an object, found an empty list"),
        Lie(header: #"{"__metadata__":{"k":1}}"#, message: "__metadata__.k: expected a string, found 1"),
        Lie(
            header: "{\"a\u{7}\":1}",
            message: "header: is not valid JSON: byte 3: a control character in a string"),
        Lie(header: #"{"a\nb":1}"#, message: #""a\u{a}b": expected an object, found 1"#),
    ]

    @Test(arguments: lies) func isCaught(lie: Lie) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            "m.safetensors", Self.file(lie.header, data: [UInt8](repeating: 0, count: lie.dataCount)))
        #expect(
            message { () throws(FormatError) in _ = try Safetensors(path: path) } == "\(path): \(lie.message)")
    }

    @Test func aLengthBeyondTheFileOrTheLimitIsCaught() throws {
        let folder = try TemporaryFolder()
        let cases: [([UInt8], String)] = [
            ([], "header: is truncated: the file has 0 bytes, expected at least 8"),
            ([1, 2, 3], "header: is truncated: the file has 3 bytes, expected at least 8"),
            ([9, 0, 0, 0, 0, 0, 0, 0, 0x7B], "header: claims 9 bytes, but the file ends after 1 of them"),
            (
                [0x01, 0xE1, 0xF5, 0x05, 0, 0, 0, 0, 0x7B],
                "header: claims 100000001 bytes, more than the 100000000 that the format allows"
            ),
            (
                [UInt8](repeating: 0xFF, count: 16),
                "header: claims 18446744073709551615 bytes, more than the 100000000 that the format allows"
            ),
        ]
        for (bytes, expected) in cases {
            let path = try folder.write("m.safetensors", bytes)
            #expect(
                message { () throws(FormatError) in _ = try Safetensors(path: path) } == "\(path): \(expected)")
        }
    }

    @Test func aMissingTensorAWrongShapeAndAWrongTypeAreNamed() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/model.safetensors"
        try SafetensorsWriter.write(
            [
                .init(name: "w", shape: [2, 3], floats: [1, 2, 3, 4, 5, 6]),
                .init(name: "i", elementType: .i32, shape: [1], bytes: [0, 0, 0, 0]),
            ], to: path)
        let checkpoint = try SafetensorsCheckpoint(folder: folder.path)
        #expect(
            message { () throws(FormatError) in _ = try checkpoint.tensor("v") } == "\(path): v: no such tensor")
        #expect(
            message { () throws(FormatError) in _ = try checkpoint.tensor("w", shape: [3, 2]) }
                == "\(path): w: has shape [2, 3], expected [3, 2]")
        #expect(
            message { () throws(FormatError) in _ = try checkpoint.tensor("i", shape: [1]) }
                == "\(path): i: is stored as i32, expected f32 or f16 or bf16 or f8e4m3")
        let view = try checkpoint.tensor("i")
        #expect(
            message { () throws(FormatError) in _ = try view.floats() }
                == "\(path): i: is stored as i32, expected f32 or f16 or bf16 or f8e4m3")
        let wide = try folder.write(
            "f64.safetensors",
            Self.file(
                #"{"d":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}"#, data: [UInt8](repeating: 0, count: 8))
        )
        let file = try Safetensors(path: wide)
        #expect(
            message { () throws(FormatError) in _ = try file.tensor("d") }
                == "\(wide): d: is stored as F64, which vkdyn does not read")
    }

    @Test func aFolderWithoutWeightsSaysWhatIsExpected() throws {
        let folder = try TemporaryFolder()
        func open(_ path: String) -> String? {
            message { () throws(FormatError) in _ = try SafetensorsCheckpoint(folder: path) }
        }
        #expect(open(folder.path) == "\(folder.path): holds no weights; expected model.safetensors, or its index")
        #expect(open(folder.path + "/none") == "\(folder.path)/none: no such folder")
        try folder.write("pytorch_model.bin", "x")
        #expect(
            open(folder.path)
                == "\(folder.path)/pytorch_model.bin: is a PyTorch checkpoint; "
                + "run tools/convert-pytorch on its folder first")
        try FileManager.default.createDirectory(
            atPath: folder.path + "/model.safetensors", withIntermediateDirectories: false)
        #expect(open(folder.path) == "\(folder.path)/model.safetensors: is a folder; expected a file")
    }

    @Test func aLyingIndexIsCaught() throws {
        let folder = try TemporaryFolder()
        try SafetensorsWriter.write(
            [.init(name: "a", shape: [1], floats: [1])], to: folder.path + "/s.safetensors")
        let cases = [
            (#"{}"#, "weight_map: is missing; expected an object"),
            (#"{"weight_map":{}}"#, "weight_map: names no tensor"),
            (#"{"weight_map":{"a":1}}"#, "weight_map.a: expected a file name, found 1"),
            (
                #"{"weight_map":{"a":"../s.safetensors"}}"#,
                #"weight_map.a: expected the name of a file in the same folder, found "../s.safetensors""#
            ),
            (
                #"{"weight_map":{"b":"s.safetensors"}}"#,
                "weight_map.b: the shard s.safetensors does not hold this tensor"
            ),
        ]
        for (text, expected) in cases {
            let path = try folder.write("model.safetensors.index.json", text)
            #expect(
                message { () throws(FormatError) in _ = try SafetensorsCheckpoint(folder: folder.path) }
                    == "\(path): \(expected)")
        }
        try folder.write("model.safetensors.index.json", #"{"weight_map":{"a":"t.safetensors"}}"#)
        #expect(
            message { () throws(FormatError) in _ = try SafetensorsCheckpoint(folder: folder.path) }
                == "\(folder.path)/t.safetensors: no such file")
    }

    @Test(.enabled(if: getuid() != 0, "root reads everything")) func noPermissionIsSaid() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("model.safetensors", "x")
        try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: path)
        #expect(
            message { () throws(FormatError) in _ = try Safetensors(path: path) }
                == "\(path): no permission to read it")
    }

    /// A file with this header and these bytes after it.
    static func file(_ header: String, data: [UInt8]) -> [UInt8] {
        let count = UInt64(header.utf8.count)
        return (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + Array(header.utf8) + data
    }
}
