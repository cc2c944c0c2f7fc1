/// How a sampler walks from noise to a picture.
public enum SchedulerKind: String, Sendable, CaseIterable {
    /// Pseudo linear multistep (Liu et al., arXiv:2202.09778), without its Runge-Kutta steps.
    case pndm
    /// Denoising diffusion implicit models (Song et al., arXiv:2010.02502), with η = 0.
    case ddim
    /// Euler's method over noise levels (Karras et al., arXiv:2206.00364), with no churn.
    case euler
    /// The same with ancestral noise: each step goes below its noise level, and new noise fills up the difference.
    case eulerAncestral = "euler-ancestral"
    /// DPM-Solver++(2M) (Lu et al., arXiv:2211.01095).
    case dpmSolver = "dpm++2m"

    /// The kind that diffusers' class of this name is, or nil.
    public init?(className: String) {
        guard let kind = Self.allCases.first(where: { $0.className == className }) else { return nil }
        self = kind
    }

    /// What `scheduler_config.json` calls it: diffusers' class.
    public var className: String {
        switch self {
        case .pndm: "PNDMScheduler"
        case .ddim: "DDIMScheduler"
        case .euler: "EulerDiscreteScheduler"
        case .eulerAncestral: "EulerAncestralDiscreteScheduler"
        case .dpmSolver: "DPMSolverMultistepScheduler"
        }
    }

    /// What spaces the timesteps where the configuration does not say: each class of diffusers has its own.
    var defaultSpacing: SchedulerConfiguration.Spacing {
        switch self {
        case .pndm, .ddim: .leading
        case .euler, .eulerAncestral, .dpmSolver: .linspace
        }
    }
}
