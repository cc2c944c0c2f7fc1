import Foundation
import Testing
import VkdynFormats

@testable import VkdynModels

/// The schedulers by formulas of their papers, computed a second way in double precision.
@Suite struct SchedulerTests {
    /// Stable Diffusion's noise.
    private static func configuration(
        _ prediction: SchedulerConfiguration.Prediction = .epsilon, spacing: SchedulerConfiguration.Spacing? = nil,
        _ change: (inout SchedulerConfiguration) -> Void = { _ in }
    ) -> SchedulerConfiguration {
        var configuration = SchedulerConfiguration()
        configuration.betaStart = 0.00085
        configuration.betaEnd = 0.012
        configuration.betaSchedule = .scaledLinear
        configuration.prediction = prediction
        configuration.spacing = spacing
        configuration.stepsOffset = 1
        configuration.skipsRungeKutta = true
        configuration.clipsSample = false
        change(&configuration)
        return configuration
    }

    private static func timesteps(
        _ kind: SchedulerKind, _ spacing: SchedulerConfiguration.Spacing?, _ stepCount: Int
    ) throws -> [Float] {
        try DenoisingSchedule(kind: kind, configuration: configuration(spacing: spacing), stepCount: stepCount)
            .steps.map(\.timestep)
    }

    /// ᾱ of Stable Diffusion at a whole timestep.
    private static func alpha(_ timestep: Int) -> Double {
        (0...timestep).reduce(1) { product, step in
            let root = 0.00085.squareRoot() + (0.012.squareRoot() - 0.00085.squareRoot()) * Double(step) / 999
            return product * (1 - root * root)
        }
    }

    /// Something that depends on the sample and on the time, element by element.
    private static func model(_ input: [Double], _ timestep: Double) -> [Double] {
        input.map { sin(3 * $0 + timestep / 90) + 0.3 * $0 }
    }

    private static let start = (0..<7).map { sin(Double($0) * 1.7) * 1.3 }

    private static func expectClose(_ values: [Double], _ expected: [Double], _ tolerance: Double = 2e-6) {
        let largest = expected.map(abs).max() ?? 1
        for (index, (value, wanted)) in zip(values, expected).enumerated() {
            #expect(abs(value - wanted) <= tolerance * largest, "value \(index): \(value), expected \(wanted)")
        }
    }

    // MARK: Timesteps

    @Test func timestepsAreSpacedAsPublished() throws {
        #expect(try Self.timesteps(.ddim, nil, 4) == [751, 501, 251, 1])
        #expect(try Self.timesteps(.ddim, .trailing, 4) == [999, 749, 499, 249])
        #expect(try Self.timesteps(.ddim, .linspace, 5) == [999, 749, 500, 250, 0])
        #expect(try Self.timesteps(.euler, nil, 5) == [999, 749.25, 499.5, 249.75, 0])
        #expect(try Self.timesteps(.eulerAncestral, .leading, 2) == [501, 1])
        #expect(try Self.timesteps(.dpmSolver, nil, 4) == [999, 749, 500, 250])
        #expect(try Self.timesteps(.dpmSolver, .leading, 4) == [801, 601, 401, 201])
        #expect(try Self.timesteps(.dpmSolver, .trailing, 3) == [999, 666, 332])
        // Halves go to the even neighbour.
        #expect(try Self.timesteps(.ddim, .trailing, 16).prefix(4) == [999, 937, 874, 811])
    }

    @Test func pndmVisitsTheSecondTimestepTwice() throws {
        let fifty = try Self.timesteps(.pndm, nil, 50)
        #expect(fifty.count == 51 && fifty.prefix(4) == [981, 961, 961, 941] && fifty.last == 1)
        #expect(try Self.timesteps(.pndm, nil, 2) == [501, 1, 1])
        #expect(try Self.timesteps(.pndm, nil, 1) == [1])
    }

