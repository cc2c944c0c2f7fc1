import Foundation
import Testing
import VkdynCore
import VkdynFormats
import VkdynKernels
import VkdynSchedule

@testable import VkdynModels

/// One layer of experts alone: against its formula, and at its edges.
@Suite struct ExpertFeedForwardTests {
    private static let width = 32
    private static let prefix = "model.layers.2."
    private static let weights = RandomWeights(seed: 5)

    private struct Output {
        let rows: [[Float]]
        let experts: [[Int]]
        let tally: LayerTally
    }

    private func configuration(
        _ kind: ExpertModel, _ change: (inout ExpertConfiguration) -> Void = { _ in }
    ) throws -> ExpertConfiguration {
        var configuration = try #require(try ExpertConfiguration(try kind.config()))
        change(&configuration)
        return configuration
    }

    /// - Parameters:
    ///   - source: rows of `width`; their residual is the row times 3.
    ///   - rowCount: rows that the pass has; nil for all.
    private func run(
        _ configuration: ExpertConfiguration, _ source: [[Float]], rowCount: Int? = nil
    ) throws -> Output {
        let device = TestDevices.reference
        var loader = WeightLoader(checkpoint: Self.weights, device: device, weightType: nil)
        let layer = try loader.experts(configuration, prefix: Self.prefix, layer: 2, width: Self.width)
        let log = try ExpertLog(
            device: device, layerCount: configuration.layers.count, chosenCount: configuration.chosenCount,
            capacity: max(source.count, 1), label: "test")
        let count = source.count
        let words = { (values: [UInt32], label: String) in try device.makeBuffer(.words(values), label: label) }
        let pass = DecoderPass(
            rows: Counted(
                buffer: try words([UInt32(rowCount ?? count), UInt32(count), 0], "rows"), capacity: count,
                isIndirect: rowCount != nil),
            tokens: try words([UInt32](repeating: 0, count: count), "tokens"),
            positions: try words((0..<count).map(UInt32.init), "positions"))
        var recording = Recording()
        let result = layer.record(
            into: &recording, try device.makeBuffer(.floats(source.flatMap { $0 }), label: "source"),
            residual: try device.makeBuffer(.floats(residual(source).flatMap { $0 }), label: "residual"), pass: pass,
            log: log)
        // What a model would read next.
        let kept = try device.makeBuffer(.f32, count: count * Self.width, placement: .device, label: "kept")
        recording.dispatch(
            Add.self, "keep",
            .init(
                rows: pass.rows.buffer, left: result,
                right: try device.makeBuffer(
                    .floats([Float](repeating: -0.0, count: count * Self.width)), label: "zeros"),
                result: kept),
            .init(rowCapacity: UInt32(count), width: UInt32(Self.width)), rows: pass.rows)
        let plan = try Plan(recording, label: "experts", traits: device.traits)
        #expect(PlanChecker.violations(of: plan) == [])
        try device.prepare(plan).run()
        let values = try device.read(Float.self, from: kept, count: count * Self.width)
        let trace = try log.read(
            from: device, positions: count,
            promptTallies: [LayerTally](repeating: LayerTally(), count: configuration.layers.count))
        return Output(
            rows: (0..<count).map { Array(values[$0 * Self.width..<($0 + 1) * Self.width]) },
            experts: (0..<count).map { trace.experts(position: $0, layer: layer.ordinal).map(Int.init) },
            tally: trace.rounds[layer.ordinal])
    }

    private func residual(_ source: [[Float]]) -> [[Float]] { source.map { $0.map { $0 * 3 } } }

    private func rows(_ count: Int, seed: UInt64 = 9) -> [[Float]] {
        var random = CaseGenerator(seed: seed)
        return (0..<count).map { _ in random.floats(Self.width) }
    }

    private func bits(_ rows: [[Float]]) -> [[UInt32]] { rows.map { $0.map(\.bitPattern) } }

    // MARK: The formula

    private func matrix(_ name: String, _ outputs: Int, _ inputs: Int) throws -> [[Double]] {
        let values = try Self.weights.tensor(Self.prefix + name + ".weight", shape: [outputs, inputs]).floats()
        return (0..<outputs).map { row in (0..<inputs).map { Double(values[row * inputs + $0]) } }
    }

