import CVulkan
import VkdynCore
import VkdynSchedule

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The Vulkan loader, opened at run time, so that a machine without one can still use the reference device.
enum Loader {
    /// `vkGetInstanceProcAddr`, or nil where there is no loader. Opened once; never closed, as drivers keep threads.
    static let getInstanceProcAddr: PFN_vkGetInstanceProcAddr? = {
        for name in ["libvulkan.so.1", "libvulkan.so"] {
            if let library = dlopen(name, RTLD_NOW | RTLD_LOCAL), let symbol = dlsym(library, "vkGetInstanceProcAddr") {
                return unsafeBitCast(symbol, to: PFN_vkGetInstanceProcAddr.self)
            }
        }
        return nil
    }()

    /// A function that every loader of Vulkan 1.2 has.
    static func function<T>(_ name: String, _ instance: VkInstance?, as type: T.Type) -> T {
        guard let function = getInstanceProcAddr?(instance, name) else {
            preconditionFailure("the Vulkan loader lacks \(name)")
        }
        return unsafeBitCast(function, to: T.self)
    }
}

/// Throws when a call did not succeed.
func check(
    _ result: VkResult, _ call: String, device: String = "the device", what: String = "it", byteCount: Int = 0
) throws(DeviceError) {
    switch result {
    case VK_SUCCESS: return
    case VK_ERROR_DEVICE_LOST: throw .lost(device: device)
    case VK_ERROR_OUT_OF_DEVICE_MEMORY, VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_OUT_OF_POOL_MEMORY:
        throw .outOfMemory(what: what, byteCount: byteCount, device: device)
    case VK_ERROR_INCOMPATIBLE_DRIVER: throw .noDriver
    default: throw .failed(call: call, code: Int(result.rawValue))
    }
}

/// Calls a Vulkan enumeration twice, for the count and for the values.
func enumerate<T>(
    _ initial: T, _ call: (UnsafeMutablePointer<UInt32>, UnsafeMutablePointer<T>?) -> VkResult
) -> [T] {
    var count: UInt32 = 0
    guard call(&count, nil) == VK_SUCCESS, count > 0 else { return [] }
    var values = [T](repeating: initial, count: Int(count))
    let result = call(&count, &values)
    guard result == VK_SUCCESS || result == VK_INCOMPLETE else { return [] }
    return Array(values.prefix(Int(count)))
}

/// The text in a fixed-size C array.
func string<T>(_ tuple: T) -> String {
    withUnsafeBytes(of: tuple) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}
