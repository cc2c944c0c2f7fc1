import CVulkan

/// The instance-level functions that vkdyn calls.
struct InstanceFunctions: @unchecked Sendable {
    // Sendable: function pointers, never changed.
    let vkDestroyInstance: PFN_vkDestroyInstance
    let vkEnumeratePhysicalDevices: PFN_vkEnumeratePhysicalDevices
    let vkGetPhysicalDeviceProperties2: PFN_vkGetPhysicalDeviceProperties2
    let vkGetPhysicalDeviceFeatures2: PFN_vkGetPhysicalDeviceFeatures2
    let vkGetPhysicalDeviceMemoryProperties: PFN_vkGetPhysicalDeviceMemoryProperties
    let vkGetPhysicalDeviceQueueFamilyProperties: PFN_vkGetPhysicalDeviceQueueFamilyProperties
    let vkEnumerateDeviceExtensionProperties: PFN_vkEnumerateDeviceExtensionProperties
    let vkCreateDevice: PFN_vkCreateDevice
    let vkGetDeviceProcAddr: PFN_vkGetDeviceProcAddr
    /// Of extensions, which a loader or all of its drivers may lack.
    let vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR: PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR?
    let vkGetPhysicalDeviceCooperativeMatrixPropertiesNV: PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesNV?
    private let instance: VkInstance?

