public import VkdynCore

/// A benchmark that was asked for and cannot be made.
public enum BenchmarkError: UserFacingError, Equatable {
    case unknownKernel(String, known: [String])
    /// The kernel states no shapes.
    case noShapes(kernel: String)
    case unknownAxis(kernel: String, axis: String, known: [String])
    case repeatedAxis(text: String, axis: String)
    case notANumber(text: String, part: String)
    case numberAfterName(text: String, part: String)
    case tooManyNumbers(kernel: String, text: String, axes: [String])
    case outOfRange(kernel: String, axis: String, value: Int, minimum: Int, maximum: Int)
    case notAMultiple(kernel: String, axis: String, value: Int, of: Int)
    case unknownStorage(kernel: String, type: ElementType, known: [ElementType])
    case tooLarge(kernel: String, shape: String, limitBytes: Int)
    case noWork(kernel: String, shape: String)
    case unknownVariant(kernel: String, variant: String, known: [String])
    /// The variant exists and may not run this shape, or not on this device.
    case illegalVariant(kernel: String, variant: String, shape: String, legal: [String])
    case noVariant(kernel: String, shape: String, device: String)
    case oneFlavour(kernel: String)

    public var description: String {
        switch self {
        case .unknownKernel(let name, let known):
            "\(name): no such kernel; there are: \(known.joined(separator: ", "))"
        case .noShapes(let kernel): "\(kernel) states no shapes that a benchmark could take; vkdyn bench lists those that do"
        case .unknownAxis(let kernel, let axis, let known):
            "--shape \(axis)=…: \(kernel) has no such axis; its axes are: \(known.joined(separator: ", "))"
        case .repeatedAxis(let text, let axis): "--shape \(text): \(axis) is given twice"
        case .notANumber(let text, let part): "--shape \(text): \"\(part)\" is not a whole number"
        case .numberAfterName(let text, let part):
            "--shape \(text): \(part) stands after axis=number; give it as axis=\(part), too"
        case .tooManyNumbers(let kernel, let text, let axes):
            "--shape \(text): \(kernel) has \(axes.count) axes: \(axes.joined(separator: ", "))"
        case .outOfRange(let kernel, let axis, let value, let minimum, let maximum):
            "--shape: \(axis) \(value) of \(kernel) must be \(minimum) to \(maximum)"
        case .notAMultiple(let kernel, let axis, let value, let multiple):
            "--shape: \(axis) \(value) of \(kernel) must be a multiple of \(multiple)"
        case .unknownStorage(let kernel, let type, let known):
            "--weights \(type.rawValue): \(kernel) stores \(known.map(\.rawValue).joined(separator: ", "))"
        case .tooLarge(let kernel, let shape, let limit):
            "--shape: \(kernel) with \(shape) takes more than \(limit >> 30) GiB; use a smaller shape"
        case .noWork(let kernel, let shape): "--shape: \(kernel) with \(shape) has nothing to do, so nothing to measure"
        case .unknownVariant(let kernel, let variant, let known):
            "--variant \(variant): \(kernel) has no such variant; it has: \(known.joined(separator: ", "))"
        case .illegalVariant(let kernel, let variant, let shape, let legal):
            "--variant \(variant) may not run \(kernel) with \(shape) on this device; those that may: "
                + legal.joined(separator: ", ")
        case .noVariant(let kernel, let shape, let device): "no variant of \(kernel) may run \(shape) on \(device)"
        case .oneFlavour(let kernel): "--flavour fused: \(kernel) multiplies nothing into a sum; it has one flavour"
        }
    }
}
