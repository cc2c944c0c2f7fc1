import ArgumentParser
import VkdynCore
import VkdynProfile
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

    /// The device, if it runs the flavour itself, as the session of `vkdyn profile` sees it where there is one.
    /// - Parameters:
    ///   - lockstep: run every dispatch on its twin too.
    ///   - reportsInexact: probe the device in any case, and say so if its results are not the twins'.
    ///   - console: where notes go.
    func open(
        for flavour: Flavour, lockstep: Bool = false, reportsInexact: Bool = false, console: Console
    ) throws -> OpenedDevice {
        try HostSpans.measure(.open, device) {
            let opened = try unwatched(flavour, lockstep, reportsInexact, console)
            guard let session = ProfileSession.current else { return opened }
            return OpenedDevice(
                device: try session.profiled(opened.device), vulkan: opened.vulkan, lockstep: opened.lockstep)
        }
    }

    private func unwatched(
        _ flavour: Flavour, _ lockstep: Bool, _ reportsInexact: Bool, _ console: Console
    ) throws -> OpenedDevice {
        if device == "reference" {
            if lockstep { throw SetupError("--lockstep needs a Vulkan device to compare with the twins") }
            return OpenedDevice(device: ReferenceDevice(), vulkan: nil, lockstep: nil)
        }
        let opened = try DeviceList().open(device)
        if let note = opened.tuningNote { console.note(note) }
        if reportsInexact || flavour == .fused {
            let exactness = try opened.probe()
            if reportsInexact, let reason = exactness.reason {
                console.note("\(opened.description.name) is not exact: \(reason)")
            }
            if flavour == .fused, !exactness.isFused {
                throw SetupError(
                    "--flavour fused: \(opened.description.name) rounds a fused multiply-add twice; "
                        + "use --flavour separate")
            }
        }
        let twins = lockstep ? LockstepDevice(opened) : nil
        return OpenedDevice(device: twins ?? opened, vulkan: opened, lockstep: twins)
    }
}

/// A device that a command runs on.
struct OpenedDevice {
    /// What to run on: one of those below, or a device around it.
    let device: any Device
    /// Nil for the twins.
    let vulkan: VulkanDevice?
    /// Where dispatches are compared with their twins, if they are.
    let lockstep: LockstepDevice?
}
