public import VkdynCore

extension Attention {
    public static func variants(_ call: KernelCall<Attention>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let rows = p.sequenceRows == 0 ? Int(p.rowCapacity) : min(Int(p.sequenceRows), Int(p.rowCapacity))
        let heads = Int(p.headCount)
        let isHalf = call.elements.keyCache == .f16
        let tiles = interface.variants.compactMap { variant -> (shape: Shape, name: String)? in
            Shape(variant).map { ($0, variant.name) }
        }
        // A tile's heads share one key/value head. Rows with ancestors have caches of their own and share no loads.
        func isLegal(_ shape: Shape) -> Bool {
            heads / max(Int(p.kvHeadCount), 1) % shape.heads == 0
                && (shape.rows == 1 || call.elements.ancestors == nil)
        }
        // The smallest size that holds the head.
        func fitting(_ size: Int, _ shapes: [(shape: Shape, name: String)]) -> [(shape: Shape, name: String)] {
            let smallest = shapes.map(\.shape.size).filter { $0 >= size }.min()
            return shapes.filter { $0.shape.size == smallest && isLegal($0.shape) }
        }
        // The least work: each tile loads as much as two queries compute.
        func leastWork(_ shapes: [(shape: Shape, name: String)]) -> [(shape: Shape, name: String)] {
            func work(_ shape: Shape) -> Int {
                let tileCount = (rows + shape.rows - 1) / shape.rows * (heads / shape.heads)
                return tileCount * (shape.rows * shape.heads + 2)
            }
            return shapes.enumerated().sorted {
                (work($0.element.shape), $0.offset) < (work($1.element.shape), $1.offset)
            }.map(\.element)
        }

        // Heads longer than a chunk are the largest variants' own.
        let least = Int(p.headSize) > dotProductChunk ? dotProductChunk + 1 : 0
        var texels = leastWork(fitting(max(Int(p.valueSize), least), tiles.filter { $0.shape.isTexels }))
        let longest = Int(max(p.headSize, p.valueSize))
        let cacheTexels = p.sequenceCount * Int(p.kvHeadCount) * Int(p.cacheCapacity) * longest / 4
        let sourceTexels = Int(p.rowCapacity) * Int(p.sourceStride) / 4
        // The lanes of a workgroup are one subgroup, whose shuffles a CPU driver has.
        if traits.kind != .cpu || traits.subgroupSize < 8 || p.sourceStride % 4 != 0
            || max(cacheTexels, sourceTexels) > traits.maximumTexels
        {
            texels = []
        }
        var storage = leastWork(fitting(longest, tiles.filter { !$0.shape.isTexels && $0.shape.isHalf == isHalf }))
        // 512 invocations, and up to 31 KiB of shared memory.
        if traits.maximumWorkgroupInvocations < 512 || traits.sharedMemoryBytes < 32 * 1024 {
            storage.removeAll { $0.shape.isSplit }
        }
        // Few workgroups are better split over blocks.
        let isSplit = p.sequenceCount * rows * heads < 256
        storage = storage.filter { $0.shape.isSplit == isSplit } + storage.filter { $0.shape.isSplit != isSplit }
        if cacheTexels * 4 * call.elements.keyCache.byteCount > traits.maximumStorageBytes, !texels.isEmpty {
            storage = []
        }
        return (texels + storage).map(\.name)
    }

    /// What a variant's name says of it.
    private struct Shape {
        var isTexels = false
        var isHalf = false
        var isSplit = false
        var rows = 1
        var heads = 1
        var size = 0

        init?(_ variant: VariantInterface) {
            for part in variant.name.split(separator: "_") {
                switch part {
                case "texels": isTexels = true
                case "half": isHalf = true
                case "split": isSplit = true
                case let part where part.hasPrefix("size"): size = Int(part.dropFirst(4)) ?? 0
                default: break
                }
            }
            rows = variant.tile.y
            heads = variant.tile.x
            if size == 0 { return nil }
        }
    }
}
