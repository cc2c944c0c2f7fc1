import VkdynCore

/// How many outputs and inputs of an fp8 matrix share a scale.
public struct WeightBlock: Sendable, Equatable {
    public let outputs: Int
    public let inputs: Int

    /// The `weight_block_size` of a model's `quantization_config`; nil where the configuration states none.
    public init?(_ config: ConfigObject) throws(FormatError) {
        guard let quantization = try config.optionalObject("quantization_config"),
            let size = try quantization.optionalIntegers("weight_block_size")
        else { return nil }
        guard size.count == 2 else {
            throw quantization.error("weight_block_size", "expected two positive integers, found \(size)")
        }
        (outputs, inputs) = (size[0], size[1])
    }
}

/// The scales of an fp8 matrix, [out, in]: an element is its number times the scale of its block (DeepSeek-AI,
/// "DeepSeek-V3 Technical Report", arXiv:2412.19437, section 3.3.2).
struct BlockScales: Sendable {
    let block: WeightBlock
    /// [⌈out/block.outputs⌉, ⌈in/block.inputs⌉].
    let values: [Float]
    /// Bytes that they take in their file.
    let byteCount: Int

    /// Multiplies each number of a matrix of this width by its block's scale, rounded once.
    func widen(_ codes: UnsafeRawBufferPointer, width: Int, into destination: UnsafeMutableBufferPointer<Float>) {
        let rowBlocks = (width + block.inputs - 1) / block.inputs
        for (row, first) in stride(from: 0, to: codes.count, by: max(width, 1)).enumerated() {
            for start in stride(from: 0, to: width, by: block.inputs) {
                let scale = values[row / block.outputs * rowBlocks + start / block.inputs]
                for index in first + start..<first + min(start + block.inputs, width) {
                    destination[index] = Narrow.widenE4M3(codes[index]) * scale
                }
            }
        }
    }
}

extension WeightSource {
    /// An fp8 matrix with its scales, which lie beside it by the name of the matrix and `_scale_inv`.
    func scaled(_ matrix: TensorView) throws(FormatError) -> TensorView {
        guard let block = weightBlock else {
            throw matrix.error("is stored as fp8, but config.json states no quantization_config.weight_block_size")
        }
        guard matrix.shape.count == 2 else {
            throw matrix.error("is stored as fp8 in shape \(matrix.shape); expected a matrix, [out, in]")
        }
        let name = matrix.name + "_scale_inv"
        let shape = [
            (matrix.shape[0] + block.outputs - 1) / block.outputs, (matrix.shape[1] + block.inputs - 1) / block.inputs,
        ]
        guard contains(name) else {
            throw matrix.error("is stored as fp8 without its scales; expected \(plainForMessage(name)), \(shape)")
        }
        let scales = try tensor(name, shape: shape, types: [.f32, .bf16])
        try scales.requireFinite()
        let values = try scales.floats()
        // 448 is the largest number of fp8.
        if let index = values.firstIndex(where: { ($0 * 448).isInfinite }) {
            throw scales.error("element \(index) is \(values[index]), with which weights overflow f32")
        }
        var view = matrix
        view.scales = BlockScales(block: block, values: values, byteCount: scales.byteCount)
        return view
    }
}
