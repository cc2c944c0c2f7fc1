import Testing
import VkdynCore
import VkdynKernels

@Suite struct ExpertRunTests {
    @Test func gatheredColumnsAreTheirSources() {
        for run in TwinRun<GatherColumns>.all() {
            let p = run.parameters
            let (width, k) = (Int(p.width), Int(p.k))
            let (indices, source) = (run.before[1]!.words, run.before[2]!.words)
            var expected = run.before[3]!.words
            for row in 0..<run.rowCount {
                let own = source[row * width..<(row + 1) * width]
                for slot in row * k..<(row + 1) * k {
                    expected[slot] = indices[slot] < p.width ? own[own.startIndex + Int(indices[slot])] : 0xFFFF_FFFF
                }
            }
            #expect(run.after[3]!.words == expected, "\(run.label)")
        }
    }

    private static let (rows, k, expertCount, depth, width) = (9, 3, 6, 40, 12)

    /// A layer of experts, from the rows' choices to their weighted sum, over given assignments.
    private func layer(
        assigned: [UInt32], each: Int, chosen: [UInt32], weights: [Float], source: [Float], matrices: [Float]
    ) -> (result: [UInt32], products: Int) {
        let (rows, k, experts, depth, width) = (Self.rows, Self.k, Self.expertCount, Self.depth, Self.width)
        let rowCount = BufferContents.structure(RowCount(count: UInt32(rows), capacity: UInt32(rows)))
        let positions = rows * each
        let groups = TwinCall<GroupExperts>(
            .init(
                rows: rowCount, experts: .words(assigned), sources: .unwritten(positions, as: .u32),
                positions: .unwritten(positions, as: .u32), counts: .unwritten(experts, as: .u32),
                offsets: .unwritten(experts + 1, as: .u32), grouped: .unwritten(3, as: .u32),
                dropped: .unwritten(1, as: .u32)),
            .init(
                rowCapacity: UInt32(rows), k: UInt32(each), expertCount: UInt32(experts), sequenceRows: 0,
                expertCapacity: .max, droppedIndex: 0)
        ).run()
        let tileCapacity = ExpertTiles.capacity(positions: positions, experts: experts, tileRows: 4)
        let tiles = TwinCall<ExpertTiles>(
            .init(
                offsets: .words(groups.words("offsets")), tiles: .unwritten(3 * tileCapacity, as: .u32),
                tileCount: .unwritten(3, as: .u32)),
            .init(expertCount: UInt32(experts), tileRows: 4, tileCapacity: UInt32(tileCapacity))
        ).run()
        let product = TwinCall<GroupedMatmul>(
            .init(
                tileCount: .words(tiles.words("tileCount")), tiles: .words(tiles.words("tiles")),
                sourceRows: .words(groups.words("sources")), source: .floats(source), weights: .floats(matrices),
                result: .unwritten(positions * width)),
            .init(
                tileCapacity: UInt32(tileCapacity), tileRows: 4, positionCount: UInt32(positions),
                rowCount: UInt32(rows), divisor: UInt32(each), depth: UInt32(depth), columns: UInt32(width),
                resultStride: UInt32(width), resultOffset: 0, groupSize: UInt32(depth))
        ).run()
        var places = groups.words("positions")
        if each == experts {
            places = TwinCall<GatherColumns>(
                .init(
                    rows: rowCount, indices: .words(chosen), source: .words(places),
                    result: .unwritten(rows * k, as: .u32)),
                .init(rowCapacity: UInt32(rows), width: UInt32(experts), k: UInt32(k))
            ).run().words("result")
        }
        let sum = TwinCall<CombineExperts>(
            .init(
                rows: rowCount, positions: .words(places), experts: .words(chosen), weights: .floats(weights),
                source: .floats(product.floats("result")), result: .unwritten(rows * width)),
            .init(
                rowCapacity: UInt32(rows), width: UInt32(width), k: UInt32(k), positionCount: UInt32(positions))
        ).run()
        return (sum.words("result"), Int((groups.structure("grouped") as RowCount).count))
    }

