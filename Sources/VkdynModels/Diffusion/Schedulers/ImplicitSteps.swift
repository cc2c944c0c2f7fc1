/// PNDM and DDIM: from one timestep of the training to an earlier one, by ᾱ.
extension DenoisingSchedule {
    /// ᾱ at a timestep; before the first one, what the last step ends at.
    private static func alpha(
        _ configuration: SchedulerConfiguration, _ table: NoiseTable, _ timestep: Int, endsWithoutNoise: Bool
    ) -> Double {
        if timestep >= 0 { return table.alphas[timestep] }
        return configuration.endsWithoutNoise ?? endsWithoutNoise ? 1 : table.alphas[0]
    }

    /// Equation 12 of arXiv:2010.02502 with no noise: the picture and the noise as the model sees them, mixed anew.
    /// - Parameter timesteps: descending.
    static func ddim(
        _ configuration: SchedulerConfiguration, _ table: NoiseTable, _ timesteps: [Int]
    ) -> [DenoisingStep] {
        let stride = configuration.trainingStepCount / timesteps.count
        return timesteps.map { timestep in
            let from = table.alphas[timestep]
            let to = alpha(configuration, table, timestep - stride, endsWithoutNoise: true)
            let (alpha, sigma) = (from.squareRoot(), (1 - from).squareRoot())
            let picture = configuration.prediction.picture(alpha: alpha, sigma: sigma)
            let noise = configuration.prediction.noise(alpha: alpha, sigma: sigma)
            let (newAlpha, newSigma) = (to.squareRoot(), (1 - to).squareRoot())
            var step = DenoisingStep(timestep: Float(timestep))
            step.storedSlot = 0
            step.sampleWeight = Float(newAlpha * picture.sample + newSigma * noise.sample)
            step.terms = [.init(slot: 0, weight: Float(newAlpha * picture.output + newSigma * noise.output))]
            return step
        }
    }

    /// Adams and Bashforth's weights, the newest output first.
    private static let multistepWeights: [[Double]] = [
        [1], [3.0 / 2, -1.0 / 2], [23.0 / 12, -16.0 / 12, 5.0 / 12], [55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24],
    ]

    /// Equation 9 of arXiv:2202.09778 on outputs that linear multistep formulas combine. The second timestep is
    /// visited twice: the first step is taken again with the mean of the outputs at its two ends, which saves a
    /// multistep method from a start of low order.
    ///
    /// Slots 0 to 3 hold the last four outputs in turn; in the first two steps, slot 3 holds the first sample.
    /// - Parameter timesteps: descending.
    static func pndm(
        _ configuration: SchedulerConfiguration, _ table: NoiseTable, _ timesteps: [Int]
    ) -> [DenoisingStep] {
        let stride = configuration.trainingStepCount / timesteps.count
        var visited = timesteps
        if timesteps.count > 1 { visited.insert(timesteps[1], at: 1) }
        return visited.enumerated().map { index, timestep in
            var step = DenoisingStep(timestep: Float(timestep))
            var (from, to) = (timestep, timestep - stride)
            var weights: [(slot: Int, weight: Double)]
            switch index {
            case 0:
                step.storedSlot = 0
                if visited.count > 1 { step.savedSlot = 3 }
                weights = [(0, 1)]
            case 1:
                // The output at the other end is not kept: the next step puts its own in the same slot.
                step.storedSlot = 1
                (from, to) = (timestep + stride, timestep)
                weights = [(1, 0.5), (0, 0.5)]
            default:
                let newest = index - 1
                step.storedSlot = newest % 4
                weights = multistepWeights[min(newest, 3)].enumerated().map { ((newest - $0) % 4, $1) }
            }
            let fromAlpha = table.alphas[from]
            let toAlpha = alpha(configuration, table, to, endsWithoutNoise: false)
            let noise = configuration.prediction.noise(
                alpha: fromAlpha.squareRoot(), sigma: (1 - fromAlpha).squareRoot())
            let change =
                (fromAlpha - toAlpha)
                / (fromAlpha * (1 - toAlpha).squareRoot() + (fromAlpha * (1 - fromAlpha) * toAlpha).squareRoot())
            let sampleWeight = Float((toAlpha / fromAlpha).squareRoot() + change * noise.sample)
            step.terms = weights.map { .init(slot: $0, weight: Float(change * noise.output * $1)) }
            if index == 1 {
                step.terms.append(.init(slot: 3, weight: sampleWeight))
            } else {
                step.sampleWeight = sampleWeight
            }
            return step
        }
    }
}
