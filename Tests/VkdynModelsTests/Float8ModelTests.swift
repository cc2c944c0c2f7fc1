import Foundation
import TestSupport
import Testing
import VkdynCore
import VkdynFormats
import VkdynModels
import VkdynReference
import VkdynTechniques

/// A Llama whose matrices are in fp8, against the same with its weights written out.
@Suite struct Float8ModelTests {
    private static let block = (outputs: 24, inputs: 16)

    /// How the folder's projections are stored.
    private enum Storage { case fp8, f32, bf16 }

    /// The fixture with random projections, in one storage or another.
    private func folder(_ storage: Storage, blockSize: String = "[24, 16]") throws -> TemporaryFolder {
        let fixture = ModelFixture.path("llama-gqa")
        let source = try SafetensorsCheckpoint(folder: fixture)
        let folder = try TemporaryFolder()
        let data = try Data(contentsOf: URL(fileURLWithPath: fixture + "/config.json"))
        let config = String(decoding: data, as: UTF8.self)
        let start = try #require(config.firstIndex(of: "{"))
        let quantization = #"{"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": \#(blockSize)}"#
        try folder.write(
            "config.json",
            storage == .fp8
                ? #"{"quantization_config": \#(quantization),"# + config[config.index(after: start)...] : config)
        var tensors: [SafetensorsWriter.Tensor] = []
        for (number, name) in source.names.sorted().enumerated() {
            let view = try source.tensor(name)
            guard name.hasSuffix("_proj.weight") else {
                tensors.append(.init(name: name, shape: view.shape, floats: try view.floats()))
                continue
            }
            var random = CaseGenerator(seed: UInt64(number))
            let (rows, columns) = (view.shape[0], view.shape[1])
            let codes = (0..<rows * columns).map { _ in
                UInt8.random(in: 0x20..<0x7F, using: &random) | UInt8.random(in: 0...1, using: &random) << 7
            }
            let blockColumns = (columns + Self.block.inputs - 1) / Self.block.inputs
            let blockRows = (rows + Self.block.outputs - 1) / Self.block.outputs
            let scales = (0..<blockRows * blockColumns).map { _ in 0.0003 + random.float(scale: 0.0002) }
            let values = codes.indices.map { index in
                Narrow.widenE4M3(codes[index])
                    * scales[
                        index / columns / Self.block.outputs * blockColumns + index % columns / Self.block.inputs]
            }
            switch storage {
            case .fp8:
                tensors.append(.init(name: name, elementType: .f8e4m3, shape: view.shape, bytes: codes))
                tensors.append(.init(name: name + "_scale_inv", shape: [blockRows, blockColumns], floats: scales))
            case .f32: tensors.append(.init(name: name, shape: view.shape, floats: values))
            case .bf16:
                let bytes = BufferContents.floats(values, as: .bf16).bytes
                tensors.append(.init(name: name, elementType: .bf16, shape: view.shape, bytes: bytes))
            }
        }
        try SafetensorsWriter.write(tensors, to: folder.path + "/model.safetensors")
        return folder
    }

    private func generation(_ storage: Storage, weights: ElementType?) throws -> (Generation, parameters: Int) {
        let folder = try folder(storage)
        let model = try ModelFolder(folder.path).load(on: TestDevices.reference, weightType: weights)
        let decoder = try Decoder(
            device: TestDevices.reference, target: model, configuration: .init(contextLength: 40))
        let prompt = try #require(try ModelFixture.load("llama-gqa").prompts.first).tokens
        return (
            try decoder.generate(prompt: prompt, options: .init(maximumNewTokens: 12)), model.parameterCount
        )
    }

    @Test(arguments: [nil, .f32, .f16, .i8] as [ElementType?])
    func fp8GivesTheBitsOfItsWeightsWrittenOut(weights: ElementType?) throws {
        let plain = try generation(weights == nil ? .bf16 : .f32, weights: weights)
        let fp8 = try generation(.fp8, weights: weights)
        #expect(plain.0.tokens == fp8.0.tokens && plain.parameters == fp8.parameters)
        #expect(plain.0.finalLogits.map(\.bitPattern) == fp8.0.finalLogits.map(\.bitPattern))
        #expect(plain.0.finalLogits.allSatisfy(\.isFinite) && Set(plain.0.finalLogits).count > 100)
    }

    /// The test above can fail: another block size gives other weights.
    @Test func scalesOfAnotherBlockSizeAreRefused() throws {
        let folder = try folder(.fp8, blockSize: "[16, 16]")
        let error = #expect(throws: FormatError.self) {
            try ModelFolder(folder.path).load(on: TestDevices.reference)
        }
        #expect(error?.description.contains("_proj.weight_scale_inv: has shape") == true, "\(error?.description ?? "")")
    }

    @Test func progressEndsWithAllBytesOfTensors() throws {
        let folder = try folder(.fp8)
        nonisolated(unsafe) var last = 0
        _ = try ModelFolder(folder.path).load(on: TestDevices.reference) { loaded, _ in last = loaded }
        let checkpoint = try SafetensorsCheckpoint(folder: folder.path)
        let bytes = try checkpoint.names.reduce(0) { $0 + (try checkpoint.tensor($1).byteCount) }
        #expect(last == bytes)
    }

    @Test func aBlockSizeThatIsNoPairIsNamedBeforeWeightsAreRead() throws {
        let folder = try folder(.fp8, blockSize: "[24]")
        let error = #expect(throws: FormatError.self) { try ModelFolder(folder.path) }
        #expect(
            error?.description
                == "\(folder.path)/config.json: quantization_config.weight_block_size: "
                + "expected two positive integers, found [24]")
    }
}
