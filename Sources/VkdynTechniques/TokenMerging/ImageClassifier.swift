import Foundation
import VkdynCore
public import VkdynModels
public import VkdynSchedule

/// What a model says of one image.
public struct Classification: Sendable, Equatable {
    /// [classes].
    public let logits: [Float]
    /// The token after the last layer that each first token is part of, prefix included; nil when nobody asked.
    public let sourceMap: [UInt32]?

    /// Softmax of the logits, in double precision, for reports.
    public var probabilities: [Double] {
        let largest = Double(logits.max() ?? 0)
        let weights = logits.map { exp(Double($0) - largest) }
        let total = weights.reduce(0, +)
        return weights.map { $0 / total }
    }

    /// Classes by falling logit; of equal ones the lowest first.
    public func top(_ count: Int) -> [Int] {
        Array(logits.indices.sorted { (logits[$1], $0) < (logits[$0], $1) }.prefix(count))
    }
}

/// A vision transformer over batches of images, with tokens merged or without: one plan, prepared once.
public final class ImageClassifier {
    public let model: VisionTransformer
    /// Nil where merging is off.
    public let merging: ToMe?
    public let batchSize: Int
    /// What `prepare` was given, for tests that check it.
    public let plan: Plan
    private let device: any Device
    private let batch: ImageBatch
    private let patches: Buffer
    private let logits: Buffer
    private let sourceMap: Buffer?
    private let prepared: any PreparedPlan
    private var imageCount: Int

    /// - Parameters:
    ///   - schedule: how many tokens merge in each layer; nil records nothing of merging.
    ///   - batchSize: the largest number of images of a pass.
    ///   - tracesSources: whether results say which tokens went where.
    public init(
        device: any Device, model: VisionTransformer, schedule: MergeSchedule?, batchSize: Int = 1,
        tracesSources: Bool = false
    ) throws {
        let c = model.configuration
        self.device = device
        self.model = model
        self.batchSize = batchSize
        imageCount = batchSize
        patches = try device.makeBuffer(
            .f32, count: batchSize * c.patchCount * c.patchSize, placement: .device, label: "patches")
        logits = try device.makeBuffer(.f32, count: batchSize * c.classCount, placement: .device, label: "logits")
        let map =
            tracesSources
            ? try device.makeBuffer(
                .u32, count: batchSize * c.tokenCount, placement: .device, label: "source_map") : nil
        merging = try schedule.map { try ToMe($0, configuration: c, sourceMap: map) }
        sourceMap = merging?.merges == true ? map : nil
        batch = try ImageBatch(
            device: device, capacity: batchSize, configuration: c,
            tokensPerLayer: merging?.tokensPerLayer ?? Array(repeating: c.tokenCount, count: c.layerCount))
        let (batch, patches, logits, merging) = (batch, patches, logits, merging)
        let label = "images, " + (schedule.map { "r \($0)" } ?? "off")
        plan = try HostSpans.measure(.plan, label) { () throws(DeviceError) in
            var recording = Recording()
            model.record(into: &recording, batch: batch, patches: patches, reduction: merging, logits: logits)
            return try Plan(recording, label: label, traits: device.traits, tuning: device.tuning)
        }
        prepared = try device.prepare(plan)
        self.tracesSources = tracesSources
    }

    private let tracesSources: Bool

    /// Tokens of an image after each layer.
    public var tokensPerLayer: [Int] {
        let c = model.configuration
        return merging?.tokensPerLayer ?? Array(repeating: c.tokenCount, count: c.layerCount)
    }

    /// Multiply-adds of one image.
    public var multiplyAdds: Int {
        merging?.multiplyAdds ?? model.configuration.multiplyAdds(tokensPerLayer: tokensPerLayer)
    }

    /// Puts images in front of the model.
    /// - Parameter images: [patchCount, patchSize] each, at most `batchSize` of them.
    public func write(_ images: [[Float]]) throws(DeviceError) {
        precondition(!images.isEmpty && images.count <= batchSize)
        imageCount = images.count
        try batch.write(imageCount: images.count, to: device)
        for (index, image) in images.enumerated() {
            precondition(image.count * batchSize == patches.count)
            try device.write(image, to: patches, at: index * image.count)
        }
    }

    /// One pass over the images that were written last: one submit.
    public func run() throws(DeviceError) { try prepared.run() }

    /// What the last pass gave, in the order of the images.
    public func read() throws(DeviceError) -> [Classification] {
        let (classes, tokens) = (model.configuration.classCount, model.configuration.tokenCount)
        let values = try device.read(Float.self, from: logits, count: imageCount * classes)
        var maps: [UInt32]?
        if tracesSources {
            // Without a merge every token is itself.
            maps =
                try sourceMap.map { map throws(DeviceError) in
                    try device.read(UInt32.self, from: map, count: imageCount * tokens)
                } ?? (0..<imageCount).flatMap { _ in (0..<tokens).map(UInt32.init) }
        }
        return (0..<imageCount).map { image in
            Classification(
                logits: Array(values[image * classes..<(image + 1) * classes]),
                sourceMap: maps.map { Array($0[image * tokens..<(image + 1) * tokens]) })
        }
    }

    /// All images, batch by batch.
    public func classify(_ images: [[Float]]) throws(DeviceError) -> [Classification] {
        var results: [Classification] = []
        for start in stride(from: 0, to: images.count, by: batchSize) {
            try write(Array(images[start..<min(start + batchSize, images.count)]))
            try run()
            results += try read()
        }
        return results
    }
}
