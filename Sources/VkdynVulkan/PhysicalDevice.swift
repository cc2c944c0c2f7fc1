import CVulkan
import VkdynCore
import VkdynSchedule

/// One Vulkan device of the machine, before it is opened.
struct PhysicalDevice: @unchecked Sendable {
    // Sendable: a handle and plain values.
    let handle: VkPhysicalDevice
    let properties: VkPhysicalDeviceProperties
    let floatControls: VkPhysicalDeviceFloatControlsProperties
    let driver: VkPhysicalDeviceDriverProperties
    let subgroup: VkPhysicalDeviceSubgroupProperties
    let memory: VkPhysicalDeviceMemoryProperties
    let hasTimelineSemaphores: Bool
    let hasFloat64: Bool
    let hasIntegerDotProduct: Bool
    let integerMatrices: Set<IntegerMatrix>
    let queueFamily: UInt32?
    /// Of a timestamp of that queue; 0 where it has none.
    let timestampValidBits: UInt32
    let clockCalibration: ClockCalibration?

    init(_ handle: VkPhysicalDevice, _ functions: InstanceFunctions) {
        self.handle = handle
        var floatControls = VkPhysicalDeviceFloatControlsProperties()
        floatControls.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FLOAT_CONTROLS_PROPERTIES
        var driver = VkPhysicalDeviceDriverProperties()
        driver.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES
        var subgroup = VkPhysicalDeviceSubgroupProperties()
        subgroup.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES
        var properties = VkPhysicalDeviceProperties2()
        properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2
        withUnsafeMutablePointer(to: &floatControls) { floatControls in
            withUnsafeMutablePointer(to: &driver) { driver in
                withUnsafeMutablePointer(to: &subgroup) { subgroup in
                    driver.pointee.pNext = UnsafeMutableRawPointer(floatControls)
                    subgroup.pointee.pNext = UnsafeMutableRawPointer(driver)
                    properties.pNext = UnsafeMutableRawPointer(subgroup)
                    functions.vkGetPhysicalDeviceProperties2(handle, &properties)
                }
            }
        }
        self.properties = properties.properties
        self.floatControls = floatControls
        self.driver = driver
        self.subgroup = subgroup
        var memory = VkPhysicalDeviceMemoryProperties()
        functions.vkGetPhysicalDeviceMemoryProperties(handle, &memory)
        self.memory = memory
        var timeline = VkPhysicalDeviceTimelineSemaphoreFeatures()
        timeline.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES
        var dotProduct = VkPhysicalDeviceShaderIntegerDotProductFeatures()
        dotProduct.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES
        var features = VkPhysicalDeviceFeatures2()
        features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2
        // In core since 1.3; older devices would ignore the structure or not.
        let isCore = properties.properties.apiVersion >= 1 << 22 | 3 << 12
        withUnsafeMutablePointer(to: &dotProduct) { dotProduct in
            withUnsafeMutablePointer(to: &timeline) { timeline in
                timeline.pointee.pNext = isCore ? UnsafeMutableRawPointer(dotProduct) : nil
                features.pNext = UnsafeMutableRawPointer(timeline)
                functions.vkGetPhysicalDeviceFeatures2(handle, &features)
            }
        }
        hasIntegerDotProduct = dotProduct.shaderIntegerDotProduct != 0
        hasTimelineSemaphores = timeline.timelineSemaphore != 0
        hasFloat64 = features.features.shaderFloat64 != 0
        let extensions = Set(
            enumerate(VkExtensionProperties()) {
                functions.vkEnumerateDeviceExtensionProperties(handle, nil, $0, $1)
            }.map { string($0.extensionName) })
        integerMatrices = IntegerMatrices.offered(
            by: handle, functions, extensions: extensions, subgroupSize: Int(subgroup.subgroupSize))
        var count: UInt32 = 0
        functions.vkGetPhysicalDeviceQueueFamilyProperties(handle, &count, nil)
        var families = [VkQueueFamilyProperties](repeating: .init(), count: Int(count))
        functions.vkGetPhysicalDeviceQueueFamilyProperties(handle, &count, &families)
        queueFamily = families.firstIndex { $0.queueFlags & VkQueueFlags(VK_QUEUE_COMPUTE_BIT.rawValue) != 0 }
            .map(UInt32.init)
        timestampValidBits = queueFamily.map { families[Int($0)].timestampValidBits } ?? 0
        clockCalibration = ClockCalibration(handle, functions, extensions: extensions)
    }

    var name: String { string(properties.deviceName) }

    var kind: DeviceTraits.Kind {
        switch properties.deviceType {
        case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: .discrete
        case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: .integrated
        case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: .virtual
        default: .cpu
        }
    }

    var description: DeviceDescription {
        let version = properties.apiVersion
        return DeviceDescription(
            name: name, driver: "\(string(driver.driverName)) \(string(driver.driverInfo))",
            apiVersion: "\(version >> 22).\(version >> 12 & 0x3FF).\(version & 0xFFF)")
    }

    var traits: DeviceTraits {
        let limits = properties.limits
        return DeviceTraits(
            kind: kind, subgroupSize: Int(subgroup.subgroupSize),
            maximumWorkgroupInvocations: Int(limits.maxComputeWorkGroupInvocations),
            sharedMemoryBytes: Int(limits.maxComputeSharedMemorySize),
            maximumTexels: Int(limits.maxTexelBufferElements), maximumStorageBytes: Int(limits.maxStorageBufferRange),
            hasIntegerDotProduct: hasIntegerDotProduct, integerMatrices: integerMatrices)
    }

    /// Why vkdyn cannot run here, or nil.
    var obstacle: String? {
        if properties.apiVersion < 1 << 22 | 2 << 12 { return "it offers Vulkan \(description.apiVersion); 1.2 is needed" }
        if !hasTimelineSemaphores { return "it has no timeline semaphores" }
        if queueFamily == nil { return "it has no compute queue" }
        return nil
    }

    /// The first memory type with all of `required`, best with `preferred` too.
    func memoryType(
        allowed: UInt32, required: VkMemoryPropertyFlagBits, preferred: VkMemoryPropertyFlags = 0
    ) -> UInt32? {
        let types = withUnsafeBytes(of: memory.memoryTypes) {
            Array($0.bindMemory(to: VkMemoryType.self).prefix(Int(memory.memoryTypeCount)))
        }
        let needed = VkMemoryPropertyFlags(required.rawValue)
        let candidates = types.indices.filter {
            allowed & (1 << UInt32($0)) != 0 && types[$0].propertyFlags & needed == needed
        }
        let best = candidates.first { types[$0].propertyFlags & preferred == preferred } ?? candidates.first
        return best.map(UInt32.init)
    }

    func memoryFlags(_ type: UInt32) -> VkMemoryPropertyFlags {
        withUnsafeBytes(of: memory.memoryTypes) {
            $0.bindMemory(to: VkMemoryType.self)[Int(type)].propertyFlags
        }
    }
}
