import VkdynCore

/// What a variant of `LatentAttention` covers, by its name and its tile.
struct LatentAttentionTile {
    let name: String
    let isTexels: Bool
    /// Heads of a workgroup.
    let heads: Int
    /// Blocks that a workgroup treats at a time.
    let groups: Int
    /// The longest latent; a variant without a size takes them all.
    let size: Int

    private init(_ variant: VariantInterface) {
        let parts = variant.name.split(separator: "_")
        func number(after prefix: String) -> Int? {
            parts.first { $0.hasPrefix(prefix) }.flatMap { Int($0.dropFirst(prefix.count)) }
        }
        (name, heads, size) = (variant.name, variant.tile.x, number(after: "size") ?? 512)
        isTexels = parts[0] == "texels"
        groups = number(after: "split") ?? 1
    }

    /// Variants that may run a call, the best first.
    static func ordered(_ call: KernelCall<LatentAttention>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let tiles = LatentAttention.interface.variants.map { LatentAttentionTile($0) }
        var texels = tiles.filter(\.isTexels)
        // The work of heads and of loads, which equal that of two heads.
        func work(_ tile: LatentAttentionTile) -> Int {
            (Int(p.headCount) + tile.heads - 1) / tile.heads * (tile.heads + 2)
        }
        texels = texels.enumerated().sorted {
            (work($0.element), $0.offset) < (work($1.element), $1.offset)
        }.map(\.element)
        if !isForTexels(p, traits) { texels = [] }

        // The smallest size that holds the latent.
        var storage = tiles.filter { !$0.isTexels && $0.size >= p.latentSize }
        let smallest = storage.map(\.size).min()
        storage.removeAll { $0.size != smallest }
        storage.removeAll { $0.groups * 64 > traits.maximumWorkgroupInvocations }
        // 22 to 32 KiB of shared memory; one head and one group take 7.
        if traits.sharedMemoryBytes < 32 * 1024 { storage.removeAll { $0.heads * $0.groups > 1 } }
        // A GPU wants some 128 workgroups: the most heads that leave as many, one head by blocks at the worst.
        func groupCount(_ tile: LatentAttentionTile) -> Int {
            Int(p.rowCapacity) * ((Int(p.headCount) + tile.heads - 1) / tile.heads)
        }
        storage.sort { ($0.heads, $0.groups) > ($1.heads, $1.groups) }
        let many = storage.filter { groupCount($0) >= 128 }
        let few = storage.filter { groupCount($0) < 128 }
        storage = many + few.sorted { ($0.heads, $1.groups) < ($1.heads, $0.groups) }
        return (texels + storage).map(\.name)
    }

    private static func isForTexels(_ p: LatentAttention.Parameters, _ traits: DeviceTraits) -> Bool {
        let cacheTexels = Int(p.cacheCapacity) * Int(p.latentSize + p.rotarySize) / 4
        let queryTexels = Int(p.rowCapacity) * max(Int(p.headCount) * Int(p.latentSize), Int(p.rotaryStride)) / 4
        // The lanes of a workgroup are one subgroup, whose shuffles a CPU driver has. lavapipe ends an invocation's
        // loops after 65,535 rounds altogether, and a block takes up to 290.
        return traits.kind == .cpu && traits.subgroupSize >= 8 && traits.sharedMemoryBytes >= 16 * 1024
            && p.cacheCapacity <= 12_288 && p.rotaryStride % 4 == 0 && p.rotaryOffset % 4 == 0
            && max(cacheTexels, queryTexels) <= traits.maximumTexels
    }
}
