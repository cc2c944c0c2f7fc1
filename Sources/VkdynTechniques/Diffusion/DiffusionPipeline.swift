import Foundation
public import VkdynCore
public import VkdynFormats
import VkdynImage
import VkdynKernels
public import VkdynModels
public import VkdynSchedule

/// Pictures from texts: Stable Diffusion 1 and 2 (Rombach et al., arXiv:2112.10752), with classifier-free guidance (Ho
/// and Salimans, arXiv:2207.12598), and with feature caching and token merging where a request asks for them.
public final class DiffusionPipeline {
    public let models: DiffusionModels
    /// May be changed between requests.
    public var schedulerConfiguration: SchedulerConfiguration
    let device: any Device
    private let prompt: @Sendable (String) throws -> [UInt32]

    /// - Parameter prompt: gives the tokens of a text, as many as the text encoder takes.
    public init(
        models: DiffusionModels, scheduler: SchedulerConfiguration, device: any Device,
        prompt: @escaping @Sendable (String) throws -> [UInt32]
    ) {
        self.models = models
        schedulerConfiguration = scheduler
        self.device = device
        self.prompt = prompt
    }

    /// A pipeline as diffusers publishes it.
    /// - Parameters:
    ///   - weightType: storage of matrices and convolutions on the device; nil keeps each part's own.
    ///   - progress: called with the bytes loaded so far and in all; what it throws ends the loading.
    public convenience init(
        folder: PipelineFolder, on device: any Device, weightType: ElementType? = nil,
        progress: @escaping (Int, Int) throws -> Void = { _, _ in }
    ) throws {
        let prompts = folder.prompts
        var configuration = DiffusionModels.Configuration(
            text: try CLIPTextModel.Configuration(folder.textEncoder.config.root),
            unet: try UNet.Configuration(folder.unet.config.root),
            decoder: try VAEDecoder.Configuration(folder.vae.config.root))
        configuration.text.length = prompts.length
        let vocabulary = configuration.text.vocabularySize
        self.init(
            models: try HostSpans.measure(.load, folder.path) {
                try DiffusionModels(
                    configuration,
                    weights: .init(
                        text: folder.textEncoder.checkpoint, unet: folder.unet.checkpoint,
                        decoder: folder.vae.checkpoint), on: device, weightType: weightType, progress: progress)
            }, scheduler: folder.scheduler, device: device
        ) { text in
            let ids = prompts.encode(text).ids
            guard let beyond = ids.first(where: { $0 >= vocabulary }) else { return ids.map { UInt32($0) } }
            throw DiffusionError.parts("the tokenizer has a token \(beyond), the text encoder \(vocabulary) tokens")
        }
    }

    /// Pixels along each side of a latent's.
    public var enlargement: Int { models.decoder.configuration.enlargement }

    /// Pixels of the pictures that the pipeline was made for.
    public var standardSize: (width: Int, height: Int) {
        let c = models.unet.configuration
        return (c.sampleWidth * enlargement, c.sampleHeight * enlargement)
    }

    /// Throws what `generate` would before it begins.
    public func check(_ request: DiffusionRequest) throws {
        let size = request.size(in: self)
        for side in [size.width, size.height] {
            guard side > 0, side % enlargement == 0, side <= Image.sideLimit else {
                throw DiffusionError.size(width: size.width, height: size.height, multiple: enlargement)
            }
        }
        guard !request.prompts.isEmpty else { throw DiffusionError.prompts("no prompt to make a picture of") }
        guard [1, request.prompts.count].contains(request.negativePrompts.count) else {
            throw DiffusionError.prompts(
                "\(request.negativePrompts.count) negative prompts for \(request.prompts.count) prompts; expected one, "
                    + "or one each")
        }
        let schedule = try schedule(request)
        if let cache = request.cache {
            _ = try FeatureSchedule(cache.policy, stepCount: schedule.steps.count)
            let count = models.unet.configuration.branchCount
            guard (0..<count).contains(cache.branch) else {
                throw DiffusionError.branch(cache.branch, count: count)
            }
        }
        let expected = request.prompts.count * latentCount(size)
        for latents in [request.latents].compactMap({ $0 }) + (request.stepNoise ?? []) {
            guard latents.count == expected else {
                throw DiffusionError.latents(count: latents.count, expected: expected)
            }
        }
    }

