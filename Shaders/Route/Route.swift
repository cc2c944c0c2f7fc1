public import VkdynCore

/// The gate of a mixture of experts: the k experts of each row, and their weights.
///
/// | buffer  | shape                                    | type |
/// |---------|------------------------------------------|------|
/// | rows    | one `RowCount`                           | u32  |
/// | logits  | [rows, expertCount]                      | f32  |
/// | bias    | [expertCount], optional; chooses alone   | f32  |
/// | experts | [rows, k]                                | u32  |
/// | weights | [rows, k]                                | f32  |
///
/// Scores `s` are by the constant `score` 0: softmax over all experts, with the bits of `Softmax`; 1: sigmoid,
/// `1/(1 + e⁻ˣ)`. Experts are chosen by `c = s + bias`, in descending c, ties to the lowest index.
/// With more than one group (of expertCount/groupCount neighbours), `keptGroups` of them are kept, by the constant
/// `groupScore` 0: a group's largest c; 1: the sum of its two largest (of a group of one, its only one). Experts of the
/// other groups are no candidates.
/// Weights are by the constant `normalisation` 0: `s · scale`; 1: `(s · 1/Σs) · scale`;
/// 2: `(s · 1/(Σs + 1e−20)) · scale`, over the chosen.
/// Reduction order: softmax as in `Softmax`; Σs from +0 in the order of the slots, that is, of descending c.
/// Edge cases: NaN ranks lowest and +0 ties with −0, for experts and groups. A NaN score that is chosen for want of
/// others has the weight NaN, and normalised it makes all of the row's weights NaN. A NaN or +∞ logit makes the whole
/// softmax NaN, and then the lowest experts are chosen. Experts are always below expertCount. Rows beyond the count are
/// not touched. At most 2048 experts, 256 groups, k 256, and k within what the kept groups hold.
/// Source: Shazeer et al., arXiv 1701.06538; Switch, Fedus et al., arXiv 2101.03961; Mixtral, Jiang et al., arXiv
/// 2401.04088; groups, DeepSeek-AI, arXiv 2405.04434 (largest) and 2412.19437 (sigmoid, bias, two largest).
/// Error: s at most 4 ulp for sigmoid, as stated there for softmax; a normalisation adds (k + 5)/2 ulp and the error of
/// Σs; the bias adds half an ulp of c to what experts are chosen by.
public enum Route: Kernel {
    /// Values of the constant `score`.
    public enum Score: UInt32, Sendable, CaseIterable {
        case softmax = 0
        case sigmoid = 1
    }

    /// Values of the constant `groupScore`.
    public enum GroupScore: UInt32, Sendable, CaseIterable {
        case largest = 0
        case twoLargest = 1
    }

    /// Values of the constant `normalisation`.
    public enum Normalisation: UInt32, Sendable, CaseIterable {
        case none = 0
        case sum = 1
        /// The sum and 1e−20.
        case sumAndTiny = 2
    }

    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<Route>) -> Cost {
        let (rows, experts, k) = (
            Int(call.parameters.rowCapacity), Int(call.parameters.expertCount), Int(call.parameters.k)
        )
        // An exponential counts as twenty operations, as in Softmax.
        return Cost(operations: 44 * rows * experts, bytes: rows * (4 * experts + 8 * k))
    }

    public static func variants(_ call: KernelCall<Route>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let groupSize = Int(p.expertCount) / Int(p.groupCount)
        precondition(Int(p.expertCount) % Int(p.groupCount) == 0, "groups of different size")
        precondition(
            p.k >= 1 && Int(p.k) <= Int(min(p.keptGroups, p.groupCount)) * groupSize, "more choices than candidates")
        precondition(p.expertCount <= 2048 && p.groupCount <= 256 && p.k <= 256, "more than shared memory holds")
        let most = p.groupCount > 1 ? max(p.k, p.keptGroups) : p.k
        let texels = Int(p.rowCapacity) * Int(p.expertCount) / 4
        guard groupSize % 4 == 0, most <= 8, p.groupCount <= 32, texels <= traits.maximumTexels else {
            return ["lanes64"]
        }
        let rows = most <= 2 ? ["rows8_k2", "rows8_k8"] : ["rows8_k8"]
        return traits.kind == .cpu ? rows + ["lanes64"] : ["lanes64"] + rows
    }

    public static func twin(_ b: Views, _ call: KernelCall<Route>) {
        let p = call.parameters
        let (count, k, groupCount) = (Int(p.expertCount), Int(p.k), Int(p.groupCount))
        let size = count / groupCount
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let scores = scores((0..<count).map { b.logits[row * count + $0] }, call.constants)
            let keys = (0..<count).map { Choice.key(b.bias.isEmpty ? scores[$0] : scores[$0] + b.bias[$0]) }
            var candidates = Array(0..<count)
            if groupCount > 1 {
                let groupKeys = (0..<groupCount).map { group in
                    groupKey(Array(keys[group * size..<(group + 1) * size]), call.constants)
                }
                let kept = Set(Order.indices(of: groupKeys, isDescending: true).prefix(Int(p.keptGroups)))
                candidates.removeAll { !kept.contains(UInt32($0 / size)) }
            }
            let order = Order.indices(of: candidates.map { keys[$0] }, isDescending: true)
            let chosen = order.prefix(k).map { candidates[Int($0)] }
            let sum = chosen.reduce(Float(0)) { $0 + scores[$1] }
            let norm = normalisation(sum, call.constants)
            for (slot, expert) in chosen.enumerated() {
                b.experts[row * k + slot] = UInt32(expert)
                b.weights[row * k + slot] = (scores[expert] * norm) * p.scale
            }
        }
    }

    private static func scores(_ logits: [Float], _ constants: Constants) -> [Float] {
        switch Score(rawValue: constants.score) ?? .sigmoid {
        case .softmax:
            let maximum = Functions.fromOrderKey(Reduction.maximumKey(count: logits.count) { logits[$0] })
            let sum = Reduction.sum(count: logits.count) { Functions.exponential(logits[$0] - maximum) }
            let factor = Functions.reciprocal(sum)
            return logits.map { Functions.exponential($0 - maximum) * factor }
        case .sigmoid:
            return logits.map { Functions.reciprocal(1 + Functions.exponential(-$0)) }
        }
    }

    private static func groupKey(_ keys: [UInt32], _ constants: Constants) -> UInt32 {
        let sorted = keys.sorted(by: >)
        guard constants.groupScore == GroupScore.twoLargest.rawValue, sorted.count > 1 else { return sorted[0] }
        return Choice.key(Functions.fromOrderKey(sorted[0]) + Functions.fromOrderKey(sorted[1]))
    }

    private static func normalisation(_ sum: Float, _ constants: Constants) -> Float {
        switch Normalisation(rawValue: constants.normalisation) ?? .sum {
        case .none: 1
        case .sum: Functions.reciprocal(sum)
        case .sumAndTiny: Functions.reciprocal(sum + 1e-20)
        }
    }
}
