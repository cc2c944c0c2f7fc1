/// A product of int8 matrices with int32 sums, [size, depth] · [depth, size], that a subgroup takes together.
public struct IntegerMatrix: Sendable, Hashable, CustomStringConvertible {
    /// The Vulkan extension that brings it.
    public enum Form: String, Sendable, CaseIterable {
        case khr, nv

        public var extensionName: String {
            switch self {
            case .khr: "VK_KHR_cooperative_matrix"
            case .nv: "VK_NV_cooperative_matrix"
            }
        }
    }

    public let form: Form
    /// Rows of the product, and columns.
    public let size: Int
    /// The k's of one product.
    public let depth: Int
    /// Invocations of the subgroup.
    public let lanes: Int

    public init(form: Form, size: Int, depth: Int, lanes: Int) {
        self.form = form
        self.size = size
        self.depth = depth
        self.lanes = lanes
    }

    /// Those that kernels have variants for, the best first: for NVIDIA's GPUs, AMD's, newer lavapipes, and NVIDIA's
    /// again by its own extension, which older compilers of GLSL know.
    public static let known = [
        IntegerMatrix(form: .khr, size: 16, depth: 32, lanes: 32),
        IntegerMatrix(form: .khr, size: 16, depth: 16, lanes: 32),
        IntegerMatrix(form: .khr, size: 16, depth: 16, lanes: 64),
        IntegerMatrix(form: .khr, size: 8, depth: 8, lanes: 8),
        IntegerMatrix(form: .nv, size: 16, depth: 32, lanes: 32),
    ]

    public var description: String {
        "int8 matrices of \(size)×\(size)×\(depth) in subgroups of \(lanes) (\(form.extensionName))"
    }
}
