import Testing
import VkdynCore
import VkdynKernels

@Suite struct CombineExpertsTests {
    /// All cases against the formula in double precision, dropped slots and what nobody may read included.
    @Test func agreesWithTheFormulaInDouble() {
        for run in TwinRun<CombineExperts>.all() {
            let p = run.parameters
            let (width, k) = (Int(p.width), Int(p.k))
            let (positions, weights) = (run.before[1]!.words, run.before[3]!.floats)
            let source = run.before[4]!.floats
            let (shared, residual) = (run.before[5]?.floats, run.before[6]?.floats)
            for row in 0..<run.rowCount {
                for i in 0..<width {
                    var (sum, magnitude) = (0.0, 0.0)
                    for slot in row * k..<(row + 1) * k where positions[slot] < p.positionCount {
                        let product = Double(source[Int(positions[slot]) * width + i]) * Double(weights[slot])
                        sum += product
                        magnitude += abs(product)
                    }
                    for other in [shared, residual] {
                        guard let other else { continue }
                        sum += Double(other[row * width + i])
                        magnitude += abs(Double(other[row * width + i]))
                    }
                    let value = run.after[7]!.floats[row * width + i]
                    let bound = Double(k + 3) * 0x1p-24 * magnitude + 0x1p-149
                    #expect(agrees(value, sum, bound: bound), "\(run.label): row \(row), element \(i)")
                }
            }
            let rest = run.rowCount * width
            #expect(run.after[7]!.words.dropFirst(rest) == run.before[7]!.words.dropFirst(rest), "\(run.label)")
        }
    }

    private func combine(positions: [UInt32], experts: [UInt32]?, weights: [Float], source: [Float]) -> [Float] {
        TwinCall<CombineExperts>(
            .init(
                rows: .structure(RowCount(count: 1, capacity: 1)), positions: .words(positions),
                experts: experts.map { .words($0) }, weights: .floats(weights), source: .floats(source),
                result: .unwritten(1)),
            .init(
                rowCapacity: 1, width: 1, k: UInt32(positions.count), positionCount: UInt32(source.count))
        ).run().floats("result")
    }

    @Test func sumsInAscendingExpertWhateverTheSlots() {
        // 1e8 swallows 1 when they meet first: by expert 5, 2, 9 the sum is (1 + −1e8) + 1e8.
        let (weights, source): ([Float], [Float]) = ([1, 1, 1], [-1e8, 1, 1e8])
        #expect(combine(positions: [0, 1, 2], experts: [5, 2, 9], weights: weights, source: source) == [0])
        #expect(combine(positions: [2, 1, 0], experts: [9, 2, 5], weights: weights, source: source) == [0])
        #expect(combine(positions: [0, 2, 1], experts: [5, 7, 9], weights: weights, source: source) == [1])
        #expect(combine(positions: [0, 2, 1], experts: nil, weights: weights, source: source) == [1])
    }

    @Test func droppedSlotsAreSkippedWithTheirWeights() {
        let result = combine(positions: [.max, 0], experts: [0, 1], weights: [.nan, 2], source: [3])
        #expect(result == [6])
        #expect(combine(positions: [.max], experts: nil, weights: [.nan], source: []) == [0])
    }

    /// Gate, grouping, gather, an expert's work, combination: against each token on its own, and in another batch.
    @Test func aLayerOfExpertsTreatsEachTokenAsIfAlone() {
        var random = CaseGenerator(seed: 51)
        let (rows, width, experts, k) = (13, 6, 5, 2)
        let tokens = random.floats(rows * width, scale: 3)
        let logits = random.floats(rows * experts, scale: 2)
        let factors = random.floats(experts, scale: 2)
        let whole = layer(tokens, logits, width, experts, k, factors)
        for row in 0..<rows {
            let token = Array(tokens[row * width..<(row + 1) * width])
            let alone = layer(token, Array(logits[row * experts..<(row + 1) * experts]), width, experts, k, factors)
            let part = whole[row * width..<(row + 1) * width]
            #expect(alone.map(\.bitPattern) == part.map(\.bitPattern), "row \(row)")
        }
    }

    /// Experts that multiply by a factor.
    private func layer(
        _ tokens: [Float], _ logits: [Float], _ width: Int, _ experts: Int, _ k: Int, _ factors: [Float]
    ) -> [Float] {
        let rows = tokens.count / width
        let count = UInt32(rows)
        let rowCount = BufferContents.structure(RowCount(count: count, capacity: count))
        let gate = TwinCall<Route>(
            .init(
                rows: rowCount, logits: .floats(logits), experts: .unwritten(rows * k, as: .u32),
                weights: .unwritten(rows * k)),
            .init(
                rowCapacity: count, expertCount: UInt32(experts), k: UInt32(k), groupCount: 1, keptGroups: 1,
                scale: 1),
            .init(normalisation: Route.Normalisation.sum.rawValue)
        ).run()
        let groups = TwinCall<GroupExperts>(
            .init(
                rows: rowCount, experts: .words(gate.words("experts")), sources: .unwritten(rows * k, as: .u32),
                positions: .unwritten(rows * k, as: .u32), counts: .unwritten(experts, as: .u32),
                offsets: .unwritten(experts + 1, as: .u32), grouped: .unwritten(3, as: .u32),
                dropped: .unwritten(1, as: .u32)),
            .init(
                rowCapacity: count, k: UInt32(k), expertCount: UInt32(experts), sequenceRows: 0, expertCapacity: .max,
                droppedIndex: 0)
        ).run()
        var gathered = TwinCall<GatherRows>(
            .init(
                rows: .words(groups.words("grouped")), indices: .words(groups.words("sources")), source: .floats(tokens),
                result: .unwritten(rows * k * width)),
            .init(
                rowCapacity: UInt32(rows * k), width: UInt32(width), sourceRows: count, divisor: UInt32(k),
                rowsPerGroup: UInt32(rows * k), groupStride: 0)
        ).run().floats("result")
        let offsets = groups.words("offsets").map { Int($0) }
        for expert in 0..<experts {
            for i in offsets[expert] * width..<offsets[expert + 1] * width { gathered[i] *= factors[expert] }
        }
        return TwinCall<CombineExperts>(
            .init(
                rows: rowCount, positions: .words(groups.words("positions")), experts: .words(gate.words("experts")),
                weights: .floats(gate.floats("weights")), source: .floats(gathered), residual: .floats(tokens),
                result: .unwritten(rows * width)),
            .init(
                rowCapacity: count, width: UInt32(width), k: UInt32(k), positionCount: UInt32(rows * k))
        ).run().floats("result")
    }
}
