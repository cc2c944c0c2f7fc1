import Testing
import VkdynCore

@testable import VkdynVulkan

@Suite struct SubAllocatorTests {
    @Test func piecesAreAlignedInsideAndDisjoint() {
        var random = CaseGenerator(seed: 11)
        var allocator = SubAllocator(capacity: 1 << 16)
        var live: [Range<Int>] = []
        for _ in 0..<4000 {
            if live.count > 20 || (Bool.random(using: &random) && !live.isEmpty) {
                let piece = live.remove(at: Int.random(in: 0..<live.count, using: &random))
                allocator.release(offset: piece.lowerBound, byteCount: piece.count)
            } else {
                let byteCount = Int.random(in: 1...5000, using: &random)
                let alignment = 1 << Int.random(in: 0...8, using: &random)
                guard let offset = allocator.allocate(byteCount: byteCount, alignment: alignment) else { continue }
                let piece = offset..<offset + byteCount
                #expect(offset % alignment == 0 && piece.upperBound <= 1 << 16)
                #expect(!live.contains { $0.overlaps(piece) })
                live.append(piece)
            }
            #expect(allocator.freeByteCount == (1 << 16) - live.reduce(0) { $0 + $1.count })
        }
        for piece in live { allocator.release(offset: piece.lowerBound, byteCount: piece.count) }
        #expect(allocator.isUnused)
    }

    @Test func everythingReleasedIsOneRangeAgain() {
        var allocator = SubAllocator(capacity: 1000)
        let offsets = (0..<10).map { _ in allocator.allocate(byteCount: 100, alignment: 1)! }
        #expect(allocator.allocate(byteCount: 1, alignment: 1) == nil)
        for offset in offsets.shuffled() { allocator.release(offset: offset, byteCount: 100) }
        #expect(allocator.allocate(byteCount: 1000, alignment: 256) == 0)
    }
}
