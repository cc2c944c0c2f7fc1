public import VkdynCore

/// Stores the keys and values of rows in their caches: for every head h and dimension d,
/// `keyCache[h, slot/64, d/4, slot%64, d%4] = source[r, keyOffset + h·headSize + d]` and
/// `valueCache[h, slot, d] = source[r, valueOffset + h·headSize + d]`, with slot = slots[r].
///
/// | buffer     | shape                                              | type |
/// |------------|----------------------------------------------------|------|
/// | rows       | one `RowCount`                                     | u32  |
/// | slots      | [rows]                                             | u32  |
/// | source     | [rows, stride]                                     | f32  |
/// | keyCache   | [kvHeadCount, cacheCapacity/64, headSize/4, 64, 4] | f32  |
/// | valueCache | [kvHeadCount, cacheCapacity, headSize]             | f32  |
///
/// A slot holds one token; cacheCapacity counts slots and is a multiple of 64, headSize a multiple of 4. The layout of
/// the keys puts the same four dimensions of 64 neighbouring slots side by side, as `Attention` reads them.
/// Reduction order: none; values are copied.
/// Edge cases: rows beyond the count are neither read nor stored; a slot at or beyond cacheCapacity is not stored;
/// the slots of a call must differ. All other memory of the caches is left alone. NaN payloads may change.
/// Source: the cache of Pope et al., arXiv 2211.05102; no paper for the layout.
/// Error: exact.
public enum KVAppend: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<KVAppend>) -> Cost {
        let p = call.parameters
        return Cost(operations: 0, bytes: 4 * Int(p.rowCapacity) * Int(p.kvHeadCount) * Int(p.headSize) * 4)
    }

    public static func variants(_ call: KernelCall<KVAppend>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let isQuads = p.stride % 4 == 0 && p.keyOffset % 4 == 0 && p.valueOffset % 4 == 0
        return isQuads ? ["quads", "scalars"] : ["scalars"]
    }

    /// The index of a key's element in the key cache.
    @inline(__always)
    static func keyIndex(head: Int, slot: Int, dimension: Int, headSize: Int, cacheCapacity: Int) -> Int {
        (((head * (cacheCapacity / 64) + slot / 64) * (headSize / 4) + dimension / 4) * 64 + slot % 64) * 4
            + dimension % 4
    }

    public static func twin(_ b: Views, _ call: KernelCall<KVAppend>) {
        let p = call.parameters
        let (headSize, capacity) = (Int(p.headSize), Int(p.cacheCapacity))
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let slot = Int(b.slots[row])
            guard slot < capacity else { continue }
            for head in 0..<Int(p.kvHeadCount) {
                for d in 0..<headSize {
                    let element = row * Int(p.stride) + head * headSize + d
                    let key = keyIndex(
                        head: head, slot: slot, dimension: d, headSize: headSize, cacheCapacity: capacity)
                    b.keyCache[key] = b.source[element + Int(p.keyOffset)]
                    b.valueCache[(head * capacity + slot) * headSize + d] = b.source[element + Int(p.valueOffset)]
                }
            }
        }
    }

    public static var shapes: ShapeSpace { ShapeSpace([]) }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        fixedCases[Int.random(in: 0..<fixedCases.count, using: &random)]
    }

    private static let fixedCases = cases

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 15)
        let shapes: [(rows: Int, capacity: Int, heads: Int, headSize: Int, offset: Int, extra: Int, cache: Int)] = [
            (0, 0, 1, 4, 0, 0, 64), (1, 1, 1, 4, 0, 0, 64), (1, 1, 3, 20, 3, 1, 64), (2, 2, 12, 64, 768, 0, 128),
            (5, 5, 2, 36, 8, 4, 192), (3, 8, 2, 32, 4, 8, 64), (0, 4, 2, 16, 0, 0, 64), (9, 4, 3, 16, 1, 0, 64),
            (65, 65, 1, 8, 0, 0, 128),
        ]
        return shapes.map { shape in
            let rowCount = min(shape.rows, shape.capacity)
            let size = shape.heads * shape.headSize
            let stride = shape.offset + 2 * size + shape.extra
            var source = random.floats(shape.capacity * stride)
            for i in rowCount * stride..<source.count { source[i] = .nan }
            if rowCount > 0 {
                source[shape.offset] = -.infinity
                source[shape.offset + 1] = .nan
                source[shape.offset + size + 2] = -0.0
            }
            // Slots in a stride that leaves gaps; one of several is out of range.
            let slots = (0..<shape.capacity).map { row in
                row >= rowCount || (row == 1 && shape.rows > 2)
                    ? UInt32(shape.cache + row) : UInt32((row * 37 + 63) % shape.cache)
            }
            return makeCase(
                "rows \(shape.rows) of \(shape.capacity), heads \(shape.heads) of \(shape.headSize), offset "
                    + "\(shape.offset), stride \(stride), slots \(shape.cache)",
                Contents(
                    rows: .structure(RowCount(count: UInt32(shape.rows), capacity: UInt32(shape.capacity))),
                    slots: .words(slots), source: .floats(source), keyCache: .unwritten(size * shape.cache),
                    valueCache: .unwritten(size * shape.cache)),
                Parameters(
                    rowCapacity: UInt32(shape.capacity), kvHeadCount: UInt32(shape.heads),
                    headSize: UInt32(shape.headSize), keyOffset: UInt32(shape.offset),
                    valueOffset: UInt32(shape.offset + size), stride: UInt32(stride),
                    cacheCapacity: UInt32(shape.cache)))
        }
    }
}
