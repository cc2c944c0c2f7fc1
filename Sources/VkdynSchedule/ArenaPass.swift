import VkdynCore

/// Gives every transient buffer a place in one arena, so that buffers alive at the same time never overlap.
///
/// Largest first, each at the lowest offset that is free during its whole life.
enum ArenaPass {
    /// Satisfies every alignment that Vulkan lets a device ask of a binding or a view.
    static let alignment = 256

    private struct Life {
        let id: Int
        let byteCount: Int
        let first: Int
        var last: Int
    }

    private static func lives(_ steps: [Plan.Step], tables: Set<Int>) -> [Life] {
        var lives: [Int: Life] = [:]
        for (index, step) in steps.enumerated() {
            for buffer in step.buffers where buffer.isTransient && !tables.contains(buffer.id) {
                let size = max(buffer.byteCount, 16)
                let byteCount = (size + alignment - 1) / alignment * alignment
                lives[buffer.id, default: Life(id: buffer.id, byteCount: byteCount, first: index, last: index)].last = index
            }
        }
        return Array(lives.values)
    }

    /// The most bytes that are alive at one step.
    static func liveByteCount(_ steps: [Plan.Step], tables: Set<Int>) -> Int {
        var changes = [Int](repeating: 0, count: steps.count + 1)
        for life in lives(steps, tables: tables) {
            changes[life.first] += life.byteCount
            changes[life.last + 1] -= life.byteCount
        }
        var (alive, most) = (0, 0)
        for change in changes {
            alive += change
            most = max(most, alive)
        }
        return most
    }

    /// - Parameter tables: identities of buffers whose memory the executor provides.
    static func place(
        _ steps: [Plan.Step], tables: Set<Int>
    ) -> (placements: [Int: Plan.Placement], byteCount: Int) {
        var placed: [(life: Life, offset: Int)] = []
        let order = lives(steps, tables: tables).sorted { ($1.byteCount, $0.first, $0.id) < ($0.byteCount, $1.first, $1.id) }
        for life in order {
            let neighbours = placed
                .filter { $0.life.first <= life.last && life.first <= $0.life.last }
                .sorted { $0.offset < $1.offset }
            var offset = 0
            for neighbour in neighbours {
                if offset + life.byteCount <= neighbour.offset { break }
                offset = max(offset, neighbour.offset + neighbour.life.byteCount)
            }
            placed.append((life, offset))
        }
        var placements: [Int: Plan.Placement] = [:]
        for (life, offset) in placed {
            placements[life.id] = Plan.Placement(byteOffset: offset, byteCount: life.byteCount)
        }
        return (placements, placed.map { $0.offset + $0.life.byteCount }.max() ?? 0)
    }
}
