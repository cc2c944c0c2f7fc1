import Testing
import VkdynCore
import VkdynKernels

@Suite struct InvertChoiceTests {
    /// Experts choose tokens, and each token finds every place where it was chosen, and no other.
    @Test func everyChoiceIsFoundByItsToken() {
        var random = CaseGenerator(seed: 71)
        let (sequences, tokens, experts, k) = (3, 11, 4, 5)
        let count = UInt32(sequences * experts)
        let choice = TwinCall<TopK>(
            .init(
                rows: .structure(RowCount(count: count, capacity: count)),
                source: .floats(random.floats(sequences * tokens * experts)),
                indices: .unwritten(sequences * experts * k, as: .u32), largest: .unwritten(sequences * experts * k)),
            TopK.columns(capacity: sequences * experts, columns: experts, width: tokens, k: k), .init(indexOrder: true)
        ).run().words("indices")
        let rows = UInt32(sequences * tokens)
        let positions = TwinCall<InvertChoice>(
            .init(
                rows: .structure(RowCount(count: rows, capacity: rows)), indices: .words(choice),
                positions: .unwritten(Int(rows) * experts, as: .u32)),
            .init(
                rowCapacity: rows, expertCount: UInt32(experts), sequenceRows: UInt32(tokens), k: UInt32(k))
        ).run().words("positions")
        var expected = [UInt32](repeating: .max, count: Int(rows) * experts)
        for (position, token) in choice.enumerated() {
            let (list, expert) = (position / k, position / k % experts)
            expected[(list / experts * tokens + Int(token)) * experts + expert] = UInt32(position)
        }
        #expect(positions == expected)
    }
}
