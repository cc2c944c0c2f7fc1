public import VkdynCore
public import VkdynFormats
public import VkdynModels
public import VkdynSchedule

/// The three networks of a text-to-image pipeline.
public struct DiffusionModels: Sendable {
    /// Their shapes.
    public struct Configuration: Sendable, Equatable {
        public var text: CLIPTextModel.Configuration
        public var unet: UNet.Configuration
        public var decoder: VAEDecoder.Configuration

        public init(
            text: CLIPTextModel.Configuration, unet: UNet.Configuration, decoder: VAEDecoder.Configuration
        ) {
            self.text = text
            self.unet = unet
            self.decoder = decoder
        }
    }

    /// Where their weights come from.
    public struct Weights: Sendable {
        public var text: any WeightSource
        public var unet: any WeightSource
        public var decoder: any WeightSource

        public init(text: any WeightSource, unet: any WeightSource, decoder: any WeightSource) {
            self.text = text
            self.unet = unet
            self.decoder = decoder
        }

        var byteCount: Int { text.byteCount + unet.byteCount + decoder.byteCount }
    }

    public let text: CLIPTextModel
    public let unet: UNet
    public let decoder: VAEDecoder

    /// - Parameters:
    ///   - weightType: storage of matrices and convolutions on the device; nil keeps each checkpoint's own.
    ///   - progress: called with the bytes loaded so far and in all; what it throws ends the loading.
    /// - Throws: `DiffusionError` where the parts do not fit each other; what loading throws.
    public init(
        _ configuration: Configuration, weights: Weights, on device: any Device, weightType: ElementType? = nil,
        progress: @escaping (Int, Int) throws -> Void = { _, _ in }
    ) throws {
        guard configuration.unet.textWidth == configuration.text.width else {
            throw DiffusionError.parts(
                "the text encoder gives \(configuration.text.width) numbers a token, the U-Net takes "
                    + "\(configuration.unet.textWidth)")
        }
        guard configuration.unet.inputChannels == configuration.decoder.latentChannels else {
            throw DiffusionError.parts(
                "the U-Net's latents have \(configuration.unet.inputChannels) channels, the decoder's "
                    + "\(configuration.decoder.latentChannels)")
        }
        let total = weights.byteCount
        func loader(_ source: any WeightSource, after loaded: Int) -> WeightLoader {
            WeightLoader(checkpoint: source, device: device, weightType: weightType) { part, _ in
                try progress(loaded + part, total)
            }
        }
        text = try CLIPTextModel(configuration: configuration.text, loader: loader(weights.text, after: 0))
        unet = try UNet(
            configuration: configuration.unet, loader: loader(weights.unet, after: weights.text.byteCount))
        decoder = try VAEDecoder(
            configuration: configuration.decoder,
            loader: loader(weights.decoder, after: weights.text.byteCount + weights.unet.byteCount))
    }

    public var parameterCount: Int { text.parameterCount + unet.parameterCount + decoder.parameterCount }
}
