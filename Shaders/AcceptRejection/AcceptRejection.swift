public import VkdynCore

/// The end of a round by rejection sampling: draft i, token x, is accepted when `u · q(x) < p(x)`; at the first
/// rejection a token is drawn from `max(p − q, 0)`, after the last acceptance from p's last row.
///
/// | buffer   | shape                                                             | type |
/// |----------|-------------------------------------------------------------------|------|
/// | sequence | one `SequenceState`                                               | u32  |
/// | tokens   | [context], with room for one token more than the drafts           | u32  |
/// | target   | [drafted + 1, width], probabilities p after each verified row     | f32  |
/// | draft    | [drafted, width], probabilities q that each draft was drawn from, optional | f32 |
/// | sampling | one `SamplingParameters`; the seed alone is read                  | f32, u32 |
///
/// Without `draft` each q is one-hot, as for greedy or looked-up drafts: accepted when `u < p(x)`, and the draw is from
/// p with x zeroed. u and the draws are 24 bits of the first word of Philox with the seed as key and (0, position of the
/// token, stream, 0) as counter, stream 2 for u and 3 for draws. Draws are those of `Categorical`, over weights
/// `⌊residual · 2³⁰⌋`; a residual that weighs 0 altogether gives way to p, and a p that does to its argmax. The state
/// changes as in `AcceptMatching`.
/// Sums are of integers, exact in any order; a product and a difference are rounded once each.
/// NaN in p or q rejects and weighs 0; a draft token outside the width is rejected.
/// Source: Leviathan, Kalman and Matias (arXiv 2211.17192), Chen et al. (arXiv 2302.01318). Error: the emitted token's
/// distribution is at most 2⁻²³ + (width + 1) · 2⁻³⁰ a token from p / Σp.
public enum AcceptRejection: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(1) }

    public static func cost(_ call: KernelCall<AcceptRejection>) -> Cost {
        // One row of p and one of q, whatever the number of drafts.
        let width = Int(call.parameters.width)
        return Cost(operations: 8 * width, bytes: 8 * width + 128)
    }

    public static func variants(_ call: KernelCall<AcceptRejection>, _ traits: DeviceTraits) -> [String] {
        // Rows are counted on the device; a texel view has room for more of them than any draft.
        RowVariants.names(width: call.parameters.width, rowCapacity: 256, traits: traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<AcceptRejection>) {
        let width = Int(call.parameters.width)
        let sampling = b.sampling.pointee
        let state = b.sequence.pointee
        let isOneHot = b.draft.isEmpty
        func random(_ stream: RandomStream, row: Int) -> UInt32 {
            sampling.randomWords(stream: stream.rawValue, position: state.length + UInt32(row), quad: 0).x >> 8
        }
        func draftToken(_ row: Int) -> Int { Int(b.tokens[Int(state.length) + row]) }
        func accepts(_ row: Int) -> Bool {
            let token = draftToken(row)
            guard token < width else { return false }
            return Self.accepts(
                random(.accept, row: row), p: b.target[row * width + token],
                q: isOneHot ? nil : b.draft[row * width + token])
        }

        var row = 0
        while row < Int(state.drafted), accepts(row) { row += 1 }
        let p = (0..<width).map { b.target[row * width + $0] }
        var residual = p
        if row < Int(state.drafted) {
            for token in 0..<width {
                residual[token] =
                    isOneHot
                    ? (token == draftToken(row) ? 0 : p[token])
                    : Self.residual(p: p[token], q: b.draft[row * width + token])
            }
        }
        let fraction = random(.residual, row: row)
        let token =
            FixedPoint.draw(residual.map(FixedPoint.weight), fraction: fraction)
            ?? FixedPoint.draw(p.map(FixedPoint.weight), fraction: fraction)
            ?? Choice.index(ofLargest: p.map(Choice.key))
        b.sequence.pointee.commit(accepted: UInt32(row), token: token, tokens: b.tokens)
    }

    /// u · q < p for the u of a 24-bit fraction; a q of nil is one-hot.
    static func accepts(_ fraction: UInt32, p: Float, q: Float?) -> Bool {
        let u = Float(fraction) * 5.9604644775390625e-08
        return q.map { u * $0 < p } ?? (u < p)
    }

    /// What the draft's probability leaves of the target's.
    static func residual(p: Float, q: Float) -> Float { p > q ? p - q : 0 }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 108)
        func makeCase(
            _ label: String, drafted: Int, width: Int, target: [Float]? = nil, draft: [Float]? = nil,
            drafts: [UInt32]? = nil, isOneHot: Bool = false
        ) -> KernelCase {
            Self.makeCase(
                label, drafted: drafted, width: width, target: target, draft: draft, drafts: drafts,
                isOneHot: isOneHot, &random)
        }
        var cases: [KernelCase] = []
        for (index, width) in [1, 3, 4, 63, 64, 257, 1028, 4097, 32_000].enumerated() {
            for drafted in [0, 1, 3 + index] {
                cases.append(makeCase("random", drafted: drafted, width: width))
                cases.append(makeCase("random", drafted: drafted, width: width, isOneHot: true))
            }
        }
        for width in [6, 516] {
            func row(_ value: (Int) -> Float) -> [Float] { (0..<width).map(value) }
            let flat = row { _ in 1 / Float(width) }
            let first = row { $0 == 0 ? 1 : 0 }
            let last = row { $0 == width - 1 ? 1 : 0 }
            let nan = row { _ in .nan }
            let zero = row { _ in 0 }
            let ends: [UInt32] = [0, UInt32(width - 1)]
            cases += [
                makeCase("p = q", drafted: 2, width: width, target: flat + flat + flat, draft: flat + flat, drafts: ends),
                makeCase("disjoint", drafted: 2, width: width, target: last + last + flat, draft: first + flat, drafts: ends),
                makeCase("accepted, then p", drafted: 2, width: width, target: first + last + nan, draft: first + last, drafts: ends),
                makeCase("certain", drafted: 2, width: width, target: first + last + first, drafts: ends, isOneHot: true),
                makeCase("all p on the rejected draft", drafted: 1, width: width, target: row { $0 == 2 ? 1e-12 : 0 } + flat, drafts: [2], isOneHot: true),
                makeCase("p below q by nothing that weighs", drafted: 1, width: width, target: zero + flat, draft: flat, drafts: [1]),
                makeCase("NaN p", drafted: 1, width: width, target: nan + flat, draft: flat, drafts: [1]),
                makeCase("NaN q", drafted: 1, width: width, target: flat + flat, draft: nan, drafts: [1]),
                makeCase("infinite p", drafted: 1, width: width, target: row { $0 == 1 ? .infinity : 0 } + flat, draft: flat, drafts: [0]),
                makeCase("infinite q", drafted: 1, width: width, target: flat + flat, draft: row { $0 == 1 ? .infinity : 0 }, drafts: [1]),
                makeCase("nothing left of p", drafted: 1, width: width, target: zero + zero, drafts: [1], isOneHot: true),
                makeCase("token outside", drafted: 1, width: width, target: flat + flat, draft: flat, drafts: [UInt32(width)]),
                makeCase("token outside", drafted: 1, width: width, target: flat + flat, drafts: [.max - 1], isOneHot: true),
            ]
        }
        cases.append(makeCase("a vocabulary", drafted: 2, width: 151_936))
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("drafted", 0...9, standard: 4), ShapeAxis("width", 1...3000, standard: 32_000), .flag("one_hot"),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            "random", drafted: shape["drafted"], width: shape["width"], isOneHot: shape.has("one_hot"), &random)
    }

    private static func makeCase(
        _ label: String, drafted: Int, width: Int, target: [Float]? = nil, draft: [Float]? = nil,
        drafts: [UInt32]? = nil, isOneHot: Bool, _ random: inout CaseGenerator
    ) -> KernelCase {
        let length = 5 + Int.random(in: 0..<1000, using: &random)
        let target = target ?? RowCases.probabilities(rows: drafted + 1, width: width, &random)
        // Halfway to the target, so that about half of the drafts are accepted.
        let draft =
            draft
            ?? zip(target, RowCases.probabilities(rows: drafted, width: width, &random)).map { ($0 + $1) * 0.5 }
        // The likeliest draft token of each row.
        let drafts =
            drafts
            ?? (0..<drafted).map { row in
                Choice.index(ofLargest: (0..<width).map { Choice.key(draft[row * width + $0]) })
            }
        return makeCase(
            "\(label), drafts \(drafted), width \(width)" + (isOneHot ? ", one-hot" : ""),
            Contents(
                sequence: .structure(
                    SequenceState(
                        length: UInt32(length), drafted: UInt32(drafted), targetCached: UInt32(length + drafted),
                        draftCached: UInt32(length + drafted - min(drafted, 1)), accepted: 1, emitted: 2,
                        verified: 3)),
                tokens: .words((0..<UInt32(length)).map { $0 } + drafts + [77, 78]),
                target: .floats(target), draft: isOneHot ? nil : .floats(draft),
                sampling: .structure(
                    SamplingParameters(
                        temperature: 1, topP: 1, seedLow: .random(in: 0 ... .max, using: &random),
                        seedHigh: .random(in: 0 ... .max, using: &random)))),
            Parameters(width: UInt32(width)))
    }
}
