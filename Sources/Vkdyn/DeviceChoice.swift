import VkdynCore
import VkdynReference
import VkdynSchedule
import VkdynVulkan

/// Which device a model runs on.
public enum DeviceChoice: Sendable, Equatable {
    /// The best that vkdyn can run on: discrete, integrated, virtual, CPU, in this order.
    case automatic
    /// Its place in the list that `vkdyn devices` prints.
    case index(Int)
    /// The first whose name holds this text, in any case.
    case named(String)
    /// The Swift twins: slow, with the same bits as an exact device, and no Vulkan needed.
    case reference

    /// `auto`, `reference`, an index, or a part of a name, as the command line's `--device` takes it.
    public init(_ text: String) {
        switch text {
        case "auto": self = .automatic
        case "reference": self = .reference
        default: self = Int(text).map { .index($0) } ?? .named(text)
        }
    }

    /// Opens the device and, on Vulkan, probes its arithmetic.
    func open(_ flavour: Flavour) throws(DeviceError) -> OpenedDevice {
        let name: String
        switch self {
        case .reference:
            let device = ReferenceDevice()
            return OpenedDevice(device: device, info: DeviceInfo(device, inexactReason: nil, isFused: true))
        case .automatic: name = "auto"
        case .index(let index): name = "\(index)"
        case .named(let part): name = part
        }
        let device = try DeviceList().open(name)
        let exactness = try device.probe()
        if flavour == .fused, !exactness.isFused {
            throw .unsupported(
                device: device.description.name,
                reason: "it rounds a fused multiply-add twice; use the separate flavour")
        }
        return OpenedDevice(
            device: device,
            info: DeviceInfo(device, inexactReason: exactness.reason, isFused: exactness.isFused))
    }
}

/// The device that a model is on.
public struct DeviceInfo: Sendable, Equatable {
    public let name: String
    public let driver: String
    /// The version of Vulkan, `none` for the reference device.
    public let apiVersion: String
    /// Why its results are not the reference's bit for bit, or nil.
    public let inexactReason: String?
    /// Whether `Flavour.fused` runs there.
    public let isFused: Bool

    init(_ device: any Device, inexactReason: String?, isFused: Bool) {
        name = device.description.name
        driver = device.description.driver
        apiVersion = device.description.apiVersion
        self.inexactReason = inexactReason
        self.isFused = isFused
    }
}

struct OpenedDevice {
    let device: any Device
    let info: DeviceInfo
}
