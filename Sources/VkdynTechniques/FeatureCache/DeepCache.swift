public import VkdynCore
public import VkdynModels
public import VkdynSchedule

/// When and where DeepCache reuses features.
public struct DeepCacheOptions: Sendable, Equatable {
    public var policy: FeatureSchedule.Policy
    /// The map of the way in, counted from the pixels inwards, that the reused features meet: the authors' branch.
    public var branch: Int

    public init(policy: FeatureSchedule.Policy, branch: Int = 0) {
        self.policy = policy
        self.branch = branch
    }
}

/// Feature caching in a diffusion U-Net (Ma et al., "DeepCache: Accelerating Diffusion Models for Free",
/// arXiv:2312.00858): full steps store what the deep part of the network brings to the shallow part, the steps between
/// take it from there and run the shallow part alone.
public struct DeepCache: Sendable {
    public let branch: Int
    /// What holds the features; its `plan`, `check` and `reset` are the run's to call.
    public let cache: FeatureCache

    /// - Parameters:
    ///   - stepParameters: one `StepParameters`, which the owner of the run writes before each step.
    ///   - images: of the network's batch.
    public init(
        unet: UNet, branch: Int, sampleHeight: Int, sampleWidth: Int, images: Int, device: any Device,
        stepParameters: Buffer
    ) throws(DeviceError) {
        self.branch = branch
        let shape = unet.features(branch: branch, sampleHeight: sampleHeight, sampleWidth: sampleWidth)
        cache = try FeatureCache(
            on: device, stepParameters: stepParameters,
            features: [("features.branch\(branch)", images * shape.height * shape.width, shape.channels)])
    }

    /// What a network's pass is given: one kind for full steps, one for those between.
    public func features(isReused: Bool) -> any DeepFeatures { Pass(owner: self, isReused: isReused) }

    private struct Pass: DeepFeatures {
        let owner: DeepCache
        let isReused: Bool

        var branch: Int { owner.branch }

        func store(
            _ features: FeatureMap, batch: PictureBatch, into recording: inout Recording
        ) throws(DeviceError) {
            owner.cache.store(
                features.buffer, as: owner.cache.features[0], rows: try batch.rows(features.pixelCount),
                into: &recording)
        }

        func reuse(
            besides map: FeatureMap, batch: PictureBatch, into recording: inout Recording
        ) throws(DeviceError) -> FeatureMap {
            let feature = owner.cache.features[0]
            return FeatureMap(
                buffer: owner.cache.concatenate(
                    feature, with: map.buffer, freshWidth: map.channels, rows: try batch.rows(map.pixelCount),
                    into: &recording), height: map.height, width: map.width,
                channels: feature.width + map.channels)
        }
    }
}
