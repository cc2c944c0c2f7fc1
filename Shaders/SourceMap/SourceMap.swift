public import VkdynCore

/// Which token every original token has become part of, one merge further:
/// `result[b, i] = targets[b, previous[b, i]]`.
///
/// | buffer   | shape                                     | type |
/// |----------|-------------------------------------------|------|
/// | images   | one `RowCount`                            | u32  |
/// | targets  | [images, tokenCount], from `MergeTargets` | u32  |
/// | previous | [images, originalCount], optional            | u32  |
/// | result   | [images, originalCount]                      | u32  |
///
/// `originalCount` counts the tokens before the first merge, class token included. Without a previous map token i is i
/// itself, and originalCount is tokenCount. Nothing is reduced. Images beyond the count are not touched.
/// Source: the source tracking of Bolya et al., arXiv 2210.09461, as a map instead of a matrix. Exact.
public enum SourceMap: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.originalCount), Int(parameters.imageCapacity), rowAxis: .y)
    }

    public static func cost(_ call: KernelCall<SourceMap>) -> Cost {
        Cost(operations: 0, bytes: 12 * Int(call.parameters.imageCapacity) * Int(call.parameters.originalCount))
    }

    public static func twin(_ b: Views, _ call: KernelCall<SourceMap>) {
        let p = call.parameters
        let patches = Int(p.originalCount)
        for image in 0..<min(Int(b.images.pointee.count), Int(p.imageCapacity)) {
            for patch in 0..<patches {
                let token = call.elements.previous == nil ? patch : Int(b.previous[image * patches + patch])
                b.result[image * patches + patch] = b.targets[image * Int(p.tokenCount) + token]
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 308)
        return [
            (1, 1, 0, 0, false), (1, 1, 1, 1, false), (1, 1, 1, 1, true), (2, 2, 63, 63, false), (2, 2, 64, 50, true),
            (1, 1, 65, 3, true), (3, 3, 197, 120, true), (2, 4, 20, 9, true), (0, 2, 20, 9, true),
            (5, 2, 20, 20, false),
        ].map { makeCase(images: $0.0, capacity: $0.1, patches: $0.2, tokens: $0.3, hasPrevious: $0.4, &random) }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("patches", 1...400, standard: 4096), ShapeAxis("tokens", 1...400, standard: 2048),
            ShapeAxis("images", 0...4, standard: 1), .flag("previous"),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let patches = shape["patches"]
        return makeCase(
            images: shape["images"], capacity: shape["images"], patches: patches,
            tokens: shape.has("previous") ? min(shape["tokens"], patches) : patches, hasPrevious: shape.has("previous"),
            &random)
    }

    private static func makeCase(
        images: Int, capacity: Int, patches: Int, tokens: Int, hasPrevious: Bool, _ random: inout CaseGenerator
    ) -> KernelCase {
        func map(_ count: Int, below limit: Int) -> BufferContents {
            .words(
                (0..<capacity * count).map { index in
                    index / max(count, 1) < images ? .random(in: 0..<UInt32(max(limit, 1)), using: &random) : .max
                })
        }
        return makeCase(
            "images \(images) of \(capacity), \(patches) patches in \(tokens) tokens"
                + (hasPrevious ? ", previous" : ""),
            Contents(
                images: .structure(RowCount(count: UInt32(images), capacity: UInt32(capacity))),
                targets: map(tokens, below: max(tokens / 2, 1)),
                previous: hasPrevious ? map(patches, below: tokens) : nil,
                result: .unwritten(capacity * patches, as: .u32)),
            Parameters(
                imageCapacity: UInt32(capacity), tokenCount: UInt32(tokens), originalCount: UInt32(patches)))
    }
}
