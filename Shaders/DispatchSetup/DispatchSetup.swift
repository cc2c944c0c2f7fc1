public import VkdynCore

/// Indirect dispatches over a counted number of rows:
/// `arguments[e] = entry e's (x, y, z), with ⌈min(count, capacity) / tile⌉ along its axis; (0, 0, 0) for a count of 0`.
///
/// | buffer    | shape                        | type |
/// |-----------|------------------------------|------|
/// | rows      | one `RowCount`               | u32  |
/// | entries   | [entryCount] `DispatchEntry` | u32  |
/// | arguments | [entryCount, 3], workgroups  | u32  |
///
/// An entry's axis is 0, 1 or 2 for x, y or z; 3 leaves the extents as they are. A tile of 0 counts as 1. Nothing is
/// reduced.
/// Source: Vulkan 1.3, `VkDispatchIndirectCommand`. Exact.
public enum DispatchSetup: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(Int(parameters.entryCount)) }

    public static func cost(_ call: KernelCall<DispatchSetup>) -> Cost {
        Cost(operations: 0, bytes: 32 * Int(call.parameters.entryCount) + 12)
    }

    public static func twin(_ b: Views, _ call: KernelCall<DispatchSetup>) {
        let count = min(b.rows.pointee.count, b.rows.pointee.capacity)
        for index in 0..<Int(call.parameters.entryCount) {
            let entry = b.entries[index]
            let tile = max(entry.tile, 1)
            var extent = [entry.x, entry.y, entry.z]
            if entry.axis < 3 { extent[Int(entry.axis)] = count / tile + (count % tile == 0 ? 0 : 1) }
            for axis in 0..<3 { b.arguments[index * 3 + axis] = count == 0 ? 0 : extent[axis] }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 102)
        let shapes: [(count: UInt32, capacity: UInt32, entries: Int)] = [
            (5, 8, 0), (1, 8, 1), (0, 8, 3), (8, 8, 63), (17, 16, 64), (7, 9, 65), (.max, .max, 130),
        ]
        return shapes.map { makeCase(count: $0.count, capacity: $0.capacity, entryCount: $0.entries, &random) }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("entries", 0...300, standard: 64), ShapeAxis("count", 0...5000, standard: 5),
            ShapeAxis("capacity", 0...5000, standard: 8),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            count: UInt32(shape["count"]), capacity: UInt32(shape["capacity"]), entryCount: shape["entries"], &random)
    }

    private static func makeCase(
        count: UInt32, capacity: UInt32, entryCount: Int, _ random: inout CaseGenerator
    ) -> KernelCase {
        let entries = (0..<entryCount).map { index in
            DispatchEntry(
                x: .random(in: 1...999, using: &random), y: .random(in: 1...99, using: &random),
                z: .random(in: 1...9, using: &random), axis: UInt32(index % 4),
                tile: [1, 2, 3, 0, 4, 8, 16, 5][index % 8])
        }
        return makeCase(
            "count \(count) of \(capacity), entries \(entryCount)",
            Contents(
                rows: .structure(RowCount(count: count, capacity: capacity)),
                entries: .structures(entries), arguments: .unwritten(3 * entryCount, as: .u32)),
            Parameters(entryCount: UInt32(entryCount)))
    }
}