    @Test func eulersNoiseLevelsAreThoseOfStableDiffusion() throws {
        let schedule = try DenoisingSchedule(
            kind: .euler, configuration: Self.configuration(), stepCount: 30)
        #expect(abs(schedule.initialScale - 14.6146) < 1e-3)
        #expect(abs(schedule.steps[0].inputScale - 1 / (14.6146 * 14.6146 + 1).squareRoot()) < 1e-5)
        let leading = try DenoisingSchedule(
            kind: .euler, configuration: Self.configuration(spacing: .leading), stepCount: 1)
        #expect(abs(leading.initialScale - Float((1 / Self.alpha(1)).squareRoot())) < 1e-6)
    }

    // MARK: Formulas

    @Test(arguments: [SchedulerConfiguration.Prediction.epsilon, .velocity, .sample], [1, 2, 7, 20])
    func ddimIsItsFormula(prediction: SchedulerConfiguration.Prediction, stepCount: Int) throws {
        let schedule = try DenoisingSchedule(
            kind: .ddim, configuration: Self.configuration(prediction), stepCount: stepCount)
        var run = DenoisingRun(schedule, noise: Self.start)
        run.run(Self.model)
        var sample = Self.start
        for step in 0..<stepCount {
            let timestep = (stepCount - 1 - step) * (1000 / stepCount) + 1
            let previous = timestep - 1000 / stepCount
            let (now, next) = (Self.alpha(timestep), previous < 0 ? 1 : Self.alpha(previous))
            let output = Self.model(sample, Double(timestep))
            sample = zip(sample, output).map { x, e in
                let (picture, noise): (Double, Double)
                switch prediction {
                case .epsilon: (picture, noise) = ((x - sqrt(1 - now) * e) / sqrt(now), e)
                case .velocity:
                    (picture, noise) = (sqrt(now) * x - sqrt(1 - now) * e, sqrt(now) * e + sqrt(1 - now) * x)
                case .sample: (picture, noise) = (e, (x - sqrt(now) * e) / sqrt(1 - now))
                }
                return sqrt(next) * picture + sqrt(1 - next) * noise
            }
        }
        Self.expectClose(run.sample, sample)
    }

    @Test(arguments: [SchedulerConfiguration.Prediction.epsilon, .velocity], [1, 2, 3, 5, 20])
    func pndmIsItsFormula(prediction: SchedulerConfiguration.Prediction, stepCount: Int) throws {
        let schedule = try DenoisingSchedule(
            kind: .pndm, configuration: Self.configuration(prediction), stepCount: stepCount)
        #expect(schedule.slotCount <= 4)
        var run = DenoisingRun(schedule, noise: Self.start)
        run.run(Self.model)
        let stride = 1000 / stepCount
        func moved(_ x: [Double], _ output: [Double], _ from: Int, _ to: Int) -> [Double] {
            let (now, next) = (Self.alpha(from), Self.alpha(max(to, 0)))
            return zip(x, output).map { x, output in
                let noise = prediction == .velocity ? sqrt(now) * output + sqrt(1 - now) * x : output
                let picture = (x - sqrt(1 - now) * noise) / sqrt(now)
                return sqrt(next) * picture + sqrt(1 - next) * noise
            }
        }
        var sample = Self.start
        var outputs: [[Double]] = []
        let timesteps = (0..<stepCount).reversed().map { $0 * stride + 1 }
        for (index, timestep) in timesteps.enumerated() {
            outputs.append(Self.model(sample, Double(timestep)))
            if index == 0, stepCount > 1 {
                // Euler's method and then the trapezoid rule, as Heun has it.
                let guess = moved(sample, outputs[0], timestep, timestep - stride)
                let end = Self.model(guess, Double(timesteps[1]))
                sample = moved(
                    sample, zip(outputs[0], end).map { ($0 + $1) / 2 }, timesteps[1] + stride, timesteps[1])
                continue
            }
            let weights: [Double] =
                switch outputs.count {
                case 1: [1]
                case 2: [1.5, -0.5]
                case 3: [23.0 / 12, -4.0 / 3, 5.0 / 12]
                default: [55.0 / 24, -59.0 / 24, 37.0 / 24, -3.0 / 8]
                }
            let combined = sample.indices.map { element in
                zip(weights, outputs.reversed()).reduce(0) { $0 + $1.0 * $1.1[element] }
            }
            sample = moved(sample, combined, timestep, timestep - stride)
        }
        Self.expectClose(run.sample, sample, 2e-5)
    }

