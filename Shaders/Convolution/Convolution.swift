public import VkdynCore

/// Convolution of pictures whose rows are pixels, with an epilogue. With the taps (ky, kx) of a square kernel and
/// k = (ky · kernelSize + kx) · channels + c,
/// `result[b, (y, x), n] = residual[b, (y, x), n] + activation(bias[n] + imageBias[b, n]
///     + Σₖ source[b, nearest(y · stride + ky − padding, x · stride + kx − padding), c] · weights[k, n])`,
/// where `nearest(i, j) = (⌊i · sourceHeight/gridHeight⌋, ⌊j · sourceWidth/gridWidth⌋)`: the grid is the source
/// enlarged by its nearest pixels, or the source itself where both are of one size.
///
/// | buffer    | shape                                                     | type                 |
/// |-----------|-----------------------------------------------------------|----------------------|
/// | images    | one `RowCount`                                            | u32                  |
/// | source    | [images, sourceHeight · sourceWidth, channels]            | f32                  |
/// | weights   | [kernelSize² · channels, columns], as `PackedLayout` states | f32, f16, bf16, int8 |
/// | scales    | [⌈depth/groupSize⌉, 4⌈columns/4⌉], optional               | f32, f16             |
/// | bias      | [columns], optional                                       | f32                  |
/// | imageBias | columns values from imageBiasOffset + b · imageBiasStride on, optional | f32     |
/// | residual  | as result, optional                                       | f32                  |
/// | result    | columns values from resultOffset + (b · resultHeight · resultWidth + pixel) · resultStride on | f32 |
///
/// Sizes and offsets count pixels and elements. An imageBiasStride of 0 shares one row among the images. The source and
/// the grid have a pixel at least; the result's size is the caller's:
/// ⌊(gridHeight + 2 · padding − kernelSize)/stride⌋ + 1 for a padding on all sides, less or more where only some sides are
/// padded. Scales and groups are those of `Matmul`, with the depth kernelSize² · channels.
/// Reduction order: that of `Matmul`: products in ascending k within chunks of 256, chunk sums in ascending order, both
/// from +0. Products of taps outside the grid are left out, whatever weight and memory hold; a chunk without products
/// has the sum +0. A kernel of one tap has `Matmul`'s bits. Then bias, image bias, activation, residual.
/// Edge cases: images beyond the count are neither read nor touched. No channels give the epilogue of +0. Padded
/// weights and scales reach no result. NaN and infinity follow IEEE 754.
/// Source: LeCun et al., Neural Computation 1 (1989); as a product of matrices that are never stored, Chetlur et al.,
/// arXiv 1410.0759; nearest pixels in front of it, Odena et al., Distill 2016.
/// Error of the sum: `Matmul`'s, over the products that are added.
public enum Convolution: Kernel {
    /// Pixels along x, for they are many: a workgroup's columns stay in a cache while it goes through them.
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(
            parameters.resultPixels, (Int(parameters.columns) + 3) / 4, Int(parameters.imageCapacity), rowAxis: .z)
    }

    public static func cost(_ call: KernelCall<Convolution>) -> Cost {
        let p = call.parameters
        let (images, channels, columns) = (Int(p.imageCapacity), Int(p.channels), Int(p.columns))
        // Along each axis, the taps of all pixels that lie in the grid.
        func taps(_ result: UInt32, _ grid: UInt32) -> Int {
            (0..<Int(result)).reduce(0) { sum, place in
                let first = place * Int(p.stride) - Int(p.padding)
                return sum + max(0, min(first + Int(p.kernelSize), Int(grid)) - max(first, 0))
            }
        }
        let groups = call.elements.scales == nil ? 0 : (p.depth + Int(p.groupSize) - 1) / Int(p.groupSize)
        return Cost(
            operations: 2 * images * taps(p.resultHeight, p.gridHeight) * taps(p.resultWidth, p.gridWidth) * channels
                * columns,
            bytes: images * (Int(p.sourceHeight) * Int(p.sourceWidth) * channels + p.resultPixels * columns) * 4
                + p.depth * columns * call.elements.weights.byteCount
                + groups * columns * (call.elements.scales?.byteCount ?? 0))
    }

    public static func variants(_ call: KernelCall<Convolution>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let texels = Int(p.imageCapacity) * Int(p.sourceHeight) * Int(p.sourceWidth) * Int(p.channels) / 4
        guard p.channels % 4 == 0, p.channels > 0, call.elements.scales == nil || p.groupSize % 4 == 0,
            texels <= traits.maximumTexels
        else { return ["general"] }
        // Lanes that share loads are one subgroup, whose shuffles a CPU driver has.
        let canShare = traits.kind == .cpu && traits.subgroupSize >= 8
        let names = interface.variants.map(\.name).filter { canShare || !$0.hasPrefix("shared8") }
        let tiles = RegisterTile.ordered(
            rows: p.resultPixels, quads: (Int(p.columns) + 3) / 4, batches: Int(p.imageCapacity),
            names: names, kind: traits.kind)
        let shared = traits.maximumWorkgroupInvocations < 256 ? [] : ["shared_rows64"]
        return (traits.kind == .cpu || p.resultPixels < 32 ? tiles + shared : shared + tiles) + ["general"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<Convolution>) {
        switch call.flavour {
        case .separate: convolve(b, call, SeparateArithmetic.self)
        case .fused: convolve(b, call, FusedArithmetic.self)
        }
    }

    private static func convolve<A: Arithmetic>(_ b: Views, _ call: KernelCall<Convolution>, _: A.Type) {
        let p = call.parameters
        let (columns, channels, depth) = (Int(p.columns), Int(p.channels), p.depth)
        let layout = PackedLayout(depth: depth, columns: columns, elementType: call.elements.weights)
        let activation = Activation(rawValue: call.constants.activation) ?? .none
        let hasScales = call.elements.scales != nil
        let scale = { (group: Int, column: Int) in b.scales[group * layout.paddedColumns + column] }
        // Pixels whose taps are copied side by side at a time.
        let blockPixels = 256
        let taps = UnsafeMutableBufferPointer<Float>.allocate(capacity: blockPixels * max(depth, 1))
        defer { taps.deallocate() }
        taps.initialize(repeating: .nan)
        for image in 0..<min(Int(b.images.pointee.count), Int(p.imageCapacity)) {
            for first in stride(from: 0, to: p.resultPixels, by: blockPixels) {
                let pixels = first..<min(first + blockPixels, p.resultPixels)
                var isPresent = [Bool](repeating: false, count: pixels.count * p.tapCount)
                for (row, pixel) in pixels.enumerated() {
                    for tap in 0..<p.tapCount {
                        guard let place = p.sourcePixel(pixel: pixel, tap: tap) else { continue }
                        isPresent[row * p.tapCount + tap] = true
                        let source = (image * Int(p.sourceHeight) * Int(p.sourceWidth) + place) * channels
                        for c in 0..<channels { taps[row * depth + tap * channels + c] = b.source[source + c] }
                    }
                }
                let sums = PackedProduct.sums(
                    rows: pixels.indices.map { UnsafePointer(taps.baseAddress! + ($0 - first) * depth) },
                    weights: b.weights, firstElement: 0, layout: layout, groupSize: Int(p.groupSize),
                    scale: hasScales ? scale : nil,
                    isPresent: { row, k in isPresent[row * p.tapCount + k / channels] }, A.self)
                for (row, pixel) in pixels.enumerated() {
                    let place = (image * p.resultPixels + pixel) * Int(p.resultStride) + Int(p.resultOffset)
                    for column in 0..<columns {
                        var value = sums[row * layout.paddedColumns + column]
                        if !b.bias.isEmpty { value += b.bias[column] }
                        if !b.imageBias.isEmpty {
                            value += b.imageBias[Int(p.imageBiasOffset) + image * Int(p.imageBiasStride) + column]
                        }
                        value = activation(value)
                        if !b.residual.isEmpty { value += b.residual[place + column] }
                        b.result[place + column] = value
                    }
                }
            }
        }
    }
}

extension Convolution.Parameters {
    var resultPixels: Int { Int(resultHeight) * Int(resultWidth) }
    var tapCount: Int { Int(kernelSize) * Int(kernelSize) }
    var depth: Int { tapCount * Int(channels) }

    /// The pixel of an image's source that a tap of a pixel reads; nil outside the grid.
    func sourcePixel(pixel: Int, tap: Int) -> Int? {
        let y = pixel / Int(resultWidth) * Int(stride) + tap / Int(kernelSize) - Int(padding)
        let x = pixel % Int(resultWidth) * Int(stride) + tap % Int(kernelSize) - Int(padding)
        guard (0..<Int(gridHeight)).contains(y), (0..<Int(gridWidth)).contains(x) else { return nil }
        return y * Int(sourceHeight) / Int(gridHeight) * Int(sourceWidth) + x * Int(sourceWidth) / Int(gridWidth)
    }
}
