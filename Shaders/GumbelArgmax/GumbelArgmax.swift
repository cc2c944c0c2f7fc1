public import VkdynCore

/// Coupled sampling: `result[r] = argmaxₜ (logits[r, t] + gumbel(seed, positions[r] + 1, t))`, which is token t with the
/// probability that softmax gives it.
///
/// | buffer    | shape                                                 | type |
/// |-----------|-------------------------------------------------------|------|
/// | rows      | one `RowCount`                                        | u32  |
/// | logits    | [rows, width], filtered: −∞ where a token is out      | f32  |
/// | positions | [rows], of each row's own token; the sampled one follows it | u32 |
/// | sampling  | one `SamplingParameters`; the seed alone is read      | f32, u32 |
/// | result    | [rows]                                                | u32  |
///
/// The noise is `Gumbel.noise` of word `t mod 4` of Philox with the seed as key and (⌊t / 4⌋, position, stream 0, 0) as
/// counter. It depends on nothing else, so a draft and its target that agree on a distribution agree on the token.
/// A maximum of integer keys, exact in any order.
/// NaN and −∞ stay out, −0 equals +0, the lowest index wins a tie; a row with no token left gives 0. Rows beyond the
/// count are not touched.
/// Source: Gumbel 1954; Maddison, Tarlow and Minka (arXiv 1411.0030). Error: as `Gumbel.noise`, then one rounding.
public enum GumbelArgmax: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<GumbelArgmax>) -> Cost {
        let elements = Int(call.parameters.rowCapacity) * Int(call.parameters.width)
        return Cost(operations: 100 * elements, bytes: 4 * elements + 8 * Int(call.parameters.rowCapacity) + 24)
    }

    public static func variants(_ call: KernelCall<GumbelArgmax>, _ traits: DeviceTraits) -> [String] {
        RowVariants.names(
            width: call.parameters.width, rowCapacity: call.parameters.rowCapacity, traits: traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<GumbelArgmax>) {
        let width = Int(call.parameters.width)
        let sampling = b.sampling.pointee
        for row in 0..<min(Int(b.rows.pointee.count), Int(call.parameters.rowCapacity)) {
            let position = b.positions[row] &+ 1
            var keys = [UInt32](repeating: 0, count: width)
            for quad in 0..<(width + 3) / 4 {
                let words = sampling.randomWords(
                    stream: RandomStream.sample.rawValue, position: position, quad: UInt32(quad))
                for token in quad * 4..<min(quad * 4 + 4, width) {
                    let logit = b.logits[row * width + token]
                    if Choice.key(logit) > Functions.orderKey(-.infinity) {
                        keys[token] = Choice.key(logit + Gumbel.noise(words[token % 4]))
                    }
                }
            }
            b.result[row] = Choice.index(ofLargest: keys)
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 105)
        func makeCase(_ label: String, rows: Int, capacity: Int, width: Int, logits: [Float]) -> KernelCase {
            Self.makeCase(label, rows: rows, capacity: capacity, width: width, logits: logits, &random)
        }
        var cases: [KernelCase] = []
        for (index, shape) in RowCases.shapes.enumerated() {
            var logits = RowCases.logits(shape.capacity * shape.width, &random)
            // As a filter leaves them: every second shape keeps one token in eight.
            if index % 2 == 1 {
                for token in logits.indices where token / 4 % 8 != 1 { logits[token] = -.infinity }
            }
            cases.append(
                makeCase(
                    "rows \(shape.rows) of \(shape.capacity), width \(shape.width)", rows: shape.rows,
                    capacity: shape.capacity, width: shape.width, logits: logits))
        }
        cases.append(makeCase("width 0", rows: 2, capacity: 2, width: 0, logits: []))
        for width in [5, 516] {
            let special = RowCases.special(width: width, &random)
            cases.append(
                makeCase(
                    "special rows, width \(width)", rows: special.count, capacity: special.count, width: width,
                    logits: special.flatMap(\.row)))
        }
        cases.append(
            makeCase(
                "a vocabulary of 151936", rows: 1, capacity: 1, width: 151_936,
                logits: RowCases.logits(151_936, &random)))
        return cases
    }

    public static var shapes: ShapeSpace { ShapeSpace(RowCases.axes) }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, width) = (shape["rows"], shape["width"])
        let capacity = random.capacity(for: rows)
        let logits = RowCases.logits(capacity * width, &random)
        return makeCase(
            "rows \(rows) of \(capacity), width \(width)", rows: rows, capacity: capacity, width: width,
            logits: logits, &random)
    }

    private static func makeCase(
        _ label: String, rows: Int, capacity: Int, width: Int, logits: [Float], _ random: inout CaseGenerator
    ) -> KernelCase {
        // Positions repeat, and the largest of them wraps.
        let positions = (0..<capacity).map { (row: Int) -> UInt32 in row % 5 == 4 ? .max : UInt32(row / 2 + 11) }
        return makeCase(
            label, Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))),
                logits: .floats(logits), positions: .words(positions),
                sampling: .structure(
                    SamplingParameters(
                        temperature: 1, topP: 1, seedLow: .random(in: 0 ... .max, using: &random),
                        seedHigh: .random(in: 0 ... .max, using: &random))),
                result: .unwritten(capacity, as: .u32)),
            Parameters(rowCapacity: UInt32(capacity), width: UInt32(width)))
    }
}