    private static func sigma(_ timestep: Double) -> Double {
        let (low, high) = (Int(timestep), min(Int(timestep) + 1, 999))
        let levels = [low, high].map { ((1 - alpha($0)) / alpha($0)).squareRoot() }
        return levels[0] + (levels[1] - levels[0]) * (timestep - Double(low))
    }

    @Test(arguments: [SchedulerKind.euler, .eulerAncestral], [SchedulerConfiguration.Prediction.epsilon, .velocity])
    func eulersMethodsAreTheirFormulas(kind: SchedulerKind, prediction: SchedulerConfiguration.Prediction) throws {
        let schedule = try DenoisingSchedule(kind: kind, configuration: Self.configuration(prediction), stepCount: 11)
        func noise(_ step: Int) -> [Double] { Self.start.map { cos($0 * 5 + Double(step)) } }
        var run = DenoisingRun(schedule, noise: Self.start)
        run.run(Self.model, noise: noise)
        let timesteps = (0...10).reversed().map { Double(Float(Double($0) * 99.9)) }
        let sigmas = timesteps.map(Self.sigma) + [0]
        var sample = Self.start.map { $0 * sigmas[0] }
        for step in 0...10 {
            let (sigma, next) = (sigmas[step], sigmas[step + 1])
            let output = Self.model(sample.map { $0 / sqrt(sigma * sigma + 1) }, timesteps[step])
            var (down, up) = (next, 0.0)
            if kind == .eulerAncestral {
                up = sqrt(next * next * (sigma * sigma - next * next) / (sigma * sigma))
                down = sqrt(next * next - up * up)
            }
            sample = sample.indices.map { element in
                let (x, e) = (sample[element], output[element])
                let picture =
                    prediction == .epsilon
                    ? x - sigma * e : x / (sigma * sigma + 1) - e * sigma / sqrt(sigma * sigma + 1)
                return x + (x - picture) / sigma * (down - sigma) + up * noise(step)[element]
            }
        }
        Self.expectClose(run.sample, sample)
        #expect(schedule.steps.allSatisfy { ($0.noiseWeight > 0) == (kind == .eulerAncestral && $0.timestep > 0) })
    }

