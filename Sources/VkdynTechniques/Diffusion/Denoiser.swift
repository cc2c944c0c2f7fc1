import Foundation
import VkdynCore
import VkdynKernels
import VkdynModels
import VkdynSchedule

/// The U-Net, the guidance and the scheduler's step over a batch of latents: one plan for whole evaluations and, with a
/// cache, one for those that reuse deep features. A step is one submit of one of them; what changes from step to step
/// stands in small buffers that the host writes before it.
final class Denoiser {
    let context: [KeysAndValues]
    /// Pictures.
    let batch: PictureBatch
    /// Pictures of the U-Net's evaluation: twice as many when it is guided, the unguided ones first.
    let networkBatch: PictureBatch
    private let device: any Device
    private let schedule: DenoisingSchedule
    private let guidance: Float
    private let seed: UInt64
    private let elementCount: Int
    private let cacheSchedule: FeatureSchedule?
    private let cache: DeepCache?

    private let denoise: Buffer
    private let stepParameters: Buffer
    /// [pictures, height · width, channels]
    private let sample: Buffer
    private let noise: Buffer?
    /// Bytes of the tensors that live from step to step.
    let stateByteCount: Int
    private let whole: Plan
    private let reusing: Plan?
    private var full: (any PreparedPlan)?
    private var shallow: (any PreparedPlan)?
    private let fullMultiplyAdds: Int
    private let shallowMultiplyAdds: Int
    /// Of each evaluation so far, by its plan.
    private var fullTimes: [Double] = []
    private var shallowTimes: [Double] = []

    /// The most bytes of tensors that are alive at one time.
    var liveByteCount: Int { stateByteCount + max(whole.liveByteCount, reusing?.liveByteCount ?? 0) }

    /// - Parameters:
    ///   - height: of the latents, as the width.
    ///   - context: of all texts, unguided ones first.
    init(
        models: DiffusionModels, device: any Device, request: DiffusionRequest, schedule: DenoisingSchedule,
        height: Int, width: Int
    ) throws {
        let unet = models.unet
        self.device = device
        self.schedule = schedule
        let channels = unet.configuration.inputChannels
        let pictures = request.prompts.count
        let copies = request.isGuided ? 2 : 1
        guidance = request.isGuided ? Float(request.guidance) : 1
        seed = request.seed
        batch = try PictureBatch(device: device, images: pictures)
        networkBatch = try PictureBatch(device: device, images: pictures * copies)
        let elements = height * width * channels
        elementCount = pictures * elements

        var made: [Buffer] = []
        func memory(
            _ count: Int, _ label: String, placement: BufferPlacement = .device
        ) throws(DeviceError) -> Buffer {
            let buffer = try device.makeBuffer(.f32, count: count, placement: placement, label: label)
            made.append(buffer)
            return buffer
        }
        denoise = try device.makeBuffer(.structure(DenoiseParameters()), placement: .shared, label: "denoise")
        stepParameters = try device.makeBuffer(.structure(StepParameters()), placement: .shared, label: "step")
        sample = try memory(elementCount, "sample")
        let history = try memory(schedule.slotCount * elementCount, "history")
        noise =
            schedule.steps.contains { $0.noiseWeight != 0 }
            ? try memory(elementCount, "noise", placement: .shared) : nil
        context = try unet.makeContext(
            device: device, images: networkBatch.images.capacity, tokens: models.text.configuration.length)
        made += context.flatMap { [$0.keys, $0.values] }
        cacheSchedule = try request.cache.map { try FeatureSchedule($0.policy, stepCount: schedule.steps.count) }
        // Without a step that reuses anything there is nothing to store.
        let reuses = cacheSchedule.map { $0.fullSteps.count < schedule.steps.count } ?? false
        var cache: DeepCache?
        if let options = request.cache, reuses {
            let made = try DeepCache(
                unet: unet, branch: options.branch, sampleHeight: height, sampleWidth: width,
                images: networkBatch.images.capacity, device: device, stepParameters: stepParameters)
            try made.cache.reset(on: device)
            cache = made
        }
        self.cache = cache
        made += cache?.cache.features.map(\.buffer) ?? []
        stateByteCount = made.reduce(0) { $0 + $1.byteCount }

        let step = stepParameters
        let union = request.merging.map { ToMeSD($0, stepParameters: step) }
        let (batch, networkBatch, denoise, sample, noise, context) = (
            batch, networkBatch, denoise, sample, noise, context
        )
        func record(_ features: (any DeepFeatures)?) throws(DeviceError) -> Recording {
            var recording = Recording()
            let input = recording.transient(.f32, count: copies * pictures * elements, "input")
            recording.dispatch(
                DenoiseInput.self, "input",
                .init(images: batch.images.buffer, denoise: denoise, sample: sample, result: input),
                .init(imageCapacity: UInt32(pictures), elements: UInt32(elements), copies: UInt32(copies)),
                rows: batch.images)
            let output = recording.transient(.f32, count: copies * pictures * elements, "output")
            try unet.record(
                into: &recording,
                sample: FeatureMap(buffer: input, height: height, width: width, channels: channels), denoise: denoise,
                context: context, batch: networkBatch, union: union, features: features, result: output)
            recording.dispatch(
                DenoiseStep.self, "step",
                .init(
                    images: batch.images.buffer, denoise: denoise, output: output, noise: noise, sample: sample,
                    history: history),
                .init(imageCapacity: UInt32(pictures), elements: UInt32(elements), copies: UInt32(copies)),
                rows: batch.images)
            return recording
        }
        let wholeRecording = try record(cache?.features(isReused: false))
        let shallowRecording = try cache.map { cache throws(DeviceError) in
            try record(cache.features(isReused: true))
        }
        fullMultiplyAdds = wholeRecording.multiplyAdds
        shallowMultiplyAdds = shallowRecording?.multiplyAdds ?? 0
        func plan(_ recording: Recording, _ label: String) throws(DeviceError) -> Plan {
            try Plan(recording, label: label, traits: device.traits, tuning: device.tuning)
        }
        whole = try plan(wholeRecording, "denoise")
        reusing = try shallowRecording.map { recording throws(DeviceError) in
            try plan(recording, "denoise, reusing")
        }
    }

