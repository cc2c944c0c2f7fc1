public import VkdynCore

/// How many tokens of a sequence are cached once a pass has stored its rows:
/// `cached.count = positions[n − 1] + 1` for the n rows of the pass, 0 for none.
///
/// | buffer    | shape                | type |
/// |-----------|----------------------|------|
/// | rows      | one `RowCount`       | u32  |
/// | positions | [rows], ascending    | u32  |
/// | cached    | one `RowCount`       | u32  |
///
/// Positions are logical, in tokens, counted from the sequence's first, and are slots of a cache that holds
/// cacheCapacity tokens, which is cached's capacity. With it, kernels over rows run over what is cached: the rows of a
/// pass and those of every pass before it. Nothing is reduced.
/// Edge cases: a last position at or beyond the capacity gives the capacity, and sets cached's overflow flag. Positions
/// from the count on are not read.
/// Source: none. Exact.
public enum CachedRows: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(1) }

    public static func cost(_ call: KernelCall<CachedRows>) -> Cost { Cost(operations: 0, bytes: 28) }

    public static func twin(_ b: Views, _ call: KernelCall<CachedRows>) {
        let p = call.parameters
        let rowCount = min(Int(b.rows.pointee.count), Int(p.rowCapacity))
        let tokens = rowCount == 0 ? 0 : Int(b.positions[rowCount - 1]) + 1
        b.cached.pointee = RowCount(
            count: UInt32(min(tokens, Int(p.cacheCapacity))), capacity: p.cacheCapacity,
            overflow: tokens > Int(p.cacheCapacity) ? 1 : 0)
    }

    public static var cases: [KernelCase] {
        let shapes: [(count: Int, capacity: Int, last: Int, cache: Int)] = [
            (0, 0, 0, 64), (0, 4, 0, 64), (1, 1, 0, 64), (1, 1, 62, 64), (1, 1, 63, 64), (1, 1, 64, 64), (3, 3, 66, 64),
            (5, 8, 41, 128), (9, 4, 12, 128), (65, 65, 200, 256), (2, 2, Int(UInt32.max), 128), (1, 1, 0, 0),
            (1, 1, Int(UInt32.max) - 1, Int(UInt32.max)),
        ]
        return shapes.map { makeCase(count: $0.count, capacity: $0.capacity, last: $0.last, cache: $0.cache) }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...80, standard: 512), ShapeAxis("first", 0...300, standard: 0),
            ShapeAxis("cache", 64...320, multiple: 64, standard: 1024),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, capacity) = (shape["rows"], random.capacity(for: shape["rows"]))
        return makeCase(
            count: rows, capacity: capacity, last: shape["first"] + max(min(rows, capacity) - 1, 0),
            cache: shape["cache"])
    }

    /// Rows are consecutive, and the last one that counts is at `last`.
    private static func makeCase(count: Int, capacity: Int, last: Int, cache: Int) -> KernelCase {
        let rowCount = min(count, capacity)
        let positions = (0..<capacity).map { row in
            row < rowCount ? UInt32(last - (rowCount - 1 - row)) : 0xDEAD_BEEF
        }
        return makeCase(
            "rows \(count) of \(capacity), the last at \(last), cache \(cache)",
            Contents(
                rows: .structure(RowCount(count: UInt32(count), capacity: UInt32(capacity))),
                positions: .words(positions), cached: .unwritten(3, as: .u32)),
            Parameters(rowCapacity: UInt32(capacity), cacheCapacity: UInt32(cache)))
    }
}