    private func product(_ matrix: [[Double]], _ x: [Double]) -> [Double] {
        matrix.map { zip($0, x).reduce(0) { $0 + $1.0 * $1.1 } }
    }

    private func gated(_ names: [String], _ innerWidth: Int, _ x: [Double]) throws -> [Double] {
        let gate = product(try matrix(names[0], innerWidth, Self.width), x)
        let up = product(try matrix(names[1], innerWidth, Self.width), x)
        let inner = zip(gate, up).map { $0 / (1 + exp(-$0)) * $1 }
        return product(try matrix(names[2], Self.width, innerWidth), inner)
    }

    /// The experts of a row in descending score, and their weights.
    private func choice(_ kind: ExpertModel, _ x: [Double]) throws -> [(expert: Int, weight: Double)] {
        let config = try kind.config()
        switch kind {
        case .mixtral, .qwen2:
            let count = kind == .mixtral ? 8 : 7
            let name = kind == .mixtral ? "block_sparse_moe.gate" : "mlp.gate"
            let powers = product(try matrix(name, count, Self.width), x).map(exp)
            let scores = powers.map { $0 / powers.reduce(0, +) }
            let chosen = scores.indices.sorted { scores[$0] > scores[$1] }.prefix(
                try config.integer("num_experts_per_tok"))
            let sum = kind == .mixtral ? chosen.reduce(0) { $0 + scores[$1] } : 1
            return chosen.map { ($0, scores[$0] / sum) }
        case .deepSeekV2:
            let powers = product(try matrix("mlp.gate", 8, Self.width), x).map(exp)
            let scores = powers.map { $0 / powers.reduce(0, +) }
            let best = (0..<4).map { max(scores[$0 * 2], scores[$0 * 2 + 1]) }
            let groups = (0..<4).sorted { best[$0] > best[$1] }
            let candidates = groups.prefix(2).flatMap { [$0 * 2, $0 * 2 + 1] }
            return candidates.sorted { scores[$0] > scores[$1] }.prefix(3).map { ($0, scores[$0] * 1.5) }
        case .deepSeekV3:
            let scores = product(try matrix("mlp.gate", 12, Self.width), x).map { 1 / (1 + exp(-$0)) }
            let bias = try Self.weights.tensor(Self.prefix + "mlp.gate.e_score_correction_bias", shape: [12]).floats()
            let biased = zip(scores, bias).map { $0 + Double($1) }
            let groupScores = (0..<4).map { biased[$0 * 3..<$0 * 3 + 3].sorted(by: >).prefix(2).reduce(0, +) }
            let groups = (0..<4).sorted { groupScores[$0] > groupScores[$1] }
            let candidates = groups.prefix(2).flatMap { Array($0 * 3..<$0 * 3 + 3) }
            let chosen = candidates.sorted { biased[$0] > biased[$1] }.prefix(4)
            let sum = chosen.reduce(1e-20) { $0 + scores[$1] }
            return chosen.map { ($0, scores[$0] / sum * 2.5) }
        }
    }

    private func exact(_ kind: ExpertModel, _ x: [Double]) throws -> (experts: [Int], row: [Double]) {
        let chosen = try choice(kind, x)
        var row = x.map { $0 * 3 }
        func add(_ values: [Double], _ factor: Double) { row = zip(row, values).map { $0 + $1 * factor } }
        for (expert, weight) in chosen {
            let name = kind == .mixtral ? "block_sparse_moe.experts.\(expert)." : "mlp.experts.\(expert)."
            let names = kind == .mixtral ? ["w1", "w3", "w2"] : ["gate_proj", "up_proj", "down_proj"]
            let innerWidth = [ExpertModel.mixtral: 20, .qwen2: 12][kind] ?? 16
            add(try gated(names.map { name + $0 }, innerWidth, x), weight)
        }
        let parts = ["gate_proj", "up_proj", "down_proj"]
        switch kind {
        case .mixtral: break
        case .qwen2:
            let gate = product(try matrix("mlp.shared_expert_gate", 1, Self.width), x)[0]
            add(try gated(parts.map { "mlp.shared_expert.\($0)" }, 28, x), 1 / (1 + exp(-gate)))
        case .deepSeekV2: add(try gated(parts.map { "mlp.shared_experts.\($0)" }, 16, x), 1)
        case .deepSeekV3: add(try gated(parts.map { "mlp.shared_experts.\($0)" }, 32, x), 1)
        }
        return (chosen.map(\.expert), row)
    }

