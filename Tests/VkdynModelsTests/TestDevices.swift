import VkdynReference
import VkdynSchedule
import VkdynVulkan

/// The devices that model tests run on.
enum TestDevices {
    private static let opened = Result { () throws(DeviceError) in
        try DeviceList(options: .init(validation: true, emulatesFused: true)).open()
    }

    static func vulkan() throws -> VulkanDevice { try opened.get() }
    static let reference = ReferenceDevice()

    enum Choice: String, CaseIterable, Sendable { case reference, vulkan }

    static func device(_ choice: Choice) throws -> any Device {
        switch choice {
        case .reference: reference
        case .vulkan: try vulkan()
        }
    }
}
