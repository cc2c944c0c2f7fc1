import Foundation
import TestSupport
import Testing
import VkdynCore

@testable import VkdynFormats

@Suite struct SafetensorsTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func whatIsWrittenIsReadBack() throws {
        let path = folder.path + "/model.safetensors"
        try SafetensorsWriter.write(
            [
                .init(name: "a", shape: [2, 3], floats: [0, 1, -2, 3.5, .leastNonzeroMagnitude, -0.0]),
                .init(name: "b \"quoted\"\n", elementType: .bf16, shape: [2], bytes: [0x80, 0x3F, 0x00, 0xC0]),
                .init(name: "empty", elementType: .i64, shape: [0, 7], bytes: []),
                .init(name: "scalar", elementType: .u8, shape: [], bytes: [9]),
            ], metadata: ["format": "pt"], to: path)

        let file = try Safetensors(path: path)
        #expect(file.metadata == ["format": "pt"])
        #expect(file.names == ["a", "b \"quoted\"\n", "empty", "scalar"])
        let a = try file.tensor("a")
        #expect(a.shape == [2, 3])
        #expect(a.elementType == .f32)
        #expect(a.elementCount == 6)
        #expect(
            try a.floats().map(\.bitPattern)
                == [0, 1, -2, 3.5, .leastNonzeroMagnitude, -0.0].map(\Float.bitPattern))
        #expect(try file.tensor("b \"quoted\"\n").floats() == [1, -2])
        #expect(try file.tensor("empty").byteCount == 0)
        #expect(try file.tensor("scalar").bytes.elementsEqual([9]))
        #expect(try folder.contents() == ["model.safetensors"])
    }

    @Test func aViewOutlivesItsCheckpoint() throws {
        let path = folder.path + "/model.safetensors"
        try SafetensorsWriter.write([.init(name: "a", shape: [3], floats: [1, 2, 3])], to: path)
        let view = try SafetensorsCheckpoint(folder: folder.path).tensor("a")
        #expect(try view.floats() == [1, 2, 3])
        #expect(view.withUnsafeBytes { $0.count } == 12)
    }

    @Test func wideningIsExactForEveryHalfPrecisionValue() throws {
        let all = (0...UInt16.max).flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
        let path = folder.path + "/model.safetensors"
        try SafetensorsWriter.write(
            [
                .init(name: "f16", elementType: .f16, shape: [65536], bytes: all),
                .init(name: "bf16", elementType: .bf16, shape: [65536], bytes: all),
            ], to: path)
        let file = try Safetensors(path: path)
        let f16 = try file.tensor("f16").floats()
        let bf16 = try file.tensor("bf16").floats()
        let wrong = (0...UInt16.max).filter { bits in
            let half = Self.value(ofFloat16: bits)
            let wide = f16[Int(bits)]
            return !(half.isNaN ? wide.isNaN : wide.bitPattern == Float(half).bitPattern)
                || bf16[Int(bits)].bitPattern != UInt32(bits) << 16
        }
        #expect(wrong.isEmpty)
    }

    /// The definition of IEEE 754 binary16, by arithmetic.
    private static func value(ofFloat16 bits: UInt16) -> Double {
        let sign: Double = bits >> 15 == 0 ? 1 : -1
        let exponent = Int(bits >> 10 & 31)
        let fraction = Double(bits & 1023)
        switch exponent {
        case 0: return sign * fraction * 0x1p-24
        case 31: return fraction == 0 ? sign * .infinity : .nan
        default:
            return sign * (1 + fraction / 1024) * Double(sign: .plus, exponent: exponent - 15, significand: 1)
        }
    }

    @Test(arguments: [0, 1, 1023, 1024, 5000]) func aNaNWeightIsNamed(index: Int) throws {
        let path = folder.path + "/model.safetensors"
        var floats = [Float](repeating: 1, count: 5001)
        try SafetensorsWriter.write([.init(name: "layer.0.weight", shape: [5001], floats: floats)], to: path)
        try Safetensors(path: path).tensor("layer.0.weight").requireFinite()
        floats[index] = .nan
        try SafetensorsWriter.write([.init(name: "layer.0.weight", shape: [5001], floats: floats)], to: path)
        let view = try Safetensors(path: path).tensor("layer.0.weight")
        #expect(
            message { () throws(FormatError) in try view.requireFinite() }
                == "\(path): layer.0.weight: element \(index) is NaN; "
                + "the checkpoint is damaged, download or convert it again")
    }

    @Test func infinityInEveryFloatTypeIsNamed() throws {
        let path = folder.path + "/model.safetensors"
        try SafetensorsWriter.write(
            [
                .init(name: "f32", shape: [2], floats: [0, -.infinity]),
                .init(name: "f16", elementType: .f16, shape: [2], bytes: [0xFF, 0x7B, 0x00, 0x7C]),
                .init(name: "bf16", elementType: .bf16, shape: [1], bytes: [0x80, 0x7F]),
                .init(name: "u8", elementType: .u8, shape: [1], bytes: [0xFF]),
            ], to: path)
        let file = try Safetensors(path: path)
        for (name, index) in [("f32", 1), ("f16", 1), ("bf16", 0)] {
            let view = try file.tensor(name)
            let text = message { () throws(FormatError) in try view.requireFinite() }
            #expect(text?.contains("\(name): element \(index) is infinity") == true)
        }
        try file.tensor("u8").requireFinite()
    }

    @Test func shardsAreFoundThroughTheIndex() throws {
        try SafetensorsWriter.write(
            [.init(name: "a", shape: [1], floats: [1])], to: folder.path + "/model-00001-of-00002.safetensors")
        try SafetensorsWriter.write(
            [.init(name: "b", shape: [1], floats: [2])], to: folder.path + "/model-00002-of-00002.safetensors")
        try folder.write(
            "model.safetensors.index.json",
            """
            {"metadata":{"total_size":8},"weight_map":{"a":"model-00001-of-00002.safetensors",
            "b":"model-00002-of-00002.safetensors"}}
            """)
        let checkpoint = try SafetensorsCheckpoint(folder: folder.path)
        #expect(checkpoint.names == ["a", "b"])
        #expect(try checkpoint.tensor("a", shape: [1]).floats() == [1])
        #expect(try checkpoint.tensor("b").file.path == folder.path + "/model-00002-of-00002.safetensors")
        #expect(checkpoint.contains("c") == false)
        #expect(
            message { () throws(FormatError) in _ = try checkpoint.tensor("c") }
                == "\(folder.path)/model.safetensors.index.json: c: no such tensor")
    }

    @Test func diffusersNamesAreFound() throws {
        try SafetensorsWriter.write(
            [.init(name: "a", shape: [1], floats: [1])], to: folder.path + "/diffusion_pytorch_model.safetensors")
        let checkpoint = try SafetensorsCheckpoint(
            folder: folder.path, names: ["model", "diffusion_pytorch_model"])
        #expect(checkpoint.names == ["a"])
    }

    @Test func canonicallyEquivalentNamesAreDifferentTensors() throws {
        let path = folder.path + "/model.safetensors"
        try SafetensorsWriter.write(
            [.init(name: "\u{E9}", shape: [1], floats: [1]), .init(name: "e\u{301}", shape: [1], floats: [2])],
            to: path)
        #expect(try Safetensors(path: path).tensor("e\u{301}").floats() == [2])
    }

    @Test func aFailedWriteLeavesNothingBehind() throws {
        let path = folder.path + "/model.safetensors"
        #expect(
            message { () throws(FormatError) in
                try SafetensorsWriter.write(
                    [.init(name: "a", elementType: .f32, shape: [2], bytes: [1])], to: path)
            } == "\(path): a: 1 bytes do not fill shape [2] of f32")
        #expect(
            message { () throws(FormatError) in
                try SafetensorsWriter.write([], to: folder.path + "/none/model.safetensors")
            } == "\(folder.path)/none/model.safetensors: its folder does not exist")
        #expect(
            message { () throws(FormatError) in
                let one = SafetensorsWriter.Tensor(name: "a", shape: [], floats: [1])
                try SafetensorsWriter.write([one, one], to: path)
            } == "\(path): a: the name is taken; expected one that occurs once")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        #expect(message { () throws(FormatError) in try SafetensorsWriter.write([], to: path) } != nil)
        #expect(try folder.contents() == ["model.safetensors"])
    }
}

/// The description of the error that `body` throws, or nil when it throws none.
func message(_ body: () throws(FormatError) -> Void) -> String? {
    do {
        try body()
        return nil
    } catch {
        return error.description
    }
}
