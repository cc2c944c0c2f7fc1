import VkdynCore
import VkdynReference
import VkdynSchedule
import VkdynVulkan

/// The devices that model tests run on.
enum TestDevices {
    private static let opened = Result { () throws(DeviceError) in
        try DeviceList(options: .init(validation: true, emulatesFused: true)).open()
    }

    static func vulkan() throws -> VulkanDevice { try opened.get() }
    /// A device that no other suite uses: the shared one's counters count what others run meanwhile.
    static func unshared() throws -> VulkanDevice {
        try DeviceList(options: .init(validation: true, usesTuning: false)).open()
    }
    static let reference = ReferenceDevice()

    enum Choice: String, CaseIterable, Sendable { case reference, vulkan }

    static func device(_ choice: Choice) throws -> any Device {
        switch choice {
        case .reference: reference
        case .vulkan: try vulkan()
        }
    }
}
