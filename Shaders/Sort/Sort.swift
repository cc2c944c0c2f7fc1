public import VkdynCore

/// Sorts each row by its keys: `order[r, p]` is the index of the key that comes at place p, and, where ranks are bound,
/// `ranks[r, order[r, p]] = p`.
///
/// | buffer  | shape                      | type       |
/// |---------|----------------------------|------------|
/// | rows    | one `RowCount`             | u32        |
/// | keys    | [rows, width]              | f32 or u32 |
/// | columns | one `RowCount`, optional   | u32        |
/// | order   | [rows, width]              | u32        |
/// | ranks   | [rows, width], optional    | u32        |
///
/// The constant `keysAreFloats` tells f32 keys from u32 keys, `descending` turns the order round. Ties go to the lowest
/// index in both directions. Among floats NaN is lowest, and +0 and −0 tie.
/// Where columns are bound, the device decides how many keys each row has, at most the width; places and indices from
/// that number on are neither read nor touched, as are rows beyond the count.
/// Rows of more than 32,768 keys need ranks, between which and the order a radix sort moves the indices; long ones below
/// that sort faster with them.
/// Reduction order: counts of integers, exact in any order. Nothing is rounded.
/// Source: counting sort, Knuth, "The Art of Computer Programming", volume 3, section 5.2; radix sort by passes, 5.2.5.
/// Exact.
public enum Sort: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), Int(parameters.width), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<Sort>) -> Cost {
        let elements = Int(call.parameters.rowCapacity) * Int(call.parameters.width)
        return Cost(operations: 0, bytes: elements * (call.elements.ranks == nil ? 8 : 12))
    }

    /// lavapipe ends an invocation's loops after 65,535 rounds altogether; wider rows run with many lanes alone.
    private static let widestOfFewLanes = 32_768

    public static func variants(_ call: KernelCall<Sort>, _ traits: DeviceTraits) -> [String] {
        let (width, isCPU) = (Int(call.parameters.width), traits.kind == .cpu)
        var counting = isCPU ? ["count8", "count256"] : ["count256", "count8"]
        if traits.maximumWorkgroupInvocations < 256 { counting.removeAll { $0 == "count256" } }
        guard call.elements.ranks != nil else {
            precondition(width <= widestOfFewLanes, "a sort of rows this wide needs ranks")
            return counting
        }
        if width > widestOfFewLanes { return ["radix128"] }
        let radix = isCPU ? ["radix8", "radix128"] : ["radix128", "radix8"]
        return width <= (isCPU ? 512 : 8192) ? counting + radix : radix + counting
    }

    public static func twin(_ b: Views, _ call: KernelCall<Sort>) {
        let p = call.parameters
        let width = Int(p.width)
        let count = b.columns.isEmpty ? width : min(Int(b.columns[0].count), width)
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let start = row * width
            let keys = (start..<start + count).map { element in
                let key = b.keys[element]
                return call.constants.keysAreFloats ? Choice.key(Float(bitPattern: key)) : key
            }
            let order = Order.indices(of: keys, isDescending: call.constants.descending)
            for (place, index) in order.enumerated() {
                b.order[start + place] = index
                if !b.ranks.isEmpty { b.ranks[start + Int(index)] = UInt32(place) }
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 120)
        var cases: [KernelCase] = []
        let shapes: [(rows: Int, capacity: Int, width: Int)] = [
            (0, 0, 8), (0, 3, 8), (2, 2, 0), (1, 1, 1), (2, 2, 7), (2, 2, 8), (3, 5, 9), (9, 4, 63), (2, 2, 64),
            (2, 2, 65), (1, 1, 255), (1, 1, 256), (2, 2, 257), (2, 3, 1023), (1, 1, 2049), (2, 2, 4096),
        ]
        for (index, shape) in shapes.enumerated() {
            let count = shape.capacity * shape.width
            let floats = index % 3 != 2
            cases.append(
                makeCase(
                    shape, floats ? .floats(RowCases.logits(count, &random)) : words(count, &random),
                    isDescending: index % 2 == 0, hasRanks: index % 4 != 3))
        }
        for width in [13, 300] {
            let special = RowCases.special(width: width, &random)
            for isDescending in [false, true] {
                cases.append(
                    makeCase(
                        (special.count, special.count, width), .floats(special.flatMap(\.row)),
                        isDescending: isDescending, hasRanks: true))
            }
        }
        // As many keys as the device says: none, some, more than there are.
        for columns in [0, 1, 77, 500] {
            cases.append(
                makeCase(
                    (2, 3, 130), .floats(RowCases.logits(390, &random)), isDescending: columns == 77, hasRanks: true,
                    columns: columns))
        }
        // Few levels, so that nearly all keys tie, at a width where tiles and lanes have long segments.
        cases.append(
            makeCase(
                (1, 1, 20_011), .words((0..<20_011).map { UInt32($0 * 7919 % 6) << UInt32(5 * ($0 % 6)) }),
                isDescending: true, hasRanks: true))
        cases.append(
            makeCase(
                (2, 2, 70_000), .floats(RowCases.logits(140_000, &random)), isDescending: false, hasRanks: true))
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...9, standard: 1), ShapeAxis("width", 0...3000, standard: 4096),
            ShapeAxis("levels", 0...6, standard: 0), .flag("descending"), .flag("words"), .flag("columns"),
            ShapeAxis("ranks", 0...1, standard: 1, maximum: 1, isConstant: true),
        ])
    }

    /// Keys of `levels` different values, where that is not 0; ranks where they are needed, too.
    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, width, levels) = (shape["rows"], shape["width"], shape["levels"])
        let capacity = random.capacity(for: rows)
        let count = capacity * width
        var values = (0..<count).map { _ in UInt32(truncatingIfNeeded: random.next()) }
        if levels > 0 { values = values.map { $0 % UInt32(levels) } }
        let contents =
            shape.has("words")
            ? BufferContents.words(values)
            : .floats(levels > 0 ? values.map { Float($0) } : RowCases.logits(count, &random))
        return makeCase(
            (rows, capacity, width), contents, isDescending: shape.has("descending"),
            hasRanks: shape.has("ranks") || width > widestOfFewLanes,
            columns: shape.has("columns") ? Int.random(in: 0...width, using: &random) : nil)
    }

    private static func words(_ count: Int, _ random: inout CaseGenerator) -> BufferContents {
        .words((0..<count).map { _ in UInt32(truncatingIfNeeded: random.next()) })
    }

    private static func makeCase(
        _ shape: (rows: Int, capacity: Int, width: Int), _ keys: BufferContents, isDescending: Bool, hasRanks: Bool,
        columns: Int? = nil
    ) -> KernelCase {
        let count = shape.capacity * shape.width
        let isFloats = keys.elementType == .f32
        return makeCase(
            "rows \(shape.rows) of \(shape.capacity), width \(shape.width)"
                + (columns.map { ", columns \($0)" } ?? "") + (isFloats ? ", floats" : ", words")
                + (isDescending ? ", descending" : "") + (hasRanks ? ", ranks" : ""),
            Contents(
                rows: .structure(RowCount(count: UInt32(shape.rows), capacity: UInt32(shape.capacity))), keys: keys,
                columns: columns.map { .structure(RowCount(count: UInt32($0), capacity: UInt32(shape.width))) },
                order: .unwritten(count, as: .u32), ranks: hasRanks ? .unwritten(count, as: .u32) : nil),
            Parameters(rowCapacity: UInt32(shape.capacity), width: UInt32(shape.width)),
            Constants(keysAreFloats: isFloats, descending: isDescending))
    }
}
