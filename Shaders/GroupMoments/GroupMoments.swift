public import VkdynCore

/// The first of group normalisation's three calls: over each block of 64 pixels of an image, the mean of each channel
/// and the sum of its squared differences from that mean.
///
/// | buffer  | shape                              | type |
/// |---------|------------------------------------|------|
/// | images  | one `RowCount`                     | u32  |
/// | source  | [images, pixels, channels]         | f32  |
/// | moments | [images, ⌈pixels/64⌉, 2, channels] | f32  |
///
/// The last block has the pixels that are left. Means have the source's unit, sums its square.
/// Reduction order: ascending pixels from +0, for the mean and then for the squares; the mean is the sum times
/// `reciprocal(Float(count))`.
/// Edge cases: images beyond the count are neither read nor touched. A NaN or an infinity reaches its own channel's
/// moments of its own block.
/// Source: as `GroupNorm`; partial moments after Chan, Golub and LeVeque, Technical Report STAN-CS-79-773.
/// Error: of a mean at most 66 · 2⁻²⁴ · max|source|; of the squares at most 70 · 2⁻²⁴ of them, plus 64 times the square
/// of the mean's error.
public enum GroupMoments: Kernel {
    /// Pixels of a block.
    public static let blockPixels = 64

    static func blockCount(pixels: Int) -> Int { (pixels + blockPixels - 1) / blockPixels }

    /// Pixels of one block.
    static func count(block: Int, pixels: Int) -> Int { min(blockPixels, pixels - block * blockPixels) }

    /// Elements of the moments.
    public static func elementCount(images: Int, pixels: Int, channels: Int) -> Int {
        images * blockCount(pixels: pixels) * 2 * channels
    }

    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(
            blockCount(pixels: Int(parameters.pixels)), (Int(parameters.channels) + 3) / 4,
            Int(parameters.imageCapacity), rowAxis: .z)
    }

    public static func cost(_ call: KernelCall<GroupMoments>) -> Cost {
        let p = call.parameters
        let (images, pixels, channels) = (Int(p.imageCapacity), Int(p.pixels), Int(p.channels))
        return Cost(
            operations: 4 * images * pixels * channels,
            bytes: 4 * (images * pixels * channels + elementCount(images: images, pixels: pixels, channels: channels)))
    }

    public static func variants(_ call: KernelCall<GroupMoments>, _ traits: DeviceTraits) -> [String] {
        GroupNorm.imageVariants(call.parameters.imageCapacity, call.parameters.pixels, call.parameters.channels, traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<GroupMoments>) {
        let (pixels, channels) = (Int(call.parameters.pixels), Int(call.parameters.channels))
        let blocks = blockCount(pixels: pixels)
        for image in 0..<min(Int(b.images.pointee.count), Int(call.parameters.imageCapacity)) {
            for block in 0..<blocks {
                let count = count(block: block, pixels: pixels)
                let first = (image * pixels + block * blockPixels) * channels
                let place = (image * blocks + block) * 2 * channels
                let scale = Functions.reciprocal(Float(count))
                for channel in 0..<channels {
                    var sum: Float = 0
                    for i in 0..<count { sum += b.source[first + i * channels + channel] }
                    let mean = sum * scale
                    var squares: Float = 0
                    for i in 0..<count {
                        let difference = b.source[first + i * channels + channel] - mean
                        squares += difference * difference
                    }
                    b.moments[place + channel] = mean
                    b.moments[place + channels + channel] = squares
                }
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 72)
        return PictureCase.all.map { makeCase($0, &random) }
    }

    public static var shapes: ShapeSpace { ShapeSpace(PictureCase.axes) }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(PictureCase(shape, &random), &random)
    }

    private static func makeCase(_ picture: PictureCase, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            picture.label,
            Contents(
                images: picture.rowContents, source: .floats(picture.source(&random)),
                moments: .unwritten(
                    elementCount(images: picture.capacity, pixels: picture.pixels, channels: picture.channels))),
            Parameters(
                imageCapacity: UInt32(picture.capacity), pixels: UInt32(picture.pixels),
                channels: UInt32(picture.channels)))
    }
}
