public import VkdynCore

/// The second of group normalisation's three calls: the mean of each group of channels over all pixels of an image, and
/// `1/√(variance + epsilon)`, from the moments that `GroupMoments` leaves.
///
/// | buffer     | shape                                       | type |
/// |------------|---------------------------------------------|------|
/// | images     | one `RowCount`                              | u32  |
/// | moments    | [images, ⌈pixels/64⌉, 2, channels]          | f32  |
/// | statistics | [images, groupCount, 2], the mean, then the factor | f32 |
///
/// groupCount divides channels. With n pixels in a block and the moments (m, q) of its channels, the mean is
/// Σ n·m / N and the variance Σ (q + n·(m − mean)²) / N, over the N/pixels channels of the group and all blocks.
/// Reduction order: those sums go through `Reduction`'s 64 strided lanes and tree, ascending by block and within it
/// by channel; 1/N is `reciprocal(Float(pixels)) · reciprocal(Float(channels/groupCount))`.
/// Edge cases: images beyond the count are neither read nor touched; no pixels give nothing. NaN and infinities stay in
/// their group.
/// Source: as `GroupNorm`.
/// Error: with K = 80 + ⌈pixels/64⌉ · channels/groupCount/64 and x = max|source|, of the mean at most K · 2⁻²⁴ · x; of
/// the factor at most K · 2⁻²⁴ · (1 + x · factor) of it.
public enum GroupStatistics: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(
            parameters.pixels == 0 ? 0 : Int(parameters.groupCount), 1, Int(parameters.imageCapacity), rowAxis: .z)
    }

    public static func cost(_ call: KernelCall<GroupStatistics>) -> Cost {
        let p = call.parameters
        let count = GroupMoments.elementCount(
            images: Int(p.imageCapacity), pixels: Int(p.pixels), channels: Int(p.channels))
        return Cost(operations: 4 * count, bytes: 4 * (count + 2 * Int(p.imageCapacity) * Int(p.groupCount)))
    }

    public static func twin(_ b: Views, _ call: KernelCall<GroupStatistics>) {
        let p = call.parameters
        let (pixels, channels, groups) = (Int(p.pixels), Int(p.channels), Int(p.groupCount))
        if pixels == 0 { return }
        let (blocks, groupChannels) = (GroupMoments.blockCount(pixels: pixels), channels / groups)
        let scale = Functions.reciprocal(Float(pixels)) * Functions.reciprocal(Float(groupChannels))
        for image in 0..<min(Int(b.images.pointee.count), Int(p.imageCapacity)) {
            for group in 0..<groups {
                func moment(_ i: Int) -> (count: Float, place: Int) {
                    let block = i / groupChannels
                    let place = (image * blocks + block) * 2 * channels + group * groupChannels + i % groupChannels
                    return (Float(GroupMoments.count(block: block, pixels: pixels)), place)
                }
                let mean = Reduction.sum(count: blocks * groupChannels) { i in
                    let (count, place) = moment(i)
                    return count * b.moments[place]
                } * scale
                let squares = Reduction.sum(count: blocks * groupChannels) { i in
                    let (count, place) = moment(i)
                    let difference = b.moments[place] - mean
                    return b.moments[place + channels] + count * (difference * difference)
                }
                b.statistics[(image * groups + group) * 2] = mean
                b.statistics[(image * groups + group) * 2 + 1] =
                    Functions.inverseSquareRoot(squares * scale + p.epsilon)
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 73)
        return PictureCase.all.map { makeCase($0, &random) }
    }

    public static var shapes: ShapeSpace { ShapeSpace(PictureCase.axes) }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(PictureCase(shape, &random), &random)
    }

    private static func makeCase(_ picture: PictureCase, _ random: inout CaseGenerator) -> KernelCase {
        let count = GroupMoments.elementCount(
            images: picture.capacity, pixels: picture.pixels, channels: picture.channels)
        var moments = random.floats(count, scale: 3)
        for i in moments.indices {
            // Sums of squares are not negative; images beyond the count hold NaN.
            if i / picture.channels % 2 == 1 { moments[i] = abs(moments[i]) }
            if i >= min(picture.images, picture.capacity) * (count / max(picture.capacity, 1)) { moments[i] = .nan }
        }
        if picture.isSpecial {
            moments[1] = .nan
            moments[picture.channels - 1] = .infinity
            moments[2 * picture.channels - 1] = .infinity
            moments[count - 1] = 3e38
        }
        return makeCase(
            picture.label,
            Contents(
                images: picture.rowContents, moments: .floats(moments),
                statistics: .unwritten(picture.capacity * picture.groups * 2)),
            Parameters(
                imageCapacity: UInt32(picture.capacity), pixels: UInt32(picture.pixels),
                channels: UInt32(picture.channels), groupCount: UInt32(picture.groups), epsilon: 1e-5))
    }
}
