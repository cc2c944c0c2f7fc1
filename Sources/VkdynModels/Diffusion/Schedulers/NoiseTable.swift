import Foundation

/// The noise of each training timestep, in double precision.
struct NoiseTable {
    /// [timesteps]: ᾱ, the share of the picture's variance that is left.
    let alphas: [Double]
    /// [timesteps]: noise over picture, √((1 − ᾱ)/ᾱ).
    let sigmas: [Double]

    init(_ configuration: SchedulerConfiguration, kind: SchedulerKind) {
        var betas = Self.betas(configuration)
        // PNDM has no such field.
        let rescales = configuration.rescalesToZeroSignal && kind != .pndm
        if rescales { betas = Self.rescaled(betas) }
        var alphas: [Double] = []
        for beta in betas { alphas.append((alphas.last ?? 1) * (1 - beta)) }
        // Those that divide by the picture's share keep a trace of it, as diffusers has it.
        if rescales, kind != .ddim { alphas[alphas.count - 1] = 0x1p-24 }
        self.alphas = alphas
        sigmas = alphas.map { ((1 - $0) / $0).squareRoot() }
    }

    private static func betas(_ configuration: SchedulerConfiguration) -> [Double] {
        if let betas = configuration.trainedBetas { return betas }
        let count = configuration.trainingStepCount
        let (start, end) = (configuration.betaStart, configuration.betaEnd)
        switch configuration.betaSchedule {
        case .linear: return evenlySpaced(start, end, count: count)
        case .scaledLinear:
            return evenlySpaced(start.squareRoot(), end.squareRoot(), count: count).map { $0 * $0 }
        case .squaredCosine:
            func left(_ step: Int) -> Double {
                let cosine = cos((Double(step) / Double(count) + 0.008) / 1.008 * .pi / 2)
                return cosine * cosine
            }
            return (0..<count).map { min(1 - left($0 + 1) / left($0), 0.999) }
        }
    }

    /// The variances for which √ᾱ is shifted and scaled so that it keeps its first value and ends at 0 (Lin et al.,
    /// arXiv:2305.08891, algorithm 1).
    private static func rescaled(_ betas: [Double]) -> [Double] {
        var left = 1.0
        var roots = betas.map { beta in
            left *= 1 - beta
            return left.squareRoot()
        }
        guard let first = roots.first, let last = roots.last, first > last else { return betas }
        roots = roots.map { ($0 - last) * first / (first - last) }
        return roots.indices.map { index in
            let (current, previous) = (roots[index], index == 0 ? 1 : roots[index - 1])
            return 1 - current * current / (previous * previous)
        }
    }

    /// The noise level between the training's timesteps: linear, constant outside.
    func sigma(at timestep: Double) -> Double {
        let low = min(max(Int(timestep), 0), sigmas.count - 1)
        let high = min(low + 1, sigmas.count - 1)
        let share = min(max(timestep - Double(low), 0), 1)
        return sigmas[low] + (sigmas[high] - sigmas[low]) * share
    }

    /// The timestep of a noise level: linear in its logarithm.
    func timestep(of sigma: Double) -> Double {
        let above = sigmas.firstIndex { $0 > sigma } ?? sigmas.count
        let low = min(max(above - 1, 0), sigmas.count - 2)
        let (lowLog, highLog) = (log(sigmas[low]), log(sigmas[low + 1]))
        let share = (lowLog - log(max(sigma, 1e-10))) / (lowLog - highLog)
        return Double(low) + min(max(share, 0), 1)
    }
}

/// Equal steps from `start` to `end`, both included; `start` alone where `count` is 1.
func evenlySpaced(_ start: Double, _ end: Double, count: Int) -> [Double] {
    (0..<count).map { index in
        index == count - 1 && index > 0 ? end : start + Double(index) * ((end - start) / Double(max(count - 1, 1)))
    }
}
