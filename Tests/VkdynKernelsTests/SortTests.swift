import Testing
import VkdynCore
import VkdynKernels

@Suite struct SortTests {
    private func sort(_ keys: BufferContents, isDescending: Bool = false) -> (order: [UInt32], ranks: [UInt32]) {
        let call = TwinCall<Sort>(
            .init(
                rows: .structure(RowCount(count: 1, capacity: 1)), keys: keys,
                order: .unwritten(keys.count, as: .u32), ranks: .unwritten(keys.count, as: .u32)),
            .init(rowCapacity: 1, width: UInt32(keys.count)),
            .init(keysAreFloats: keys.elementType == .f32, descending: isDescending)
        ).run()
        return (call.words("order"), call.words("ranks"))
    }

    @Test func ranksSpecialValues() {
        let values: [Float] = [0, .nan, -1, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, 0]
        #expect(sort(.floats(values)).order == [1, 6, 5, 2, 0, 3, 8, 7, 4])
        #expect(sort(.floats(values), isDescending: true).order == [4, 7, 0, 3, 8, 2, 5, 1, 6])
        #expect(sort(.words([5, 0, .max, 5, 0x8000_0000])).order == [1, 0, 3, 4, 2])
        #expect(sort(.words([5, 0, .max, 5, 0x8000_0000]), isDescending: true).order == [2, 4, 0, 3, 1])
    }

    /// Against insertion into a list, one key at a time: after all that are not greater, which is what stable means.
    @Test func agreesWithInsertion() {
        var random = CaseGenerator(seed: 3)
        for trial in 0..<200 {
            let width = Int.random(in: 0...60, using: &random)
            let values = (0..<width).map { _ in Float(Int.random(in: -4...4, using: &random)) * 0.5 }
            for isDescending in [false, true] {
                var list: [Int] = []
                for (index, value) in values.enumerated() {
                    let place = list.firstIndex { isDescending ? values[$0] < value : values[$0] > value }
                    list.insert(index, at: place ?? list.count)
                }
                let result = sort(.floats(values), isDescending: isDescending)
                #expect(result.order == list.map { UInt32($0) }, "trial \(trial)")
                for (place, index) in result.order.enumerated() {
                    #expect(result.ranks[Int(index)] == UInt32(place), "trial \(trial)")
                }
            }
        }
    }

    @Test func leavesWhatLiesBeyondTheCounts() {
        for kernelCase in Sort.cases {
            let run = TwinRun(Sort.self, kernelCase)
            let width = Int(run.parameters.width)
            let count = run.before[2].map { min(Int($0.words[0]), width) } ?? width
            for binding in [3, 4] {
                guard let before = run.before[binding]?.words, let after = run.after[binding]?.words else { continue }
                for element in before.indices where element / width >= run.rowCount || element % width >= count {
                    #expect(after[element] == before[element], "\(run.label)")
                }
            }
        }
    }
}