    /// Readies the plans, which never run at once and so share their arena.
    func prepare() throws(DeviceError) {
        guard let reusing else {
            full = try device.prepare(whole)
            return
        }
        let arena = try device.makeBuffer(
            .u32, count: max(whole.arenaByteCount, reusing.arenaByteCount) / 4, placement: .device,
            label: "arena of denoise")
        full = try device.prepare(whole.sharing(arena: arena))
        shallow = try device.prepare(reusing.sharing(arena: arena))
    }

    /// Runs the schedule.
    /// - Parameters:
    ///   - latents: the first sample, scaled, [pictures, height · width, channels].
    ///   - noise: gives each step's noise in the same layout; called for steps that add any.
    /// - Returns: the last sample.
    func run(
        from latents: [Float], noise source: (Int) throws -> [Float], progress: (Int, Int) throws -> Void
    ) throws -> [Float] {
        guard let full else { preconditionFailure("not prepared") }
        precondition(latents.count == elementCount)
        try device.write(latents, to: sample)
        for (index, step) in schedule.steps.enumerated() {
            try progress(index, schedule.steps.count)
            try device.write(DenoiseParameters(step, guidance: guidance), to: denoise)
            try device.write(
                StepParameters(
                    step: UInt32(index), seedLow: UInt32(truncatingIfNeeded: seed), seedHigh: UInt32(seed >> 32)),
                to: stepParameters)
            if let noise, step.noiseWeight != 0 { try device.write(try source(index), to: noise) }
            guard let cache, let shallow, let action = cacheSchedule?.action(step: index), action != .compute else {
                try cache?.cache.plan([.compute], on: device)
                fullTimes.append(try Self.timed(full))
                continue
            }
            try cache.cache.plan([action], on: device)
            shallowTimes.append(try Self.timed(shallow))
        }
        try progress(schedule.steps.count, schedule.steps.count)
        let parts = [BufferPart(sample, byteRange: 0..<sample.byteCount)] + (cache.map { [$0.cache.errorPart] } ?? [])
        let bytes = try device.read(parts)
        if let cache { try cache.cache.check(bytes[1]) }
        return bytes[0].withUnsafeBytes { raw in
            (0..<elementCount).map { raw.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
        }
    }

    private static func timed(_ plan: any PreparedPlan) throws(DeviceError) -> Double {
        let start = HostClock.now()
        try plan.run()
        return HostClock.now() - start
    }

    /// Seconds of all evaluations so far, each plan's first taken to be as long as the median of its others; and what
    /// the first ones took beyond that, in which drivers compile.
    var seconds: (steady: Double, warmUp: Double) {
        [fullTimes, shallowTimes].reduce((0, 0)) { total, times in
            guard let first = times.first else { return total }
            let others = times.dropFirst().sorted()
            let median = others.isEmpty ? first : others[others.count / 2]
            return (total.0 + median + others.reduce(0, +), total.1 + first - median)
        }
    }

    /// Evaluations of the whole U-Net.
    var fullEvaluations: Int { reusing == nil ? schedule.steps.count : cacheSchedule?.fullSteps.count ?? 0 }

    /// Of all evaluations.
    var multiplyAdds: Int {
        fullEvaluations * fullMultiplyAdds + (schedule.steps.count - fullEvaluations) * shallowMultiplyAdds
    }
}

extension DenoiseParameters {
    init(_ step: DenoisingStep, guidance: Float) {
        precondition(step.terms.count <= DenoisingStep.termLimit)
        func slot(_ slot: Int?) -> UInt32 { slot.map { UInt32($0) } ?? .max }
        func term(_ index: Int) -> (weight: Float, slot: UInt32) {
            step.terms.indices.contains(index)
                ? (step.terms[index].weight, slot(step.terms[index].slot)) : (0, slot(nil))
        }
        self.init(
            timestep: step.timestep, inputScale: step.inputScale, guidance: guidance, storedSample: step.storedSample,
            storedOutput: step.storedOutput, storedSlot: slot(step.storedSlot), savedSlot: slot(step.savedSlot),
            sampleWeight: step.sampleWeight, weight0: term(0).weight, weight1: term(1).weight, weight2: term(2).weight,
            weight3: term(3).weight, slot0: term(0).slot, slot1: term(1).slot, slot2: term(2).slot,
            slot3: term(3).slot, noiseWeight: step.noiseWeight)
    }
}
