public import VkdynCore

/// Adds the token that a draft's pass sampled to the draft tokens:
/// `tokens[length + drafted] = sampled[count − 1]; drafted += 1`, and, where probabilities are bound,
/// `stopped = 1` when the token's probability is below `confidence`; that token stays in the draft.
///
/// | buffer        | shape                                              | type |
/// |---------------|----------------------------------------------------|------|
/// | rows          | one `RowCount`                                     | u32  |
/// | sequence      | one `SequenceState`                                | u32  |
/// | tokens        | [context], with room for the token                 | u32  |
/// | sampled       | [rows], one token a row; the last row's counts     | u32  |
/// | probabilities | [rows, width], optional                            | f32  |
/// | sampling      | one `SamplingParameters`; confidence alone is read | f32, u32 |
///
/// Nothing is reduced. With no rows, or when drafting has stopped, nothing changes. A probability of NaN does not stop.
/// Source: the confidence stop of transformers' assisted generation. Exact.
public enum AppendDraft: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(1) }

    public static func cost(_ call: KernelCall<AppendDraft>) -> Cost { Cost(operations: 2, bytes: 88) }

    public static func twin(_ b: Views, _ call: KernelCall<AppendDraft>) {
        let count = Int(min(b.rows.pointee.count, call.parameters.rowCapacity))
        let state = b.sequence.pointee
        if count == 0 || state.stopped != 0 { return }
        let token = b.sampled[count - 1]
        b.tokens[Int(state.length + state.drafted)] = token
        b.sequence.pointee.drafted += 1
        if !b.probabilities.isEmpty {
            let probability = b.probabilities[(count - 1) * Int(call.parameters.width) + Int(token)]
            if probability < b.sampling.pointee.confidence { b.sequence.pointee.stopped = 1 }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 107)
        func makeCase(
            _ label: String, count: Int, capacity: Int, drafted: Int, stopped: Bool = false,
            probability: Float? = nil
        ) -> KernelCase {
            Self.makeCase(
                label, count: count, capacity: capacity, drafted: drafted, stopped: stopped, probability: probability,
                &random)
        }
        return [
            makeCase("first draft", count: 1, capacity: 1, drafted: 0),
            makeCase("second of two rows", count: 2, capacity: 2, drafted: 0),
            makeCase("one of two rows", count: 1, capacity: 2, drafted: 4),
            makeCase("three rows over a capacity of two", count: 3, capacity: 2, drafted: 1, probability: 0.2),
            makeCase("no rows", count: 0, capacity: 2, drafted: 4),
            makeCase("no rows, probabilities", count: 0, capacity: 2, drafted: 4, probability: 0.1),
            makeCase("stopped", count: 1, capacity: 1, drafted: 4, stopped: true),
            makeCase("stopped, probabilities", count: 1, capacity: 1, drafted: 4, stopped: true, probability: 0.1),
            makeCase("sure", count: 2, capacity: 2, drafted: 1, probability: 0.75),
            makeCase("at the threshold", count: 1, capacity: 1, drafted: 1, probability: 0.4),
            makeCase("just below", count: 1, capacity: 1, drafted: 1, probability: Float(0.4).nextDown),
            makeCase("unsure, one of three rows", count: 1, capacity: 3, drafted: 2, probability: 0.01),
            makeCase("NaN", count: 1, capacity: 1, drafted: 2, probability: .nan),
            makeCase("zero", count: 1, capacity: 1, drafted: 2, probability: 0),
        ]
    }

    /// The probability in hundredths; drafting stops below 40.
    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...9, standard: 1), ShapeAxis("width", 1...300, standard: 32_000),
            ShapeAxis("length", 0...500, standard: 100), ShapeAxis("drafted", 0...40, standard: 3),
            ShapeAxis("stopped", 0...1, standard: 0), ShapeAxis("probability", 0...100, standard: 50),
            .flag("probabilities"),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let rows = shape["rows"]
        let capacity = random.capacity(for: rows)
        return makeCase(
            "rows \(rows) of \(capacity), drafts \(shape["drafted"])", count: rows, capacity: capacity,
            drafted: shape["drafted"], stopped: shape.has("stopped"),
            probability: shape.has("probabilities") ? Float(shape["probability"]) / 100 : nil, width: shape["width"],
            length: shape["length"], &random)
    }

    private static func makeCase(
        _ label: String, count: Int, capacity: Int, drafted: Int, stopped: Bool, probability: Float?, width: Int = 11,
        length: Int = 6, _ random: inout CaseGenerator
    ) -> KernelCase {
        var probabilities = RowCases.probabilities(rows: capacity, width: width, &random)
        let sampled = (0..<capacity).map { UInt32(($0 * 4 + 3) % width) }
        let last = min(count, capacity) - 1
        if let probability, last >= 0 { probabilities[last * width + Int(sampled[last])] = probability }
        return makeCase(
            label, Contents(
                rows: .structure(RowCount(count: UInt32(count), capacity: UInt32(capacity))),
                sequence: .structure(
                    SequenceState(
                        length: UInt32(length), drafted: UInt32(drafted), targetCached: 5, draftCached: 6,
                        accepted: 1, emitted: 2, stopped: stopped ? 1 : 0, verified: 3)),
                tokens: .words((0..<length + drafted + 3).map { UInt32($0 * 5) }), sampled: .words(sampled),
                probabilities: probability == nil ? nil : .floats(probabilities),
                sampling: .structure(SamplingParameters(temperature: 1, topP: 1, confidence: 0.4))),
            Parameters(rowCapacity: UInt32(capacity), width: UInt32(width)))
    }
}
