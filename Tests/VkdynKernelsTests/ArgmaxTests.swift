import Testing
import VkdynCore
import VkdynKernels

@Suite struct ArgmaxTests {
    private func argmax(_ row: [Float]) -> UInt32 {
        TwinCall<Argmax>(
            .init(rows: .structure(RowCount(count: 1, capacity: 1)), logits: .floats(row), result: .unwritten(1, as: .u32)),
            .init(rowCapacity: 1, width: UInt32(row.count))
        ).run().words("result")[0]
    }

    @Test func ranksSpecialValues() {
        #expect(argmax([1, 3, 2, 3]) == 1)
        #expect(argmax([.nan, -.infinity]) == 1)
        #expect(argmax([.nan, .nan]) == 0)
        #expect(argmax([-1, -0.0, 0]) == 1)
        #expect(argmax([-1, 0, -0.0]) == 1)
        #expect(argmax([1, .infinity, .nan, .infinity]) == 1)
        #expect(argmax([]) == 0)
    }

    @Test func leavesRowsBeyondTheCount() {
        for kernelCase in Argmax.cases {
            let call = TwinCall<Argmax>(kernelCase)
            let before = call.words("result")
            let count = Int(call.structure("rows", as: RowCount.self).count)
            call.run()
            #expect(call.words("result").dropFirst(count) == before.dropFirst(count), "\(kernelCase.label)")
        }
    }
}
