public import VkdynCore
public import VkdynFormats
import VkdynKernels

/// A convolution over pixels in rows, its padding half its kernel.
public struct ConvolutionLayer: Sendable {
    /// Inputs in the order of kernel row, kernel column, channel.
    let weights: Linear
    let kernelSize: Int
    let stride: Int

    public var byteCount: Int { weights.byteCount }
    var channels: Int { weights.depth / (kernelSize * kernelSize) }
    private var padding: Int { kernelSize / 2 }

    /// - Parameters:
    ///   - enlarged: the size to which nearest neighbours enlarge the source first; nil for its own.
    ///   - imageBias: one row, [columns], that is added to every pixel before the residual.
    ///   - residual: [images, resulting pixels, columns], added last.
    ///   - result: where the result goes; nil for a transient buffer.
    func record(
        into recording: inout Recording, _ label: String, _ source: FeatureMap, batch: PictureBatch,
        enlarged: (height: Int, width: Int)? = nil, imageBias: Buffer? = nil, residual: Buffer? = nil,
        result kept: Buffer? = nil
    ) -> FeatureMap {
        precondition(source.channels == channels, "\(label): \(source.channels) channels, expected \(channels)")
        let grid = enlarged ?? (source.height, source.width)
        let height = (grid.height + 2 * padding - kernelSize) / stride + 1
        let width = (grid.width + 2 * padding - kernelSize) / stride + 1
        let columns = weights.columns
        let result =
            kept ?? recording.transient(.f32, count: batch.images.capacity * height * width * columns, label)
        for piece in weights.pieces {
            recording.dispatch(
                Convolution.self, label,
                .init(
                    images: batch.images.buffer, source: source.buffer, weights: piece.weights, scales: piece.scales,
                    bias: piece.bias, imageBias: imageBias, residual: residual, result: result),
                .init(
                    imageCapacity: UInt32(batch.images.capacity), sourceHeight: UInt32(source.height),
                    sourceWidth: UInt32(source.width), gridHeight: UInt32(grid.height), gridWidth: UInt32(grid.width),
                    resultHeight: UInt32(height), resultWidth: UInt32(width), channels: UInt32(channels),
                    columns: UInt32(piece.columns.count), kernelSize: UInt32(kernelSize), stride: UInt32(stride),
                    padding: UInt32(padding), resultStride: UInt32(columns),
                    resultOffset: UInt32(piece.columns.lowerBound), imageBiasStride: 0,
                    imageBiasOffset: UInt32(piece.columns.lowerBound), groupSize: UInt32(PackedWeights.groupSize)),
                rows: batch.images)
        }
        return FeatureMap(buffer: result, height: height, width: width, channels: columns)
    }
}

/// Normalisation over groups of channels and all pixels of a picture, with a nonlinearity behind it.
struct GroupNormLayer: Sendable {
    let weight: Buffer
    let bias: Buffer
    let groupCount: Int
    let epsilon: Float

    func record(
        into recording: inout Recording, _ label: String, _ source: FeatureMap, batch: PictureBatch,
        activation: Activation = .none
    ) -> FeatureMap {
        let (images, pixels, channels) = (batch.images.capacity, source.pixelCount, source.channels)
        let (imageCapacity, pixelCount, channelCount) = (UInt32(images), UInt32(pixels), UInt32(channels))
        return recording.scope(label) { recording in
            let moments = recording.transient(
                .f32, count: GroupMoments.elementCount(images: images, pixels: pixels, channels: channels), "moments")
            recording.dispatch(
                GroupMoments.self, "moments",
                .init(images: batch.images.buffer, source: source.buffer, moments: moments),
                .init(imageCapacity: imageCapacity, pixels: pixelCount, channels: channelCount), rows: batch.images)
            let statistics = recording.transient(.f32, count: images * groupCount * 2, "statistics")
            recording.dispatch(
                GroupStatistics.self, "statistics",
                .init(images: batch.images.buffer, moments: moments, statistics: statistics),
                .init(
                    imageCapacity: imageCapacity, pixels: pixelCount, channels: channelCount,
                    groupCount: UInt32(groupCount), epsilon: epsilon), rows: batch.images)
            let result = recording.transient(.f32, count: images * pixels * channels, "norm")
            recording.dispatch(
                GroupNorm.self, "norm",
                .init(
                    images: batch.images.buffer, source: source.buffer, statistics: statistics, weight: weight,
                    bias: bias, result: result),
                .init(
                    imageCapacity: imageCapacity, pixels: pixelCount, channels: channelCount,
                    groupCount: UInt32(groupCount)), constants: .init(activation: activation.rawValue),
                rows: batch.images)
            return source.with(result, channels: channels)
        }
    }
}

extension WeightLoader {
    /// A square convolution, [outputs, channels, size, size], with a bias.
    /// - Parameter name: the tensor without its `.weight` and `.bias`.
    mutating func convolution(
        _ name: String, channels: Int, outputs: Int, size: Int = 3, stride: Int = 1
    ) throws -> ConvolutionLayer {
        let kernel = try checkpoint.tensor(name + ".weight", shape: [outputs, channels, size, size])
        let bias = try floats(name + ".bias", shape: [outputs])
        return ConvolutionLayer(
            weights: try linear([try kernel.channelsLast()], bias: bias, label: name), kernelSize: size,
            stride: stride)
    }

    /// A linear layer that some publish as a convolution of one pixel: [outputs, inputs] or [outputs, inputs, 1, 1].
    mutating func pixelwise(
        _ name: String, inputs: Int, outputs: Int, isConvolution: Bool
    ) throws -> Linear {
        let shape = isConvolution ? [outputs, inputs, 1, 1] : [outputs, inputs]
        let matrix = try checkpoint.tensor(name + ".weight", shape: shape).reshaped([outputs, inputs])
        let bias = try floats(name + ".bias", shape: [outputs])
        return try linear([matrix], bias: bias, label: name)
    }

    mutating func groupNorm(
        _ name: String, channels: Int, groupCount: Int, epsilon: Float
    ) throws -> GroupNormLayer {
        GroupNormLayer(
            weight: try vector(name + ".weight", count: channels, label: name + ".weight"),
            bias: try vector(name + ".bias", count: channels, label: name + ".bias"), groupCount: groupCount,
            epsilon: epsilon)
    }

    mutating func layerNorm(_ name: String, width: Int, epsilon: Float = 1e-5) throws -> LayerNormLayer {
        LayerNormLayer(
            weight: try vector(name + ".weight", count: width, label: name + ".weight"),
            bias: try vector(name + ".bias", count: width, label: name + ".bias"), epsilon: epsilon)
    }
}
