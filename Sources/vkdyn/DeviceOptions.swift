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

    /// The device with the flavours that it can run: the fused one natively where it truly fuses, else through the
    /// exact emulation where there are 64-bit floats.
    func openForVerification(
        reversesLanes: Bool = false
    ) throws(DeviceError) -> (device: any Device, flavours: [Flavour]) {
        if device == "reference" { return (ReferenceDevice(), Flavour.allCases) }
        let opened = try DeviceList(options: .init(reversesLanes: reversesLanes)).open(device)
        if try opened.probe().isFused { return (opened, Flavour.allCases) }
        guard opened.canEmulateFused else { return (opened, [.separate]) }
        let options = VulkanDevice.Options(emulatesFused: true, reversesLanes: reversesLanes)
        return (try DeviceList(options: options).open(device), Flavour.allCases)
    }
}
