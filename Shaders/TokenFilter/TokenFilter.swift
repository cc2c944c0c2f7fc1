public import VkdynCore

/// Temperature, top-k and top-p over each row of logits, in that order:
/// `result[r, t] = logits[r, t] · reciprocal(temperature)` where token t is kept, −∞ where it is not.
///
/// | buffer   | shape                    | type |
/// |----------|--------------------------|------|
/// | rows     | one `RowCount`           | u32  |
/// | logits   | [rows, width]            | f32  |
/// | sampling | one `SamplingParameters` | f32, u32 |
/// | result   | [rows, width]            | f32  |
///
/// Tokens are ranked by scaled logit, largest first, the lowest index first among equals (−0 equals +0, NaN last).
/// Top-k keeps the first k, exactly. A token's mass is `⌊exponential(s − max) · 2³⁰⌋`, 2³⁰ for the largest; top-p goes
/// down the ranks of what is left and keeps a token while the mass before it is below `total · ⌊topP · 2²⁴⌋ / 2²⁴`, in
/// integers, and the first one always. `topK` 0 (or at least the width) and `topP` of 1 or more (or NaN) are off.
/// Masses and counts are integers, so their 64-bit sums are exact in any order.
/// NaN and −∞ are never kept; a row of nothing else becomes all −∞, otherwise at least one token is kept. +∞ takes
/// all the mass. The temperature is above 0. Rows beyond the count are not touched.
/// Source: Fan, Lewis and Dauphin (arXiv 1805.04833) for top-k, Holtzman et al. (arXiv 1904.09751) for top-p; the order
/// is that of transformers' `generate`, which keeps all ties with the k-th token.
/// Error: a kept value at most 2 ulp from the exact quotient; a mass at most 2⁷ units of 2⁻³⁰
/// from that of the scaled logits.
public enum TokenFilter: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<TokenFilter>) -> Cost {
        // Four passes for top-k, five for top-p, one that writes; between them a row stays in a cache.
        let elements = Int(call.parameters.rowCapacity) * Int(call.parameters.width)
        return Cost(operations: 90 * elements, bytes: 8 * elements)
    }

    public static func variants(_ call: KernelCall<TokenFilter>, _ traits: DeviceTraits) -> [String] {
        RowVariants.names(
            width: call.parameters.width, rowCapacity: call.parameters.rowCapacity, traits: traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<TokenFilter>) {
        let width = Int(call.parameters.width)
        let sampling = b.sampling.pointee
        let factor = Functions.reciprocal(sampling.temperature)
        for row in 0..<min(Int(b.rows.pointee.count), Int(call.parameters.rowCapacity)) {
            let scaled = (0..<width).map { b.logits[row * width + $0] * factor }
            let keys = scaled.map(Choice.key)
            var ranked = (0..<width).sorted { keys[$0] != keys[$1] ? keys[$0] > keys[$1] : $0 < $1 }
            if sampling.topK > 0 { ranked = Array(ranked.prefix(Int(sampling.topK))) }
            ranked = ranked.filter { keys[$0] > Functions.orderKey(-.infinity) }
            if sampling.topP < 1, let largest = ranked.first.map({ keys[$0] }) {
                let masses = ranked.map { mass(keys[$0], largest: largest) }
                let fraction = sampling.topP > 0 ? UInt64(sampling.topP * 16_777_216) : 0
                let total = masses.reduce(UInt64(0)) { $0 + UInt64($1) }
                let target = total.multipliedFullWidth(by: fraction)
                var before: UInt64 = 0
                var count = 0
                while count < ranked.count {
                    let product = before.multipliedFullWidth(by: 1 << 24)
                    if count > 0, (product.high, product.low) >= (target.high, target.low) { break }
                    before += UInt64(masses[count])
                    count += 1
                }
                ranked = Array(ranked.prefix(count))
            }
            for token in 0..<width { b.result[row * width + token] = -.infinity }
            for token in ranked { b.result[row * width + token] = scaled[token] }
        }
    }

    private static func mass(_ key: UInt32, largest: UInt32) -> UInt32 {
        if key == largest { return 1 << 30 }
        return FixedPoint.weight(
            Functions.exponential(Functions.fromOrderKey(key) - Functions.fromOrderKey(largest)))
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 104)
        func makeCase(
            _ label: String, rows: Int, capacity: Int, width: Int, logits: [Float], temperature: Float, topK: UInt32,
            topP: Float
        ) -> KernelCase {
            Self.makeCase(
                "\(label), temperature \(temperature), top-k \(topK), top-p \(topP)",
                Contents(
                    rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))),
                    logits: .floats(logits),
                    sampling: .structure(
                        SamplingParameters(temperature: temperature, topK: topK, topP: topP)),
                    result: .unwritten(capacity * width)),
                Parameters(rowCapacity: UInt32(capacity), width: UInt32(width)))
        }
        let settings: [(temperature: Float, topK: UInt32, topP: Float)] = [
            (1, 0, 1), (0.7, 0, 1), (1, 40, 1), (1, 0, 0.9), (0.8, 50, 0.95), (1.3, 1, 0.5), (0.01, 3, 0.99),
            (1, 0, 0), (1, 0, 1e-9), (100, 0, 0.9999999), (1, .max, .nan),
        ]
        var cases: [KernelCase] = []
        for (index, shape) in RowCases.shapes.enumerated() {
            for offset in [0, 4, 7] {
                let setting = settings[(index + offset) % settings.count]
                cases.append(
                    makeCase(
                        "rows \(shape.rows) of \(shape.capacity), width \(shape.width)", rows: shape.rows,
                        capacity: shape.capacity, width: shape.width,
                        logits: RowCases.logits(shape.capacity * shape.width, &random),
                        temperature: setting.temperature, topK: setting.topK, topP: setting.topP))
            }
        }
        // All settings over all special rows; ties at the threshold fall to the lowest index.
        for width in [7, 516] {
            let special = RowCases.special(width: width, &random)
            for setting in settings + [(1, 3, 0.5), (1, 4, 0.5), (0.5, 5, 0.3), (1e-38, 100, 0.7), (Float(bitPattern: 2), 4, 0.9)] {
                cases.append(
                    makeCase(
                        "special rows, width \(width)", rows: special.count, capacity: special.count, width: width,
                        logits: special.flatMap(\.row), temperature: setting.temperature, topK: setting.topK,
                        topP: setting.topP))
            }
        }
        cases.append(
            makeCase(
                "width 0", rows: 1, capacity: 1, width: 0, logits: [], temperature: 1, topK: 4, topP: 0.5))
        cases.append(
            makeCase(
                "a vocabulary of 151936", rows: 1, capacity: 1, width: 151_936,
                logits: RowCases.logits(151_936, &random), temperature: 0.9, topK: 5000, topP: 0.95))
        return cases
    }
}
