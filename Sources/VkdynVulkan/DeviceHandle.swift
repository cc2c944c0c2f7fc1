import CVulkan
import VkdynCore
import VkdynSchedule

/// An opened Vulkan device and its one compute queue; everything made from it keeps it alive.
final class DeviceHandle: @unchecked Sendable {
    // Sendable: handles and function pointers, never changed. The queue is used under `VulkanDevice`'s lock.
    let instance: Instance
    let physical: PhysicalDevice
    let handle: VkDevice
    let functions: DeviceFunctions
    let queue: VkQueue

    init(instance: Instance, physical: PhysicalDevice) throws(DeviceError) {
        if let obstacle = physical.obstacle { throw .unsupported(device: physical.name, reason: obstacle) }
        self.instance = instance
        self.physical = physical
        let chain = StructureChain()
        var timeline = VkPhysicalDeviceTimelineSemaphoreFeatures()
        timeline.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES
        timeline.timelineSemaphore = 1
        chain.add(timeline)
        if physical.hasIntegerDotProduct {
            var dotProduct = VkPhysicalDeviceShaderIntegerDotProductFeatures()
            dotProduct.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES
            dotProduct.shaderIntegerDotProduct = 1
            chain.add(dotProduct)
        }
        let forms = Set(physical.integerMatrices.map(\.form))
        IntegerMatrices.enable(forms, in: chain)
        let extensions = forms.map(\.extensionName).sorted() + (physical.clockCalibration.map { [$0.extensionName] } ?? [])
        var created: VkDevice?
        var priority: Float = 1
        let result = withUnsafePointer(to: &priority) { priority in
            var queue = VkDeviceQueueCreateInfo()
            queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO
            queue.queueFamilyIndex = physical.queueFamily ?? 0
            queue.queueCount = 1
            queue.pQueuePriorities = priority
            var features = VkPhysicalDeviceFeatures()
            features.shaderFloat64 = physical.hasFloat64 ? 1 : 0
            return withUnsafePointer(to: &queue) { queue in
                withUnsafePointer(to: &features) { features in
                    withCStrings(extensions) { extensions in
                        var info = VkDeviceCreateInfo()
                        info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO
                        info.pNext = UnsafeRawPointer(chain.first)
                        info.queueCreateInfoCount = 1
                        info.pQueueCreateInfos = queue
                        info.enabledExtensionCount = UInt32(extensions.count)
                        info.ppEnabledExtensionNames = extensions.baseAddress
                        info.pEnabledFeatures = features
                        return withExtendedLifetime(chain) {
                            instance.functions.vkCreateDevice(physical.handle, &info, nil, &created)
                        }
                    }
                }
            }
        }
        try check(result, "vkCreateDevice", device: physical.name)
        guard let created else { throw .failed(call: "vkCreateDevice", code: 0) }
        handle = created
        functions = DeviceFunctions(created, instance.functions, physical.clockCalibration)
        var queue: VkQueue?
        functions.vkGetDeviceQueue(created, physical.queueFamily ?? 0, 0, &queue)
        guard let queue else {
            functions.vkDestroyDevice(created, nil)
            throw .failed(call: "vkGetDeviceQueue", code: 0)
        }
        self.queue = queue
    }

    deinit { functions.vkDestroyDevice(handle, nil) }
}
