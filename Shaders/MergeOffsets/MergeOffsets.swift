public import VkdynCore

/// Where each merged row's members begin: `offsets[b, n]` is the first p with `targets[b, members[b, p]] = n`, and
/// `offsets[b, rowCount] = tokenCount`. Row n then has the members p from offsets[b, n] to offsets[b, n + 1] − 1.
///
/// | buffer  | shape                                             | type |
/// |---------|---------------------------------------------------|------|
/// | images  | one `RowCount`                                    | u32  |
/// | targets | [images, tokenCount], from `MergeTargets`         | u32  |
/// | members | [images, tokenCount], tokens in order of targets  | u32  |
/// | offsets | [images, rowCount + 1]                            | u32  |
///
/// `members` is the stable ascending order of targets, so that a row's members ascend. Nothing is reduced.
/// Edge cases: images beyond the count are not touched. Every row has a member, as those of `MergeTargets` do.
/// Source: compressed sparse rows; none. Exact.
public enum MergeOffsets: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.tokenCount) + 1, Int(parameters.imageCapacity), rowAxis: .y)
    }

    public static func cost(_ call: KernelCall<MergeOffsets>) -> Cost {
        let p = call.parameters
        return Cost(operations: 0, bytes: 4 * Int(p.imageCapacity) * (2 * Int(p.tokenCount) + Int(p.rowCount) + 1))
    }

    public static func twin(_ b: Views, _ call: KernelCall<MergeOffsets>) {
        let p = call.parameters
        let (tokens, rows) = (Int(p.tokenCount), Int(p.rowCount))
        for image in 0..<min(Int(b.images.pointee.count), Int(p.imageCapacity)) {
            var previous: UInt32?
            for place in 0..<tokens {
                let row = b.targets[image * tokens + Int(b.members[image * tokens + place])]
                if row != previous { b.offsets[image * (rows + 1) + Int(row)] = UInt32(place) }
                previous = row
            }
            b.offsets[image * (rows + 1) + rows] = p.tokenCount
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 305)
        return [
            (1, 1, 0, 0), (1, 1, 1, 1), (1, 1, 2, 1), (2, 2, 63, 40), (1, 1, 64, 64), (3, 3, 65, 1), (2, 2, 300, 120),
            (2, 4, 20, 9), (0, 2, 20, 9), (5, 2, 20, 9),
        ].map { makeCase(images: $0.0, capacity: $0.1, tokens: $0.2, rows: $0.3, &random) }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("tokens", 1...400, standard: 4096), ShapeAxis("rows", 1...400, standard: 2048),
            ShapeAxis("images", 0...4, standard: 1),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            images: shape["images"], capacity: shape["images"], tokens: shape["tokens"],
            rows: min(shape["rows"], shape["tokens"]), &random)
    }

    private static func makeCase(
        images: Int, capacity: Int, tokens: Int, rows: Int, _ random: inout CaseGenerator
    ) -> KernelCase {
        let groups = (0..<capacity).map { image in
            MergeGroups(tokens: tokens, rows: rows, isPresent: image < images, &random)
        }
        return makeCase(
            "images \(images) of \(capacity), tokens \(tokens), rows \(rows)",
            Contents(
                images: .structure(RowCount(count: UInt32(images), capacity: UInt32(capacity))),
                targets: .words(groups.flatMap(\.targets)), members: .words(groups.flatMap(\.members)),
                offsets: .unwritten(capacity * (rows + 1), as: .u32)),
            Parameters(imageCapacity: UInt32(capacity), tokenCount: UInt32(tokens), rowCount: UInt32(rows)))
    }
}
