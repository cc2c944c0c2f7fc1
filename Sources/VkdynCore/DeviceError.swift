/// A device that cannot do what was asked, and what the user can do about it.
public enum DeviceError: UserFacingError, Equatable {
    case noLoader
    case noDriver
    case noSuchDevice(requested: String, available: [String])
    case unsupported(device: String, reason: String)
    case lost(device: String)
    case outOfMemory(what: String, byteCount: Int, device: String)
    case bufferTooLarge(what: String, byteCount: Int, limit: Int)
    case failed(call: String, code: Int)
    /// A call that no variant of its kernel may run, by the kernel's own rules.
    case noVariant(kernel: String, call: String)
    /// A device counted more rows than its buffers hold.
    case tooManyRows(plan: String)
    /// What a run needed of a file could not be had.
    case unreadable(String)
    /// A kernel and its twin differ: the first differing bit, in full.
    case differs(String)

    public var description: String {
        switch self {
        case .noLoader:
            "no Vulkan loader (libvulkan.so.1) was found; install libvulkan1, or use --device reference"
        case .noDriver:
            "the Vulkan loader found no driver; install one (mesa-vulkan-drivers has a CPU driver), "
                + "or use --device reference"
        case .noSuchDevice(let requested, let available):
            "--device \(requested): no such device; there are: \(available.joined(separator: ", "))"
        case .unsupported(let device, let reason): "\(device) cannot run vkdyn: \(reason)"
        case .lost(let device):
            "\(device) was lost (a driver reset or a crash of it); start again, and see the system log for why"
        case .outOfMemory(let what, let byteCount, let device):
            "\(device) has no memory left for \(what) (\(byteCount) bytes); use a smaller model or --weights f16"
        case .bufferTooLarge(let what, let byteCount, let limit):
            "\(what) takes \(byteCount) bytes, more than the \(limit) that the device allows in one buffer"
        case .failed(let call, let code): "\(call) failed with VkResult \(code)"
        case .noVariant(let kernel, let call):
            "no variant of \(kernel) can run \(call) on this device; --device reference can"
        case .tooManyRows(let plan):
            "\(plan) came to more rows than its buffers hold; this is a mistake in vkdyn, please report it"
        case .unreadable(let problem): problem
        case .differs(let report): report
        }
    }
}
