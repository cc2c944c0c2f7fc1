public import VkdynCore

/// The output of a mixture of experts: for each row the weighted sum of its experts' output rows,
/// `result[r, i] = ((Σⱼ source[positions[r, j], i] · weights[r, j]) + sharedRows[r, i]) + residual[r, i]`.
///
/// | buffer     | shape                         | type |
/// |------------|-------------------------------|------|
/// | rows       | one `RowCount`                | u32  |
/// | positions  | [rows, k]                     | u32  |
/// | experts    | [rows, k], optional           | u32  |
/// | weights    | [rows, k]                     | f32  |
/// | source     | [positionCount, width]        | f32  |
/// | sharedRows | [rows, width], optional       | f32  |
/// | residual   | [rows, width], optional       | f32  |
/// | result     | [rows, width]                 | f32  |
///
/// Reduction order: j by ascending expert index (the lower slot first, should two be equal), not by slot; by
/// `multiply_add` from +0, at most 256 slots, one chunk. Without experts bound, slots are taken to be in that order.
/// Then the shared expert's row, then the residual; each is left out where it is not bound. A token's bits therefore
/// depend neither on its batch nor on where its assignments lie.
/// Edge cases: a slot whose position is positionCount or more, as that of a dropped assignment is (0xFFFFFFFF), is
/// skipped, its weight and expert with it; a row without any other gives +0 for the sum. Rows beyond the count are not
/// touched.
/// Source: Shazeer et al., arXiv 1701.06538, equation 1; shared experts, Dai et al., arXiv 2401.06066.
/// Error: (k + 1) · 2⁻²⁴ · Σ|source · weights|, and half an ulp for each of the other terms.
public enum CombineExperts: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        Elementwise.work(rowCapacity: parameters.rowCapacity, width: parameters.width)
    }

    public static func cost(_ call: KernelCall<CombineExperts>) -> Cost {
        let (rows, width, k) = (
            Int(call.parameters.rowCapacity), Int(call.parameters.width), Int(call.parameters.k)
        )
        let more = (call.elements.sharedRows == nil ? 0 : 1) + (call.elements.residual == nil ? 0 : 1)
        return Cost(
            operations: rows * width * (2 * k + more), bytes: rows * (4 * width * (k + 1 + more) + 12 * k))
    }

    public static func variants(_ call: KernelCall<CombineExperts>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        precondition(p.k <= 256, "more slots than shared memory holds")
        let texels = max(Int(p.positionCount), Int(p.rowCapacity)) * Int(p.width) / 4
        guard p.width % 4 == 0, p.positionCount > 0, texels <= traits.maximumTexels else { return ["scalars"] }
        return traits.kind == .cpu ? ["quads8", "quads64", "scalars"] : ["scalars", "quads64", "quads8"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<CombineExperts>) {
        switch call.flavour {
        case .separate: combine(b, call, SeparateArithmetic.self)
        case .fused: combine(b, call, FusedArithmetic.self)
        }
    }

    private static func combine<A: Arithmetic>(_ b: Views, _ call: KernelCall<CombineExperts>, _: A.Type) {
        let p = call.parameters
        let (width, k) = (Int(p.width), Int(p.k))
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            var slots = Array(row * k..<(row + 1) * k)
            if !b.experts.isEmpty { slots.sort { (b.experts[$0], $0) < (b.experts[$1], $1) } }
            slots.removeAll { b.positions[$0] >= p.positionCount }
            for i in 0..<width {
                var sum: Float = 0
                for slot in slots {
                    sum = A.multiplyAdd(b.source[Int(b.positions[slot]) * width + i], b.weights[slot], sum)
                }
                if !b.sharedRows.isEmpty { sum += b.sharedRows[row * width + i] }
                if !b.residual.isEmpty { sum += b.residual[row * width + i] }
                b.result[row * width + i] = sum
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 127)
        var cases = Elementwise.shapes.enumerated().map { index, shape in
            makeCase(
                rows: shape.rows, capacity: shape.capacity, width: shape.width, k: [1, 2, 8, 6][index % 4],
                hasExperts: index % 5 != 0, hasShared: index % 2 == 0, hasResidual: index % 3 == 0, random: &random,
                isSpecial: shape.isSpecial)
        }
        // As many slots as there are experts, most of them empty, as when experts choose; and no rows to sum at all.
        cases.append(
            makeCase(
                rows: 3, capacity: 3, width: 20, k: 256, hasExperts: false, hasShared: false, hasResidual: true,
                random: &random))
        cases.append(
            makeCase(
                rows: 3, capacity: 3, width: 20, k: 2, positionCount: 0, hasExperts: true, hasShared: true,
                hasResidual: false, random: &random))
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...40, standard: 512), ShapeAxis("width", 1...600, standard: 768),
            ShapeAxis("k", 1...9, standard: 2, maximum: 256),
            ShapeAxis("experts", 0...1, standard: 1, maximum: 1, isConstant: true), .flag("shared"),
            .flag("residual"),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            rows: shape["rows"], capacity: random.capacity(for: shape["rows"]), width: shape["width"], k: shape["k"],
            hasExperts: shape.has("experts"), hasShared: shape.has("shared"), hasResidual: shape.has("residual"),
            random: &random)
    }

    /// Every seventh slot is dropped, and its weight is NaN; as are the rows of positions that nobody has.
    private static func makeCase(
        rows: Int, capacity: Int, width: Int, k: Int, positionCount: Int? = nil, hasExperts: Bool, hasShared: Bool,
        hasResidual: Bool, random: inout CaseGenerator, isSpecial: Bool = false
    ) -> KernelCase {
        let slots = capacity * k
        let positionCount = positionCount ?? slots + 3
        let places = Array(0..<slots + 3).shuffled(using: &random)
        var source = [Float](repeating: .nan, count: positionCount * width)
        var (positions, weights) = ([UInt32](repeating: .max, count: slots), [Float](repeating: .nan, count: slots))
        for slot in 0..<min(rows, capacity) * k where slot % 7 != 6 && places[slot] < positionCount {
            positions[slot] = UInt32(places[slot])
            weights[slot] = Float.random(in: -1...1, using: &random)
            source.replaceSubrange(
                places[slot] * width..<(places[slot] + 1) * width, with: random.floats(width, scale: 4))
        }
        if isSpecial {
            for (index, value) in Elementwise.specialValues.enumerated() { source[index * 5 % source.count] = value }
        }
        var experts: [UInt32] = []
        for _ in 0..<capacity { experts += (0..<UInt32(k)).map { $0 * 3 }.shuffled(using: &random) }
        func rowsOfModel() -> BufferContents {
            var values = random.floats(capacity * width, scale: 4)
            for i in min(rows, capacity) * width..<capacity * width { values[i] = .nan }
            return .floats(values)
        }
        return makeCase(
            "rows \(rows) of \(capacity), width \(width), k \(k), \(positionCount) positions"
                + (hasExperts ? ", experts" : "") + (hasShared ? ", shared" : "") + (hasResidual ? ", residual" : "")
                + (isSpecial ? ", special values" : ""),
            Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))),
                positions: .words(positions), experts: hasExperts ? .words(experts) : nil, weights: .floats(weights),
                source: .floats(source), sharedRows: hasShared ? rowsOfModel() : nil,
                residual: hasResidual ? rowsOfModel() : nil, result: .unwritten(capacity * width)),
            Parameters(
                rowCapacity: UInt32(capacity), width: UInt32(width), k: UInt32(k),
                positionCount: UInt32(positionCount)))
    }
}
