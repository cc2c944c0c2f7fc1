import CVulkan
import Synchronization
import VkdynCore
import VkdynSchedule

/// A Vulkan instance; devices keep it alive.
final class Instance: @unchecked Sendable {
    // Sendable: handles and function pointers, never changed.
    let handle: VkInstance
    let functions: InstanceFunctions
    private let messenger: VkDebugUtilsMessengerEXT?

    init(validation: Bool) throws(DeviceError) {
        guard Loader.getInstanceProcAddr != nil else { throw .noLoader }
        let create = Loader.function("vkCreateInstance", nil, as: PFN_vkCreateInstance.self)
        let layers = validation ? ["VK_LAYER_KHRONOS_validation"] : []
        let extensions = validation ? ["VK_EXT_debug_utils", "VK_EXT_validation_features"] : []
        var instance: VkInstance?
        let result = withCStrings(layers) { layerNames in
            withCStrings(extensions) { extensionNames in
                var application = VkApplicationInfo()
                application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO
                application.apiVersion = 1 << 22 | 3 << 12
                return withUnsafePointer(to: application) { application in
                    let enabled = [VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT]
                    return enabled.withUnsafeBufferPointer { enabled in
                        var features = VkValidationFeaturesEXT()
                        features.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT
                        features.enabledValidationFeatureCount = UInt32(enabled.count)
                        features.pEnabledValidationFeatures = enabled.baseAddress
                        return withUnsafePointer(to: features) { features in
                            var info = VkInstanceCreateInfo()
                            info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO
                            info.pNext = validation ? UnsafeRawPointer(features) : nil
                            info.pApplicationInfo = application
                            info.enabledLayerCount = UInt32(layerNames.count)
                            info.ppEnabledLayerNames = layerNames.baseAddress
                            info.enabledExtensionCount = UInt32(extensionNames.count)
                            info.ppEnabledExtensionNames = extensionNames.baseAddress
                            return create(&info, nil, &instance)
                        }
                    }
                }
            }
        }
        if result == VK_ERROR_LAYER_NOT_PRESENT || result == VK_ERROR_EXTENSION_NOT_PRESENT {
            throw .unsupported(
                device: "the Vulkan loader", reason: "the validation layers are not installed (vulkan-validationlayers)")
        }
        try check(result, "vkCreateInstance")
        guard let instance else { throw .noDriver }
        handle = instance
        functions = InstanceFunctions(instance)
        messenger = validation ? ValidationMessages.install(instance) : nil
    }

    deinit {
        if let messenger {
            Loader.function(
                "vkDestroyDebugUtilsMessengerEXT", handle, as: PFN_vkDestroyDebugUtilsMessengerEXT.self)(
                    handle, messenger, nil)
        }
        functions.vkDestroyInstance(handle, nil)
    }

    var physicalDevices: [VkPhysicalDevice] {
        enumerate(nil as VkPhysicalDevice?) { functions.vkEnumeratePhysicalDevices(handle, $0, $1) }
            .compactMap { $0 }
    }
}

/// What the validation layers said, errors and warnings alike.
public enum ValidationMessages {
    private static let messages = Mutex<[String]>([])

    public static var all: [String] { messages.withLock { $0 } }

    static func install(_ instance: VkInstance) -> VkDebugUtilsMessengerEXT? {
        var info = VkDebugUtilsMessengerCreateInfoEXT()
        info.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT
        info.messageSeverity =
            VkDebugUtilsMessageSeverityFlagsEXT(VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT.rawValue)
            | VkDebugUtilsMessageSeverityFlagsEXT(VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT.rawValue)
        info.messageType =
            VkDebugUtilsMessageTypeFlagsEXT(VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT.rawValue)
            | VkDebugUtilsMessageTypeFlagsEXT(VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT.rawValue)
        info.pfnUserCallback = { _, _, data, _ in
            if let message = data?.pointee.pMessage {
                let text = String(cString: message)
                ValidationMessages.messages.withLock { $0.append(text) }
            }
            return VkBool32(VK_FALSE)
        }
        var messenger: VkDebugUtilsMessengerEXT?
        let create = Loader.function(
            "vkCreateDebugUtilsMessengerEXT", instance, as: PFN_vkCreateDebugUtilsMessengerEXT.self)
        _ = create(instance, &info, nil, &messenger)
        return messenger
    }
}

/// C strings that live as long as `body` runs.
func withCStrings<R>(
    _ strings: [String], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> R
) -> R {
    let copies = strings.map { string in
        let utf8 = string.utf8CString
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: utf8.count)
        for (index, character) in utf8.enumerated() { copy[index] = character }
        return copy
    }
    defer { copies.forEach { $0.deallocate() } }
    return copies.map { UnsafePointer<CChar>?($0) }.withUnsafeBufferPointer(body)
}
