import VkdynCore
import VkdynKernels
import VkdynModels
import VkdynSchedule

/// One part of a pipeline at a time, as other implementations give them, for comparisons with these.
extension DiffusionPipeline {
    /// The embeddings of texts, [texts, length, width].
    public func embeddings(_ texts: [String]) throws -> [Float] {
        let encoder = models.text
        let source = try textInput(texts)
        let kept = try device.makeBuffer(
            .f32, count: source.rows.capacity * encoder.configuration.width, placement: .device, label: "embeddings")
        var recording = Recording()
        _ = encoder.record(
            into: &recording, tokens: source.tokens, positions: source.positions, rows: source.rows, result: kept)
        return try run(recording, "embeddings", reading: kept)
    }

    /// The U-Net's output for samples, each with its text: [texts, channels, height, width], as the samples.
    public func prediction(
        sample: [Float], height: Int, width: Int, timestep: Float, texts: [String]
    ) throws -> [Float] {
        let (unet, length) = (models.unet, models.text.configuration.length)
        let (channels, count) = (unet.configuration.inputChannels, texts.count)
        guard sample.count == count * channels * height * width else {
            throw DiffusionError.latents(count: sample.count, expected: count * channels * height * width)
        }
        let source = try textInput(texts)
        let context = try unet.makeContext(device: device, images: count, tokens: length)
        let denoise = try device.makeBuffer(
            .structure(DenoiseParameters(DenoisingStep(timestep: timestep), guidance: 1)), label: "denoise")
        let input = try device.makeBuffer(
            .floats(
                Self.channelsLast(sample, pictures: count, channels: channels, pixels: height * width)),
            label: "sample")
        let output = try device.makeBuffer(.f32, count: sample.count, placement: .device, label: "prediction")
        var recording = Recording()
        let hidden = models.text.record(
            into: &recording, tokens: source.tokens, positions: source.positions, rows: source.rows)
        unet.recordContext(
            into: &recording, text: hidden, rows: source.rows, images: count, tokens: length, context: context)
        try unet.record(
            into: &recording, sample: FeatureMap(buffer: input, height: height, width: width, channels: channels),
            denoise: denoise, context: context, batch: try PictureBatch(device: device, images: count), result: output)
        return Self.channelsFirst(
            try run(recording, "prediction", reading: output), pictures: count, channels: channels,
            pixels: height * width)
    }

    /// The pixels of latents as the U-Net leaves them: [pictures, 3, height, width], from −1 to 1 and somewhat beyond.
    public func pixels(latents: [Float], height: Int, width: Int) throws -> [Float] {
        let channels = models.decoder.configuration.latentChannels
        let pictures = latents.count / (channels * height * width)
        guard pictures > 0, latents.count == pictures * channels * height * width else {
            throw DiffusionError.latents(count: latents.count, expected: channels * height * width)
        }
        var memory = DiffusionMemory()
        let decoded = try decode(
            Self.channelsLast(latents, pictures: pictures, channels: channels, pixels: height * width),
            try makeDecoding(height: height, width: width), memory: &memory)
        return Self.channelsFirst(
            Array(decoded.joined()), pictures: pictures, channels: 3,
            pixels: height * width * enlargement * enlargement)
    }

    private func run(_ recording: Recording, _ label: String, reading result: Buffer) throws -> [Float] {
        try device.prepare(
            try Plan(recording, label: label, traits: device.traits, tuning: device.tuning)).run()
        return try device.read(Float.self, from: result, count: result.count)
    }
}
