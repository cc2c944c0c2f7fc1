import Foundation
public import VkdynCore

/// What a step does with a feature that may come from a cache.
public enum FeatureAction: Sendable, Equatable {
    /// Compute it, and store it for later steps.
    case compute
    /// Take what the given step stored.
    case reuse(from: Int)
}

/// DeepCache's schedule (Ma et al., arXiv 2312.00858): on full steps the whole network runs and its deep features are
/// stored, on the others they are reused. A pure state machine over steps counted from 0; timesteps, which may repeat,
/// do not enter.
public struct FeatureSchedule: Sendable, Equatable {
    public enum Policy: Sendable, Equatable {
        /// No step reuses anything.
        case everyStep
        /// Every `interval`-th step is full, counted from `first`, the first step that is run.
        case interval(Int, first: Int = 0)
        /// These steps are full, in any order; those after the last step mean nothing.
        case list([Int])
        /// ⌈steps/interval⌉ full steps, which lie the denser the nearer they are to step `centre`: with q from
        /// (−centre)^(1/power) to (steps − centre)^(1/power) in equal complex steps, full steps are the truncated real
        /// parts of q^power, plus centre. Where two of them coincide, the power is lowered by 0.02 until none do.
        case nonUniform(interval: Int, power: Double = 1.4, centre: Int = 15)
    }

    public let policy: Policy
    public let stepCount: Int
    /// Ascending.
    public let fullSteps: [Int]
    /// The step that `next` answers for.
    public private(set) var step: Int

    /// - Parameter stepCount: steps of the whole run, the first not run ones included.
    public init(_ policy: Policy, stepCount: Int) throws(FeatureScheduleError) {
        self.policy = policy
        self.stepCount = stepCount
        var first = 0
        switch policy {
        case .everyStep:
            fullSteps = Array(0..<stepCount)
        case .interval(let interval, let start):
            guard interval >= 1 else { throw .interval(interval) }
            guard start >= 0, start < max(stepCount, 1) else { throw .first(start, stepCount: stepCount) }
            fullSteps = Array(stride(from: start, to: stepCount, by: interval))
            first = start
        case .list(let steps):
            guard let lowest = steps.min(), lowest == 0 else { throw .noFirstStep(lowest: steps.min()) }
            fullSteps = Set(steps).filter { $0 < stepCount }.sorted()
        case .nonUniform(let interval, let power, let centre):
            guard interval >= 1 else { throw .interval(interval) }
            fullSteps =
                interval == 1
                ? Array(0..<stepCount)
                : try Self.nonUniform(
                    stepCount: stepCount, count: (stepCount + interval - 1) / interval, power: power, centre: centre)
        }
        step = first
    }

    /// What a step does; reuse names the last full step before it.
    public func action(step: Int) -> FeatureAction {
        precondition(step >= 0 && step < stepCount, "step \(step) of \(stepCount)")
        guard let last = fullSteps.last(where: { $0 <= step }) else {
            preconditionFailure("step \(step) comes before the first one that is run")
        }
        return last == step ? .compute : .reuse(from: last)
    }

    /// The action of the current step; counts it.
    public mutating func next() -> FeatureAction {
        defer { step += 1 }
        return action(step: step)
    }

    private static func nonUniform(
        stepCount: Int, count: Int, power: Double, centre: Int
    ) throws(FeatureScheduleError) -> [Int] {
        guard centre >= 0, centre < max(stepCount, 1) else { throw .centre(centre, stepCount: stepCount) }
        var exponent = power
        while exponent > 1 {
            let start = Complex(real: -Double(centre)).power(1 / exponent)
            let end = Complex(real: Double(stepCount - centre)).power(1 / exponent)
            let parts = (0...count).map { index in
                start.interpolated(to: end, Double(index) / Double(count)).power(exponent).real
            }
            // The lowest and the highest of them stand for the ends of the run.
            let inner = Set(parts.map { Int($0) }).sorted().dropFirst().dropLast()
            if inner.count == count - 1 { return ([0] + inner.map { $0 + centre }).sorted() }
            exponent -= 0.02
        }
        throw .noPower(power, stepCount: stepCount, count: count)
    }
}

/// As much of a complex number as the schedule needs.
private struct Complex {
    var real: Double
    var imaginary = 0.0

    /// The principal value; 0 for 0.
    func power(_ exponent: Double) -> Complex {
        let magnitude = pow(hypot(real, imaginary), exponent)
        let angle = atan2(imaginary, real) * exponent
        // A positive number stays exactly real.
        return imaginary == 0 && real >= 0
            ? Complex(real: magnitude) : Complex(real: magnitude * cos(angle), imaginary: magnitude * sin(angle))
    }

    func interpolated(to other: Complex, _ share: Double) -> Complex {
        Complex(
            real: real + (other.real - real) * share, imaginary: imaginary + (other.imaginary - imaginary) * share)
    }
}

public enum FeatureScheduleError: UserFacingError, Equatable {
    case interval(Int)
    case first(Int, stepCount: Int)
    case noFirstStep(lowest: Int?)
    case centre(Int, stepCount: Int)
    case noPower(Double, stepCount: Int, count: Int)

    public var description: String {
        switch self {
        case .interval(let interval): "the cache interval is \(interval), expected 1 or more"
        case .first(let first, let count): "the first step is \(first), expected one of the \(count) steps, from 0"
        case .noFirstStep(let lowest):
            "the list of full steps begins with \(lowest.map(String.init) ?? "nothing"), expected 0: the first step "
                + "has no cache to reuse"
        case .centre(let centre, let count):
            "the schedule's centre is \(centre), expected one of the \(count) steps, from 0"
        case .noPower(let power, let count, let wanted):
            "no power from \(power) down to 1 spreads \(wanted) full steps over \(count); use a longer interval "
                + "or another centre"
        }
    }
}
