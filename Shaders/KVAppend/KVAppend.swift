public import VkdynCore

/// Stores the keys and values of rows in their caches: for row r of sequence i, every head h and dimension d,
/// `keyCache[i, h, slot/64, d/4, slot%64, d%4] = source[r, keyOffset + h·headSize + d]` and
/// `valueCache[i, h, slot, d] = source[r, valueOffset + h·valueSize + d]`, with slot = slots[r].
///
/// | buffer     | shape                                                         | type     |
/// |------------|---------------------------------------------------------------|----------|
/// | rows       | one `RowCount`                                                | u32      |
/// | slots      | [rows], optional                                              | u32      |
/// | source     | [rows, stride]                                                | f32      |
/// | keyCache   | [sequences, kvHeadCount, cacheCapacity/64, headSize/4, 64, 4] | f32, f16 |
/// | valueCache | [sequences, kvHeadCount, cacheCapacity, valueSize]            | as keys  |
///
/// A slot holds one token; cacheCapacity counts slots and is a multiple of 64, headSize and valueSize are multiples of
/// 4. Rows r·sequenceRows ..< (r+1)·sequenceRows are of sequence r; with sequenceRows 0 all rows are of one sequence.
/// Without slots a row's slot is its number among its sequence's rows. The layout of the keys puts the same four
/// dimensions of 64 neighbouring slots side by side, as `Attention` reads them.
/// Reduction order: none; values are copied, or narrowed to f16 by `Narrow`.
/// Edge cases: rows beyond the count are neither read nor stored; a slot at or beyond cacheCapacity is not stored;
/// the slots of one sequence's rows must differ. All other memory of the caches is left alone. NaN payloads may change.
/// Source: the cache of Pope et al., arXiv 2211.05102; no paper for the layout.
/// Error: exact in f32; half an ulp of f16 in f16.
public enum KVAppend: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<KVAppend>) -> Cost {
        let p = call.parameters
        let elements = Int(p.rowCapacity) * Int(p.kvHeadCount) * Int(p.headSize + p.valueSize)
        return Cost(operations: 0, bytes: elements * (4 + call.elements.keyCache.byteCount))
    }

    public static func variants(_ call: KernelCall<KVAppend>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let isQuads =
            p.stride % 4 == 0 && p.keyOffset % 4 == 0 && p.valueOffset % 4 == 0
            && Int(p.rowCapacity) * Int(p.stride) / 4 <= traits.maximumTexels
        let suffix = call.elements.keyCache == .f16 ? "_half" : ""
        return (isQuads ? ["quads", "scalars"] : ["scalars"]).map { $0 + suffix }
    }

    /// The index of a key's element in the key cache, `head` counting through all sequences' heads.
    @inline(__always)
    static func keyIndex(head: Int, slot: Int, dimension: Int, headSize: Int, cacheCapacity: Int) -> Int {
        (((head * (cacheCapacity / 64) + slot / 64) * (headSize / 4) + dimension / 4) * 64 + slot % 64) * 4
            + dimension % 4
    }

    public static func twin(_ b: Views, _ call: KernelCall<KVAppend>) {
        let p = call.parameters
        let (headSize, valueSize, capacity) = (Int(p.headSize), Int(p.valueSize), Int(p.cacheCapacity))
        let isHalf = call.elements.keyCache == .f16
        func store(_ value: Float, _ cache: UnsafeMutableBufferPointer<UInt32>, _ element: Int) {
            guard isHalf else {
                cache[element] = value.bitPattern
                return
            }
            // Two elements a word, the first in the lower half.
            let shift = UInt32(element % 2) * 16
            cache[element / 2] = cache[element / 2] & ~(0xFFFF << shift) | UInt32(Narrow.toF16(value)) << shift
        }
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let sequence = p.sequenceRows == 0 ? 0 : row / Int(p.sequenceRows)
            let slot = b.slots.isEmpty ? row - sequence * Int(p.sequenceRows) : Int(b.slots[row])
            guard slot < capacity else { continue }
            for head in 0..<Int(p.kvHeadCount) {
                let plane = sequence * Int(p.kvHeadCount) + head
                for d in 0..<headSize {
                    let key = keyIndex(
                        head: plane, slot: slot, dimension: d, headSize: headSize, cacheCapacity: capacity)
                    store(b.source[row * Int(p.stride) + Int(p.keyOffset) + head * headSize + d], b.keyCache, key)
                }
                for d in 0..<valueSize {
                    let value = b.source[row * Int(p.stride) + Int(p.valueOffset) + head * valueSize + d]
                    store(value, b.valueCache, (plane * capacity + slot) * valueSize + d)
                }
            }
        }
    }
}
