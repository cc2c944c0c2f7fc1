import Testing
import VkdynCore
import VkdynKernels

@Suite struct TopKTests {
    private func topK(
        _ source: [Float], rows: Int, _ parameters: TopK.Parameters, isIndexOrder: Bool = false
    ) -> (indices: [UInt32], largest: [Float]) {
        let count = rows * Int(parameters.k)
        let call = TwinCall<TopK>(
            .init(
                rows: .structure(RowCount(count: UInt32(rows), capacity: parameters.rowCapacity)),
                source: .floats(source), indices: .unwritten(count, as: .u32), largest: .unwritten(count)),
            parameters, .init(indexOrder: isIndexOrder)
        ).run()
        return (call.words("indices"), call.floats("largest"))
    }

    private func row(_ source: [Float], k: Int, isIndexOrder: Bool = false) -> (indices: [UInt32], largest: [Float]) {
        topK(source, rows: 1, TopK.rows(capacity: 1, width: source.count, k: k), isIndexOrder: isIndexOrder)
    }

    @Test func ranksSpecialValues() {
        #expect(row([1, 3, 2, 3], k: 3).indices == [1, 3, 2])
        #expect(row([.nan, -.infinity, .nan, 5], k: 4).indices == [3, 1, 0, 2])
        #expect(row([-1, -0.0, 0, -0.0], k: 3).indices == [1, 2, 3])
        #expect(row([-1, -0.0, 0, -0.0], k: 3).largest.map(\.bitPattern) == [0x8000_0000, 0, 0x8000_0000])
        #expect(row([1, .infinity, .nan, .infinity], k: 2).indices == [1, 3])
        #expect(row([2, 1], k: 3).indices == [0, 1, .max])
        #expect(row([2, 1], k: 3).largest[2].isNaN)
        #expect(row([1, 3, 2, 3], k: 3, isIndexOrder: true).indices == [1, 2, 3])
    }

    /// k rounds, each of which takes the first of the largest that are left.
    @Test func agreesWithRoundsOfMaxima() {
        var random = CaseGenerator(seed: 8)
        for trial in 0..<200 {
            let width = Int.random(in: 1...80, using: &random)
            let k = Int.random(in: 1...width, using: &random)
            let levels = Int.random(in: 1...100, using: &random)
            let values = (0..<width).map { _ in Float(Int.random(in: 0..<levels, using: &random)) - 3 }
            var left = values.map { Optional($0) }
            var expected: [Int] = []
            for _ in 0..<k {
                var best: Int?
                for (index, value) in left.enumerated() {
                    guard let value else { continue }
                    if best == nil || value > left[best!]! { best = index }
                }
                expected.append(best!)
                left[best!] = nil
            }
            let result = row(values, k: k)
            #expect(result.indices == expected.map { UInt32($0) }, "trial \(trial)")
            #expect(result.largest == expected.map { values[$0] }, "trial \(trial)")
            #expect(row(values, k: k, isIndexOrder: true).indices == expected.sorted().map { UInt32($0) })
        }
    }

    @Test func columnsAreTheRowsOfTheTransposedMatrices() {
        var random = CaseGenerator(seed: 9)
        let (sequences, tokens, experts, k) = (3, 17, 5, 6)
        let source = random.floats(sequences * tokens * experts)
        var transposed: [Float] = []
        for sequence in 0..<sequences {
            for expert in 0..<experts {
                for token in 0..<tokens { transposed.append(source[(sequence * tokens + token) * experts + expert]) }
            }
        }
        let count = sequences * experts
        for isIndexOrder in [false, true] {
            let columns = topK(
                source, rows: count, TopK.columns(capacity: count, columns: experts, width: tokens, k: k),
                isIndexOrder: isIndexOrder)
            let rows = topK(
                transposed, rows: count, TopK.rows(capacity: count, width: tokens, k: k), isIndexOrder: isIndexOrder)
            #expect(columns.indices == rows.indices)
            #expect(columns.largest == rows.largest)
        }
    }

    @Test func leavesRowsBeyondTheCount() {
        for run in TwinRun<TopK>.all() {
            let start = run.rowCount * Int(run.parameters.k)
            for binding in [2, 3] {
                #expect(run.after[binding]!.words.dropFirst(start) == run.before[binding]!.words.dropFirst(start))
            }
        }
    }
}
