public import VkdynCore

/// Stores what multi-head latent attention keeps of rows: for row r, with s = slots[r],
/// `cache[s, d] = latent[r, d]` for d < latentSize, and
/// `cache[s, latentSize + d] = rotary[r, rotaryOffset + d]` for d < rotarySize.
///
/// | buffer | shape                                    | type |
/// |--------|------------------------------------------|------|
/// | rows   | one `RowCount`                           | u32  |
/// | slots  | [rows]                                   | u32  |
/// | latent | [rows, latentSize]                       | f32  |
/// | rotary | [rows, rotaryStride]                     | f32  |
/// | cache  | [cacheCapacity, latentSize + rotarySize] | f32  |
///
/// A slot holds one token: its latent, after the norm, and the rotated part of the key that all heads share. One buffer
/// is the whole cache of a layer. latentSize and rotarySize are multiples of 4; sizes, strides and offsets count
/// elements. `LatentAttention` reads the cache as it lies, `LatentExpand` makes the keys and values of all heads of it.
/// Reduction order: none; values are copied.
/// Edge cases: rows beyond the count are neither read nor stored; a slot at or beyond cacheCapacity is not stored; the
/// slots of the rows must differ. All other memory of the cache is left alone. NaN payloads may change.
/// Source: DeepSeek-V2, arXiv 2405.04434, section 2.1.
/// Error: exact.
public enum LatentAppend: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<LatentAppend>) -> Cost {
        let p = call.parameters
        return Cost(operations: 0, bytes: Int(p.rowCapacity) * (Int(p.latentSize + p.rotarySize) * 8 + 4))
    }

    public static func variants(_ call: KernelCall<LatentAppend>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let texels = Int(p.rowCapacity) * Int(max(p.latentSize, p.rotaryStride)) / 4
        let isQuads = p.rotaryStride % 4 == 0 && p.rotaryOffset % 4 == 0 && texels <= traits.maximumTexels
        return isQuads ? ["quads", "scalars"] : ["scalars"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<LatentAppend>) {
        let p = call.parameters
        let (latentSize, rotarySize) = (Int(p.latentSize), Int(p.rotarySize))
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let slot = Int(b.slots[row])
            guard slot < Int(p.cacheCapacity) else { continue }
            let first = slot * (latentSize + rotarySize)
            for d in 0..<latentSize { b.cache[first + d] = b.latent[row * latentSize + d] }
            for d in 0..<rotarySize {
                b.cache[first + latentSize + d] = b.rotary[row * Int(p.rotaryStride) + Int(p.rotaryOffset) + d]
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 140)
        let shapes: [(count: Int, capacity: Int, latent: Int, rotary: Int, offset: Int, extra: Int, cache: Int)] = [
            (0, 0, 4, 4, 0, 0, 64), (1, 1, 4, 4, 0, 0, 64), (1, 1, 512, 64, 8192, 0, 64), (2, 2, 252, 8, 3, 2, 128),
            (5, 5, 256, 16, 12, 4, 192), (3, 8, 260, 64, 4, 0, 64), (0, 4, 36, 8, 0, 0, 64), (9, 4, 20, 12, 1, 0, 64),
            (65, 65, 8, 4, 0, 0, 128),
        ]
        return shapes.map {
            makeCase(
                count: $0.count, capacity: $0.capacity, latentSize: $0.latent, rotarySize: $0.rotary,
                offset: $0.offset, extra: $0.extra, cache: $0.cache, hasSpecialValues: true, &random)
        }
    }

    /// In elements; `extra` ones follow the rotary part of a row.
    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...80, standard: 512), ShapeAxis("latentSize", 4...512, multiple: 4, standard: 512),
            ShapeAxis("rotarySize", 4...128, multiple: 4, standard: 64), ShapeAxis("offset", 0...64, standard: 0),
            ShapeAxis("extra", 0...8, standard: 0), ShapeAxis("cache", 64...256, multiple: 64, standard: 1024),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let rows = min(shape["rows"], shape["cache"])
        return makeCase(
            count: rows, capacity: random.capacity(for: rows), latentSize: shape["latentSize"],
            rotarySize: shape["rotarySize"], offset: shape["offset"], extra: shape["extra"], cache: shape["cache"],
            hasSpecialValues: false, &random)
    }

    private static func makeCase(
        count: Int, capacity: Int, latentSize: Int, rotarySize: Int, offset: Int, extra: Int, cache: Int,
        hasSpecialValues: Bool, _ random: inout CaseGenerator
    ) -> KernelCase {
        let rowCount = min(count, capacity)
        let stride = offset + rotarySize + extra
        var latent = random.floats(capacity * latentSize)
        var rotary = random.floats(capacity * stride)
        for i in rowCount * latentSize..<latent.count { latent[i] = .nan }
        for i in rotary.indices where i >= rowCount * stride || !(offset..<offset + rotarySize).contains(i % stride) {
            rotary[i] = .nan
        }
        if hasSpecialValues, rowCount > 0 {
            (latent[0], latent[1], latent[2]) = (-.infinity, .nan, -0.0)
            rotary[offset + 3] = .leastNonzeroMagnitude
        }
        // Slots in a stride that leaves gaps; one of several is out of range.
        let slots = (0..<capacity).map { row in
            row >= rowCount || (row == 1 && count > 2) ? UInt32(cache + row) : UInt32((row * 37 + 63) % cache)
        }
        return makeCase(
            "rows \(count) of \(capacity), sizes \(latentSize) and \(rotarySize), offset \(offset), stride \(stride), "
                + "slots \(cache)",
            Contents(
                rows: .structure(RowCount(count: UInt32(count), capacity: UInt32(capacity))), slots: .words(slots),
                latent: .floats(latent), rotary: .floats(rotary),
                cache: .unwritten(cache * (latentSize + rotarySize))),
            Parameters(
                rowCapacity: UInt32(capacity), latentSize: UInt32(latentSize), rotarySize: UInt32(rotarySize),
                rotaryStride: UInt32(stride), rotaryOffset: UInt32(offset), cacheCapacity: UInt32(cache)))
    }
}
