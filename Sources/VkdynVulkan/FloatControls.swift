import CVulkan

/// Adds the float controls that a device reports to a SPIR-V module.
///
/// Embedded modules carry none, as some drivers refuse a module that asks for what they do not report even when
/// they behave that way.
struct FloatControls: Sendable, Hashable {
    let roundsToNearestEven: Bool
    let preservesDenormals: Bool
    let preservesSpecialValues: Bool

    init(_ properties: VkPhysicalDeviceFloatControlsProperties) {
        roundsToNearestEven = properties.shaderRoundingModeRTEFloat32 != 0
        preservesDenormals = properties.shaderDenormPreserveFloat32 != 0
        preservesSpecialValues = properties.shaderSignedZeroInfNanPreserveFloat32 != 0
    }

    /// SPIR-V's numbers (specification 1.5, sections 3.6 and 3.31): execution mode and capability share their order.
    private var modes: [(capability: UInt32, mode: UInt32)] {
        var modes: [(UInt32, UInt32)] = []
        if preservesDenormals { modes.append((4464, 4459)) }
        if preservesSpecialValues { modes.append((4466, 4461)) }
        if roundsToNearestEven { modes.append((4467, 4462)) }
        return modes
    }

    func apply(to words: [UInt32]) -> [UInt32] {
        let (opCapability, opEntryPoint, opExecutionMode): (UInt32, UInt32, UInt32) = (17, 15, 16)
        var result = Array(words[..<5])
        for mode in modes { result += [2 << 16 | opCapability, mode.capability] }
        var index = 5
        while index < words.count {
            let length = Int(words[index] >> 16)
            result += words[index..<index + length]
            if words[index] & 0xFFFF == opEntryPoint {
                // Execution modes follow the entry points; these modules have one.
                for mode in modes { result += [4 << 16 | opExecutionMode, words[index + 2], mode.mode, 32] }
            }
            index += length
        }
        return result
    }
}
