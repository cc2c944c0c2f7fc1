import CVulkan
import Foundation
import Synchronization
import VkdynCore
import VkdynSchedule

/// A compute pipeline with its layouts.
final class Pipeline: @unchecked Sendable {
    // Sendable: handles, never changed.
    let handle: VkPipeline
    let layout: VkPipelineLayout
    let setLayout: VkDescriptorSetLayout
    private let device: DeviceHandle

    init(device: DeviceHandle, handle: VkPipeline, layout: VkPipelineLayout, setLayout: VkDescriptorSetLayout) {
        self.device = device
        self.handle = handle
        self.layout = layout
        self.setLayout = setLayout
    }

    deinit {
        device.functions.vkDestroyPipeline(device.handle, handle, nil)
        device.functions.vkDestroyPipelineLayout(device.handle, layout, nil)
        device.functions.vkDestroyDescriptorSetLayout(device.handle, setLayout, nil)
    }
}

/// What decides a pipeline: the module and every specialization constant.
struct PipelineKey: Hashable, Sendable {
    let module: String
    let constants: [VariantInterface.Constant]

    init(_ step: Plan.Step, flavour: Flavour, emulatesFused: Bool) {
        let interface = step.dispatch.kernel.interface
        let fused = interface.hasFlavour && flavour == .fused
        let shader = fused && emulatesFused ? step.variant.emulatedModule : nil
        module = (shader ?? step.variant.module).name
        var constants = step.variant.constants
        for (id, bits) in zip(interface.constantIDs, step.dispatch.constants) {
            constants.append(.init(id: id, bits: bits))
        }
        for (binding, buffer) in zip(interface.bindings, step.dispatch.buffers) {
            if let id = binding.presenceConstantID { constants.append(.init(id: id, bits: buffer == nil ? 0 : 1)) }
        }
        if interface.hasFlavour { constants.append(.init(id: Self.flavourConstantID, bits: fused ? 1 : 0)) }
        self.constants = constants
    }

    /// `FUSED` of arithmetic.glsl.
    private static let flavourConstantID: UInt32 = 100
}

/// Every pipeline of a device, made once each.
final class PipelineStore: Sendable {
    private let device: DeviceHandle
    private let controls: FloatControls
    private let cache: PipelineCache
    private let reversesLanes: Bool
    private let pipelines = Mutex<[PipelineKey: Pipeline]>([:])

    init(device: DeviceHandle, reversesLanes: Bool) {
        self.device = device
        self.reversesLanes = reversesLanes
        controls = FloatControls(device.physical.floatControls)
        cache = PipelineCache(device: device)
    }

    /// Writes what drivers compiled to the user's cache folder.
    func save() { cache.save() }

    func pipeline(
        for step: Plan.Step, flavour: Flavour, emulatesFused: Bool
    ) throws(DeviceError) -> Pipeline {
        let key = PipelineKey(step, flavour: flavour, emulatesFused: emulatesFused)
        if let found = pipelines.withLock({ $0[key] }) { return found }
        let module = key.module == step.variant.module.name ? step.variant.module : step.variant.emulatedModule
        guard let module else { throw .failed(call: "no module \(key.module)", code: 0) }
        if module.name == step.variant.emulatedModule?.name, !device.physical.hasFloat64 {
            throw .unsupported(
                device: device.physical.name, reason: "it has no 64-bit floats, on which the emulated flavour rests")
        }
        let made = try make(key, module, step)
        pipelines.withLock { $0[key] = made }
        return made
    }