    @Test(arguments: ExpertModel.allCases) func theLayerIsItsFormula(kind: ExpertModel) throws {
        let source = rows(40)
        let output = try run(try configuration(kind), source)
        for (index, row) in source.enumerated() {
            let expected = try exact(kind, row.map(Double.init))
            #expect(output.experts[index] == expected.experts, "row \(index)")
            let largest = expected.row.map(abs).max() ?? 0
            let worst = zip(output.rows[index], expected.row).map { abs(Double($0) - $1) }.max() ?? 0
            #expect(worst <= 1e-5 * largest, "row \(index): \(worst) of \(largest)")
        }
        let touched = Set(output.experts.flatMap { $0 }).count
        let k = try configuration(kind).chosenCount
        #expect(
            output.tally == LayerTally(passes: 1, rows: 40, assignments: 40 * k, touchedExperts: touched))
    }

    // MARK: Edges

    @Test(arguments: ExpertModel.allCases) func aRowOfNaNReachesNoOther(kind: ExpertModel) throws {
        var source = rows(6)
        let clean = try run(try configuration(kind), source)
        source[2] = [Float](repeating: .nan, count: Self.width)
        let output = try run(try configuration(kind), source)
        #expect(output.rows[2].allSatisfy { $0.isNaN })
        for row in [0, 1, 3, 4, 5] {
            #expect(bits(output.rows)[row] == bits(clean.rows)[row])
            #expect(output.experts[row] == clean.experts[row])
        }
        // Nothing is larger than anything: the first ones.
        #expect(output.experts[2] == Array(0..<output.experts[2].count))
    }

    @Test(arguments: ExpertModel.allCases) func allRowsMayHaveTheSameExperts(kind: ExpertModel) throws {
        let direction = rows(1)[0]
        // More than one tile of the same expert.
        let source = (0..<40).map { row in direction.map { $0 * (1 + Float(row) / 64) } }
        let output = try run(try configuration(kind), source)
        let k = output.experts[0].count
        #expect(Set(output.experts.map(Set.init)).count == 1)
        #expect(output.tally.touchedExperts == k)
        for row in [0, 15, 16, 31, 32, 39] {
            #expect(bits(try run(try configuration(kind), [source[row]]).rows)[0] == bits(output.rows)[row])
        }
    }

    @Test func withACapacityOfZeroOnlyTheResidualRemains() throws {
        let source = rows(7)
        let output = try run(try configuration(.mixtral) { $0.capacity = 0 }, source)
        #expect(bits(output.rows) == bits(residual(source)))
        #expect(output.tally == LayerTally(passes: 1, rows: 7, assignments: 0, touchedExperts: 0))
    }

    @Test(arguments: [1, 2, 5]) func aCapacityKeepsTheFirstRowsOfAnExpert(capacity: Int) throws {
        let source = rows(24)
        let all = try run(try configuration(.mixtral) { $0.chosenCount = 1 }, source)
        let output = try run(
            try configuration(.mixtral) {
                $0.chosenCount = 1
                $0.capacity = capacity
            }, source)
        #expect(output.experts == all.experts)
        var taken: [Int: Int] = [:]
        var dropped = 0
        for row in source.indices {
            let expert = output.experts[row][0]
            taken[expert, default: 0] += 1
            let isKept = taken[expert, default: 0] <= capacity
            dropped += isKept ? 0 : 1
            let expected = isKept ? all.rows[row] : residual(source)[row]
            #expect(bits([output.rows[row]]) == bits([expected]), "row \(row)")
        }
        #expect(dropped > 0 && output.tally.assignments == source.count - dropped)
    }

    @Test(arguments: ExpertModel.allCases) func rowsBeyondTheCountTouchNothing(kind: ExpertModel) throws {
        let source = rows(5)
        let all = try run(try configuration(kind), source)
        let none = try run(try configuration(kind), source, rowCount: 0)
        #expect(none.tally == LayerTally())
        let some = try run(try configuration(kind), source, rowCount: 3)
        #expect(Array(bits(some.rows)[..<3]) == Array(bits(all.rows)[..<3]))
        #expect(some.tally.passes == 1 && some.tally.rows == 3 && some.experts[4].allSatisfy { $0 == Int(UInt32.max) })
    }
}
