public import VkdynCore

/// Merges tokens into rows by their sizes: with the members p of row n,
/// `resultSizes[b, n] = Σ sizes[b, p]` and `result[b, n] = (Σ source[b, p] · sizes[b, p]) · 1/resultSizes[b, n]`.
///
/// | buffer      | shape                                            | type |
/// |-------------|--------------------------------------------------|------|
/// | images      | one `RowCount`                                   | u32  |
/// | source      | [images, tokenCount, width]                      | f32  |
/// | sizes       | [images, tokenCount], optional                   | f32  |
/// | offsets     | [images, rowCount + 1], from `MergeOffsets`      | u32  |
/// | members     | [images, tokenCount]                             | u32  |
/// | result      | [images, rowCount, width]                        | f32  |
/// | resultSizes | [images, rowCount], optional                     | f32  |
///
/// A size counts the patches that a token stands for. Without sizes all are 1, which gives the plain mean of a row's
/// members, a destination included, as tomesd takes it.
/// Reduction order: a row's members in ascending token, sums from +0, product and sum rounded each; the quotient is a
/// product with `reciprocal`. It has no flavours. A row with one member has its channels unchanged, whatever the size.
/// Edge cases: images beyond the count are not touched. NaN and infinity follow IEEE 754, in their own row alone. A
/// total size of 0 gives infinity or NaN. Sizes are exact up to 2²⁴ patches.
/// Source: Bolya et al., arXiv 2210.09461, section 3; the mean, arXiv 2303.17604.
/// Error: at most (members + 2) · 2⁻²⁴ · Σ|source · sizes| / Σ sizes, plus half an ulp, above the denormals.
public enum MergeTokens: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        // In quads of channels along z; rows without channels still have their sizes.
        WorkExtent(
            Int(parameters.rowCount), Int(parameters.imageCapacity), (max(Int(parameters.width), 1) + 3) / 4,
            rowAxis: .y)
    }

    public static func cost(_ call: KernelCall<MergeTokens>) -> Cost {
        let p = call.parameters
        let (images, tokens, rows) = (Int(p.imageCapacity), Int(p.tokenCount), Int(p.rowCount))
        return Cost(
            operations: images * (2 * tokens + rows) * Int(p.width),
            bytes: 4 * images * ((tokens + rows) * Int(p.width) + tokens + rows))
    }

    public static func variants(_ call: KernelCall<MergeTokens>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let elements = Int(p.imageCapacity) * Int(p.tokenCount) * Int(p.width)
        guard p.width % 4 == 0, p.width > 0, elements / 4 <= traits.maximumTexels else { return ["scalars"] }
        return traits.kind == .cpu ? ["quads64", "quads16", "scalars"] : ["scalars", "quads64", "quads16"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<MergeTokens>) {
        let p = call.parameters
        let (tokens, rows, width) = (Int(p.tokenCount), Int(p.rowCount), Int(p.width))
        let hasSizes = call.elements.sizes != nil
        for image in 0..<min(Int(b.images.pointee.count), Int(p.imageCapacity)) {
            for row in 0..<rows {
                let offset = image * (rows + 1) + row
                let members = (Int(b.offsets[offset])..<Int(b.offsets[offset + 1])).map {
                    image * tokens + Int(b.members[image * tokens + $0])
                }
                var total: Float = 0
                for token in members { total += hasSizes ? b.sizes[token] : 1 }
                if call.elements.resultSizes != nil { b.resultSizes[image * rows + row] = total }
                let factor = Functions.reciprocal(total)
                for i in 0..<width {
                    var sum: Float = 0
                    for token in members {
                        let x = b.source[token * width + i]
                        sum += hasSizes ? x * b.sizes[token] : x
                    }
                    b.result[(image * rows + row) * width + i] =
                        members.count == 1 ? b.source[members[0] * width + i] : sum * factor
                }
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 306)
        var cases: [KernelCase] = []
        let shapes: [(images: Int, capacity: Int, tokens: Int, rows: Int, width: Int)] = [
            (1, 1, 0, 0, 8), (1, 1, 1, 1, 1), (1, 1, 2, 1, 4), (2, 2, 9, 5, 63), (1, 1, 30, 14, 64), (1, 1, 30, 14, 65),
            (3, 3, 197, 181, 32), (2, 2, 64, 33, 260), (1, 1, 300, 1, 8), (1, 1, 300, 2, 7), (2, 4, 20, 9, 12),
            (0, 2, 20, 9, 12), (5, 2, 20, 9, 10), (1, 1, 6, 6, 20), (1, 1, 5, 2, 0),
        ]
        for (index, shape) in shapes.enumerated() {
            for hasSizes in [false, true] {
                cases.append(
                    makeCase(
                        images: shape.images, capacity: shape.capacity, tokens: shape.tokens, rows: shape.rows,
                        width: shape.width, hasSizes: hasSizes, hasResultSizes: index % 2 == 0 || hasSizes, &random))
            }
        }
        for width in [8, 7] {
            cases.append(
                makeCase(
                    images: 1, capacity: 1, tokens: 40, rows: 17, width: width, hasSizes: true, hasResultSizes: true,
                    label: "special values", &random
                ) { source, sizes in
                    for (index, value) in Elementwise.specialValues.enumerated() {
                        source[index * 11 % source.count] = value
                    }
                    sizes[3] = 0
                    sizes[5] = .infinity
                    sizes[7] = .nan
                    sizes[9] = 16_777_216
                })
        }
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("tokens", 1...300, standard: 4096), ShapeAxis("rows", 1...300, standard: 2048),
            ShapeAxis("width", 0...270, multiple: 4, standard: 320), ShapeAxis("images", 0...3, standard: 1),
            .flag("ragged"), .flag("sizes"), .flag("resultSizes"),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            images: shape["images"], capacity: shape["images"], tokens: shape["tokens"],
            rows: min(shape["rows"], shape["tokens"]), width: shape["width"] + shape["ragged"],
            hasSizes: shape.has("sizes"), hasResultSizes: shape.has("resultSizes"), &random)
    }

    /// - Parameter change: puts special values into the source and the sizes.
    private static func makeCase(
        images: Int, capacity: Int, tokens: Int, rows: Int, width: Int, hasSizes: Bool, hasResultSizes: Bool,
        label: String = "", _ random: inout CaseGenerator,
        change: (inout [Float], inout [Float]) -> Void = { _, _ in }
    ) -> KernelCase {
        let groups = (0..<capacity).map { image in
            MergeGroups(tokens: tokens, rows: rows, isPresent: image < images, &random)
        }
        var source = random.floats(capacity * tokens * width, scale: 4)
        var sizes = (0..<capacity * tokens).map { _ in Float(Int.random(in: 1...9, using: &random)) }
        for i in min(images, capacity) * tokens..<sizes.count { sizes[i] = .nan }
        for i in min(images, capacity) * tokens * width..<source.count { source[i] = .nan }
        change(&source, &sizes)
        return makeCase(
            "images \(images) of \(capacity), \(tokens) tokens to \(rows), width \(width)"
                + (hasSizes ? ", sizes" : "") + (hasResultSizes ? ", result sizes" : "")
                + (label.isEmpty ? "" : ", " + label),
            Contents(
                images: .structure(RowCount(count: UInt32(images), capacity: UInt32(capacity))),
                source: .floats(source), sizes: hasSizes ? .floats(sizes) : nil,
                offsets: .words(groups.flatMap(\.offsets)), members: .words(groups.flatMap(\.members)),
                result: .unwritten(capacity * rows * width),
                resultSizes: hasResultSizes ? .unwritten(capacity * rows) : nil),
            Parameters(
                imageCapacity: UInt32(capacity), tokenCount: UInt32(tokens), rowCount: UInt32(rows),
                width: UInt32(width)))
    }
}
