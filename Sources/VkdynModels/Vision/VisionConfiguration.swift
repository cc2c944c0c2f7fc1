import VkdynFormats
public import VkdynKernels

extension VisionTransformer {
    /// Shapes and choices of a vision transformer, whoever published it.
    public struct Configuration: Sendable, Equatable {
        /// Whose names the tensors have.
        public enum Publisher: Sendable { case timm, huggingFace }

        /// What the classifier looks at.
        public enum Pooling: Sendable {
            /// The class token, and the distillation token where there is one.
            case classToken
            /// The mean of the patch tokens, each as often as it stands for patches.
            case average
        }

        public var publisher = Publisher.timm
        public var imageHeight = 224
        public var imageWidth = 224
        public var patchHeight = 16
        public var patchWidth = 16
        public var channelCount = 3
        public var width = 768
        public var layerCount = 12
        public var headCount = 12
        public var feedForwardWidth = 3072
        public var classCount = 1000
        public var hasClassToken = true
        public var hasDistillationToken = false
        /// Whether class and distillation token have positions of their own.
        public var embedsPrefix = true
        public var hasQueryBias = true
        /// A norm between the embedding and the first layer, which then has no bias of its own.
        public var normsBeforeLayers = false
        public var hasLayerScale = false
        public var pooling = Pooling.classToken
        /// The final norm follows the pooling instead of preceding it.
        public var normsAfterPooling = false
        public var hasFinalNorm = true
        public var normEpsilon: Float = 1e-6
        public var activation = Activation.geluErf

        public init() {}

        public var gridHeight: Int { imageHeight / patchHeight }
        public var gridWidth: Int { imageWidth / patchWidth }
        public var patchCount: Int { gridHeight * gridWidth }
        /// Elements of one patch: [channels, patchHeight, patchWidth].
        public var patchSize: Int { channelCount * patchHeight * patchWidth }
        /// Tokens before the patches.
        public var prefixCount: Int { (hasClassToken ? 1 : 0) + (hasDistillationToken ? 1 : 0) }
        /// Tokens of an image before any is merged.
        public var tokenCount: Int { prefixCount + patchCount }
        public var headSize: Int { width / headCount }

        /// Elements of all weights, biases and positions.
        public var parameterCount: Int {
            let bias = hasQueryBias ? 3 * width : 0
            let layer =
                4 * width * width + bias + width + 4 * width + (hasLayerScale ? 2 * width : 0)
                + 2 * width * feedForwardWidth + feedForwardWidth + width
            let embedding =
                patchSize * width + (normsBeforeLayers ? 2 * width : width)
                + (prefixCount + patchCount + (embedsPrefix ? prefixCount : 0)) * width
            let heads = (hasDistillationToken ? 2 : 1) * (width + 1) * classCount
            return embedding + layerCount * layer + (hasFinalNorm ? 2 * width : 0) + heads
        }

        /// Multiply-adds of one image, matching and merging left out.
        /// - Parameter tokensPerLayer: tokens of an image after each layer's merge, which its feed-forward works on.
        public func multiplyAdds(tokensPerLayer: [Int]) -> Int {
            var total = patchCount * patchSize * width
            var tokens = tokenCount
            for after in tokensPerLayer {
                total += tokens * 4 * width * width + 2 * tokens * tokens * width
                total += after * 2 * width * feedForwardWidth
                tokens = after
            }
            return total + (hasDistillationToken ? 2 : 1) * width * classCount
        }

        /// An image's pixels as the patches that the embedding takes.
        /// - Parameter pixels: [channels, imageHeight, imageWidth].
        /// - Returns: [patchCount, channels, patchHeight, patchWidth].
        public func patches(of pixels: [Float]) -> [Float] {
            precondition(pixels.count == channelCount * imageHeight * imageWidth)
            var patches: [Float] = []
            patches.reserveCapacity(patchCount * patchSize)
            for top in stride(from: 0, to: gridHeight * patchHeight, by: patchHeight) {
                for left in stride(from: 0, to: gridWidth * patchWidth, by: patchWidth) {
                    for channel in 0..<channelCount {
                        for y in top..<top + patchHeight {
                            let start = (channel * imageHeight + y) * imageWidth + left
                            patches += pixels[start..<start + patchWidth]
                        }
                    }
                }
            }
            return patches
        }

        /// What no kernel could run, whoever published it; in the publisher's names of the fields.
        func check(_ config: ConfigObject, width: String, image: String, classToken: String) throws(FormatError) {
            try config.requireHeads(headCount, width: self.width, width)
            guard imageHeight % patchHeight == 0, imageWidth % patchWidth == 0 else {
                throw config.error(
                    image,
                    "images of \(imageWidth)×\(imageHeight) are no whole number of patches of "
                        + "\(patchWidth)×\(patchHeight)")
            }
            guard hasClassToken || pooling == .average else {
                throw config.error(classToken, "there is no class token to classify by; expected average pooling")
            }
        }
    }
}
