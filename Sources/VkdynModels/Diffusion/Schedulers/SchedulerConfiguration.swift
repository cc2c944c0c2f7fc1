public import VkdynFormats

/// What `scheduler_config.json` says of the noise that a model was trained with and of how to sample.
///
/// A folder names one scheduler and may be sampled with any: a field that the chosen one does not have means nothing to
/// it, and one that is absent has the chosen one's default, as when diffusers makes one scheduler from another's
/// configuration.
public struct SchedulerConfiguration: Sendable, Equatable {
    /// How the variances of the training steps grow from `betaStart` to `betaEnd`.
    public enum BetaSchedule: String, Sendable, CaseIterable {
        case linear
        /// Linear in the square root.
        case scaledLinear = "scaled_linear"
        /// From a squared cosine, with no start and end (Nichol and Dhariwal, arXiv:2102.09672).
        case squaredCosine = "squaredcos_cap_v2"
    }

    /// What the model's output is.
    public enum Prediction: String, Sendable, CaseIterable {
        /// The noise.
        case epsilon
        /// √ᾱ·noise − √(1 − ᾱ)·picture (Salimans and Ho, arXiv:2202.00512).
        case velocity = "v_prediction"
        /// The picture.
        case sample
    }

    /// Which of the training's timesteps are visited (Lin et al., arXiv:2305.08891, table 2).
    public enum Spacing: String, Sendable, CaseIterable {
        case leading, trailing, linspace
    }

    /// The noise level after the last step.
    public enum FinalSigma: String, Sendable, CaseIterable {
        case zero
        case lowest = "sigma_min"
    }

    /// Which noise levels Euler's timesteps have.
    public enum Interpolation: String, Sendable, CaseIterable {
        /// The training's.
        case linear
        /// Equal ratios from the training's highest to its lowest.
        case logarithmic = "log_linear"
    }

    /// How DPM-Solver++ estimates the derivative.
    public enum SolverType: String, Sendable, CaseIterable {
        case midpoint, heun
    }

    /// The file that errors name.
    public var file = "scheduler_config.json"
    /// The scheduler that the file names, or nil when it is none of those known.
    public var kind: SchedulerKind?
    /// Timesteps of the training.
    public var trainingStepCount = 1000
    public var betaStart = 0.0001
    public var betaEnd = 0.02
    public var betaSchedule = BetaSchedule.linear
    /// The variances themselves, which then make start, end and schedule void.
    public var trainedBetas: [Double]?
    public var prediction = Prediction.epsilon
    /// nil for the kind's own.
    public var spacing: Spacing?
    /// Added to every timestep of leading spacing.
    public var stepsOffset = 0
    /// Whether the last step of DDIM and PNDM ends without noise, not at the lowest level of the training; nil for the
    /// kind's own: with DDIM it does, with PNDM it does not.
    public var endsWithoutNoise: Bool?
    /// Whether PNDM leaves out its Runge-Kutta steps; nil where the file does not say, which for diffusers is false.
    public var skipsRungeKutta: Bool?
    /// Whether DDIM keeps its estimate of the picture within −1 and 1; nil where the file does not say, which for
    /// diffusers is true.
    public var clipsSample: Bool?
    /// Euler and DPM-Solver++.
    public var finalSigma = FinalSigma.zero
    public var interpolation = Interpolation.linear
    /// Whether Euler and DPM-Solver++ space the noise levels by powers of 1/7 (Karras et al., arXiv:2206.00364).
    public var usesKarrasSigmas = false
    /// Whether the variances are rescaled so that the last training step is noise alone (arXiv:2305.08891); PNDM
    /// leaves them as they are.
    public var rescalesToZeroSignal = false
    /// Of DPM-Solver++: 1 or 2.
    public var solverOrder = 2
    public var solverType = SolverType.midpoint
    /// Whether DPM-Solver++ takes a last step of first order when it has fewer than 15.
    public var lowersOrderAtEnd = true
    /// Whether it always does.
    public var endsWithEuler = false
    /// Why a kind cannot run by this file.
    private(set) var obstacles: [SchedulerKind: FormatError] = [:]

    public init() {}