    private func make(
        _ key: PipelineKey, _ module: ShaderModule, _ step: Plan.Step
    ) throws(DeviceError) -> Pipeline {
        let functions = device.functions
        let name = device.physical.name
        let setLayout = try makeSetLayout(step.variant.kinds)
        var pipelineLayout: VkPipelineLayout?
        let pushBytes = step.dispatch.kernel.interface.parameterWordCount * 4
        let layoutResult = withUnsafePointer(to: Optional(setLayout)) { setLayout in
            var range = VkPushConstantRange()
            range.stageFlags = VkShaderStageFlags(VK_SHADER_STAGE_COMPUTE_BIT.rawValue)
            range.size = UInt32(pushBytes)
            return withUnsafePointer(to: range) { range in
                var info = VkPipelineLayoutCreateInfo()
                info.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO
                info.setLayoutCount = 1
                info.pSetLayouts = setLayout
                info.pushConstantRangeCount = pushBytes > 0 ? 1 : 0
                info.pPushConstantRanges = range
                return functions.vkCreatePipelineLayout(device.handle, &info, nil, &pipelineLayout)
            }
        }
        try check(layoutResult, "vkCreatePipelineLayout", device: name)
        guard let pipelineLayout else { throw .failed(call: "vkCreatePipelineLayout", code: 0) }

        let embedded = module.words
        let words = controls.apply(to: reversesLanes ? ReversedLanes.apply(to: embedded) ?? embedded : embedded)
        var shader: VkShaderModule?
        let moduleResult = words.withUnsafeBufferPointer { words in
            var info = VkShaderModuleCreateInfo()
            info.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO
            info.codeSize = words.count * 4
            info.pCode = words.baseAddress
            return functions.vkCreateShaderModule(device.handle, &info, nil, &shader)
        }
        try check(moduleResult, "vkCreateShaderModule", device: name)
        defer { functions.vkDestroyShaderModule(device.handle, shader, nil) }

        let entries = key.constants.enumerated().map { index, constant in
            VkSpecializationMapEntry(constantID: constant.id, offset: UInt32(index * 4), size: 4)
        }
        let data = key.constants.map(\.bits)
        var pipeline: VkPipeline?
        let result = entries.withUnsafeBufferPointer { entries in
            data.withUnsafeBytes { data in
                "main".withCString { main in
                    var specialization = VkSpecializationInfo()
                    specialization.mapEntryCount = UInt32(entries.count)
                    specialization.pMapEntries = entries.baseAddress
                    specialization.dataSize = data.count
                    specialization.pData = data.baseAddress
                    return withUnsafePointer(to: specialization) { specialization in
                        var info = VkComputePipelineCreateInfo()
                        info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO
                        info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO
                        info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT
                        info.stage.module = shader
                        info.stage.pName = main
                        info.stage.pSpecializationInfo = entries.isEmpty ? nil : specialization
                        info.layout = pipelineLayout
                        return functions.vkCreateComputePipelines(
                            device.handle, cache.handle, 1, &info, nil, &pipeline)
                    }
                }
            }
        }
        try check(result, "vkCreateComputePipelines", device: name, what: module.name)
        guard let pipeline else { throw .failed(call: "vkCreateComputePipelines", code: 0) }
        return Pipeline(device: device, handle: pipeline, layout: pipelineLayout, setLayout: setLayout)
    }

    private func makeSetLayout(_ kinds: [BindingKind]) throws(DeviceError) -> VkDescriptorSetLayout {
        let bindings = kinds.enumerated().map { index, kind in
            var binding = VkDescriptorSetLayoutBinding()
            binding.binding = UInt32(index)
            binding.descriptorType = kind.descriptorType
            binding.descriptorCount = 1
            binding.stageFlags = VkShaderStageFlags(VK_SHADER_STAGE_COMPUTE_BIT.rawValue)
            return binding
        }
        var layout: VkDescriptorSetLayout?
        let result = bindings.withUnsafeBufferPointer { bindings in
            var info = VkDescriptorSetLayoutCreateInfo()
            info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO
            info.bindingCount = UInt32(bindings.count)
            info.pBindings = bindings.baseAddress
            return device.functions.vkCreateDescriptorSetLayout(device.handle, &info, nil, &layout)
        }
        try check(result, "vkCreateDescriptorSetLayout", device: device.physical.name)
        guard let layout else { throw .failed(call: "vkCreateDescriptorSetLayout", code: 0) }
        return layout
    }
}

