public import VkdynCore

/// The best destination of every source token, without a matrix of scores:
/// `matches[b, i] = argmaxⱼ metric[b, source i] · metric[b, destination j]`, `scores[b, i]` = that dot product.
///
/// | buffer    | shape                                             | type |
/// |-----------|---------------------------------------------------|------|
/// | images    | one `RowCount`                                    | u32  |
/// | metric    | [images, tokenCount, width]                       | f32  |
/// | sets      | [sourceCount + destinationCount], optional        | u32  |
/// | scores    | [images, sourceCount]                             | f32  |
/// | matches   | [images, sourceCount], numbers of destinations    | u32  |
///
/// The sets list the sources' tokens, then the destinations', the same for all images. Without them source i is
/// token 2i and destination j token 2j + 1: sourceCount is ⌈tokenCount/2⌉, destinationCount ⌊tokenCount/2⌋. With rows
/// of length 1, as `MatchingMetric` leaves them, a score is a cosine. `classToken` not 0: source 0 is a class token,
/// matches nothing and scores −∞. `distillationToken` not 0: destination 0 is a distillation token, which nothing
/// matches.
/// Reduction order: products in ascending channel within chunks of 256, chunk sums in ascending order, both from +0, in
/// the call's flavour. The maximum is taken on order keys, exact in any order of tiles.
/// Edge cases: images beyond the count are not touched. The lowest destination wins a tie; a score is never −0, for
/// chunk sums are added to +0. NaN ranks below −∞: a source of NaN scores alone scores NaN and matches the lowest
/// destination. With no destination to match a source scores −∞ and matches 0.
/// Source: bipartite soft matching, Bolya et al., arXiv 2210.09461, section 3; with such sets, arXiv 2303.17604.
/// Error of a score: at most (256 + width/256 + 1) · 2⁻²⁴ · Σ|products| in the separate flavour.
public enum BestMatch: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.sourceCount), Int(parameters.imageCapacity), rowAxis: .y)
    }

    public static func cost(_ call: KernelCall<BestMatch>) -> Cost {
        let p = call.parameters
        let (images, sources, destinations) = (Int(p.imageCapacity), Int(p.sourceCount), Int(p.destinationCount))
        return Cost(
            operations: 2 * images * sources * destinations * Int(p.width),
            bytes: images * ((sources + destinations) * Int(p.width) + 2 * sources) * 4)
    }

    public static func variants(_ call: KernelCall<BestMatch>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let elements = Int(p.imageCapacity) * Int(p.tokenCount) * Int(p.width)
        // Few sources in large tiles would leave most of the device idle.
        let sources = Int(p.imageCapacity) * Int(p.sourceCount)
        let tiles = (sources < 128 * 64 ? ["tiles16", "tiles64"] : ["tiles64", "tiles16"])
            .filter { _ in traits.maximumWorkgroupInvocations >= 256 }
        let hasTexels = p.width % 4 == 0 && elements / 4 <= traits.maximumTexels
        let texels =
            !hasTexels
            ? [] : sources < 1024 ? ["texels8", "texels4", "texels16"] : ["texels16", "texels8", "texels4"]
        return traits.kind == .cpu ? texels + tiles : tiles + texels
    }

    public static func twin(_ b: Views, _ call: KernelCall<BestMatch>) {
        switch call.flavour {
        case .separate: match(b, call.parameters, SeparateArithmetic.self)
        case .fused: match(b, call.parameters, FusedArithmetic.self)
        }
    }

    private static func match<A: Arithmetic>(_ b: Views, _ p: Parameters, _: A.Type) {
        let (width, sourceCount) = (Int(p.width), Int(p.sourceCount))
        let candidates = (p.distillationToken != 0 ? 1 : 0)..<max(Int(p.destinationCount), 1)
        let hasCandidates = candidates.lowerBound < Int(p.destinationCount)
        let hasSets = !b.sets.isEmpty
        for image in 0..<min(Int(b.images.pointee.count), Int(p.imageCapacity)) {
            let tokens = b.metric.baseAddress! + image * Int(p.tokenCount) * width
            for i in 0..<sourceCount {
                let index = image * sourceCount + i
                guard hasCandidates, !(p.classToken != 0 && i == 0) else {
                    b.scores[index] = -.infinity
                    b.matches[index] = 0
                    continue
                }
                let source = tokens + (hasSets ? Int(b.sets[i]) : 2 * i) * width
                var best: UInt32 = 0
                var match = candidates.lowerBound
                for j in candidates {
                    let token = hasSets ? Int(b.sets[sourceCount + j]) : 2 * j + 1
                    let key = Functions.orderKey(dotProduct(source, tokens + token * width, width, A.self))
                    if key > best { (best, match) = (key, j) }
                }
                b.scores[index] = Functions.fromOrderKey(best)
                b.matches[index] = UInt32(match)
            }
        }
    }

    @inline(__always)
    private static func dotProduct<A: Arithmetic>(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ width: Int, _: A.Type
    ) -> Float {
        var total: Float = 0
        for start in stride(from: 0, to: width, by: dotProductChunk) {
            var sum: Float = 0
            for k in start..<min(start + dotProductChunk, width) { sum = A.multiplyAdd(a[k], b[k], sum) }
            total += sum
        }
        return total
    }
}
