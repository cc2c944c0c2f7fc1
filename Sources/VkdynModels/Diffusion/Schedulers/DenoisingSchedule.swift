public import VkdynCore
public import VkdynFormats

/// One evaluation of the model and what its result does to the sample: the linear recurrence that `DenoiseStep` runs.
///
/// With x the sample, e the model's output (after guidance) and h the slots of a history:
/// `h[storedSlot] = storedSample·x + storedOutput·e`, `h[savedSlot] = x`, and then
/// `x = sampleWeight·x + Σ weight·h[slot] + noiseWeight·noise`, where x on the right is the sample before the step.
public struct DenoisingStep: Sendable, Equatable {
    /// A value of the history and its weight.
    public struct Term: Sendable, Equatable {
        public let slot: Int
        public let weight: Float

        public init(slot: Int, weight: Float) {
            self.slot = slot
            self.weight = weight
        }
    }

    /// The most terms of a step.
    public static let termLimit = 4

    /// What the model is told; may lie between the training's timesteps, and may repeat from step to step.
    public var timestep: Float
    /// What the sample is multiplied by before the model sees it.
    public var inputScale: Float = 1
    public var storedSample: Float = 0
    public var storedOutput: Float = 1
    /// nil: nothing is stored.
    public var storedSlot: Int?
    /// nil: the sample is not saved.
    public var savedSlot: Int?
    public var sampleWeight: Float = 0
    /// At most `termLimit`, added in this order; those of this step's stored and saved slots see the new values.
    public var terms: [Term] = []
    /// 0: no noise is added.
    public var noiseWeight: Float = 0

    public init(timestep: Float) { self.timestep = timestep }
}

/// The steps from noise to a picture's latents. A pure function of the scheduler, its configuration and the number of
/// steps; coefficients are computed in double precision and rounded once.
public struct DenoisingSchedule: Sendable, Equatable {
    public let kind: SchedulerKind
    /// What noise of variance 1 is multiplied by to become the first sample.
    public let initialScale: Float
    /// One an evaluation of the model, in order. PNDM has one more than was asked for, from two on.
    public let steps: [DenoisingStep]
    /// Slots of the history.
    public let slotCount: Int

    /// - Parameter stepCount: from 1 to the timesteps of the training.
    public init(
        kind: SchedulerKind, configuration: SchedulerConfiguration, stepCount: Int
    ) throws(DenoisingScheduleError) {
        do {
            try configuration.check(kind)
        } catch {
            throw .configuration(error)
        }
        let trained = configuration.trainingStepCount
        let spacing = configuration.spacing ?? kind.defaultSpacing
        let limit = kind == .dpmSolver && spacing == .leading ? trained - 1 : trained
        guard (1...limit).contains(stepCount) else { throw .stepCount(stepCount, limit: limit) }
        let timesteps = spacing.timesteps(
            kind: kind, stepCount: stepCount, trainingStepCount: trained, offset: configuration.stepsOffset)
        if let first = timesteps.first, first > Double(trained - 1) {
            throw .timestep(Int(first), trained: trained, stepCount: stepCount, offset: configuration.stepsOffset)
        }
        let table = NoiseTable(configuration, kind: kind)
        var initialScale = 1.0
        switch kind {
        case .pndm:
            steps = Self.pndm(configuration, table, timesteps.map { Int($0) })
        case .ddim:
            steps = Self.ddim(configuration, table, timesteps.map { Int($0) })
        case .euler, .eulerAncestral:
            let levels = NoiseLevels(configuration, table, timesteps, kind: kind)
            steps = kind == .euler ? Self.euler(configuration, levels) : Self.eulerAncestral(configuration, levels)
            let highest = levels.sigmas.max() ?? 1
            initialScale = spacing == .leading ? (highest * highest + 1).squareRoot() : highest
        case .dpmSolver:
            steps = Self.dpmSolver(configuration, NoiseLevels(configuration, table, timesteps, kind: kind))
        }
        self.kind = kind
        self.initialScale = Float(initialScale)
        slotCount = 1 + (steps.flatMap { [$0.storedSlot ?? 0, $0.savedSlot ?? 0] }.max() ?? 0)
        if let broken = steps.firstIndex(where: { !$0.isFinite }) {
            throw .notFinite(step: broken, timestep: steps[broken].timestep)
        }
    }
}

extension DenoisingStep {
    fileprivate var isFinite: Bool {
        ([timestep, inputScale, storedSample, storedOutput, sampleWeight, noiseWeight] + terms.map(\.weight))
            .allSatisfy(\.isFinite)
    }
}

/// A number of steps, or a configuration, that a scheduler cannot run by.
public enum DenoisingScheduleError: UserFacingError, Equatable {
    case configuration(FormatError)
    case stepCount(Int, limit: Int)
    case timestep(Int, trained: Int, stepCount: Int, offset: Int)
    case notFinite(step: Int, timestep: Float)

    public var description: String {
        switch self {
        case .configuration(let error): error.description
        case .stepCount(let count, let limit): "\(count) steps, expected 1 to \(limit)"
        case .timestep(let timestep, let trained, let count, let offset):
            "\(count) steps with steps_offset \(offset) begin at timestep \(timestep), beyond the training's last, "
                + "\(trained - 1); ask for fewer"
        case .notFinite(let step, let timestep):
            "step \(step) at timestep \(timestep) divides by a picture or a noise of 0: this prediction_type does not "
                + "go with this noise"
        }
    }
}

/// a·sample + b·output.
struct LinearEstimate {
    var sample: Double
    var output: Double
}

extension SchedulerConfiguration.Prediction {
    /// The picture as the model's output tells it.
    /// - Parameters:
    ///   - alpha: the picture's share of the model's input, √ᾱ.
    ///   - sigma: the noise's, √(1 − ᾱ).
    func picture(alpha: Double, sigma: Double) -> LinearEstimate {
        switch self {
        case .epsilon: LinearEstimate(sample: 1 / alpha, output: -sigma / alpha)
        case .velocity: LinearEstimate(sample: alpha, output: -sigma)
        case .sample: LinearEstimate(sample: 0, output: 1)
        }
    }

    /// The noise as the model's output tells it.
    func noise(alpha: Double, sigma: Double) -> LinearEstimate {
        switch self {
        case .epsilon: LinearEstimate(sample: 0, output: 1)
        case .velocity: LinearEstimate(sample: sigma, output: alpha)
        case .sample: LinearEstimate(sample: 1 / sigma, output: -alpha / sigma)
        }
    }
}
