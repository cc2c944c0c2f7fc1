public import VkdynCore

/// One draw from each row's distribution: with weights `w = ⌊p · 2³⁰⌋` and a 24-bit random u, `result[r]` is the first
/// index whose cumulative weight exceeds `⌊total · u / 2²⁴⌋`.
///
/// | buffer        | shape                                                 | type |
/// |---------------|-------------------------------------------------------|------|
/// | rows          | one `RowCount`                                        | u32  |
/// | probabilities | [rows, width], in [0, 1]; they need not sum to 1      | f32  |
/// | positions     | [rows], of each row's own token; the sampled one follows it | u32 |
/// | sampling      | one `SamplingParameters`; the seed alone is read      | f32, u32 |
/// | result        | [rows]                                                | u32  |
///
/// u is the upper 24 bits of the first word of Philox with the seed as key and (0, positions[r] + 1, stream, 0) as
/// counter. Sums are of integers, exact in any order.
/// NaN and negative probabilities weigh 0, those above 1 weigh 2³⁰. A row that weighs 0 altogether gives its argmax
/// (lowest index for ties, NaN lowest), an empty one 0. Rows beyond the count are not touched.
/// Source: inversion. Error: an index's probability is at most (width + 1) · 2⁻³⁰ + 2⁻²⁴ from p / Σp, for Σp near 1.
public enum Categorical: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<Categorical>) -> Cost {
        let elements = Int(call.parameters.rowCapacity) * Int(call.parameters.width)
        return Cost(operations: 6 * elements, bytes: 4 * elements + 8 * Int(call.parameters.rowCapacity) + 24)
    }

    public static func variants(_ call: KernelCall<Categorical>, _ traits: DeviceTraits) -> [String] {
        RowVariants.names(
            width: call.parameters.width, rowCapacity: call.parameters.rowCapacity, traits: traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<Categorical>) {
        let p = call.parameters
        let width = Int(p.width)
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let probabilities = (0..<width).map { b.probabilities[row * width + $0] }
            let words = b.sampling.pointee.randomWords(
                stream: p.stream, position: b.positions[row] &+ 1, quad: 0)
            b.result[row] =
                FixedPoint.draw(probabilities.map(FixedPoint.weight), fraction: words.x >> 8)
                ?? Choice.index(ofLargest: probabilities.map(Choice.key))
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 106)
        func makeCase(
            _ label: String, rows: Int, capacity: Int, width: Int, probabilities: [Float], stream: UInt32 = 1,
            seed: UInt32? = nil
        ) -> KernelCase {
            Self.makeCase(
                label, rows: rows, capacity: capacity, width: width, probabilities: probabilities, stream: stream,
                seed: seed, &random)
        }
        var cases: [KernelCase] = []
        for shape in RowCases.shapes {
            for stream: UInt32 in [1, 3] {
                cases.append(
                    makeCase(
                        "rows \(shape.rows) of \(shape.capacity), width \(shape.width), stream \(stream)",
                        rows: shape.rows, capacity: shape.capacity, width: shape.width,
                        probabilities: RowCases.probabilities(rows: shape.capacity, width: shape.width, &random),
                        stream: stream))
            }
        }
        cases.append(makeCase("width 0", rows: 2, capacity: 2, width: 0, probabilities: []))
        for width in [5, 516] {
            // Most of these are no probabilities: negative, above 1, infinite.
            let special = RowCases.special(width: width, &random)
            cases.append(
                makeCase(
                    "special rows, width \(width)", rows: special.count, capacity: special.count, width: width,
                    probabilities: special.flatMap(\.row)))
            let last: [Float] = (0..<width).map { $0 == width - 1 ? 0.25 : 0 }
            let tiny: [Float] = (0..<width).map { $0 == width / 2 ? 9.4e-10 : 9e-10 }
            cases.append(
                makeCase(
                    "the last alone, all too small, width \(width)", rows: 2, capacity: 2, width: width,
                    probabilities: last + tiny))
        }
        // A total beyond 32 bits in one segment of one lane.
        cases.append(
            makeCase(
                "weights of 1, width 8192", rows: 4, capacity: 4, width: 8192,
                probabilities: Array(repeating: 1, count: 4 * 8192)))
        // A carry between the words of total · fraction, which one seed in some hundred gives.
        let weights: [Float] = [0.999] + Array(repeating: 1, count: 2047)
        let total = weights.reduce(UInt64(0)) { $0 + UInt64(FixedPoint.weight($1)) }
        let seed = (0..<UInt32(1 << 20)).first { seed in
            let sampling = SamplingParameters(seedLow: seed)
            let fraction = UInt64(sampling.randomWords(stream: 1, position: 6, quad: 0).x >> 8)
            let (low, high) = ((total & 0xFFFF_FFFF) * fraction >> 32, (total >> 32) * fraction & 0xFFFF_FFFF)
            return low + high > 0xFFFF_FFFF
        }
        cases.append(makeCase("a carry", rows: 1, capacity: 1, width: 2048, probabilities: weights, seed: seed))
        cases.append(
            makeCase(
                "a vocabulary of 151936", rows: 1, capacity: 1, width: 151_936,
                probabilities: RowCases.probabilities(rows: 1, width: 151_936, &random)))
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace(RowCases.axes + [ShapeAxis("stream", 0...3, standard: 1)])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, width) = (shape["rows"], shape["width"])
        let capacity = random.capacity(for: rows)
        let probabilities = RowCases.probabilities(rows: capacity, width: width, &random)
        return makeCase(
            "rows \(rows) of \(capacity), width \(width)", rows: rows, capacity: capacity, width: width,
            probabilities: probabilities, stream: UInt32(shape["stream"]), seed: nil, &random)
    }

    private static func makeCase(
        _ label: String, rows: Int, capacity: Int, width: Int, probabilities: [Float], stream: UInt32, seed: UInt32?,
        _ random: inout CaseGenerator
    ) -> KernelCase {
        makeCase(
            label, Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))),
                probabilities: .floats(probabilities),
                positions: .words((0..<capacity).map { UInt32($0 * 3 + 5) }),
                sampling: .structure(
                    SamplingParameters(
                        temperature: 1, topP: 1, seedLow: seed ?? .random(in: 0 ... .max, using: &random),
                        seedHigh: seed.map { _ in 0 } ?? .random(in: 0 ... .max, using: &random))),
                result: .unwritten(capacity, as: .u32)),
            Parameters(rowCapacity: UInt32(capacity), width: UInt32(width), stream: stream))
    }
}
