public import VkdynCore

/// Where merging puts every token: `targets[b, t]` is the row that token t of image b goes to, alone or with others.
///
/// | buffer  | shape                                       | type |
/// |---------|---------------------------------------------|------|
/// | images  | one `RowCount`                              | u32  |
/// | order   | [images, sourceCount], sources, best first  | u32  |
/// | matches | [images, sourceCount], from `BestMatch`     | u32  |
/// | sets    | [sourceCount + destinationCount], optional  | u32  |
/// | targets | [images, sourceCount + destinationCount]    | u32  |
///
/// `order` is the stable descending order of `BestMatch`'s scores. Its first `mergedCount` sources go to the rows of
/// their matches; sourceCount + destinationCount − mergedCount rows are left. The sets are those of `BestMatch`.
/// The rows are the kept sources, then the destinations. Kept sources stay in `order`; with `classToken` not 0 they
/// ascend instead, and source 0 is kept whatever its place in `order` is, so that it is row 0. With `distillationToken`
/// not 0, destination 0 is row 1, between the first kept source and the others.
/// Nothing is reduced; kept sources are counted in integers.
/// Edge cases: images beyond the count are not touched. mergedCount is at most sourceCount, less 1 with either token,
/// which the host's clamp r ≤ ⌊(tokens − protected)/2⌋ sees to. A class token allows for 32,768 sources.
/// Source: Bolya et al., arXiv 2210.09461, appendix D, and the authors' code; arXiv 2303.17604. Exact.
public enum MergeTargets: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.imageCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<MergeTargets>) -> Cost {
        let p = call.parameters
        return Cost(
            operations: 0, bytes: 4 * Int(p.imageCapacity) * (3 * Int(p.sourceCount) + Int(p.destinationCount)))
    }

    public static func variants(_ call: KernelCall<MergeTargets>, _ traits: DeviceTraits) -> [String] {
        let names = traits.kind == .cpu ? ["lanes64", "lanes256"] : ["lanes256", "lanes64"]
        return names.filter { $0 != "lanes256" || traits.maximumWorkgroupInvocations >= 256 }
    }

    public static func twin(_ b: Views, _ call: KernelCall<MergeTargets>) {
        let p = call.parameters
        let (sourceCount, destinationCount) = (Int(p.sourceCount), Int(p.destinationCount))
        let hasClassToken = p.classToken != 0
        precondition(!hasClassToken || sourceCount <= 32_768, "more than 32,768 sources beside a class token")
        let hasSets = call.elements.sets != nil
        let keptCount = sourceCount - Int(p.mergedCount)
        for image in 0..<min(Int(b.images.pointee.count), Int(p.imageCapacity)) {
            let start = image * sourceCount
            var order = (0..<sourceCount).map { Int(b.order[start + $0]) }
            if hasClassToken { order = order.filter { $0 != 0 } + order.filter { $0 == 0 } }
            var kept = Array(order[Int(p.mergedCount)...])
            if hasClassToken { kept.sort() }
            func destinationRow(_ destination: Int) -> Int {
                p.distillationToken != 0 && destination == 0 ? 1 : keptCount + destination
            }
            func set(_ row: Int, _ token: Int) {
                let token =
                    hasSets ? Int(b.sets[token]) : token < sourceCount ? 2 * token : 2 * (token - sourceCount) + 1
                b.targets[image * (sourceCount + destinationCount) + token] = UInt32(row)
            }
            for source in order[..<Int(p.mergedCount)] {
                set(destinationRow(Int(b.matches[start + source])), source)
            }
            for (number, source) in kept.enumerated() {
                set(number + (p.distillationToken != 0 && number > 0 ? 1 : 0), source)
            }
            for destination in 0..<destinationCount { set(destinationRow(destination), sourceCount + destination) }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 304)
        var cases: [KernelCase] = []
        for (images, capacity, tokens, merged) in [
            (1, 1, 1, 0), (1, 1, 2, 1), (1, 1, 5, 2), (2, 2, 64, 16), (1, 1, 129, 64), (3, 3, 197, 8), (2, 5, 30, 7),
            (0, 3, 30, 7), (7, 3, 30, 7), (1, 1, 600, 300),
        ] {
            cases.append(
                makeCase(
                    images: images, capacity: capacity, sources: (tokens + 1) / 2, destinations: tokens / 2,
                    merged: merged, &random))
        }
        for (tokens, merged) in [(3, 1), (4, 1), (5, 2), (66, 32), (65, 32), (197, 98), (198, 13), (577, 40), (600, 0)]
        {
            for hasDistillation in [false, true] where merged <= (tokens - (hasDistillation ? 2 : 1)) / 2 {
                cases.append(
                    makeCase(
                        images: 2, capacity: 2, sources: (tokens + 1) / 2, destinations: tokens / 2, merged: merged,
                        classToken: true, distillationToken: hasDistillation, &random))
            }
        }
        for (sources, destinations, merged) in [
            (48, 16, 32), (48, 16, 48), (3, 1, 2), (300, 100, 200), (5, 0, 0), (0, 3, 0),
        ] {
            cases.append(
                makeCase(
                    images: 2, capacity: 2, sources: sources, destinations: destinations, merged: merged, hasSets: true,
                    &random))
        }
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("sources", 1...400, standard: 3072), ShapeAxis("destinations", 1...400, standard: 1024),
            ShapeAxis("merged", 0...400, standard: 2048), ShapeAxis("images", 0...4, standard: 1), .flag("class"),
            .flag("distillation"),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let sources = shape["sources"]
        let isProtected = shape.has("class") || shape.has("distillation")
        return makeCase(
            images: shape["images"], capacity: shape["images"], sources: sources, destinations: shape["destinations"],
            merged: min(shape["merged"], sources - (isProtected ? 1 : 0)), classToken: shape.has("class"),
            distillationToken: shape.has("distillation"), hasSets: true, &random)
    }

    private static func makeCase(
        images: Int, capacity: Int, sources: Int, destinations: Int, merged: Int, classToken: Bool = false,
        distillationToken: Bool = false, hasSets: Bool = false, _ random: inout CaseGenerator
    ) -> KernelCase {
        var order: [UInt32] = []
        var matches: [UInt32] = []
        for image in 0..<capacity {
            guard image < images else {
                order += [UInt32](repeating: .max, count: sources)
                matches += [UInt32](repeating: .max, count: sources)
                continue
            }
            // A class token anywhere in the order: it is kept even before others.
            order += Array(0..<UInt32(sources)).shuffled(using: &random)
            let first: UInt32 = distillationToken && destinations > 1 ? 1 : 0
            matches += (0..<sources).map { _ in .random(in: first..<UInt32(max(destinations, 1)), using: &random) }
        }
        let tokens = sources + destinations
        let shuffled = Array(0..<UInt32(tokens)).shuffled(using: &random)
        let sets = shuffled.prefix(sources).sorted() + shuffled.dropFirst(sources).sorted()
        return makeCase(
            "images \(images) of \(capacity), \(sources) + \(destinations) tokens, merged \(merged)"
                + (hasSets ? ", sets" : "") + (classToken ? ", class token" : "")
                + (distillationToken ? ", distillation token" : ""),
            Contents(
                images: .structure(RowCount(count: UInt32(images), capacity: UInt32(capacity))), order: .words(order),
                matches: .words(matches), sets: hasSets ? .words(sets) : nil,
                targets: .unwritten(capacity * tokens, as: .u32)),
            Parameters(
                imageCapacity: UInt32(capacity), sourceCount: UInt32(sources), destinationCount: UInt32(destinations),
                mergedCount: UInt32(merged), classToken: classToken ? 1 : 0,
                distillationToken: distillationToken ? 1 : 0))
    }
}
