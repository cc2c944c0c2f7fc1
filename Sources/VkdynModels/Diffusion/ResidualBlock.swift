import VkdynCore
import VkdynFormats

/// Two convolutions with their norms and a residual, diffusers' ResnetBlock2D.
struct ResidualBlock: Sendable {
    let firstNorm: GroupNormLayer  // norm1
    let firstConvolution: ConvolutionLayer  // conv1
    /// From the time embedding to one number a channel; nil in an autoencoder.
    let time: Linear?  // time_emb_proj
    let secondNorm: GroupNormLayer  // norm2
    let secondConvolution: ConvolutionLayer  // conv2
    /// Nil where as many channels go in as come out.
    let shortcut: Linear?  // conv_shortcut

    /// - Parameter timeEmbedding: one row, its nonlinearity already applied.
    func record(
        into recording: inout Recording, _ source: FeatureMap, timeEmbedding: Buffer?, batch: PictureBatch
    ) throws(DeviceError) -> FeatureMap {
        let rows = try batch.rows(source)
        let residual =
            shortcut.map { $0.record(into: &recording, "shortcut", source.buffer, rows: rows) } ?? source.buffer
        let shift: Buffer? =
            if let time, let timeEmbedding {
                time.record(into: &recording, "time", timeEmbedding, rows: batch.single)
            } else { nil }
        let normed = try firstNorm.record(into: &recording, "norm1", source, batch: batch, activation: .silu)
        let middle = firstConvolution.record(into: &recording, "conv1", normed, batch: batch, imageBias: shift)
        let middleNormed = try secondNorm.record(into: &recording, "norm2", middle, batch: batch, activation: .silu)
        return secondConvolution.record(into: &recording, "conv2", middleNormed, batch: batch, residual: residual)
    }
}

extension WeightLoader {
    /// - Parameter timeWidth: of the time embedding; nil for none.
    mutating func residualBlock(
        _ name: String, channels: Int, outputs: Int, timeWidth: Int?, groupCount: Int, epsilon: Float
    ) throws -> ResidualBlock {
        ResidualBlock(
            firstNorm: try groupNorm(name + ".norm1", channels: channels, groupCount: groupCount, epsilon: epsilon),
            firstConvolution: try convolution(name + ".conv1", channels: channels, outputs: outputs),
            time: try timeWidth.map {
                try linear(
                    [name + ".time_emb_proj"], inputs: $0, outputs: [outputs], hasBias: true,
                    label: name + ".time_emb_proj")
            },
            secondNorm: try groupNorm(name + ".norm2", channels: outputs, groupCount: groupCount, epsilon: epsilon),
            secondConvolution: try convolution(name + ".conv2", channels: outputs, outputs: outputs),
            shortcut: channels == outputs
                ? nil
                : try pixelwise(name + ".conv_shortcut", inputs: channels, outputs: outputs, isConvolution: true))
    }
}
