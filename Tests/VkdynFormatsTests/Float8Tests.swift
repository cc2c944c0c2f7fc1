import Foundation
import TestSupport
import Testing
import VkdynCore

@testable import VkdynFormats

/// Matrices in fp8 with a scale for each block, as DeepSeek-V3 publishes them.
@Suite struct Float8Tests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private var path: String { folder.path + "/model.safetensors" }

    private static func config(_ blockSize: String) throws(FormatError) -> ConfigObject {
        try ConfigFile(
            path: "config.json",
            text: #"{"quantization_config": {"quant_method": "fp8", "weight_block_size": \#(blockSize)}}"#).root
    }

    private func checkpoint(
        _ tensors: [SafetensorsWriter.Tensor], blockSize: String = "[2, 3]"
    ) throws -> SafetensorsCheckpoint {
        try SafetensorsWriter.write(tensors, to: path)
        return try SafetensorsCheckpoint(folder: folder.path, config: try Self.config(blockSize))
    }

    private func matrix(_ shape: [Int], _ codes: [UInt8]) -> SafetensorsWriter.Tensor {
        .init(name: "w", elementType: .f8e4m3, shape: shape, bytes: codes)
    }

    /// OCP's definition of E4M3 (arXiv 2209.05433, table 1), by arithmetic: bias 7, no infinity, all ones is NaN.
    private static func value(of code: UInt8) -> Double {
        let sign: Double = code < 0x80 ? 1 : -1
        let magnitude = code % 128
        let (exponent, fraction) = (Int(magnitude / 8), Double(magnitude % 8) / 8)
        if magnitude == 127 { return .nan }
        return exponent == 0 ? sign * fraction / 64 : sign * (1 + fraction) * pow(2, Double(exponent - 7))
    }

    @Test func everyCodeHasTheDefinitionsValue() throws {
        let codes = (0...UInt8.max).map { $0 }
        let view = try checkpoint(
            [matrix([16, 16], codes), .init(name: "w_scale_inv", shape: [1, 1], floats: [1])], blockSize: "[16, 16]"
        ).tensor("w", shape: [16, 16])
        let floats = try view.floats()
        let wrong = codes.filter { code in
            let (exact, found) = (Self.value(of: code), floats[Int(code)])
            return exact.isNaN ? !found.isNaN : found.bitPattern != Float(exact).bitPattern
        }
        #expect(wrong == [])
        // What the format is known by: its largest number, its smallest ones, its zeros.
        #expect(floats[0x7E] == 448 && floats[0x08] == 0x1p-6 && floats[0x01] == 0x1p-9 && floats[0x38] == 1)
        #expect(floats[0x80].bitPattern == 0x8000_0000)
    }

    /// Blocks of [2, 3] over shapes that they do not divide: a product in double is exact, and rounded once.
    @Test(arguments: [[1, 1], [2, 3], [3, 4], [5, 7], [4, 6], [0, 7], [5, 0]])
    func aBlockHasItsScale(shape: [Int]) throws {
        var random = CaseGenerator(seed: 71)
        let codes = (0..<shape[0] * shape[1]).map { _ in
            UInt8.random(in: 0..<0x7F, using: &random) | UInt8.random(in: 0...1, using: &random) << 7
        }
        let (blockRows, blockColumns) = ((shape[0] + 1) / 2, (shape[1] + 2) / 3)
        let scales = random.floats(blockRows * blockColumns, scale: 0.01)
        let view = try checkpoint([
            matrix(shape, codes), .init(name: "w_scale_inv", shape: [blockRows, blockColumns], floats: scales),
        ]).tensor("w", shape: shape)
        try view.requireFinite()
        let floats = try view.floats()
        #expect(floats.count == codes.count && view.storageType == .bf16 && view.elementCount == codes.count)
        #expect(view.byteCount == codes.count + 4 * scales.count)
        for row in 0..<shape[0] {
            for column in 0..<shape[1] {
                let index = row * shape[1] + column
                let scale = scales[row / 2 * blockColumns + column / 3]
                #expect(floats[index].bitPattern == Float(Self.value(of: codes[index]) * Double(scale)).bitPattern)
            }
        }
    }

    @Test func scalesMayBeBF16AndLieInAnotherShard() throws {
        try SafetensorsWriter.write(
            [matrix([2, 3], [0x38, 0x40, 0x48, 0x30, 0xB8, 0x7E])], to: folder.path + "/a.safetensors")
        try SafetensorsWriter.write(
            [.init(name: "w_scale_inv", elementType: .bf16, shape: [1, 1], bytes: [0x00, 0x3F])],
            to: folder.path + "/b.safetensors")
        try folder.write(
            "model.safetensors.index.json",
            #"{"weight_map": {"w": "a.safetensors", "w_scale_inv": "b.safetensors"}}"#)
        let checkpoint = try SafetensorsCheckpoint(folder: folder.path, config: try Self.config("[128, 128]"))
        #expect(try checkpoint.tensor("w", shape: [2, 3]).floats() == [0.5, 1, 2, 0.25, -0.5, 224])
    }

    private func failure(_ tensors: [SafetensorsWriter.Tensor], shape: [Int] = [2, 4]) throws -> String? {
        let checkpoint = try checkpoint(tensors)
        return message { () throws(FormatError) in try checkpoint.tensor("w", shape: shape).requireFinite() }
    }

    @Test func whatIsWrongWithScalesIsNamed() throws {
        let codes = matrix([2, 4], [UInt8](repeating: 0x38, count: 8))
        func scales(_ shape: [Int], _ floats: [Float]) -> SafetensorsWriter.Tensor {
            .init(name: "w_scale_inv", shape: shape, floats: floats)
        }
        #expect(try failure([codes, scales([1, 2], [1, 2])]) == nil)
        #expect(
            try failure([codes]) == "\(path): w: is stored as fp8 without its scales; expected w_scale_inv, [1, 2]")
        #expect(
            try failure([codes, scales([2, 1], [1, 2])])
                == "\(path): w_scale_inv: has shape [2, 1], expected [1, 2]")
        #expect(
            try failure([codes, scales([2], [1, 2])]) == "\(path): w_scale_inv: has shape [2], expected [1, 2]")
        #expect(
            try failure([
                codes,
                .init(name: "w_scale_inv", elementType: .i32, shape: [1, 2], bytes: [UInt8](repeating: 0, count: 8)),
            ]) == "\(path): w_scale_inv: is stored as i32, expected f32 or bf16")
        let damage = "the checkpoint is damaged, download or convert it again"
        #expect(
            try failure([codes, scales([1, 2], [1, .nan])]) == "\(path): w_scale_inv: element 1 is NaN; \(damage)")
        #expect(
            try failure([codes, scales([1, 2], [-.infinity, 1])])
                == "\(path): w_scale_inv: element 0 is infinity; \(damage)")
        #expect(
            try failure([codes, scales([1, 2], [1, -1e36])])
                == "\(path): w_scale_inv: element 1 is -1e+36, with which weights overflow f32")
        #expect(
            try failure([matrix([8], [UInt8](repeating: 0, count: 8)), scales([1, 2], [1, 2])], shape: [8])
                == "\(path): w: is stored as fp8 in shape [8]; expected a matrix, [out, in]")
    }

    @Test(arguments: [UInt8(0x7F), 0xFF], [0, 5, 2999]) func aCodeOfNaNIsNamed(code: UInt8, index: Int) throws {
        var codes = [UInt8](repeating: 0x7E, count: 3000)
        codes[index] = code
        let scales = [Float](repeating: 1, count: 500)
        #expect(
            try failure(
                [matrix([2, 1500], codes), .init(name: "w_scale_inv", shape: [1, 500], floats: scales)],
                shape: [2, 1500])
                == "\(path): w: element \(index) is NaN; the checkpoint is damaged, download or convert it again")
    }

    @Test func withoutABlockSizeOrScalesNothingIsGuessed() throws {
        try SafetensorsWriter.write(
            [matrix([2, 3], [1, 2, 3, 4, 5, 6]), .init(name: "w_scale_inv", shape: [1, 1], floats: [1])], to: path)
        for config in ["{}", #"{"quantization_config": {"quant_method": "fp8", "weight_block_size": null}}"#] {
            let root = try ConfigFile(path: "config.json", text: config).root
            let checkpoint = try SafetensorsCheckpoint(folder: folder.path, config: root)
            #expect(checkpoint.weightBlock == nil)
            #expect(
                message { () throws(FormatError) in _ = try checkpoint.tensor("w", shape: [2, 3]) }
                    == "\(path): w: is stored as fp8, but config.json states no quantization_config.weight_block_size")
        }
        let view = try SafetensorsCheckpoint(folder: folder.path).tensor("w")
        #expect(
            message { () throws(FormatError) in _ = try view.floats() }
                == "\(path): w: is stored as fp8 and was read without its scales")
    }

    @Test(
        arguments: [
            ("[128]", "weight_block_size: expected two positive integers, found [128]"),
            ("128", "weight_block_size: expected two positive integers, found [128]"),
            ("[]", "weight_block_size: expected two positive integers, found []"),
            ("[1, 2, 3]", "weight_block_size: expected two positive integers, found [1, 2, 3]"),
            ("[128, 0]", "weight_block_size[1]: expected a positive integer, found 0"),
            ("[-1, 128]", "weight_block_size[0]: expected a positive integer, found -1"),
            ("[128.5, 128]", "weight_block_size[0]: expected a positive integer, found 128.5"),
            (#""x""#, #"weight_block_size: expected a positive integer or a list of such, found "x""#),
        ]) func aBlockSizeThatIsNoPairIsNamed(size: String, problem: String) throws {
        let config = try Self.config(size)
        #expect(
            message { () throws(FormatError) in _ = try WeightBlock(config) }
                == "config.json: quantization_config.\(problem)")
    }

    /// Damaged copies of a file are refused with one line, or read: never a trap.
    @Test func noDamageTraps() throws {
        var random = CaseGenerator(seed: 72)
        let codes = (0..<35).map { _ in UInt8.random(in: 0..<0x7F, using: &random) }
        _ = try checkpoint([
            matrix([5, 7], codes), .init(name: "w_scale_inv", shape: [3, 3], floats: random.floats(9)),
        ])
        let config = try Self.config("[2, 3]")
        var copies = DamagedCopies(of: [try folder.read("model.safetensors")], seed: 73)
        var (readCount, refusedCount) = (0, 0)
        var failures: [String] = []
        copies.forEach(count: 1500) { bytes in
            guard (try? folder.write("model.safetensors", Array(bytes))) != nil else { return }
            do throws(FormatError) {
                let checkpoint = try SafetensorsCheckpoint(folder: folder.path, config: config)
                for name in checkpoint.names where name.hasPrefix("w") {
                    let view = try checkpoint.tensor(name)
                    let floats = try checkpoint.tensor(name, shape: view.shape)
                    try floats.requireFinite()
                    if try floats.floats().contains(where: { !$0.isFinite }) { failures.append(name) }
                    readCount += 1
                }
            } catch {
                refusedCount += 1
                if error.description.contains("\n") { failures.append(error.description) }
            }
        }
        #expect(failures == [])
        #expect(readCount > 20 && refusedCount > 100, "\(readCount) read, \(refusedCount) refused")
    }
}
