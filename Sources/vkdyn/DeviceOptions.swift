import ArgumentParser
import VkdynCore
import VkdynReference
import VkdynSchedule
import VkdynVulkan

/// Which device a command runs on.
struct DeviceOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "auto (discrete, integrated, virtual, CPU, in this order), an index, a part of a name, or reference.",
            valueName: "device"))
    var device = "auto"

    func open(_ options: VulkanDevice.Options = .init()) throws(DeviceError) -> any Device {
        if device == "reference" { return ReferenceDevice() }
        return try DeviceList(options: options).open(device)
    }
}
