import Testing
import VkdynCore
import VkdynKernels

@Suite struct GroupedMatmulTests {
    /// Each position's row has the bits that the plain product gives for that row alone and that expert's matrix; the
    /// rest of the result, rows of missing experts and the margins of rows included, is as it was.
    @Test func everyPositionHasThePlainProductsBits() {
        for run in TwinRun<GroupedMatmul>.all() {
            let p = run.parameters
            let (depth, columns) = (Int(p.depth), Int(p.columns))
            let weights = run.before[5]!
            let layout = PackedLayout(depth: depth, columns: columns, elementType: weights.elementType)
            let matrixBytes = layout.elementCount * weights.elementType.byteCount
            let groups = run.before[6] == nil ? 0 : (depth + Int(p.groupSize) - 1) / Int(p.groupSize)
            let scaleCount = groups * layout.paddedColumns
            let (tileWords, tileCount) = (run.before[1]!.words, run.before[0]!.words)
            let source = run.before[4]!.floats
            var expected = run.before[8]!.words
            for tile in 0..<Int(min(tileCount[0], p.tileCapacity)) {
                let expert = Int(tileWords[3 * tile])
                let slot = run.before[3].map { Int(Int32(bitPattern: $0.words[expert])) } ?? expert
                if slot < 0 { continue }
                let first = Int(tileWords[3 * tile + 1])
                for position in first..<first + Int(tileWords[3 * tile + 2]) {
                    let row = run.before[2].map { Int($0.words[position]) / Int(p.divisor) } ?? position
                    let plain = TwinRun<Matmul>(
                        Matmul.self,
                        Matmul.makeCase(
                            "row",
                            .init(
                                rows: .structure(RowCount(count: 1, capacity: 1)),
                                source: .floats(Array(source[row * depth..<(row + 1) * depth])),
                                weights: BufferContents(
                                    elementType: weights.elementType,
                                    bytes: Array(weights.bytes[slot * matrixBytes..<(slot + 1) * matrixBytes])),
                                scales: run.before[6].map {
                                    .floats(Array($0.floats[slot * scaleCount..<(slot + 1) * scaleCount]))
                                },
                                bias: run.before[7].map {
                                    .floats(Array($0.floats[expert * columns..<(expert + 1) * columns]))
                                }, result: .unwritten(columns)),
                            .init(
                                rowCapacity: 1, depth: UInt32(depth), columns: UInt32(columns), batchCount: 1,
                                sourceStride: UInt32(depth), sourceOffset: 0, sourceBatchStride: 0,
                                resultStride: UInt32(columns), resultOffset: 0, resultBatchStride: 0,
                                groupSize: p.groupSize),
                            .init(activation: run.constants.activation, largeGroups: run.constants.largeGroups)))
                    let place = Int(p.resultOffset) + position * Int(p.resultStride)
                    expected.replaceSubrange(place..<place + columns, with: plain.after[6]!.words)
                }
            }
            #expect(run.after[8]!.words == expected, "\(run.label)")
        }
    }

    /// Cases have what the test above looks for: experts that are not there, others in an order of their own.
    @Test func casesHaveMissingAndPermutedExperts() {
        let slots = TwinRun<GroupedMatmul>.all().compactMap { $0.before[3]?.words }
        #expect(slots.contains { $0.contains(.max) && !$0.allSatisfy { $0 == .max } })
        #expect(slots.contains { !$0.contains(.max) && $0 != $0.sorted() })
        #expect(slots.contains { $0.allSatisfy { $0 == .max } })
    }

    /// Experts' columns that no view holds at once come in pieces, each at its offset of one result.
    @Test func columnsInPiecesGiveTheSameBits() {
        var random = CaseGenerator(seed: 51)
        let (experts, positions, depth, columns) = (3, 7, 300, 45)
        let source = random.floats(positions * depth)
        let values = random.floats(experts * depth * columns)
        let bias = random.floats(experts * columns)
        let tiles = [
            ExpertTile(expert: 0, first: 0, count: 2), ExpertTile(expert: 2, first: 2, count: 4),
            ExpertTile(expert: 2, first: 6, count: 1),
        ]
        func product(_ range: Range<Int>, into result: BufferContents) -> [Float] {
            let layout = PackedLayout(depth: depth, columns: range.count, elementType: .bf16)
            let weights = (0..<experts).flatMap { expert in
                layout.pack(padding: .nan) { values[(expert * depth + $0) * columns + range.lowerBound + $1] }
            }
            return TwinCall<GroupedMatmul>(
                .init(
                    tileCount: .structure(RowCount(count: 3, capacity: 3)), tiles: .structures(tiles),
                    source: .floats(source), weights: .floats(weights, as: .bf16),
                    bias: .floats((0..<experts).flatMap { bias[$0 * columns..<($0 + 1) * columns][range: range] }),
                    result: result),
                .init(
                    tileCapacity: 3, tileRows: 4, positionCount: UInt32(positions), rowCount: UInt32(positions),
                    divisor: 1, depth: UInt32(depth), columns: UInt32(range.count), resultStride: UInt32(columns),
                    resultOffset: UInt32(range.lowerBound), groupSize: UInt32(depth)),
                .init(activation: Activation.silu.rawValue)
            ).run().floats("result")
        }
        let whole = product(0..<columns, into: .unwritten(positions * columns))
        var pieces = BufferContents.unwritten(positions * columns)
        for range in [32..<45, 0..<4, 4..<32] { pieces = .floats(product(range, into: pieces)) }
        #expect(pieces.words == whole.map(\.bitPattern))
    }
}

extension ArraySlice {
    /// Elements by their distance from the first.
    fileprivate subscript(range range: Range<Int>) -> ArraySlice {
        self[startIndex + range.lowerBound..<startIndex + range.upperBound]
    }
}