extension BindingKind {
    var descriptorType: VkDescriptorType {
        self == .storage ? VK_DESCRIPTOR_TYPE_STORAGE_BUFFER : VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER
    }

    /// The texel format through which a variant reads elements of a type.
    func format(_ element: ElementType) -> VkFormat {
        switch (self, element) {
        case (.texelFloat, .f32): VK_FORMAT_R32G32B32A32_SFLOAT
        case (.texelFloat, .f16): VK_FORMAT_R16G16B16A16_SFLOAT
        case (.texelUInt, .f16), (.texelUInt, .bf16): VK_FORMAT_R16G16B16A16_UINT
        case (.texelUInt, .u32), (.texelUInt, .f32): VK_FORMAT_R32G32B32A32_UINT
        case (.texelUInt, .u8): VK_FORMAT_R8G8B8A8_UINT
        case (.texelInt, .i8): VK_FORMAT_R8G8B8A8_SINT
        case (.texelInt, .i32): VK_FORMAT_R32G32B32A32_SINT
        default: preconditionFailure("no texel format reads \(element) as \(self)")
        }
    }
}

/// The driver's pipeline cache, kept in the user's cache folder by device and driver.
final class PipelineCache: @unchecked Sendable {
    // Sendable: a handle, never changed; drivers lock it themselves.
    let handle: VkPipelineCache?
    private let device: DeviceHandle
    private let file: URL?

    init(device: DeviceHandle) {
        self.device = device
        file = Self.file(for: device.physical)
        let data = file.flatMap { try? Data(contentsOf: $0) } ?? Data()
        var cache: VkPipelineCache?
        data.withUnsafeBytes { bytes in
            var info = VkPipelineCacheCreateInfo()
            info.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO
            info.initialDataSize = bytes.count
            info.pInitialData = bytes.baseAddress
            // A driver ignores data that is not its own.
            _ = device.functions.vkCreatePipelineCache(device.handle, &info, nil, &cache)
        }
        handle = cache
    }

    deinit { device.functions.vkDestroyPipelineCache(device.handle, handle, nil) }

    /// Best effort: a cache that cannot be written costs time at the next start and nothing else. Written beside
    /// its place and renamed, so that it is never half there.
    func save() {
        guard let handle, let file else { return }
        var count = 0
        guard device.functions.vkGetPipelineCacheData(device.handle, handle, &count, nil) == VK_SUCCESS,
            count > 0
        else { return }
        var data = Data(count: count)
        let result = data.withUnsafeMutableBytes {
            device.functions.vkGetPipelineCacheData(device.handle, handle, &count, $0.baseAddress)
        }
        guard result == VK_SUCCESS else { return }
        try? FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try? data.prefix(count).write(to: file, options: .atomic)
    }

    private static func file(for device: PhysicalDevice) -> URL? {
        let environment = ProcessInfo.processInfo.environment
        // The XDG specification ignores paths that are not absolute.
        let base = environment["XDG_CACHE_HOME"].flatMap { $0.hasPrefix("/") ? URL(fileURLWithPath: $0) : nil }
            ?? environment["HOME"].map { URL(fileURLWithPath: $0).appendingPathComponent(".cache") }
        let uuid = withUnsafeBytes(of: device.properties.pipelineCacheUUID) { bytes in
            bytes.map { byte in
                let text = String(byte, radix: 16)
                return text.count == 1 ? "0" + text : text
            }.joined()
        }
        let properties = device.properties
        let name = "\(properties.vendorID)-\(properties.deviceID)-\(properties.driverVersion)-\(uuid).pipelines"
        return base?.appendingPathComponent("vkdyn").appendingPathComponent(name)
    }
}
