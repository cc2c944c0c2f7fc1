public import VkdynCore

/// Gives every token what its merged row holds: `result[b, t] = source[b, targets[b, t]] + residual[b, t]`.
///
/// | buffer   | shape                                    | type |
/// |----------|------------------------------------------|------|
/// | images   | one `RowCount`                           | u32  |
/// | source   | [images, rowCount, width]                | f32  |
/// | targets  | [images, tokenCount], from `MergeTargets` | u32 |
/// | residual | [images, tokenCount, width], optional    | f32  |
/// | result   | [images, tokenCount, width]              | f32  |
///
/// No units. Nothing is reduced. Without a residual rows are copied.
/// Edge cases: images beyond the count are not touched. NaN and infinity follow IEEE 754; NaN payloads may change.
/// Source: Bolya and Hoffman, arXiv 2303.17604. Error: exact, with a residual at most half an ulp.
public enum UnmergeTokens: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.tokenCount), Int(parameters.imageCapacity), rowAxis: .y)
    }

    public static func cost(_ call: KernelCall<UnmergeTokens>) -> Cost {
        let p = call.parameters
        let elements = Int(p.imageCapacity) * Int(p.tokenCount) * Int(p.width)
        let hasResidual = call.elements.residual != nil
        return Cost(
            operations: hasResidual ? elements : 0,
            bytes: 4 * ((hasResidual ? 2 : 1) * elements + Int(p.imageCapacity) * Int(p.rowCount) * Int(p.width)))
    }

    public static func variants(_ call: KernelCall<UnmergeTokens>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let elements = Int(p.imageCapacity) * Int(p.tokenCount) * Int(p.width)
        guard p.width % 4 == 0, elements / 4 <= traits.maximumTexels else { return ["scalars"] }
        return traits.kind == .cpu ? ["quads64", "quads8", "scalars"] : ["scalars", "quads64", "quads8"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<UnmergeTokens>) {
        let p = call.parameters
        let (tokens, width) = (Int(p.tokenCount), Int(p.width))
        for image in 0..<min(Int(b.images.pointee.count), Int(p.imageCapacity)) {
            for token in image * tokens..<(image + 1) * tokens {
                let row = image * Int(p.rowCount) + Int(b.targets[token])
                for i in 0..<width {
                    let value = b.source[row * width + i]
                    b.result[token * width + i] =
                        call.elements.residual == nil ? value : value + b.residual[token * width + i]
                }
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 307)
        var cases: [KernelCase] = []
        let shapes: [(images: Int, capacity: Int, tokens: Int, rows: Int, width: Int)] = [
            (1, 1, 0, 0, 8), (1, 1, 1, 1, 1), (1, 1, 2, 1, 4), (2, 2, 9, 5, 63), (1, 1, 30, 14, 64), (1, 1, 30, 14, 65),
            (3, 3, 65, 33, 260), (2, 4, 20, 9, 12), (0, 2, 20, 9, 12), (5, 2, 20, 9, 10), (1, 1, 5, 2, 0),
        ]
        for shape in shapes {
            for hasResidual in [false, true] {
                cases.append(
                    makeCase(
                        images: shape.images, capacity: shape.capacity, tokens: shape.tokens, rows: shape.rows,
                        width: shape.width, hasResidual: hasResidual, &random))
            }
        }
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("tokens", 1...300, standard: 4096), ShapeAxis("rows", 1...300, standard: 2048),
            ShapeAxis("width", 0...270, multiple: 4, standard: 320), ShapeAxis("images", 0...3, standard: 1),
            .flag("ragged"), .flag("residual"),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            images: shape["images"], capacity: shape["images"], tokens: shape["tokens"],
            rows: min(shape["rows"], shape["tokens"]), width: shape["width"] + shape["ragged"],
            hasResidual: shape.has("residual"), &random)
    }

    private static func makeCase(
        images: Int, capacity: Int, tokens: Int, rows: Int, width: Int, hasResidual: Bool,
        _ random: inout CaseGenerator
    ) -> KernelCase {
        let groups = (0..<capacity).map { image in
            MergeGroups(tokens: tokens, rows: rows, isPresent: image < images, &random)
        }
        func floats(_ rows: Int) -> [Float] {
            var values = random.floats(capacity * rows * width, scale: 4)
            for i in min(images, capacity) * rows * width..<values.count { values[i] = .nan }
            if values.count > 16, images > 0 {
                values.replaceSubrange(2..<6, with: [.nan, .infinity, -.infinity, -0.0])
            }
            return values
        }
        return makeCase(
            "images \(images) of \(capacity), \(rows) rows to \(tokens), width \(width)"
                + (hasResidual ? ", residual" : ""),
            Contents(
                images: .structure(RowCount(count: UInt32(images), capacity: UInt32(capacity))),
                source: .floats(floats(rows)), targets: .words(groups.flatMap(\.targets)),
                residual: hasResidual ? .floats(floats(tokens)) : nil,
                result: .unwritten(capacity * tokens * width)),
            Parameters(
                imageCapacity: UInt32(capacity), tokenCount: UInt32(tokens), rowCount: UInt32(rows),
                width: UInt32(width)))
    }
}
