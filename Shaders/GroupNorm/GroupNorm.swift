public import VkdynCore

/// Group normalisation of pictures whose rows are pixels, the last of its three calls:
/// `result[b, p, c] = activation(((source[b, p, c] − mean[b, g]) · factor[b, g]) · weight[c] + bias[c])` with channel c
/// in group `g = ⌊c / (channels/groupCount)⌋`.
///
/// | buffer     | shape                      | type |
/// |------------|----------------------------|------|
/// | images     | one `RowCount`             | u32  |
/// | source     | [images, pixels, channels] | f32  |
/// | statistics | [images, groupCount, 2], the mean, then the factor, as `GroupStatistics` leaves them | f32 |
/// | weight     | [channels]                 | f32  |
/// | bias       | [channels]                 | f32  |
/// | result     | [images, pixels, channels] | f32  |
///
/// No units; the constant `activation` is the raw value of an `Activation`, groupCount divides channels. An image's
/// bits depend on no other image.
/// Reduction order: none here; that of the statistics is `GroupMoments`' and then `GroupStatistics`'.
/// Edge cases: images beyond the count are neither read nor touched. A NaN or an infinity makes its group of its image
/// NaN.
/// Source: Wu and He, arXiv 1803.08494.
/// Error of the three calls without an activation: with the K and x of `GroupStatistics`, at most
/// K · 2⁻²⁴ · (1 + x · factor) · (1 + |exact normalised value|) · |weight|, plus half an ulp of the result.
public enum GroupNorm: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(
            Int(parameters.pixels), (Int(parameters.channels) + 3) / 4, Int(parameters.imageCapacity), rowAxis: .z)
    }

    public static func cost(_ call: KernelCall<GroupNorm>) -> Cost {
        let p = call.parameters
        let count = Int(p.imageCapacity) * Int(p.pixels) * Int(p.channels)
        let operations = call.constants.activation <= Activation.relu.rawValue ? 4 : 44
        return Cost(operations: operations * count, bytes: 2 * count * 4)
    }

    public static func variants(_ call: KernelCall<GroupNorm>, _ traits: DeviceTraits) -> [String] {
        imageVariants(call.parameters.imageCapacity, call.parameters.pixels, call.parameters.channels, traits)
    }

    /// In quads of channels where there are whole ones and texels enough.
    static func imageVariants(
        _ images: UInt32, _ pixels: UInt32, _ channels: UInt32, _ traits: DeviceTraits
    ) -> [String] {
        let texels = Int(images) * Int(pixels) * Int(channels) / 4
        guard channels % 4 == 0, texels <= traits.maximumTexels else { return ["scalars"] }
        return traits.kind == .cpu ? ["quads", "scalars"] : ["scalars", "quads"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<GroupNorm>) {
        let p = call.parameters
        let (pixels, channels, groups) = (Int(p.pixels), Int(p.channels), Int(p.groupCount))
        let activation = Activation(rawValue: call.constants.activation) ?? .none
        for image in 0..<min(Int(b.images.pointee.count), Int(p.imageCapacity)) {
            for pixel in 0..<pixels {
                let first = (image * pixels + pixel) * channels
                for c in 0..<channels {
                    let group = (image * groups + c / (channels / groups)) * 2
                    let normal = (b.source[first + c] - b.statistics[group]) * b.statistics[group + 1]
                    b.result[first + c] = activation(normal * b.weight[c] + b.bias[c])
                }
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 74)
        var cases: [KernelCase] = []
        for (index, picture) in PictureCase.all.enumerated() {
            for activation in [Activation.none, .silu]
            where picture.isSpecial || (index % 2 == 0) == (activation == .silu) {
                cases.append(makeCase(picture, activation, &random))
            }
        }
        return cases
    }

    public static var shapes: ShapeSpace { ShapeSpace(PictureCase.axes + [Activation.axis(standard: .silu)]) }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(PictureCase(shape, &random), Activation(shape), &random)
    }

    private static func makeCase(
        _ picture: PictureCase, _ activation: Activation, _ random: inout CaseGenerator
    ) -> KernelCase {
        let count = picture.capacity * picture.pixels * picture.channels
        var statistics = random.floats(picture.capacity * picture.groups * 2, scale: 2)
        for i in min(picture.images, picture.capacity) * picture.groups * 2..<statistics.count { statistics[i] = .nan }
        return makeCase(
            "\(picture.label), \(activation)",
            Contents(
                images: picture.rowContents, source: .floats(picture.source(&random)),
                statistics: .floats(statistics), weight: .floats(random.floats(picture.channels)),
                bias: .floats(random.floats(picture.channels)), result: .unwritten(count)),
            Parameters(
                imageCapacity: UInt32(picture.capacity), pixels: UInt32(picture.pixels),
                channels: UInt32(picture.channels), groupCount: UInt32(picture.groups)),
            Constants(activation: activation.rawValue))
    }
}
