extension SchedulerConfiguration.Spacing {
    /// The training's timesteps that are visited, the noisiest first.
    /// - Parameters:
    ///   - stepCount: how many are visited.
    ///   - trainingStepCount: how many the training had.
    ///   - offset: what leading spacing adds to each.
    func timesteps(kind: SchedulerKind, stepCount: Int, trainingStepCount: Int, offset: Int) -> [Double] {
        // DPM-Solver++ takes one more, of which the last, timestep 0, is not visited.
        let spareCount = kind == .dpmSolver ? 1 : 0
        switch self {
        case .leading:
            let stride = trainingStepCount / (stepCount + spareCount)
            return (spareCount..<stepCount + spareCount).reversed().map { Double($0 * stride + offset) }
        case .linspace:
            let all = evenlySpaced(0, Double(trainingStepCount - 1), count: stepCount + spareCount)
            let visited = all.dropFirst(spareCount).reversed()
            switch kind {
            case .pndm, .ddim, .dpmSolver: return visited.map { $0.rounded(.toNearestOrEven) }
            // Between the timesteps, as far as f32 tells them apart.
            case .euler, .eulerAncestral: return visited.map { Double(Float($0)) }
            }
        case .trailing:
            // numpy's arange steps by the difference of its first two values, which is not quite the stride; where a
            // value lies halfway between two timesteps, that decides.
            let count = Double(trainingStepCount)
            let stride = count - (count - count / Double(stepCount))
            return (0..<stepCount).map { (count - Double($0) * stride).rounded(.toNearestOrEven) - 1 }
        }
    }
}
