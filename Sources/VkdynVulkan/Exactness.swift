public import VkdynCore

extension VulkanDevice {
    /// Why this device's arithmetic is not the contract's, or nil.
    public func inexactness(for flavour: Flavour) -> String? { nil }
}
