import VkdynCore
public import VkdynSchedule

/// The Vulkan devices of this machine.
public struct DeviceList: Sendable {
    public struct Entry: Sendable {
        public let index: Int
        public let description: DeviceDescription
        public let traits: DeviceTraits
        /// Why vkdyn cannot run there, or nil.
        public let obstacle: String?
    }

    private let instance: Instance
    private let devices: [PhysicalDevice]
    private let options: VulkanDevice.Options

    /// - Throws: `.noLoader` or `.noDriver`.
    public init(options: VulkanDevice.Options = .init()) throws(DeviceError) {
        let instance = try Instance(validation: options.validation)
        self.instance = instance
        self.options = options
        devices = instance.physicalDevices.map { PhysicalDevice($0, instance.functions) }
        if devices.isEmpty { throw .noDriver }
    }

    public var entries: [Entry] {
        devices.enumerated().map { index, device in
            Entry(
                index: index, description: device.description, traits: device.traits, obstacle: device.obstacle)
        }
    }

    /// Opens a device.
    /// - Parameter choice: `auto` (discrete, integrated, virtual, CPU, in this order), an index, or a part of a name.
    public func open(_ choice: String = "auto") throws(DeviceError) -> VulkanDevice {
        let order: [DeviceTraits.Kind] = [.discrete, .integrated, .virtual, .cpu]
        let usable = devices.filter { $0.obstacle == nil }
        let chosen: PhysicalDevice?
        if choice == "auto" {
            chosen = usable.min {
                order.firstIndex(of: $0.kind) ?? order.count < order.firstIndex(of: $1.kind) ?? order.count
            } ?? devices.first
        } else if let index = Int(choice), devices.indices.contains(index) {
            chosen = devices[index]
        } else {
            chosen = devices.first { $0.name.lowercased().contains(choice.lowercased()) }
        }
        guard let chosen else {
            throw .noSuchDevice(
                requested: choice, available: devices.enumerated().map { "\($0) (\($1.name))" } + ["reference"])
        }
        return try VulkanDevice(instance: instance, physical: chosen, options: options)
    }
}
