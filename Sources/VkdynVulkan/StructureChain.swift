import CVulkan

/// A `pNext` chain of structures, which live and stay in place as long as the chain does.
final class StructureChain {
    /// What the `pNext` of the call's own structure points to.
    private(set) var first: UnsafeMutableRawPointer?
    private var structures: [UnsafeMutableRawPointer] = []

    /// Puts a Vulkan structure, whose type is set, in front of the others.
    @discardableResult
    func add<Structure>(_ structure: Structure) -> UnsafeMutablePointer<Structure> {
        let place = UnsafeMutablePointer<Structure>.allocate(capacity: 1)
        place.initialize(to: structure)
        let raw = UnsafeMutableRawPointer(place)
        // Every such structure begins like this one.
        raw.assumingMemoryBound(to: VkBaseOutStructure.self).pointee.pNext =
            first?.assumingMemoryBound(to: VkBaseOutStructure.self)
        structures.append(raw)
        first = raw
        return place
    }

    deinit { structures.forEach { $0.deallocate() } }
}