    private func schedule(_ request: DiffusionRequest) throws -> DenoisingSchedule {
        try DenoisingSchedule(
            kind: try schedulerConfiguration.kind(request.scheduler), configuration: schedulerConfiguration,
            stepCount: request.steps)
    }

    private func latentCount(_ size: (width: Int, height: Int)) -> Int {
        models.unet.configuration.inputChannels * (size.width / enlargement) * (size.height / enlargement)
    }

    /// Makes the pictures.
    /// - Parameter progress: called with the evaluations done and all; what it throws ends the work.
    public func generate(
        _ request: DiffusionRequest, progress: (Int, Int) throws -> Void = { _, _ in }
    ) throws -> DiffusionResult {
        try check(request)
        let size = request.size(in: self)
        let (width, height) = (size.width / enlargement, size.height / enlargement)
        let (channels, pictures) = (models.unet.configuration.inputChannels, request.prompts.count)
        let schedule = try schedule(request)
        let counters = device.counters
        var memory = DiffusionMemory()
        memory.weightBytes = device.memory?.bytes ?? 0

        // What the device cannot decode is found out before the steps, not after them.
        let decoding = try makeDecoding(height: height, width: width)
        _ = try device.prepare(decoding.plan)

        var noise = CUDANoise(seed: request.seed)
        let count = pictures * latentCount(size)
        func drawn() -> [Float] { noise.normals(count: count) }
        let first = request.latents ?? drawn()
        func channelsLast(_ values: [Float]) -> [Float] {
            Self.channelsLast(values, pictures: pictures, channels: channels, pixels: width * height)
        }

        var denoised: (latents: [Float], denoiser: (evaluations: Int, multiplyAdds: Int))
        var seconds = (steady: 0.0, warmUp: 0.0)
        var textSeconds = 0.0
        do {
            let denoiser = try Denoiser(
                models: models, device: device, request: request, schedule: schedule, height: height, width: width)
            textSeconds = try encode(request, denoiser: denoiser, memory: &memory)
            try denoiser.prepare()
            memory.liveBytes = max(memory.liveBytes, denoiser.liveByteCount + decoding.byteCount)
            memory.note(device)
            let last = try denoiser.run(
                from: channelsLast(first.map { $0 * schedule.initialScale }),
                noise: { step in
                    let noises = schedule.steps[..<step].count { $0.noiseWeight != 0 }
                    return channelsLast(request.stepNoise?[noises] ?? drawn())
                }, progress: progress)
            seconds = denoiser.seconds
            denoised = (last, (denoiser.fullEvaluations, denoiser.multiplyAdds))
        }
        let start = HostClock.now()
        let pixels = try decode(denoised.latents, decoding, memory: &memory)
        let images = pixels.map { Image(width: size.width, height: size.height, pixels: $0.map(Self.level)) }
        return DiffusionResult(
            images: images,
            latents: Self.channelsFirst(
                denoised.latents, pictures: pictures, channels: channels, pixels: width * height),
            seconds: seconds.steady, warmUpSeconds: seconds.warmUp, textSeconds: textSeconds, decodeSeconds: HostClock.now() - start,
            evaluations: schedule.steps.count, fullEvaluations: denoised.denoiser.evaluations,
            multiplyAdds: denoised.denoiser.multiplyAdds, memory: memory, counters: device.counters - counters)
    }

    // MARK: Texts

    func textInput(
        _ texts: [String]
    ) throws -> (tokens: Buffer, positions: Buffer, rows: Counted) {
        let length = models.text.configuration.length
        var known: [String: [UInt32]] = [:]
        var tokens: [UInt32] = []
        for text in texts {
            let ids = try known[text] ?? prompt(text)
            known[text] = ids
            precondition(ids.count == length, "a text is \(length) tokens")
            tokens += ids
        }
        let positions = texts.flatMap { _ in (0..<length).map { UInt32($0) } }
        return (
            try device.makeBuffer(.words(tokens), label: "tokens"),
            try device.makeBuffer(.words(positions), label: "positions"),
            try PictureBatch(device: device, images: texts.count).rows(length)
        )
    }

