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
    func openForVerification() throws(DeviceError) -> (device: any Device, flavours: [Flavour]) {
        if device == "reference" { return (ReferenceDevice(), Flavour.allCases) }
        let opened = try DeviceList().open(device)
        if try opened.probe().isFused { return (opened, Flavour.allCases) }
        guard opened.canEmulateFused else { return (opened, [.separate]) }
        return (try DeviceList(options: .init(emulatesFused: true)).open(device), Flavour.allCases)
    }

    /// The device, if it runs the flavour itself.
    func open(for flavour: Flavour) throws -> any Device {
        if device == "reference" { return ReferenceDevice() }
        let opened = try DeviceList().open(device)
        if flavour == .fused, !(try opened.probe().isFused) {
            throw SetupError(
                "--flavour fused: \(opened.description.name) rounds a fused multiply-add twice; use --flavour separate")
        }
        return opened
    }
}