    @Test(arguments: [1, 2, 9, 20], [SchedulerConfiguration.SolverType.midpoint, .heun])
    func dpmSolverIsItsFormula(stepCount: Int, solver: SchedulerConfiguration.SolverType) throws {
        for prediction in SchedulerConfiguration.Prediction.allCases {
            let schedule = try DenoisingSchedule(
                kind: .dpmSolver, configuration: Self.configuration(prediction) { $0.solverType = solver },
                stepCount: stepCount)
            var run = DenoisingRun(schedule, noise: Self.start)
            run.run(Self.model)
            let timesteps = (1...stepCount).reversed().map {
                (Double($0) * 999 / Double(stepCount)).rounded(.toNearestOrEven)
            }
            let sigmas = timesteps.map(Self.sigma) + [0]
            var sample = Self.start
            var pictures: [[Double]] = []
            for step in 0..<stepCount {
                func lambda(_ index: Int) -> Double { -log(sigmas[index]) }
                func alpha(_ index: Int) -> Double { 1 / sqrt(sigmas[index] * sigmas[index] + 1) }
                let (now, noise) = (alpha(step), alpha(step) * sigmas[step])
                pictures.append(
                    zip(sample, Self.model(sample, timesteps[step])).map { x, e in
                        switch prediction {
                        case .epsilon: (x - noise * e) / now
                        case .velocity: now * x - noise * e
                        case .sample: e
                        }
                    })
                if step == stepCount - 1 {
                    sample = pictures[step]
                    continue
                }
                let growth = lambda(step + 1) - lambda(step)
                sample = sample.indices.map { element in
                    let newest = pictures[step][element]
                    let start = alpha(step + 1) * sigmas[step + 1] / noise * sample[element]
                    let base = start - alpha(step + 1) * (exp(-growth) - 1) * newest
                    if step == 0 { return base }
                    let slope =
                        (newest - pictures[step - 1][element]) * growth / (lambda(step) - lambda(step - 1))
                    return solver == .midpoint
                        ? base - 0.5 * alpha(step + 1) * (exp(-growth) - 1) * slope
                        : base + alpha(step + 1) * ((exp(-growth) - 1) / growth + 1) * slope
                }
            }
            Self.expectClose(run.sample, sample)
        }
    }

    /// Of Karras and others' equation 5, with their ρ = 7.
    @Test func karrasLevelsKeepTheirEnds() throws {
        let schedule = try DenoisingSchedule(
            kind: .euler, configuration: Self.configuration(spacing: .trailing) { $0.usesKarrasSigmas = true },
            stepCount: 4)
        let (high, low) = (Self.sigma(999), Self.sigma(249))
        for (index, step) in schedule.steps.enumerated() {
            let root = pow(high, 1.0 / 7) + Double(index) / 3 * (pow(low, 1.0 / 7) - pow(high, 1.0 / 7))
            let sigma = pow(root, 7)
            #expect(abs(Double(step.inputScale) - 1 / sqrt(sigma * sigma + 1)) < 1e-6)
            // The timestep is the one of that noise level, within the table's.
            #expect(abs(Self.sigma(Double(step.timestep)) / sigma - 1) < 1e-4)
        }
        let solver = try DenoisingSchedule(
            kind: .dpmSolver, configuration: Self.configuration { $0.usesKarrasSigmas = true }, stepCount: 5)
        #expect(solver.steps.map(\.timestep).allSatisfy { $0 == $0.rounded() })
        #expect(solver.steps.first?.timestep == 999 && solver.steps.last?.timestep == 0)
    }

    // MARK: Properties

    /// A model that knows the picture leads every scheduler to it, whatever it predicts.
    @Test(arguments: SchedulerKind.allCases, SchedulerConfiguration.Prediction.allCases)
    func aPerfectModelEndsAtThePicture(kind: SchedulerKind, prediction: SchedulerConfiguration.Prediction) throws {
        if prediction == .sample, kind == .pndm || kind == .eulerAncestral { return }
        // PNDM's strides are those of leading spacing, whatever its timesteps are.
        for spacing in kind == .pndm ? [.leading] : SchedulerConfiguration.Spacing.allCases {
            let configuration = Self.configuration(prediction, spacing: spacing) { $0.endsWithoutNoise = true }
            let schedule = try DenoisingSchedule(kind: kind, configuration: configuration, stepCount: 20)
            let picture = Self.start.map { $0 * 0.4 - 0.1 }
            var run = DenoisingRun(schedule, noise: Self.start.map { cos(40 * $0) })
            run.run(
                { input, timestep in
                    let sigma = Self.sigma(timestep)
                    let (alpha, noise) = (1 / sqrt(sigma * sigma + 1), sigma / sqrt(sigma * sigma + 1))
                    return zip(input, picture).map { x, picture in
                        let epsilon = (x - alpha * picture) / noise
                        switch prediction {
                        case .epsilon: return epsilon
                        case .velocity: return alpha * epsilon - noise * picture
                        case .sample: return picture
                        }
                    }
                }, noise: { step in Self.start.map { sin(7 * $0 + Double(step)) } })
            // On its way the noise is one and the same, so that multistep formulas are exact; PNDM combines what the model
            // predicts, and velocities change.
            Self.expectClose(run.sample, picture, kind == .pndm && prediction == .velocity ? 1e-2 : 1e-5)
        }
    }

