import Foundation

/// The noise levels that Euler and DPM-Solver++ visit.
struct NoiseLevels {
    /// [steps].
    let timesteps: [Double]
    /// [steps + 1]: noise over picture at each step, and after the last.
    let sigmas: [Double]

    /// - Parameter spaced: the timesteps as they are spaced, descending.
    init(_ configuration: SchedulerConfiguration, _ table: NoiseTable, _ spaced: [Double], kind: SchedulerKind) {
        var sigmas = spaced.map { table.sigma(at: $0) }
        if configuration.interpolation == .logarithmic, kind == .euler {
            // One more than steps: the lowest level is the last step's end.
            sigmas = evenlySpaced(
                log(table.sigmas.last ?? 1), log(table.sigmas.first ?? 1), count: spaced.count + 1
            ).map { exp($0) }
        }
        var timesteps = spaced
        if configuration.usesKarrasSigmas, kind != .eulerAncestral {
            // Euler keeps the ends of its own levels, DPM-Solver++ takes those of the training.
            let ends = kind == .euler ? (sigmas.first, sigmas.last) : (table.sigmas.last, table.sigmas.first)
            sigmas = evenlySpaced(pow(ends.0 ?? 1, 1 / 7), pow(ends.1 ?? 1, 1 / 7), count: spaced.count).map {
                pow($0, 7)
            }
            timesteps = sigmas.map { table.timestep(of: $0) }
            if kind == .dpmSolver {
                // A whole number, cut where the noise follows a cosine and rounded elsewhere.
                timesteps = timesteps.map {
                    configuration.betaSchedule == .squaredCosine
                        ? $0.rounded(.towardZero) : $0.rounded(.toNearestOrEven)
                }
            }
        }
        let endsNoisy = kind != .eulerAncestral && configuration.finalSigma == .lowest
        self.timesteps = timesteps
        if sigmas.count == spaced.count { sigmas.append(endsNoisy ? table.sigmas[0] : 0) }
        self.sigmas = sigmas
    }
}

extension DenoisingSchedule {
    /// A step along the line from the sample to the picture that the model sees, to where the noise level is `target`.
    /// The model is shown the sample scaled to variance 1.
    private static func line(
        _ configuration: SchedulerConfiguration, timestep: Double, sigma: Double, target: Double
    ) -> DenoisingStep {
        let alpha = 1 / (sigma * sigma + 1).squareRoot()
        let picture = configuration.prediction.picture(alpha: alpha, sigma: sigma * alpha)
        let left = target / sigma
        var step = DenoisingStep(timestep: Float(timestep))
        step.inputScale = Float(alpha)
        step.storedSlot = 0
        step.sampleWeight = Float(left + (1 - left) * picture.sample * alpha)
        step.terms = [.init(slot: 0, weight: Float((1 - left) * picture.output))]
        return step
    }

    /// Algorithm 2 of arXiv:2206.00364 without churn and without its correction.
    static func euler(_ configuration: SchedulerConfiguration, _ levels: NoiseLevels) -> [DenoisingStep] {
        levels.timesteps.indices.map { index in
            line(
                configuration, timestep: levels.timesteps[index], sigma: levels.sigmas[index],
                target: levels.sigmas[index + 1])
        }
    }

    /// The same to a level below, and noise up to the next one: with σ the level and τ the next, the noise's share is
    /// τ·√(1 − τ²/σ²).
    static func eulerAncestral(_ configuration: SchedulerConfiguration, _ levels: NoiseLevels) -> [DenoisingStep] {
        levels.timesteps.indices.map { index in
            let (sigma, next) = (levels.sigmas[index], levels.sigmas[index + 1])
            let noise = next * max(1 - next * next / (sigma * sigma), 0).squareRoot()
            var step = line(
                configuration, timestep: levels.timesteps[index], sigma: sigma,
                target: max(next * next - noise * noise, 0).squareRoot())
            step.noiseWeight = Float(noise)
            return step
        }
    }

    /// Algorithm 2 of arXiv:2211.01095: with λ = −log of the noise level, h its growth over this step and h₀ over the
    /// one before, exp(−h) of the sample's noise is left, and the picture comes from this step's estimate and the
    /// last one's, which weigh 1 + r and −r; r is h/(2·h₀) by the midpoint's rule, and by Heun's what integrating a
    /// line gives. Slots hold the two estimates in turn.
    static func dpmSolver(_ configuration: SchedulerConfiguration, _ levels: NoiseLevels) -> [DenoisingStep] {
        let count = levels.timesteps.count
        return levels.timesteps.indices.map { index in
            let (sigma, next) = (levels.sigmas[index], levels.sigmas[index + 1])
            let alpha = 1 / (sigma * sigma + 1).squareRoot()
            let nextAlpha = 1 / (next * next + 1).squareRoot()
            let picture = configuration.prediction.picture(alpha: alpha, sigma: sigma * alpha)
            var step = DenoisingStep(timestep: Float(levels.timesteps[index]))
            step.storedSlot = index % 2
            step.storedSample = Float(picture.sample)
            step.storedOutput = Float(picture.output)
            step.sampleWeight = Float(next * nextAlpha / (sigma * alpha))
            let gain = nextAlpha * (1 - next / sigma)
            let endsLow =
                index == count - 1
                && (configuration.endsWithEuler || configuration.lowersOrderAtEnd && count < 15
                    || configuration.finalSigma == .zero)
            if index == 0 || endsLow || configuration.solverOrder == 1 {
                step.terms = [.init(slot: index % 2, weight: Float(gain))]
                return step
            }
            let growth = log(sigma / next)
            let ratio = growth / log(levels.sigmas[index - 1] / sigma)
            let slope =
                switch configuration.solverType {
                case .midpoint: gain / 2 * ratio
                case .heun: nextAlpha * (1 - (1 - next / sigma) / growth) * ratio
                }
            step.terms = [
                .init(slot: index % 2, weight: Float(gain + slope)),
                .init(slot: (index + 1) % 2, weight: Float(-slope)),
            ]
            return step
        }
    }
}