    /// Computing all experts and taking the chosen ones gives the bits of computing the chosen ones alone.
    @Test func allExpertsComputedGiveTheSameBits() {
        var random = CaseGenerator(seed: 52)
        let (rows, experts) = (Self.rows, UInt32(Self.expertCount))
        let chosen = (0..<rows).flatMap { _ in (0..<experts).shuffled(using: &random).prefix(Self.k) }
        let weights = random.floats(rows * Self.k)
        let source = random.floats(rows * Self.depth)
        let layout = PackedLayout(depth: Self.depth, columns: Self.width, elementType: .f32)
        let matrices = (0..<experts).flatMap { _ -> [Float] in
            let values = random.floats(Self.depth * Self.width)
            return layout.pack(padding: .nan) { values[$0 * Self.width + $1] }
        }
        let sparse = layer(
            assigned: chosen, each: Self.k, chosen: chosen, weights: weights, source: source, matrices: matrices)
        let dense = layer(
            assigned: (0..<rows).flatMap { _ in 0..<experts }, each: Self.expertCount, chosen: chosen,
            weights: weights, source: source, matrices: matrices)
        #expect(sparse.products == rows * Self.k && dense.products == rows * Self.expertCount)
        #expect(sparse.result == dense.result)
        #expect(Set(sparse.result).count > rows)
    }

    @Test func aTallyAddsUpOnePass() {
        for run in TwinRun<TallyExperts>.all() {
            let p = run.parameters
            let (k, layer, layers) = (Int(p.k), Int(p.layer), Int(p.layerCount))
            let (positions, experts, offsets) = (run.before[1]!.words, run.before[2]!.words, run.before[3]!.words)
            var (log, tally) = (run.before[4]!.words, run.before[5]!.words)
            let chosen = experts.prefix(run.rowCount * k).filter { $0 < p.expertCount }
            for row in 0..<run.rowCount where positions[row] < p.logCapacity {
                let place = Int(positions[row]) * layers * k + layer * k
                log.replaceSubrange(place..<place + k, with: experts[row * k..<(row + 1) * k])
            }
            let added = run.rowCount == 0 ? [0, 0, 0, 0] : [1, run.rowCount, chosen.count, Set(chosen).count]
            for (index, count) in added.enumerated() { tally[layer * 4 + index] &+= UInt32(count) }
            #expect(Int(offsets[Int(p.expertCount)]) == chosen.count, "\(run.label)")
            #expect(run.after[4]!.words == log, "\(run.label)")
            #expect(run.after[5]!.words == tally, "\(run.label)")
        }
    }

    /// Passes of a speculative generation: positions 0 to 3, then 4 to 6 of which the last two are computed again.
    @Test func aPositionHasTheExpertsOfItsLastPass() {
        let (k, layers, capacity) = (2, 2, 8)
        var log = BufferContents.unwritten(capacity * layers * k, as: .u32)
        var tally = BufferContents.words([UInt32](repeating: 0, count: 8))
        let passes: [(positions: [UInt32], experts: [UInt32])] = [
            ([0, 1, 2, 3], [0, 1, 1, 2, 3, 0, 0, 2]), ([4, 5, 6], [1, 0, 2, 3, 2, 1]), ([5, 6], [0, 3, 3, 0]),
        ]
        for pass in passes {
            for layer in 0..<UInt32(layers) {
                // The second layer chooses the experts in the other order.
                let experts = layer == 0 ? pass.experts : pass.experts.map { 3 - $0 }
                let offsets = (0...UInt32(4)).map { expert in UInt32(experts.count { $0 < expert }) }
                let count = UInt32(pass.positions.count)
                let call = TwinCall<TallyExperts>(
                    .init(
                        rows: .structure(RowCount(count: count, capacity: count)), positions: .words(pass.positions),
                        experts: .words(experts), offsets: .words(offsets), log: log, tally: tally),
                    .init(
                        rowCapacity: count, k: UInt32(k), expertCount: 4, layer: layer, layerCount: UInt32(layers),
                        logCapacity: UInt32(capacity))
                ).run()
                (log, tally) = (.words(call.words("log")), .words(call.words("tally")))
            }
        }
        let first: [UInt32] = [0, 1, 1, 2, 3, 0, 0, 2, 1, 0, 0, 3, 3, 0]
        for position in 0..<7 {
            let own = Array(first[position * 2..<position * 2 + 2])
            #expect(Array(log.words[position * 4..<position * 4 + 4]) == own + own.map { 3 - $0 })
        }
        #expect(log.words[28...] == BufferContents.unwritten(4, as: .u32).words[...])
        // Passes, rows, assignments, experts touched: 4 + 4 + 2.
        #expect(tally.words == [3, 9, 18, 10, 3, 9, 18, 10])
    }
}