    /// Encodes all texts, the unguided ones first, into the denoiser's context.
    /// - Returns: the seconds that it took.
    private func encode(
        _ request: DiffusionRequest, denoiser: Denoiser, memory: inout DiffusionMemory
    ) throws -> Double {
        let negative =
            request.negativePrompts.count == 1
            ? request.prompts.map { _ in request.negativePrompts[0] } : request.negativePrompts
        let texts = (request.isGuided ? negative : []) + request.prompts
        let source = try textInput(texts)
        var recording = Recording()
        let hidden = recording.scope("text") { recording in
            models.text.record(
                into: &recording, tokens: source.tokens, positions: source.positions, rows: source.rows)
        }
        models.unet.recordContext(
            into: &recording, text: hidden, rows: source.rows, images: texts.count,
            tokens: models.text.configuration.length, context: denoiser.context)
        let plan = try Plan(recording, label: "text", traits: device.traits, tuning: device.tuning)
        let prepared = try device.prepare(plan)
        memory.note(device)
        memory.liveBytes = max(memory.liveBytes, denoiser.stateByteCount + plan.liveByteCount)
        let start = HostClock.now()
        try prepared.run()
        return HostClock.now() - start
    }

    // MARK: Pictures

    /// The decoding of one picture.
    struct Decoding {
        let plan: Plan
        /// [height · width, channels] of the latents.
        let source: Buffer
        /// [height · width, 3] of the picture.
        let pixels: Buffer

        var byteCount: Int { source.byteCount + pixels.byteCount }
    }

    /// - Parameter height: of the latents, as the width.
    func makeDecoding(height: Int, width: Int) throws -> Decoding {
        let decoder = models.decoder
        let channels = decoder.configuration.latentChannels
        let source = try device.makeBuffer(
            .f32, count: height * width * channels, placement: .device, label: "latents")
        let pixels = try device.makeBuffer(
            .f32, count: height * width * enlargement * enlargement * 3, placement: .device, label: "pixels")
        var recording = Recording()
        try decoder.record(
            into: &recording, latents: FeatureMap(buffer: source, height: height, width: width, channels: channels),
            batch: try PictureBatch(device: device, images: 1), pixels: pixels)
        return Decoding(
            plan: try Plan(recording, label: "decode", traits: device.traits, tuning: device.tuning), source: source,
            pixels: pixels)
    }

    /// Decodes latents, [pictures, height · width, channels], one picture after the other.
    /// - Returns: of each picture, [height · width, 3] pixels, from −1 to 1 and somewhat beyond.
    func decode(_ latents: [Float], _ decoding: Decoding, memory: inout DiffusionMemory) throws -> [[Float]] {
        let count = decoding.source.count
        let prepared = try device.prepare(decoding.plan)
        memory.note(device)
        memory.liveBytes = max(memory.liveBytes, decoding.plan.liveByteCount + decoding.byteCount)
        return try stride(from: 0, to: latents.count, by: count).map { start in
            let scaled = latents[start..<start + count].map { $0 / models.decoder.configuration.scalingFactor }
            try device.write(scaled, to: decoding.source)
            try prepared.run()
            return try device.read(Float.self, from: decoding.pixels, count: decoding.pixels.count)
        }
    }

    /// A colour from −1 to 1 in 256 levels, as diffusers rounds them; NaN is black.
    private static func level(_ value: Float) -> UInt8 {
        let share = value / 2 + 0.5
        guard share > 0 else { return 0 }
        return UInt8((min(share, 1) * 255).rounded(.toNearestOrEven))
    }

    /// From [pictures, channels, pixels] to [pictures, pixels, channels].
    static func channelsLast(_ values: [Float], pictures: Int, channels: Int, pixels: Int) -> [Float] {
        (0..<pictures).flatMap { picture in
            (0..<pixels).flatMap { pixel in
                (0..<channels).map { values[(picture * channels + $0) * pixels + pixel] }
            }
        }
    }

    /// The way back.
    static func channelsFirst(_ values: [Float], pictures: Int, channels: Int, pixels: Int) -> [Float] {
        (0..<pictures).flatMap { picture in
            (0..<channels).flatMap { channel in
                (0..<pixels).map { values[(picture * pixels + $0) * channels + channel] }
            }
        }
    }
}

extension DiffusionRequest {
    var isGuided: Bool { guidance > 1 }

    /// Pixels.
    func size(in pipeline: DiffusionPipeline) -> (width: Int, height: Int) {
        let standard = pipeline.standardSize
        return (width ?? standard.width, height ?? standard.height)
    }
}

extension DiffusionMemory {
    /// Takes note of what the device holds now.
    fileprivate mutating func note(_ device: any Device) {
        guard let memory = device.memory else { return }
        peakBytes = max(peakBytes ?? 0, memory.bytes)
    }
}
