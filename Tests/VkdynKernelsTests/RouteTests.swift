import Foundation
import Testing
import VkdynCore
import VkdynKernels

@Suite struct RouteTests {
    private struct Gate {
        var experts: Int
        var k: Int
        var groups = 1
        var kept = 1
        var score = Route.Score.softmax
        var groupScore = Route.GroupScore.largest
        var normalisation = Route.Normalisation.none
        var scale: Float = 1
        var bias: [Float]?
    }

    private func route(_ logits: [Float], rows: Int = 1, _ gate: Gate) -> (experts: [UInt32], weights: [Float]) {
        let call = TwinCall<Route>(
            .init(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(rows))), logits: .floats(logits),
                bias: gate.bias.map { .floats($0) }, experts: .unwritten(rows * gate.k, as: .u32),
                weights: .unwritten(rows * gate.k)),
            .init(
                rowCapacity: UInt32(rows), expertCount: UInt32(gate.experts), k: UInt32(gate.k),
                groupCount: UInt32(gate.groups), keptGroups: UInt32(gate.kept), scale: gate.scale),
            .init(
                score: gate.score.rawValue, groupScore: gate.groupScore.rawValue,
                normalisation: gate.normalisation.rawValue)
        ).run()
        return (call.words("experts"), call.floats("weights"))
    }

    /// The gate in double precision, by sorting; nil where a decision is too close to be sure of.
    private func exact(_ logits: [Float], _ gate: Gate) -> (experts: [Int], weights: [Double])? {
        let scores: [Double]
        switch gate.score {
        case .softmax:
            let maximum = Double(logits.max()!)
            let powers = logits.map { exp(Double($0) - maximum) }
            let total = powers.reduce(0, +)
            scores = powers.map { $0 / total }
        case .sigmoid:
            scores = logits.map { 1 / (1 + exp(-Double($0))) }
        }
        let choice = scores.enumerated().map { $1 + Double(gate.bias?[$0] ?? 0) }
        /// The n largest, unless what follows is nearly as large.
        func largest(_ values: [Double], _ n: Int) -> [Int]? {
            let order = values.indices.sorted { values[$0] > values[$1] }
            for (a, b) in zip(order, order.dropFirst()).prefix(n) where values[b] > -.infinity {
                if values[a] - values[b] <= 4e-6 * max(abs(values[a]), 1e-3) { return nil }
            }
            return Array(order.prefix(n))
        }
        var candidates = choice
        if gate.groups > 1 {
            let size = gate.experts / gate.groups
            let groupScores = (0..<gate.groups).map { group in
                let sorted = choice[group * size..<(group + 1) * size].sorted(by: >)
                return gate.groupScore == .twoLargest && size > 1 ? sorted[0] + sorted[1] : sorted[0]
            }
            guard let kept = largest(groupScores, gate.kept) else { return nil }
            for expert in 0..<gate.experts where !kept.contains(expert / size) { candidates[expert] = -.infinity }
        }
        guard let experts = largest(candidates, gate.k) else { return nil }
        let sum = experts.reduce(0) { $0 + scores[$1] }
        let weights = experts.map { expert -> Double in
            switch gate.normalisation {
            case .none: scores[expert] * Double(gate.scale)
            case .sum: scores[expert] / sum * Double(gate.scale)
            case .sumAndTiny: scores[expert] / (sum + 1e-20) * Double(gate.scale)
            }
        }
        return (experts, weights)
    }

    @Test func agreesWithTheGatesInDouble() throws {
        var random = CaseGenerator(seed: 31)
        let bias = random.floats(256, scale: 0.2)
        let gates = [
            Gate(experts: 8, k: 1), Gate(experts: 8, k: 2, normalisation: .sum),
            Gate(experts: 128, k: 8, normalisation: .sum),
            Gate(experts: 160, k: 6, groups: 8, kept: 3, scale: 16),
            Gate(
                experts: 256, k: 8, groups: 8, kept: 4, score: .sigmoid, groupScore: .twoLargest,
                normalisation: .sumAndTiny, scale: 2.5, bias: bias),
            Gate(experts: 12, k: 3, groups: 6, kept: 2, score: .sigmoid, groupScore: .twoLargest, normalisation: .sum),
        ]
        for gate in gates {
            var decided = 0
            for trial in 0..<200 {
                let logits = zip(random.floats(gate.experts, scale: 4), random.floats(gate.experts, scale: 2)).map(+)
                guard let exact = exact(logits, gate) else { continue }
                decided += 1
                let result = route(logits, gate)
                #expect(result.experts == exact.experts.map { UInt32($0) }, "\(gate), trial \(trial)")
                for (weight, expected) in zip(result.weights, exact.weights) {
                    // Softmax's 5 + (width/64 + 6)/2 ulp and the rounded difference, twice over where it is normalised.
                    let relative = (2 * (5 + (Double(gate.experts) / 64 + 6) / 2) + Double(gate.k) + 12) * 0x1p-23
                    #expect(abs(Double(weight) - expected) <= relative * expected, "\(gate), trial \(trial)")
                }
            }
            #expect(decided > 150, "\(gate)")
        }
    }

    @Test func softmaxWeightsHaveTheBitsOfSoftmax() {
        var random = CaseGenerator(seed: 32)
        let (rows, experts) = (5, 96)
        let logits = random.floats(rows * experts, scale: 8)
        let softmax = TwinCall<Softmax>(
            .init(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(rows))), source: .floats(logits),
                result: .unwritten(rows * experts)),
            .init(rowCapacity: UInt32(rows), width: UInt32(experts), resultOffset: 0)
        ).run().floats("result")
        let result = route(logits, rows: rows, Gate(experts: experts, k: 6))
        for (index, expert) in result.experts.enumerated() {
            #expect(result.weights[index].bitPattern == softmax[index / 6 * experts + Int(expert)].bitPattern)
        }
    }

    @Test func tiesGoToTheLowestExpertAndGroup() {
        let equal = [Float](repeating: 0.25, count: 12)
        #expect(route(equal, Gate(experts: 12, k: 3)).experts == [0, 1, 2])
        let grouped = Gate(experts: 12, k: 3, groups: 4, kept: 1, score: .sigmoid, groupScore: .twoLargest)
        #expect(route(equal, grouped).experts == [0, 1, 2])
        #expect(route(equal.enumerated().map { $0 >= 6 ? 0.5 : $1 }, grouped).experts == [6, 7, 8])
    }

    @Test func nanIsDefined() {
        let nan = [Float](repeating: .nan, count: 8)
        for gate in [
            Gate(experts: 8, k: 2, normalisation: .sum),
            Gate(experts: 8, k: 2, groups: 4, kept: 2, score: .sigmoid, groupScore: .twoLargest),
        ] {
            #expect(route(nan, gate).experts == [0, 1])
            #expect(route(nan, gate).weights.allSatisfy { $0.isNaN })
        }
        // A NaN sigmoid is chosen when nothing else is left; it does not touch the other weights unless normalised.
        let one = route([.nan, 1, -1, 0], Gate(experts: 4, k: 3, score: .sigmoid))
        #expect(one.experts == [1, 3, 2])
        #expect(one.weights.allSatisfy { !$0.isNaN })
        let all = route([.nan, 1, -1, 0], Gate(experts: 4, k: 4, score: .sigmoid))
        #expect(all.experts == [1, 3, 2, 0])
        #expect(all.weights.map(\.isNaN) == [false, false, false, true])
        // Groups that are not kept are no candidates, NaN in the kept ones or not.
        let kept = route(
            [.nan, 9, 1, 1], Gate(experts: 4, k: 2, groups: 2, kept: 1, score: .sigmoid, groupScore: .largest))
        #expect(kept.experts == [1, 0])
    }

    @Test func aRowDoesNotDependOnItsBatch() {
        var random = CaseGenerator(seed: 33)
        let gate = Gate(
            experts: 64, k: 6, groups: 8, kept: 3, score: .sigmoid, groupScore: .twoLargest,
            normalisation: .sumAndTiny, scale: 2.5, bias: random.floats(64))
        let logits = random.floats(9 * 64, scale: 3)
        let batch = route(logits, rows: 9, gate)
        for row in 0..<9 {
            let alone = route(Array(logits[row * 64..<(row + 1) * 64]), gate)
            #expect(alone.experts == Array(batch.experts[row * 6..<(row + 1) * 6]))
            #expect(alone.weights.map(\.bitPattern) == batch.weights[row * 6..<(row + 1) * 6].map(\.bitPattern))
        }
    }

    @Test func biasChoosesAndDoesNotWeigh() {
        let result = route([0, 0, 0, 0], Gate(experts: 4, k: 2, score: .sigmoid, bias: [0, 0.5, 0, 0.75]))
        #expect(result.experts == [3, 1])
        #expect(result.weights == [0.5, 0.5])
    }
}