    init(_ instance: VkInstance?) {
        self.instance = instance
        vkDestroyInstance = Loader.function("vkDestroyInstance", instance, as: PFN_vkDestroyInstance.self)
        vkEnumeratePhysicalDevices = Loader.function("vkEnumeratePhysicalDevices", instance, as: PFN_vkEnumeratePhysicalDevices.self)
        vkGetPhysicalDeviceProperties2 = Loader.function("vkGetPhysicalDeviceProperties2", instance, as: PFN_vkGetPhysicalDeviceProperties2.self)
        vkGetPhysicalDeviceFeatures2 = Loader.function("vkGetPhysicalDeviceFeatures2", instance, as: PFN_vkGetPhysicalDeviceFeatures2.self)
        vkGetPhysicalDeviceMemoryProperties = Loader.function("vkGetPhysicalDeviceMemoryProperties", instance, as: PFN_vkGetPhysicalDeviceMemoryProperties.self)
        vkGetPhysicalDeviceQueueFamilyProperties = Loader.function("vkGetPhysicalDeviceQueueFamilyProperties", instance, as: PFN_vkGetPhysicalDeviceQueueFamilyProperties.self)
        vkEnumerateDeviceExtensionProperties = Loader.function("vkEnumerateDeviceExtensionProperties", instance, as: PFN_vkEnumerateDeviceExtensionProperties.self)
        vkCreateDevice = Loader.function("vkCreateDevice", instance, as: PFN_vkCreateDevice.self)
        vkGetDeviceProcAddr = Loader.function("vkGetDeviceProcAddr", instance, as: PFN_vkGetDeviceProcAddr.self)
        vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR = Loader.getInstanceProcAddr?(instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR")
            .map { unsafeBitCast($0, to: PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR.self) }
        vkGetPhysicalDeviceCooperativeMatrixPropertiesNV = Loader.getInstanceProcAddr?(instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesNV")
            .map { unsafeBitCast($0, to: PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesNV.self) }
    }

    /// Of an extension that only some drivers have; KHR and EXT name the same function.
    func calibrateableTimeDomains(_ suffix: String) -> PFN_vkGetPhysicalDeviceCalibrateableTimeDomainsEXT? {
        Loader.getInstanceProcAddr?(instance, "vkGetPhysicalDeviceCalibrateableTimeDomains" + suffix).map {
            unsafeBitCast($0, to: PFN_vkGetPhysicalDeviceCalibrateableTimeDomainsEXT.self)
        }
    }
}

/// The device-level functions that vkdyn calls, without the loader's detour.
struct DeviceFunctions: @unchecked Sendable {
    // Sendable: function pointers, never changed.
    let vkDestroyDevice: PFN_vkDestroyDevice
    let vkGetDeviceQueue: PFN_vkGetDeviceQueue
    let vkCreateBuffer: PFN_vkCreateBuffer
    let vkDestroyBuffer: PFN_vkDestroyBuffer
    let vkGetBufferMemoryRequirements: PFN_vkGetBufferMemoryRequirements
    let vkAllocateMemory: PFN_vkAllocateMemory
    let vkFreeMemory: PFN_vkFreeMemory
    let vkBindBufferMemory: PFN_vkBindBufferMemory
    let vkMapMemory: PFN_vkMapMemory
    let vkCreateBufferView: PFN_vkCreateBufferView
    let vkDestroyBufferView: PFN_vkDestroyBufferView
    let vkCreateShaderModule: PFN_vkCreateShaderModule
    let vkDestroyShaderModule: PFN_vkDestroyShaderModule
    let vkCreateDescriptorSetLayout: PFN_vkCreateDescriptorSetLayout
    let vkDestroyDescriptorSetLayout: PFN_vkDestroyDescriptorSetLayout
    let vkCreatePipelineLayout: PFN_vkCreatePipelineLayout
    let vkDestroyPipelineLayout: PFN_vkDestroyPipelineLayout
    let vkCreateComputePipelines: PFN_vkCreateComputePipelines
    let vkDestroyPipeline: PFN_vkDestroyPipeline
    let vkCreatePipelineCache: PFN_vkCreatePipelineCache
    let vkDestroyPipelineCache: PFN_vkDestroyPipelineCache
    let vkGetPipelineCacheData: PFN_vkGetPipelineCacheData
    let vkCreateDescriptorPool: PFN_vkCreateDescriptorPool
    let vkDestroyDescriptorPool: PFN_vkDestroyDescriptorPool
    let vkAllocateDescriptorSets: PFN_vkAllocateDescriptorSets
    let vkUpdateDescriptorSets: PFN_vkUpdateDescriptorSets
    let vkCreateCommandPool: PFN_vkCreateCommandPool
    let vkDestroyCommandPool: PFN_vkDestroyCommandPool
    let vkAllocateCommandBuffers: PFN_vkAllocateCommandBuffers
    let vkBeginCommandBuffer: PFN_vkBeginCommandBuffer
    let vkEndCommandBuffer: PFN_vkEndCommandBuffer
    let vkCmdBindPipeline: PFN_vkCmdBindPipeline
    let vkCmdBindDescriptorSets: PFN_vkCmdBindDescriptorSets
    let vkCmdPushConstants: PFN_vkCmdPushConstants
    let vkCmdDispatch: PFN_vkCmdDispatch
    let vkCmdDispatchIndirect: PFN_vkCmdDispatchIndirect
    let vkCmdPipelineBarrier: PFN_vkCmdPipelineBarrier
    let vkCmdCopyBuffer: PFN_vkCmdCopyBuffer
    let vkQueueSubmit: PFN_vkQueueSubmit
    let vkCreateSemaphore: PFN_vkCreateSemaphore
    let vkDestroySemaphore: PFN_vkDestroySemaphore
    let vkWaitSemaphores: PFN_vkWaitSemaphores
    let vkCreateQueryPool: PFN_vkCreateQueryPool
    let vkDestroyQueryPool: PFN_vkDestroyQueryPool
    let vkCmdResetQueryPool: PFN_vkCmdResetQueryPool
    let vkCmdWriteTimestamp: PFN_vkCmdWriteTimestamp
    let vkGetQueryPoolResults: PFN_vkGetQueryPoolResults
    /// Nil where the driver cannot compare its clock with the host's.
    let vkGetCalibratedTimestamps: PFN_vkGetCalibratedTimestampsEXT?

    init(_ device: VkDevice?, _ instance: InstanceFunctions, _ calibration: PhysicalDevice.ClockCalibration?) {
        func function<T>(_ name: String, as type: T.Type) -> T {
            guard let function = instance.vkGetDeviceProcAddr(device, name) else {
                preconditionFailure("the driver lacks \(name)")
            }
            return unsafeBitCast(function, to: T.self)
        }
        vkDestroyDevice = function("vkDestroyDevice", as: PFN_vkDestroyDevice.self)
        vkGetDeviceQueue = function("vkGetDeviceQueue", as: PFN_vkGetDeviceQueue.self)
        vkCreateBuffer = function("vkCreateBuffer", as: PFN_vkCreateBuffer.self)
        vkDestroyBuffer = function("vkDestroyBuffer", as: PFN_vkDestroyBuffer.self)
        vkGetBufferMemoryRequirements = function("vkGetBufferMemoryRequirements", as: PFN_vkGetBufferMemoryRequirements.self)
        vkAllocateMemory = function("vkAllocateMemory", as: PFN_vkAllocateMemory.self)
        vkFreeMemory = function("vkFreeMemory", as: PFN_vkFreeMemory.self)
        vkBindBufferMemory = function("vkBindBufferMemory", as: PFN_vkBindBufferMemory.self)
        vkMapMemory = function("vkMapMemory", as: PFN_vkMapMemory.self)
        vkCreateBufferView = function("vkCreateBufferView", as: PFN_vkCreateBufferView.self)
        vkDestroyBufferView = function("vkDestroyBufferView", as: PFN_vkDestroyBufferView.self)
        vkCreateShaderModule = function("vkCreateShaderModule", as: PFN_vkCreateShaderModule.self)
        vkDestroyShaderModule = function("vkDestroyShaderModule", as: PFN_vkDestroyShaderModule.self)
        vkCreateDescriptorSetLayout = function("vkCreateDescriptorSetLayout", as: PFN_vkCreateDescriptorSetLayout.self)
        vkDestroyDescriptorSetLayout = function("vkDestroyDescriptorSetLayout", as: PFN_vkDestroyDescriptorSetLayout.self)
        vkCreatePipelineLayout = function("vkCreatePipelineLayout", as: PFN_vkCreatePipelineLayout.self)
        vkDestroyPipelineLayout = function("vkDestroyPipelineLayout", as: PFN_vkDestroyPipelineLayout.self)
        vkCreateComputePipelines = function("vkCreateComputePipelines", as: PFN_vkCreateComputePipelines.self)
        vkDestroyPipeline = function("vkDestroyPipeline", as: PFN_vkDestroyPipeline.self)
        vkCreatePipelineCache = function("vkCreatePipelineCache", as: PFN_vkCreatePipelineCache.self)
        vkDestroyPipelineCache = function("vkDestroyPipelineCache", as: PFN_vkDestroyPipelineCache.self)
        vkGetPipelineCacheData = function("vkGetPipelineCacheData", as: PFN_vkGetPipelineCacheData.self)
        vkCreateDescriptorPool = function("vkCreateDescriptorPool", as: PFN_vkCreateDescriptorPool.self)
        vkDestroyDescriptorPool = function("vkDestroyDescriptorPool", as: PFN_vkDestroyDescriptorPool.self)
        vkAllocateDescriptorSets = function("vkAllocateDescriptorSets", as: PFN_vkAllocateDescriptorSets.self)
        vkUpdateDescriptorSets = function("vkUpdateDescriptorSets", as: PFN_vkUpdateDescriptorSets.self)
        vkCreateCommandPool = function("vkCreateCommandPool", as: PFN_vkCreateCommandPool.self)
        vkDestroyCommandPool = function("vkDestroyCommandPool", as: PFN_vkDestroyCommandPool.self)
        vkAllocateCommandBuffers = function("vkAllocateCommandBuffers", as: PFN_vkAllocateCommandBuffers.self)
        vkBeginCommandBuffer = function("vkBeginCommandBuffer", as: PFN_vkBeginCommandBuffer.self)
        vkEndCommandBuffer = function("vkEndCommandBuffer", as: PFN_vkEndCommandBuffer.self)
        vkCmdBindPipeline = function("vkCmdBindPipeline", as: PFN_vkCmdBindPipeline.self)
        vkCmdBindDescriptorSets = function("vkCmdBindDescriptorSets", as: PFN_vkCmdBindDescriptorSets.self)
        vkCmdPushConstants = function("vkCmdPushConstants", as: PFN_vkCmdPushConstants.self)
        vkCmdDispatch = function("vkCmdDispatch", as: PFN_vkCmdDispatch.self)
        vkCmdDispatchIndirect = function("vkCmdDispatchIndirect", as: PFN_vkCmdDispatchIndirect.self)
        vkCmdPipelineBarrier = function("vkCmdPipelineBarrier", as: PFN_vkCmdPipelineBarrier.self)
        vkCmdCopyBuffer = function("vkCmdCopyBuffer", as: PFN_vkCmdCopyBuffer.self)
        vkQueueSubmit = function("vkQueueSubmit", as: PFN_vkQueueSubmit.self)
        vkCreateSemaphore = function("vkCreateSemaphore", as: PFN_vkCreateSemaphore.self)
        vkDestroySemaphore = function("vkDestroySemaphore", as: PFN_vkDestroySemaphore.self)
        vkWaitSemaphores = function("vkWaitSemaphores", as: PFN_vkWaitSemaphores.self)
        vkCreateQueryPool = function("vkCreateQueryPool", as: PFN_vkCreateQueryPool.self)
        vkDestroyQueryPool = function("vkDestroyQueryPool", as: PFN_vkDestroyQueryPool.self)
        vkCmdResetQueryPool = function("vkCmdResetQueryPool", as: PFN_vkCmdResetQueryPool.self)
        vkCmdWriteTimestamp = function("vkCmdWriteTimestamp", as: PFN_vkCmdWriteTimestamp.self)
        vkGetQueryPoolResults = function("vkGetQueryPoolResults", as: PFN_vkGetQueryPoolResults.self)
        vkGetCalibratedTimestamps = calibration.map {
            function($0.functionName, as: PFN_vkGetCalibratedTimestampsEXT.self)
        }
    }
}
