import Testing
import TestSupport
import VkdynCore

@testable import VkdynFormats

/// Matrices made of a matrix's rows.
@Suite struct TensorRowsTests {
    private func matrix(_ type: ElementType, _ shape: [Int], block: [Int]? = nil) throws -> TensorView {
        let folder = try TemporaryFolder()
        let count = shape.reduce(1, *)
        var random = CaseGenerator(seed: 3)
        // No exponent of only ones, and so no NaN.
        let bytes = (0..<count * type.byteCount).map { _ in UInt8.random(in: 0..<0x40, using: &random) }
        var tensors = [SafetensorsWriter.Tensor(name: "m", elementType: type, shape: shape, bytes: bytes)]
        if let block {
            let blocks = zip(shape, block).map { ($0 + $1 - 1) / $1 }
            let scales = (0..<blocks[0] * blocks[1]).map { Float($0 + 1) * 0.37 }
            tensors.append(.init(name: "m_scale_inv", shape: blocks, floats: scales))
        }
        try SafetensorsWriter.write(tensors, to: folder.path + "/model.safetensors")
        let config = try ConfigFile(
            path: "config.json", text: "{\"quantization_config\": {\"weight_block_size\": \(block ?? [1, 1])}}")
        return try SafetensorsCheckpoint(folder: folder.path, config: config.root).tensor("m", shape: shape)
    }

    private func rows(_ view: TensorView) throws -> [[Float]] {
        let values = try view.floats()
        return (0..<view.shape[0]).map { Array(values[$0 * view.shape[1]..<($0 + 1) * view.shape[1]]) }
    }

    private static let matrices: [(ElementType, [Int], [Int]?)] = [
        (.f32, [5, 3], nil), (.f16, [4, 6], nil), (.bf16, [1, 7], nil), (.f8e4m3, [7, 9], [3, 4]),
        (.f8e4m3, [6, 4], [2, 8]), (.f8e4m3, [5, 5], [1, 1]),
    ]

    @Test(arguments: matrices)
    func selectedRowsAreThoseOfTheMatrix(type: ElementType, shape: [Int], block: [Int]?) throws {
        let view = try matrix(type, shape, block: block)
        let all = try rows(view)
        let indices = [shape[0] - 1, 0, shape[0] / 2, 0]
        let selected = try view.selectingRows(indices)
        #expect(selected.shape == [4, shape[1]] && selected.elementType == type && selected.name == "m")
        #expect(try rows(selected) == indices.map { all[$0] })
        #expect(try rows(selected.selectingRows([2])) == [all[indices[2]]])
        #expect(try view.selectingRows([]).elementCount == 0)
    }

    @Test(arguments: matrices)
    func aTransposedMatrixHasItsColumnsAsRows(type: ElementType, shape: [Int], block: [Int]?) throws {
        let view = try matrix(type, shape, block: block)
        let all = try rows(view)
        let expected = (0..<shape[1]).map { column in all.map { $0[column] } }
        let transposed = try view.transposed()
        #expect(transposed.elementType == type && transposed.byteCount == view.byteCount)
        #expect(try rows(transposed) == expected)
        #expect(try rows(transposed.transposed()) == all)
        #expect(try rows(view.selectingRows([0]).transposed()) == all[0].map { [$0] })
    }

    @Test func onlyMatricesHaveRows() throws {
        let view = try matrix(.f32, [2, 3, 2])
        #expect(throws: FormatError.self) { try view.selectingRows([0]) }
        #expect(throws: FormatError.self) { try view.transposed() }
    }
}