    /// Reads a `scheduler_config.json`. Throws for a field that no scheduler could run by; what only some cannot do is
    /// said when such a one is asked for.
    public init(_ config: ConfigFile) throws(FormatError) {
        let root = config.root
        file = config.path
        kind = try root.optionalString("_class_name").flatMap { SchedulerKind(className: $0) }
        trainingStepCount = try root.integer("num_train_timesteps", in: 2...100_000, default: trainingStepCount)
        betaStart = try root.number("beta_start", in: 0...1, default: betaStart)
        betaEnd = try root.number("beta_end", in: 0...1, default: betaEnd)
        betaSchedule = try root.choice("beta_schedule", default: betaSchedule)
        trainedBetas = try root.optionalNumbers("trained_betas")
        if let trainedBetas {
            guard trainedBetas.count == trainingStepCount else {
                throw root.error(
                    "trained_betas",
                    "expected num_train_timesteps = \(trainingStepCount) numbers, found \(trainedBetas.count)")
            }
            if let beta = trainedBetas.first(where: { !(0...1).contains($0) }) {
                throw root.error("trained_betas", "expected numbers from 0 to 1, found \(beta)")
            }
        }
        prediction = try root.choice("prediction_type", default: prediction)
        if root.contains("timestep_spacing") { spacing = try root.choice("timestep_spacing") }
        stepsOffset = try root.integer("steps_offset", in: 0...trainingStepCount, default: stepsOffset)
        endsWithoutNoise = try root.optionalBoolean("set_alpha_to_one")
        skipsRungeKutta = try root.optionalBoolean("skip_prk_steps")
        clipsSample = try root.optionalBoolean("clip_sample")
        finalSigma = try root.choice("final_sigmas_type", default: finalSigma)
        interpolation = try root.choice("interpolation_type", default: interpolation)
        usesKarrasSigmas = try root.boolean("use_karras_sigmas", default: usesKarrasSigmas)
        rescalesToZeroSignal = try root.boolean("rescale_betas_zero_snr", default: rescalesToZeroSignal)
        lowersOrderAtEnd = try root.boolean("lower_order_final", default: lowersOrderAtEnd)
        endsWithEuler = try root.boolean("euler_at_final", default: endsWithEuler)
        try readObstacles(root)
    }

    /// The scheduler to sample with: the one asked for, or else the file's own.
    public func kind(_ wanted: SchedulerKind? = nil) throws(FormatError) -> SchedulerKind {
        if let kind = wanted ?? kind { return kind }
        let known = SchedulerKind.allCases.map { "\($0.className) (\($0.rawValue))" }.joined(separator: ", ")
        throw FormatError(
            file: file, field: "_class_name", problem: "is no scheduler that vkdyn knows; choose one of \(known)")
    }

    /// Throws where this kind cannot run by this configuration.
    func check(_ kind: SchedulerKind) throws(FormatError) {
        if let obstacle = obstacles[kind] { throw obstacle }
        func refuse(_ field: String, _ problem: String) -> FormatError {
            FormatError(file: file, field: field, problem: problem)
        }
        switch kind {
        case .pndm, .eulerAncestral:
            if kind == .pndm, skipsRungeKutta != true {
                throw refuse(
                    "skip_prk_steps",
                    "expected true: vkdyn runs pndm without its Runge-Kutta steps, as Stable Diffusion does")
            }
            if prediction == .sample {
                throw refuse(
                    "prediction_type", "expected epsilon or v_prediction with \(kind.rawValue), found \"sample\"")
            }
        case .ddim:
            if clipsSample ?? true {
                throw refuse("clip_sample", "expected false: latents reach beyond −1 and 1")
            }
        case .euler, .dpmSolver: break
        }
    }

    /// Reads the fields of which only one value is supported, and only some schedulers have.
    private mutating func readObstacles(_ root: ConfigObject) throws(FormatError) {
        func forbid(_ field: String, _ kinds: [SchedulerKind], _ problem: String) {
            for kind in kinds where obstacles[kind] == nil {
                obstacles[kind] = root.error(field, "\(problem) with \(kind.rawValue)")
            }
        }
        let flags: [(field: String, kinds: [SchedulerKind])] = [
            ("thresholding", [.ddim, .dpmSolver]), ("use_exponential_sigmas", [.euler, .dpmSolver]),
            ("use_beta_sigmas", [.euler, .dpmSolver]), ("use_lu_lambdas", [.dpmSolver]),
            ("use_flow_sigmas", [.dpmSolver]), ("use_dynamic_shifting", [.dpmSolver]),
        ]
        for (field, kinds) in flags {
            if try root.boolean(field, default: false) { forbid(field, kinds, "expected false") }
        }
        let algorithm = try root.string("algorithm_type", default: "dpmsolver++")
        if algorithm != "dpmsolver++" {
            forbid(
                "algorithm_type", [.dpmSolver], "expected \"dpmsolver++\", found \(quotedForMessage(algorithm))")
        }
        if try root.string("timestep_type", default: "discrete") != "discrete", prediction == .velocity {
            forbid("timestep_type", [.euler], "expected \"discrete\"")
        }
        for field in ["sigma_min", "sigma_max"] {
            let bound = try root.optionalNumber(field)
            if bound != nil, usesKarrasSigmas { forbid(field, [.euler], "expected none") }
        }
        if try root.optionalString("variance_type") != nil { forbid("variance_type", [.dpmSolver], "expected none") }
        let lowest = try root.number("lambda_min_clipped", in: -.infinity ... .infinity, default: -.infinity)
        if lowest != -.infinity { forbid("lambda_min_clipped", [.dpmSolver], "expected -Infinity, found \(lowest)") }
        let order = try root.integer("solver_order", in: 1...3, default: solverOrder)
        if order > 2 { forbid("solver_order", [.dpmSolver], "expected 1 or 2, found \(order)") }
        solverOrder = min(order, 2)
        let solver = try root.string("solver_type", default: solverType.rawValue)
        if let type = SolverType(rawValue: solver) {
            solverType = type
        } else {
            forbid("solver_type", [.dpmSolver], "expected midpoint or heun, found \(quotedForMessage(solver))")
        }
    }
}
