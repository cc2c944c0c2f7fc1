import CVulkan
import VkdynCore

/// What a device offers of `IntegerMatrix`, and what has to be enabled for it.
enum IntegerMatrices {
    /// The matrices that a device multiplies in compute shaders.
    ///
    /// - Parameters:
    ///   - extensions: what the device offers.
    ///   - subgroupSize: the size that the device's pipelines have; a matrix spans one subgroup.
    static func offered(
        by device: VkPhysicalDevice, _ functions: InstanceFunctions, extensions: Set<String>, subgroupSize: Int
    ) -> Set<IntegerMatrix> {
        let forms = IntegerMatrix.Form.allCases.filter { form in
            extensions.contains(form.extensionName) && isOffered(form, device, functions)
        }
        let shapes = forms.flatMap { form in self.shapes(form, device, functions).map { (form, $0) } }
        return Set(
            IntegerMatrix.known.filter { matrix in
                matrix.lanes == subgroupSize
                    && shapes.contains {
                        $0 == matrix.form
                            && $1 == Shape(rows: matrix.size, columns: matrix.size, depth: matrix.depth)
                    }
            })
    }

    /// Features to enable for the forms that a device offers.
    static func enable(_ forms: Set<IntegerMatrix.Form>, in chain: StructureChain) {
        if forms.isEmpty { return }
        forms.forEach { chain.add(features($0, 1)) }
        chain.add(memoryModel(1))
        chain.add(int8(1))
    }

    private struct Shape: Equatable {
        var rows: Int
        var columns: Int
        var depth: Int
    }

    /// Whether compute shaders may use the extension, with the memory model and the integers that its modules declare.
    private static func isOffered(
        _ form: IntegerMatrix.Form, _ device: VkPhysicalDevice, _ functions: InstanceFunctions
    ) -> Bool {
        let chain = StructureChain()
        let features = chain.add(features(form, 0))
        let memoryModel = chain.add(memoryModel(0))
        let int8 = chain.add(int8(0))
        var all = VkPhysicalDeviceFeatures2()
        all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2
        all.pNext = chain.first
        let limitChain = StructureChain()
        var limits = VkPhysicalDeviceCooperativeMatrixPropertiesNV()
        limits.sType =
            form == .khr
            ? VkStructureType(rawValue: 1_000_506_002)
            : VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_PROPERTIES_NV
        let stages = limitChain.add(limits)
        var properties = VkPhysicalDeviceProperties2()
        properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2
        properties.pNext = limitChain.first
        return withExtendedLifetime((chain, limitChain)) {
            functions.vkGetPhysicalDeviceFeatures2(device, &all)
            functions.vkGetPhysicalDeviceProperties2(device, &properties)
            let compute = VkShaderStageFlags(VK_SHADER_STAGE_COMPUTE_BIT.rawValue)
            return features.pointee.cooperativeMatrix != 0 && memoryModel.pointee.vulkanMemoryModel != 0
                && int8.pointee.shaderInt8 != 0 && stages.pointee.cooperativeMatrixSupportedStages & compute != 0
        }
    }

    /// The shapes of int8 matrices with int32 sums that do not saturate, in a subgroup.
    private static func shapes(
        _ form: IntegerMatrix.Form, _ device: VkPhysicalDevice, _ functions: InstanceFunctions
    ) -> [Shape] {
        // The enumerations of the two extensions have the same numbers.
        let (int8, int32) = (VK_COMPONENT_TYPE_SINT8_NV.rawValue, VK_COMPONENT_TYPE_SINT32_NV.rawValue)
        let subgroup = VK_SCOPE_SUBGROUP_NV.rawValue
        func shape(_ rows: UInt32, _ columns: UInt32, _ depth: UInt32) -> Shape {
            Shape(rows: Int(rows), columns: Int(columns), depth: Int(depth))
        }
        switch form {
        case .khr:
            guard let query = functions.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR else { return [] }
            var initial = VkCooperativeMatrixPropertiesKHR()
            initial.sType = VkStructureType(rawValue: 1_000_506_001)
            return enumerate(initial) { query(device, $0, $1) }.filter {
                $0.AType.rawValue == int8 && $0.BType.rawValue == int8 && $0.CType.rawValue == int32
                    && $0.ResultType.rawValue == int32 && $0.saturatingAccumulation == 0
                    && $0.scope.rawValue == subgroup
            }.map { shape($0.MSize, $0.NSize, $0.KSize) }
        case .nv:
            guard let query = functions.vkGetPhysicalDeviceCooperativeMatrixPropertiesNV else { return [] }
            var initial = VkCooperativeMatrixPropertiesNV()
            initial.sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_NV
            return enumerate(initial) { query(device, $0, $1) }.filter {
                $0.AType.rawValue == int8 && $0.BType.rawValue == int8 && $0.CType.rawValue == int32
                    && $0.DType.rawValue == int32 && $0.scope.rawValue == subgroup
            }.map { shape($0.MSize, $0.NSize, $0.KSize) }
        }
    }

    // MARK: Structures

    /// KHR's structures of features and of stages are laid out like NV's, which every header has; the types differ.
    private static func features(
        _ form: IntegerMatrix.Form, _ isEnabled: VkBool32
    ) -> VkPhysicalDeviceCooperativeMatrixFeaturesNV {
        var features = VkPhysicalDeviceCooperativeMatrixFeaturesNV()
        features.sType =
            form == .khr
            ? VkStructureType(rawValue: 1_000_506_000)
            : VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_NV
        features.cooperativeMatrix = isEnabled
        return features
    }

    private static func memoryModel(_ isEnabled: VkBool32) -> VkPhysicalDeviceVulkanMemoryModelFeatures {
        var features = VkPhysicalDeviceVulkanMemoryModelFeatures()
        features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES
        features.vulkanMemoryModel = isEnabled
        return features
    }

    private static func int8(_ isEnabled: VkBool32) -> VkPhysicalDeviceShaderFloat16Int8Features {
        var features = VkPhysicalDeviceShaderFloat16Int8Features()
        features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES
        features.shaderInt8 = isEnabled
        return features
    }
}
