public import VkdynCore

/// The tokens of images: what stands before the patches of every image, then its patches with their positions,
/// `result[b, t, i] = prefix[t, i]` for t below prefixCount, else
/// `patches[b, t − prefixCount, i] + positions[t − prefixCount, i]`.
///
/// | buffer    | shape                                     | type |
/// |-----------|-------------------------------------------|------|
/// | images    | one `RowCount`                            | u32  |
/// | patches   | [images, patchCount, width]               | f32  |
/// | positions | [patchCount, width]                       | f32  |
/// | prefix    | [prefixCount, width], optional            | f32  |
/// | result    | [images, prefixCount + patchCount, width] | f32  |
///
/// The prefix holds class and distillation tokens, their own positions included. No units. No reduction.
/// Edge cases: images beyond the count are not touched; NaN and infinity follow IEEE 754. Without a prefix its count is 0.
/// Source: Dosovitskiy et al., arXiv 2010.11929, equation 1; the distillation token, arXiv 2012.12877.
/// Error: at most half an ulp.
public enum AssembleTokens: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(
            Int(parameters.prefixCount + parameters.patchCount), Int(parameters.imageCapacity),
            (Int(parameters.width) + 3) / 4, rowAxis: .y)
    }

    public static func cost(_ call: KernelCall<AssembleTokens>) -> Cost {
        let p = call.parameters
        let (images, patches, width) = (Int(p.imageCapacity), Int(p.patchCount), Int(p.width))
        let prefix = Int(p.prefixCount) * width
        return Cost(
            operations: images * patches * width,
            bytes: 4 * (2 * images * patches * width + patches * width + (images + 1) * prefix))
    }

    public static func variants(_ call: KernelCall<AssembleTokens>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let texels = Int(p.imageCapacity) * Int(p.patchCount) * Int(p.width) / 4
        guard p.width % 4 == 0, texels <= traits.maximumTexels else { return ["scalars"] }
        return traits.kind == .cpu ? ["quads", "scalars"] : ["scalars", "quads"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<AssembleTokens>) {
        let p = call.parameters
        let (prefix, patches, width) = (Int(p.prefixCount), Int(p.patchCount), Int(p.width))
        for image in 0..<min(Int(b.images.pointee.count), Int(p.imageCapacity)) {
            for token in 0..<prefix + patches {
                let row = (image * (prefix + patches) + token) * width
                let patch = token - prefix
                for i in 0..<width {
                    b.result[row + i] =
                        token < prefix
                        ? b.prefix[token * width + i]
                        : b.patches[(image * patches + patch) * width + i] + b.positions[patch * width + i]
                }
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 132)
        var cases: [KernelCase] = []
        let shapes: [(images: Int, capacity: Int, prefix: Int, patches: Int, width: Int)] = [
            (0, 0, 1, 4, 8), (1, 1, 0, 1, 1), (1, 1, 1, 0, 4), (2, 2, 1, 3, 3), (1, 1, 2, 4, 4), (2, 2, 1, 9, 63),
            (1, 1, 0, 5, 64), (3, 3, 2, 7, 65), (2, 2, 1, 49, 260), (1, 1, 0, 16, 255), (2, 2, 2, 196, 192),
            (2, 5, 1, 9, 36), (0, 4, 2, 9, 36), (6, 3, 1, 9, 35), (1, 1, 1, 2, 1024), (1, 2, 5, 3, 12),
        ]
        for shape in shapes {
            cases.append(
                makeCase(
                    images: shape.images, capacity: shape.capacity, prefix: shape.prefix, patches: shape.patches,
                    width: shape.width, &random))
        }
        for width in [68, 67] {
            cases.append(
                makeCase(images: 2, capacity: 2, prefix: 1, patches: 3, width: width, isSpecial: true, &random))
        }
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("patches", 0...200, standard: 196), ShapeAxis("width", 1...300, standard: 768),
            ShapeAxis("images", 0...4, standard: 8), ShapeAxis("prefix", 0...2, standard: 1),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            images: shape["images"], capacity: random.capacity(for: shape["images"]), prefix: shape["prefix"],
            patches: shape["patches"], width: shape["width"], &random)
    }

    private static func makeCase(
        images: Int, capacity: Int, prefix: Int, patches: Int, width: Int, isSpecial: Bool = false,
        _ random: inout CaseGenerator
    ) -> KernelCase {
        var source = random.floats(capacity * patches * width, scale: 4)
        for i in min(images, capacity) * patches * width..<capacity * patches * width { source[i] = .nan }
        var positions = random.floats(patches * width)
        var tokens = random.floats(prefix * width)
        if isSpecial {
            for (index, value) in Elementwise.specialValues.enumerated() {
                source[index * 5 % source.count] = value
                positions[index * 7 % positions.count] = value
                tokens[index * 3 % tokens.count] = value
            }
        }
        return makeCase(
            "images \(images) of \(capacity), \(prefix) before \(patches) patches, width \(width)"
                + (isSpecial ? ", special values" : ""),
            Contents(
                images: .structure(RowCount(count: UInt32(images), capacity: UInt32(capacity))),
                patches: .floats(source), positions: .floats(positions), prefix: prefix > 0 ? .floats(tokens) : nil,
                result: .unwritten(capacity * (prefix + patches) * width)),
            Parameters(
                imageCapacity: UInt32(capacity), prefixCount: UInt32(prefix), patchCount: UInt32(patches),
                width: UInt32(width)))
    }
}
