public import VkdynCore
public import VkdynImage
public import VkdynModels
public import VkdynSchedule

/// What pictures to make, and how.
public struct DiffusionRequest: Sendable {
    /// One a picture.
    public var prompts: [String]
    /// What the pictures shall not show: one for all, or one each.
    public var negativePrompts: [String]
    public var steps: Int
    /// How much further than the unguided prediction the guided one is followed; at 1 and below nothing is guided, and
    /// the U-Net runs once a picture.
    public var guidance: Double
    /// Of the noise, and of random destinations of merging.
    public var seed: UInt64
    /// Nil for the pipeline's own.
    public var scheduler: SchedulerKind?
    /// Pixels; nil for what the pipeline was made for.
    public var width: Int?
    public var height: Int?
    /// The first noise, [pictures, channels, height, width] in latents, of variance 1; nil for the seed's.
    public var latents: [Float]?
    /// The noise of each step, as `latents`, for samplers that add any; nil for the seed's.
    public var stepNoise: [[Float]]?
    /// Nil: every step runs the whole U-Net.
    public var cache: DeepCacheOptions?
    /// Nil: no tokens merge.
    public var merging: ToMeSDOptions?

    public init(
        prompts: [String], negativePrompts: [String] = [""], steps: Int = 50, guidance: Double = 7.5, seed: UInt64 = 0,
        scheduler: SchedulerKind? = nil, width: Int? = nil, height: Int? = nil, latents: [Float]? = nil,
        stepNoise: [[Float]]? = nil, cache: DeepCacheOptions? = nil, merging: ToMeSDOptions? = nil
    ) {
        self.prompts = prompts
        self.negativePrompts = negativePrompts
        self.steps = steps
        self.guidance = guidance
        self.seed = seed
        self.scheduler = scheduler
        self.width = width
        self.height = height
        self.latents = latents
        self.stepNoise = stepNoise
        self.cache = cache
        self.merging = merging
    }
}

/// What a request gave.
public struct DiffusionResult: Sendable {
    /// One a prompt.
    public let images: [Image]
    /// As the U-Net leaves them, [pictures, channels, height, width].
    public let latents: [Float]
    /// Of all evaluations of the U-Net, on the host's clock. The first of each kind, whole and reusing, is taken to be as
    /// long as the median of the others of its kind.
    public let seconds: Double
    /// What those first ones took beyond that: drivers compile in them.
    public let warmUpSeconds: Double
    /// Of texts, and of decoding.
    public let textSeconds: Double
    public let decodeSeconds: Double
    /// Evaluations of the U-Net, and how many of them were whole.
    public let evaluations: Int
    public let fullEvaluations: Int
    /// Of all evaluations together.
    public let multiplyAdds: Int
    public let memory: DiffusionMemory
    public let counters: DeviceCounters
}

/// Bytes of a request on its device.
public struct DiffusionMemory: Sendable, Equatable, Codable {
    /// Buffers that were there before: the weights.
    public var weightBytes = 0
    /// The most that buffers and arenas took at one time, weights included; nil where the device does not count.
    public var peakBytes: Int?
    /// The most that tensors other than weights which were alive at one time took.
    public var liveBytes = 0
}

/// A request that cannot be carried out.
public enum DiffusionError: UserFacingError, Equatable {
    case parts(String)
    case size(width: Int, height: Int, multiple: Int)
    case prompts(String)
    case latents(count: Int, expected: Int)
    case branch(Int, count: Int)

    public var description: String {
        switch self {
        case .parts(let problem): "the parts of the pipeline do not fit: \(problem)"
        case .size(let width, let height, let multiple):
            "a picture of \(width)×\(height) pixels: both sides must be multiples of \(multiple), from \(multiple) to "
                + "\(Image.sideLimit)"
        case .prompts(let problem): problem
        case .latents(let count, let expected): "the latents have \(count) numbers, expected \(expected)"
        case .branch(let branch, let count): "the cache's branch is \(branch), expected 0 to \(count - 1)"
        }
    }
}
