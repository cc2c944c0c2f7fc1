import VkdynCore

/// An elementwise nonlinearity; the numbers are those of `activation.glsl`.
public enum Activation: UInt32, Sendable, CaseIterable {
    case none = 0
    /// max(x, 0); NaN passes through.
    case relu = 1
    /// x/2 · (1 + erf(x/√2)).
    case geluErf = 2
    /// x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))).
    case geluTanh = 3
    /// x / (1 + e⁻ˣ).
    case silu = 4
    /// x / (1 + e^(−1.702·x)), the approximation of GELU that CLIP has.
    case quickGelu = 5

    /// The axis of a kernel's `shapes`.
    static func axis(standard: Activation) -> ShapeAxis {
        ShapeAxis("activation", 0...allCases.count - 1, standard: Int(standard.rawValue), maximum: allCases.count - 1,
            isConstant: true)
    }

    init(_ shape: Shape) { self = Activation(rawValue: UInt32(shape["activation"])) ?? .none }

    @inline(__always)
    public func callAsFunction(_ x: Float) -> Float {
        switch self {
        case .none: x
        case .relu: x < 0 ? 0 : x
        case .geluErf: (0.5 * x) * (1 + Functions.errorFunction(x * 0.70710677))
        case .geluTanh:
            (0.5 * x) * (1 + Functions.hyperbolicTangent(0.7978846 * (x + 0.044715 * ((x * x) * x))))
        case .silu: x * Functions.reciprocal(1 + Functions.exponential(-x))
        case .quickGelu: x * Functions.reciprocal(1 + Functions.exponential(-1.702 * x))
        }
    }
}
