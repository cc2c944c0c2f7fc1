import VkdynCore

/// The mirror of `choice.glsl`.
enum Choice {
    /// An order-preserving key with NaN lowest and −0 equal to +0.
    static func key(_ x: Float) -> UInt32 {
        x == 0 ? Functions.orderKey(0) : Functions.orderKey(x)
    }

    /// The index of the largest key, the lowest one for ties; 0 when there is none.
    static func index(ofLargest keys: some Collection<UInt32>) -> UInt32 {
        var best: (key: UInt32, index: Int)?
        for (index, key) in keys.enumerated() where best == nil || key > best!.key { best = (key, index) }
        return UInt32(best?.index ?? 0)
    }
}

/// Variants of the kernels that give a workgroup to a row of a [rows, width] buffer.
enum RowVariants {
    /// Texel views need whole texels a row, and load a CPU device's rows two to three times as fast; a CPU device pays
    /// for barriers by the lane, other devices want many lanes for their memory.
    static func names(width: UInt32, rowCapacity: UInt32, traits: DeviceTraits) -> [String] {
        let texels = Int(width) / 4 * Int(rowCapacity)
        let canTexels = width % 4 == 0 && texels > 0 && texels <= traits.maximumTexels
        let sizes = (traits.kind == .cpu ? [64, 256] : [256, 64])
            .filter { $0 <= traits.maximumWorkgroupInvocations }
        return (canTexels ? sizes.map { "texels\($0)" } : []) + sizes.map { "lanes\($0)" }
    }
}
