public import VkdynCore

extension Route {
    /// What a model's configuration says about its gate.
    private struct Gate {
        var experts: Int
        var k: Int
        var groups = 1
        var kept = 1
        var score = Score.softmax
        var groupScore = GroupScore.largest
        var normalisation = Normalisation.none
        var scale: Float = 1
        var hasBias = false

        static let switched = Gate(experts: 8, k: 1)
        static let mixtral = Gate(experts: 8, k: 2, normalisation: .sum)
        static let deepSeekV2 = Gate(experts: 160, k: 6, groups: 8, kept: 3, scale: 16)
        static let deepSeekV3 = Gate(
            experts: 256, k: 8, groups: 8, kept: 4, score: .sigmoid, groupScore: .twoLargest,
            normalisation: .sumAndTiny, scale: 2.5, hasBias: true)

        var label: String {
            "\(experts) experts, k \(k), groups \(kept) of \(groups) by \(groupScore), \(score), \(normalisation), "
                + "scale \(scale)" + (hasBias ? ", bias" : "")
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 122)
        var cases: [KernelCase] = []
        let plain: [(rows: Int, capacity: Int, gate: Gate)] = [
            (0, 0, .mixtral), (0, 3, .mixtral), (1, 1, .switched), (9, 9, .mixtral), (3, 8, .deepSeekV3),
            (9, 4, .deepSeekV2), (1, 1, .deepSeekV3), (33, 33, Gate(experts: 128, k: 8, normalisation: .sum)),
            (2, 2, Gate(experts: 1, k: 1, normalisation: .sum)), (5, 5, Gate(experts: 63, k: 63, normalisation: .sum)),
            (3, 3, Gate(experts: 65, k: 5, score: .sigmoid, normalisation: .sum, hasBias: true)),
            (2, 2, Gate(experts: 2048, k: 1)), (2, 2, Gate(experts: 2048, k: 256, normalisation: .sumAndTiny)),
            (7, 7, Gate(experts: 12, k: 3, groups: 4, kept: 1, score: .sigmoid, groupScore: .twoLargest)),
            (7, 7, Gate(experts: 12, k: 2, groups: 3, kept: 2, groupScore: .twoLargest, hasBias: true)),
            (3, 3, Gate(experts: 16, k: 4, groups: 16, kept: 9, score: .sigmoid, groupScore: .twoLargest)),
            (3, 3, Gate(experts: 512, k: 10, groups: 256, kept: 5, normalisation: .sum, scale: 0.5)),
            (3, 3, Gate(experts: 132, k: 8, groups: 33, kept: 8)),
        ]
        for shape in plain {
            let logits = RowCases.logits(shape.capacity * shape.gate.experts, &random)
            cases.append(makeCase(rows: shape.rows, capacity: shape.capacity, shape.gate, logits, &random))
        }
        for gate in [
            Gate.switched, .mixtral, .deepSeekV2, .deepSeekV3, Gate(experts: 9, k: 9, normalisation: .sum),
            Gate(experts: 9, k: 2, groups: 3, kept: 1, score: .sigmoid, groupScore: .twoLargest, normalisation: .sum),
        ] {
            // NaN, infinities, ties of scores and of groups, zeros of both signs.
            let special = RowCases.special(width: gate.experts, &random)
            cases.append(
                makeCase(
                    rows: special.count, capacity: special.count, gate, special.flatMap(\.row), &random,
                    note: ", special rows"))
        }
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...40, standard: 512), ShapeAxis("experts", 1...320, standard: 128, maximum: 2048),
            ShapeAxis("k", 1...12, standard: 8, maximum: 256), ShapeAxis("groups", 1...16, standard: 1, maximum: 256),
            ShapeAxis("kept", 1...8, standard: 1), .flag("sigmoid"), .flag("twoLargest"),
            ShapeAxis("normalisation", 0...2, standard: 1, maximum: 2, isConstant: true), .flag("bias"),
            ShapeAxis("levels", 0...6, standard: 0),
        ])
    }

    /// The nearest legal gate to a shape; logits of `levels` different values, where that is not 0.
    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let groups = shape["groups"]
        let size = max(shape["experts"] / groups, 1)
        let kept = min(shape["kept"], groups)
        let gate = Gate(
            experts: size * groups, k: min(shape["k"], kept * size), groups: groups, kept: kept,
            score: shape.has("sigmoid") ? .sigmoid : .softmax,
            groupScore: shape.has("twoLargest") ? .twoLargest : .largest,
            normalisation: Normalisation(rawValue: UInt32(shape["normalisation"])) ?? .none,
            scale: Float.random(in: 0.5...3, using: &random), hasBias: shape.has("bias"))
        let (rows, levels) = (shape["rows"], shape["levels"])
        let capacity = random.capacity(for: rows)
        var logits = RowCases.logits(capacity * gate.experts, &random)
        if levels > 0 { logits = logits.map { _ in Float(Int.random(in: 0..<levels, using: &random)) } }
        return makeCase(rows: rows, capacity: capacity, gate, logits, &random)
    }

    private static func makeCase(
        rows: Int, capacity: Int, _ gate: Gate, _ logits: [Float], _ random: inout CaseGenerator, note: String = ""
    ) -> KernelCase {
        var logits = logits
        for i in min(rows, capacity) * gate.experts..<capacity * gate.experts { logits[i] = .nan }
        return makeCase(
            "rows \(rows) of \(capacity), " + gate.label + note,
            Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))), logits: .floats(logits),
                bias: gate.hasBias ? .floats(random.floats(gate.experts, scale: 0.5)) : nil,
                experts: .unwritten(capacity * gate.k, as: .u32), weights: .unwritten(capacity * gate.k)),
            Parameters(
                rowCapacity: UInt32(capacity), expertCount: UInt32(gate.experts), k: UInt32(gate.k),
                groupCount: UInt32(gate.groups), keptGroups: UInt32(gate.kept), scale: gate.scale),
            Constants(
                score: gate.score.rawValue, groupScore: gate.groupScore.rawValue,
                normalisation: gate.normalisation.rawValue))
    }
}
