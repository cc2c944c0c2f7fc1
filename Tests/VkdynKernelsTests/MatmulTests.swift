import Testing
import VkdynCore
import VkdynKernels

/// The matrix product against its formula in double precision, by a layout written out anew.
@Suite struct MatmulTests {
    @Test func everyCaseAgreesWithItsFormulaWithinTheStatedBound() {
        for run in TwinRun<Matmul>.all() {
            let p = run.parameters
            let (depth, columns, batches) = (Int(p.depth), Int(p.columns), Int(p.batchCount))
            let (source, weights) = (run.before[1]!.floats, run.before[2]!)
            let perWord = 4 / weights.elementType.byteCount
            let values: [Float] =
                weights.elementType == .i8 ? weights.bytes.map { Float(Int8(bitPattern: $0)) } : weights.floats
            let scales = run.before[3]?.floats
            let (bias, residual) = (run.before[4]?.floats, run.before[5]?.floats)
            let (before, after) = (run.before[6]!.floats, run.after[6]!.floats)
            let activation = Activation(rawValue: run.constants.activation)!
            let matrix = (depth + perWord - 1) / perWord * perWord * ((columns + 3) / 4 * 4)
            let groups = scales == nil ? 0 : (depth + Int(p.groupSize) - 1) / Int(p.groupSize)
            var isWritten = [Bool](repeating: false, count: after.count)
            var wrong = 0
            for batch in 0..<batches {
                for row in 0..<run.rowCount {
                    let first = Int(p.sourceOffset) + batch * Int(p.sourceBatchStride) + row * Int(p.sourceStride)
                    let place = Int(p.resultOffset) + batch * Int(p.resultBatchStride) + row * Int(p.resultStride)
                    for column in 0..<columns {
                        var sum = 0.0
                        var magnitude = 0.0
                        for k in 0..<depth {
                            let index =
                                batch * matrix
                                + packedElement(k, column, depth: depth, columns: columns, perWord: perWord)
                            var product = Double(source[first + k]) * Double(values[index])
                            if let scales {
                                let group = batch * groups + k / Int(p.groupSize)
                                product *= Double(scales[group * ((columns + 3) / 4 * 4) + column])
                            }
                            sum += product
                            magnitude += abs(product)
                        }
                        if let bias { sum += Double(bias[batch * columns + column]) }
                        let activated = Double(activation(Float(sum)))
                        let exact = activated + Double(residual?[place + column] ?? 0)
                        let slack = (258 + Double(depth / 256) + 2 * Double(groups)) * 0x1p-24 * magnitude
                        // The activations' slopes stay below 1.2.
                        let bound = 1.2 * slack + 8 * 0x1p-24 * (abs(sum) + abs(exact) + 1)
                        // Where products or their sums leave f32, an infinity or a NaN is what the order gives.
                        let overflows = !(magnitude < 0x1p127)
                        if !overflows, !agrees(after[place + column], exact, bound: bound) { wrong += 1 }
                        if magnitude.isNaN, !after[place + column].isNaN { wrong += 1 }
                        isWritten[place + column] = true
                    }
                }
            }
            #expect(wrong == 0, "\(run.label)")
            let touched = after.indices.filter {
                !isWritten[$0] && after[$0].bitPattern != before[$0].bitPattern
            }
            #expect(touched.isEmpty, "\(run.label)")
        }
    }

    /// A chunk's sum is finished before the next: 2²⁴ + 1 + … + 1 loses its ones within a chunk, not across.
    @Test func chunkSumsAreAddedInAscendingOrder() {
        let layout = PackedLayout(depth: 512, columns: 1, elementType: .f32)
        let weights = layout.pack { k, _ in k == 0 ? 0x1p24 : 1 }
        let run = TwinRun<Matmul>(
            Matmul.self,
            Matmul.makeCase(
                "chunks",
                .init(
                    rows: .structure(RowCount(count: 1, capacity: 1)),
                    source: .floats([Float](repeating: 1, count: 512)), weights: .floats(weights),
                    result: .unwritten(1)),
                .init(
                    rowCapacity: 1, depth: 512, columns: 1, batchCount: 1, sourceStride: 512, sourceOffset: 0,
                    sourceBatchStride: 0, resultStride: 1, resultOffset: 0, resultBatchStride: 0, groupSize: 512)))
        #expect(run.after[6]!.floats == [0x1p24 + 256])
    }

    @Test func aColumnsBitsDoNotDependOnItsNeighbours() {
        // The same column alone, and among others in a block of another width.
        var random = CaseGenerator(seed: 5)
        let (depth, source) = (300, random.floats(300))
        let column = random.floats(depth)
        var results: [UInt32] = []
        for (columns, place) in [(1, 0), (5, 4), (33, 32), (70, 40)] {
            let others = random.floats(depth * columns)
            let layout = PackedLayout(depth: depth, columns: columns, elementType: .f32)
            let weights = layout.pack { k, n in n == place ? column[k] : others[k * columns + n] }
            let run = TwinRun<Matmul>(
                Matmul.self,
                Matmul.makeCase(
                    "column \(place) of \(columns)",
                    .init(
                        rows: .structure(RowCount(count: 1, capacity: 1)), source: .floats(source),
                        weights: .floats(weights), result: .unwritten(columns)),
                    .init(
                        rowCapacity: 1, depth: UInt32(depth), columns: UInt32(columns), batchCount: 1,
                        sourceStride: UInt32(depth), sourceOffset: 0, sourceBatchStride: 0,
                        resultStride: UInt32(columns), resultOffset: 0, resultBatchStride: 0, groupSize: 1)))
            results.append(run.after[6]!.floats[place].bitPattern)
        }
        #expect(Set(results).count == 1)
    }
}

/// Where the element of (k, column) lies, told from the description alone: blocks of 32 columns, rows of words, words
/// of p consecutive k's.
func packedElement(_ k: Int, _ column: Int, depth: Int, columns: Int, perWord p: Int) -> Int {
    let padded = (columns + 3) / 4 * 4
    let block = column / 32
    let words = (depth + p - 1) / p
    var before = 0
    for earlier in 0..<block { before += (min((earlier + 1) * 32, padded) - earlier * 32) * words }
    let width = min((block + 1) * 32, padded) - block * 32
    return (before + k / p * width + column % 32) * p + k % p
}