    @Test func noSignalIsLeftAtTheLastTimestepOfZeroSNR() throws {
        func schedule(_ kind: SchedulerKind, _ prediction: SchedulerConfiguration.Prediction) throws
            -> DenoisingSchedule
        {
            try DenoisingSchedule(
                kind: kind,
                configuration: Self.configuration(prediction, spacing: .trailing) { $0.rescalesToZeroSignal = true },
                stepCount: 10)
        }
        // x is noise alone, so the picture is −v, and the noise x.
        let ddim = try schedule(.ddim, .velocity)
        let next = Double(ddim.steps[0].sampleWeight)
        #expect(abs(next * next + pow(Double(ddim.steps[0].terms[0].weight), 2) - 1) < 1e-6)
        #expect(throws: DenoisingScheduleError.notFinite(step: 0, timestep: 999)) { try schedule(.ddim, .epsilon) }
        #expect(abs(try schedule(.euler, .velocity).initialScale - 4096) < 1)
        #expect(abs(try schedule(.pndm, .velocity).steps[0].sampleWeight) < 2)
    }

    @Test func squaredCosineStaysBelowItsCap() {
        let table = NoiseTable(Self.configuration { $0.betaSchedule = .squaredCosine }, kind: .ddim)
        #expect(
            abs(table.alphas[499] - pow(cos((0.5 + 0.008) / 1.008 * .pi / 2), 2) / pow(cos(0.008 / 1.008 * .pi / 2), 2))
                < 1e-9)
        #expect(table.alphas[999] > 0 && zip(table.alphas, table.alphas.dropFirst()).allSatisfy { $0 > $1 })
        let trained = NoiseTable(
            Self.configuration { $0.trainedBetas = .init(repeating: 0.5, count: 1000) }, kind: .ddim)
        #expect(trained.alphas[2] == 0.125)
    }

    // MARK: Refusals

    private func message(_ kind: SchedulerKind, _ json: String, stepCount: Int = 10) -> String {
        do {
            let configuration = try SchedulerConfiguration(ConfigFile(path: "s.json", text: json))
            _ = try DenoisingSchedule(kind: kind, configuration: configuration, stepCount: stepCount)
            return "accepted"
        } catch {
            return "\(error)"
        }
    }

    @Test(arguments: [
        (#"{"beta_schedule":"laplace"}"#, "beta_schedule: expected one of linear, scaled_linear, squaredcos_cap_v2"),
        (#"{"prediction_type":"flow_prediction"}"#, "prediction_type: expected one of epsilon, v_prediction, sample"),
        (#"{"timestep_spacing":"uneven"}"#, "timestep_spacing: expected one of"),
        (#"{"num_train_timesteps":0}"#, "num_train_timesteps: expected an integer from 2"),
        (#"{"trained_betas":[0.1]}"#, "trained_betas: expected num_train_timesteps = 1000 numbers, found 1"),
        (
            #"{"num_train_timesteps":2,"trained_betas":[0.1,2]}"#,
            "trained_betas: expected numbers from 0 to 1, found 2.0"
        ),
        (#"{"steps_offset":-1}"#, "steps_offset: expected an integer"),
        (#"{"interpolation_type":"cubic"}"#, "interpolation_type: expected one of linear, log_linear"),
        (#"{"final_sigmas_type":"one"}"#, "final_sigmas_type: expected one of zero, sigma_min"),
        (#"{"solver_order":4}"#, "solver_order: expected an integer from 1 to 3"),
    ])
    func whatNoSchedulerKnowsIsRefused(json: String, problem: String) {
        for kind in SchedulerKind.allCases { #expect(message(kind, json).hasPrefix("s.json: " + problem)) }
    }

    @Test(arguments: [
        (SchedulerKind.pndm, "{}", "skip_prk_steps: expected true"),
        (.pndm, #"{"skip_prk_steps":true,"prediction_type":"sample"}"#, "prediction_type: expected epsilon or v_pred"),
        (.eulerAncestral, #"{"prediction_type":"sample"}"#, "prediction_type: expected epsilon or v_pred"),
        (.ddim, "{}", "clip_sample: expected false"),
        (.ddim, #"{"clip_sample":false,"thresholding":true}"#, "thresholding: expected false with ddim"),
        (.dpmSolver, #"{"thresholding":true}"#, "thresholding: expected false with dpm++2m"),
        (.euler, #"{"use_beta_sigmas":true}"#, "use_beta_sigmas: expected false with euler"),
        (.euler, #"{"timestep_type":"continuous","prediction_type":"v_prediction"}"#, "timestep_type: expected"),
        (.euler, #"{"sigma_max":3,"use_karras_sigmas":true}"#, "sigma_max: expected none"),
        (.dpmSolver, #"{"algorithm_type":"sde-dpmsolver++"}"#, #"algorithm_type: expected "dpmsolver++""#),
        (.dpmSolver, #"{"solver_order":3}"#, "solver_order: expected 1 or 2, found 3"),
        (.dpmSolver, #"{"solver_type":"bh1"}"#, "solver_type: expected midpoint or heun"),
        (.dpmSolver, #"{"lambda_min_clipped":-5.1}"#, "lambda_min_clipped: expected -Infinity, found -5.1"),
        (.dpmSolver, #"{"use_lu_lambdas":true}"#, "use_lu_lambdas: expected false"),
        (.dpmSolver, #"{"variance_type":"learned"}"#, "variance_type: expected none"),
    ])
    func whatAKindCannotDoIsRefusedForItAlone(kind: SchedulerKind, json: String, problem: String) {
        let found = message(kind, json)
        #expect(found.hasPrefix("s.json: " + problem), "\(found)")
        let accepting = SchedulerKind.allCases.filter { message($0, json) == "accepted" }
        #expect(!accepting.isEmpty && !accepting.contains(kind))
    }

    @Test func stepsBeyondTheTrainingAreRefused() {
        let ddim = #"{"clip_sample":false,"steps_offset":1}"#
        #expect(message(.ddim, ddim, stepCount: 0) == "0 steps, expected 1 to 1000")
        #expect(message(.ddim, ddim, stepCount: 1001) == "1001 steps, expected 1 to 1000")
        #expect(
            message(.ddim, ddim, stepCount: 1000).hasPrefix("1000 steps with steps_offset 1 begin at timestep 1000"))
        #expect(message(.ddim, ddim, stepCount: 999) == "accepted")
        let leading = #"{"timestep_spacing":"leading"}"#
        #expect(message(.dpmSolver, leading, stepCount: 1000) == "1000 steps, expected 1 to 999")
        #expect(message(.dpmSolver, #"{"lambda_min_clipped":-Infinity}"#, stepCount: 999) == "accepted")
    }

    @Test func theFilesOwnSchedulerIsTheDefault() throws {
        func configuration(_ name: String) throws -> SchedulerConfiguration {
            try SchedulerConfiguration(ConfigFile(path: "s.json", text: #"{"_class_name":"\#(name)"}"#))
        }
        for kind in SchedulerKind.allCases { #expect(try configuration(kind.className).kind() == kind) }
        let unknown = try configuration("UniPCMultistepScheduler")
        #expect(try unknown.kind(.euler) == .euler)
        #expect(throws: FormatError.self) { try unknown.kind() }
    }
}
