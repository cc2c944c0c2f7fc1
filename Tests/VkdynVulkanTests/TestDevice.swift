import VkdynCore
import VkdynSchedule

@testable import VkdynVulkan

/// The machine's device with validation on, opened once for all tests.
enum TestDevice {
    static let shared = Result { () throws(DeviceError) in try openAnother() }

    static func open() throws -> VulkanDevice { try shared.get() }

    /// A device of its own: the shared one's counters count what other suites run meanwhile.
    static func openAnother() throws(DeviceError) -> VulkanDevice {
        try DeviceList(options: .init(validation: true, emulatesFused: true)).open()
    }
}
