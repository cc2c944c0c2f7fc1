import VkdynCore
import VkdynSchedule

@testable import VkdynVulkan

/// The machine's device with validation on, opened once for all tests.
enum TestDevice {
    static let shared = Result { () throws(DeviceError) in
        try DeviceList(options: .init(validation: true, emulatesFused: true)).open()
    }

    static func open() throws -> VulkanDevice { try shared.get() }
}
