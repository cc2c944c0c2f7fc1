import Testing
import VkdynCore
import VkdynKernels

@Suite struct GroupExpertsTests {
    private struct Groups {
        let sources: [UInt32]
        let positions: [UInt32]
        let counts: [UInt32]
        let offsets: [UInt32]
        let grouped: RowCount
        let dropped: UInt32
    }

    private func group(
        _ experts: [UInt32], k: Int, expertCount: Int, sequenceRows: Int = 0, capacity: UInt32 = .max
    ) -> Groups {
        let rows = experts.count / k
        let call = TwinCall<GroupExperts>(
            .init(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(rows))), experts: .words(experts),
                sources: .unwritten(experts.count, as: .u32), positions: .unwritten(experts.count, as: .u32),
                counts: .unwritten(expertCount, as: .u32), offsets: .unwritten(expertCount + 1, as: .u32),
                grouped: .unwritten(3, as: .u32), dropped: .unwritten(1, as: .u32)),
            .init(
                rowCapacity: UInt32(rows), k: UInt32(k), expertCount: UInt32(expertCount),
                sequenceRows: UInt32(sequenceRows), expertCapacity: capacity, droppedIndex: 0)
        ).run()
        return Groups(
            sources: call.words("sources"), positions: call.words("positions"), counts: call.words("counts"),
            offsets: call.words("offsets"), grouped: call.structure("grouped"), dropped: call.words("dropped")[0])
    }

    /// Assignments sorted by (expert, row, slot), after all beyond the capacity of their sequence were struck out.
    @Test func agreesWithAPlainSort() {
        var random = CaseGenerator(seed: 41)
        for trial in 0..<100 {
            let (rows, k) = (Int.random(in: 0...60, using: &random), Int.random(in: 1...4, using: &random))
            let expertCount = Int.random(in: k...20, using: &random)
            let sequenceRows = [0, 1, 7, 20, 100][trial % 5]
            let capacity: UInt32 = [.max, 0, 1, 3, 8][trial / 5 % 5]
            // One beyond the experts is no assignment.
            let experts = (0..<rows).flatMap { _ in (0...UInt32(expertCount)).shuffled(using: &random).prefix(k) }
            let result = group(
                experts, k: k, expertCount: expertCount, sequenceRows: sequenceRows, capacity: capacity)

            var used: [[Int]: Int] = [:]
            var dropped = 0
            var staying: [Int] = []
            for (assignment, expert) in experts.enumerated() where expert < expertCount {
                let sequence = sequenceRows == 0 ? 0 : assignment / k / sequenceRows
                let count = used[[sequence, Int(expert)], default: 0]
                used[[sequence, Int(expert)]] = count + 1
                if count < Int(capacity) { staying.append(assignment) } else { dropped += 1 }
            }
            let sorted = staying.sorted { (experts[$0], $0) < (experts[$1], $1) }
            #expect(result.sources.prefix(sorted.count) == ArraySlice(sorted.map { UInt32($0) }), "trial \(trial)")
            #expect(result.sources.dropFirst(sorted.count).allSatisfy { $0 == .max }, "trial \(trial)")
            #expect(result.grouped.count == UInt32(sorted.count) && result.grouped.capacity == UInt32(rows * k))
            #expect(result.dropped == UInt32(dropped), "trial \(trial)")
            for assignment in experts.indices {
                let position = sorted.firstIndex(of: assignment).map { UInt32($0) } ?? .max
                #expect(result.positions[assignment] == position, "trial \(trial)")
            }
            for expert in 0..<expertCount {
                #expect(result.counts[expert] == UInt32(experts.count { $0 == UInt32(expert) }))
                let before = sorted.count { experts[$0] < UInt32(expert) }
                #expect(result.offsets[expert] == UInt32(before), "trial \(trial)")
            }
            #expect(result.offsets[expertCount] == UInt32(sorted.count))
        }
    }

    @Test func withoutCapacityPositionsAreAPermutation() {
        var random = CaseGenerator(seed: 42)
        let experts = (0..<77).flatMap { _ in (0..<UInt32(16)).shuffled(using: &random).prefix(3) }
        let result = group(experts, k: 3, expertCount: 16)
        #expect(result.positions.sorted() == (0..<UInt32(experts.count)).map { $0 })
        #expect(result.sources.enumerated().allSatisfy { result.positions[Int($1)] == UInt32($0) })
        #expect(result.dropped == 0)
    }

    @Test func capacityOfOneSequenceDoesNotDependOnOthers() {
        var random = CaseGenerator(seed: 43)
        let (rows, k, expertCount) = (24, 2, 4)
        let sequences = (0..<5).map { _ in
            (0..<rows).flatMap { _ in (0..<UInt32(expertCount)).shuffled(using: &random).prefix(k) }
        }
        let together = group(
            sequences.flatMap { $0 }, k: k, expertCount: expertCount, sequenceRows: rows, capacity: 7)
        for (number, sequence) in sequences.enumerated() {
            let alone = group(sequence, k: k, expertCount: expertCount, sequenceRows: rows, capacity: 7)
            let part = together.positions[number * rows * k..<(number + 1) * rows * k]
            #expect(alone.positions.map { $0 == .max } == part.map { $0 == .max })
        }
    }

    @Test func tilesCoverEachPositionOnce() {
        for run in TwinRun<ExpertTiles>.all() {
            let offsets = run.before[0]!.words
            let words = run.after[1]!.words
            let tileCount = run.after[2]!.words
            let tileRows = run.parameters.tileRows
            let needed = zip(offsets, offsets.dropFirst()).reduce(0) { $0 + ($1.1 - $1.0 + tileRows - 1) / tileRows }
            #expect(tileCount[0] == min(needed, run.parameters.tileCapacity), "\(run.label)")
            #expect(tileCount[2] == (needed > run.parameters.tileCapacity ? 1 : 0), "\(run.label)")
            var position: UInt32 = 0
            for tile in 0..<Int(tileCount[0]) {
                let (expert, first, count) = (words[tile * 3], words[tile * 3 + 1], words[tile * 3 + 2])
                #expect(first == position && count >= 1 && count <= tileRows, "\(run.label)")
                #expect(first >= offsets[Int(expert)] && first + count <= offsets[Int(expert) + 1], "\(run.label)")
                position += count
            }
            if tileCount[2] == 0 { #expect(position == offsets[offsets.count - 1], "\(run.label)") }
        }
    }

    @Test func tileCapacityIsReachedAndNeverExceeded() {
        for (positions, experts, tileRows) in [(10, 3, 4), (2, 5, 4), (64, 8, 8), (65, 8, 8), (0, 4, 4), (9, 1, 4)] {
            // The worst case: one position for each expert, and whole tiles more for the first.
            let partial = min(positions, experts)
            var worst = 0
            for more in 0...positions - partial where partial > 0 {
                worst = max(worst, partial - 1 + (1 + more + tileRows - 1) / tileRows)
            }
            #expect(ExpertTiles.capacity(positions: positions, experts: experts, tileRows: tileRows) == worst)
        }
    }
}
