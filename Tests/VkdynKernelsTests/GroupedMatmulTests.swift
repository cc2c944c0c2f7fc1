import Testing
import VkdynCore
import VkdynKernels

@Suite struct GroupedMatmulTests {
    /// Each position's row has the bits that the plain product gives for that row alone and that expert's matrix.
    @Test func everyPositionHasThePlainProductsBits() {
        for run in TwinRun<GroupedMatmul>.all() {
            let p = run.parameters
            let (depth, columns) = (Int(p.depth), Int(p.columns))
            let weights = run.before[4]!
            let layout = PackedLayout(depth: depth, columns: columns, elementType: weights.elementType)
            let matrixBytes = layout.elementCount * weights.elementType.byteCount
            let groups = run.before[5] == nil ? 0 : (depth + Int(p.groupSize) - 1) / Int(p.groupSize)
            let (tileWords, tileCount) = (run.before[1]!.words, run.before[0]!.words)
            let (source, result) = (run.before[3]!.floats, run.after[7]!.floats)
            var isWritten = [Bool](repeating: false, count: Int(p.positionCount))
            for tile in 0..<Int(min(tileCount[0], p.tileCapacity)) {
                let expert = Int(tileWords[3 * tile])
                let first = Int(tileWords[3 * tile + 1])
                for position in first..<first + Int(tileWords[3 * tile + 2]) {
                    let row = run.before[2].map { Int($0.words[position]) } ?? position
                    let scales = run.before[5].map {
                        Array($0.floats[expert * groups * layout.paddedColumns..<(expert + 1) * groups * layout.paddedColumns])
                    }
                    let plain = TwinRun<Matmul>(
                        Matmul.self,
                        Matmul.makeCase(
                            "row",
                            .init(
                                rows: .structure(RowCount(count: 1, capacity: 1)),
                                source: .floats(Array(source[row * depth..<(row + 1) * depth])),
                                weights: BufferContents(
                                    elementType: weights.elementType,
                                    bytes: Array(weights.bytes[expert * matrixBytes..<(expert + 1) * matrixBytes])),
                                scales: scales.map { .floats($0) },
                                bias: run.before[6].map {
                                    .floats(Array($0.floats[expert * columns..<(expert + 1) * columns]))
                                }, result: .unwritten(columns)),
                            .init(
                                rowCapacity: 1, depth: UInt32(depth), columns: UInt32(columns), batchCount: 1,
                                sourceStride: UInt32(depth), sourceOffset: 0, sourceBatchStride: 0,
                                resultStride: UInt32(columns), resultOffset: 0, resultBatchStride: 0,
                                groupSize: p.groupSize),
                            .init(activation: run.constants.activation, largeGroups: run.constants.largeGroups)))
                    let own = result[position * columns..<(position + 1) * columns].map(\.bitPattern)
                    #expect(own == plain.after[6]!.floats.map(\.bitPattern), "\(run.label), position \(position)")
                    isWritten[position] = true
                }
            }
            let before = run.before[7]!.floats
            for position in isWritten.indices where !isWritten[position] {
                let range = position * columns..<(position + 1) * columns
                #expect(result[range].map(\.bitPattern) == before[range].map(\.bitPattern), "\(run.label)")
            }
        }
    }
}
