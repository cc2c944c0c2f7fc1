public import VkdynCore

/// The keys and values of all heads of a latent cache's tokens, for plain attention: for each cached token t and head
/// h, `key[h, t] = [source[t, h · nopeSize …], cache[t, latentSize …]]`, nopeSize and rotarySize long, and
/// `value[h, t] = source[t, headCount · nopeSize + h · valueSize …]`, valueSize long.
///
/// | buffer     | shape                                                                    | type |
/// |------------|--------------------------------------------------------------------------|------|
/// | rows       | one `RowCount`, of cached tokens                                         | u32  |
/// | source     | [rows, headCount · (nopeSize + valueSize)]                               | f32  |
/// | cache      | [rows, latentSize + rotarySize]                                          | f32  |
/// | keyCache   | [headCount, cacheCapacity/64, (nopeSize + rotarySize)/4, 64, 4]          | f32  |
/// | valueCache | [headCount, cacheCapacity, valueSize]                                    | f32  |
///
/// Row t is the token in slot t: `CachedRows` counts them. `source` is the product of the latents and the heads' own
/// projections, all heads' keys without rotary parts (nope) before all heads' values; the rotary part comes from the
/// cache, as `LatentAppend` leaves it, and is the same in every head. The results lie as `Attention` reads them, with
/// headSize nopeSize + rotarySize. All sizes are multiples of 4 and count elements, cacheCapacity is a multiple of 64.
/// Reduction order: none; values are copied.
/// Edge cases: rows beyond the count, or at or beyond cacheCapacity, are neither read nor stored. NaN payloads may
/// change.
/// Source: DeepSeek-V2, arXiv 2405.04434, section 2.1.
/// Error: exact.
public enum LatentExpand: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), Int(parameters.headCount), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<LatentExpand>) -> Cost {
        let p = call.parameters
        let (rows, heads, rotarySize) = (Int(p.rowCapacity), Int(p.headCount), Int(p.rotarySize))
        let read = heads * Int(p.nopeSize + p.valueSize) + rotarySize
        return Cost(operations: 0, bytes: rows * (2 * read + (heads - 1) * rotarySize) * 4)
    }

    public static func variants(_ call: KernelCall<LatentExpand>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let width = max(Int(p.headCount) * Int(p.nopeSize + p.valueSize), Int(p.latentSize + p.rotarySize))
        guard Int(p.rowCapacity) * width / 4 <= traits.maximumTexels else { return ["quads"] }
        return traits.kind == .cpu ? ["texels", "quads"] : ["quads", "texels"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<LatentExpand>) {
        let p = call.parameters
        let (heads, nopeSize, valueSize) = (Int(p.headCount), Int(p.nopeSize), Int(p.valueSize))
        let (latentSize, rotarySize, capacity) = (Int(p.latentSize), Int(p.rotarySize), Int(p.cacheCapacity))
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity), capacity) {
            let source = row * heads * (nopeSize + valueSize)
            for head in 0..<heads {
                for d in 0..<nopeSize + rotarySize {
                    let key = KVAppend.keyIndex(
                        head: head, slot: row, dimension: d, headSize: nopeSize + rotarySize, cacheCapacity: capacity)
                    b.keyCache[key] =
                        d < nopeSize
                        ? b.source[source + head * nopeSize + d]
                        : b.cache[row * (latentSize + rotarySize) + latentSize + d - nopeSize]
                }
                for d in 0..<valueSize {
                    b.valueCache[(head * capacity + row) * valueSize + d] =
                        b.source[source + heads * nopeSize + head * valueSize + d]
                }
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 141)
        let shapes: [Sizes] = [
            (0, 0, 1, 4, 4, 4, 4, 64), (0, 3, 2, 8, 4, 8, 4, 64), (1, 1, 1, 4, 4, 4, 4, 64),
            (3, 64, 2, 16, 12, 36, 8, 64), (4, 4, 3, 64, 68, 20, 4, 64), (5, 5, 8, 12, 20, 8, 64, 128),
            (63, 64, 9, 8, 4, 16, 8, 64), (65, 128, 2, 72, 64, 40, 68, 128), (67, 65, 1, 128, 128, 512, 64, 192),
            // More rows than slots.
            (70, 80, 2, 8, 8, 8, 8, 64),
        ]
        return shapes.map { makeCase($0, hasSpecialValues: true, &random) }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...150, standard: 1024), ShapeAxis("heads", 1...12, standard: 16),
            ShapeAxis("nopeSize", 4...128, multiple: 4, standard: 128),
            ShapeAxis("valueSize", 4...128, multiple: 4, standard: 128),
            ShapeAxis("latentSize", 4...512, multiple: 4, standard: 512),
            ShapeAxis("rotarySize", 4...128, multiple: 4, standard: 64),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let rows = shape["rows"]
        return makeCase(
            (
                rows, random.capacity(for: rows), shape["heads"], shape["nopeSize"], shape["valueSize"],
                shape["latentSize"], shape["rotarySize"], max((rows + 63) / 64, 1) * 64
            ), hasSpecialValues: false, &random)
    }

    private typealias Sizes = (
        count: Int, capacity: Int, heads: Int, nope: Int, value: Int, latent: Int, rotary: Int, cache: Int
    )

    /// The cache holds NaN but for the rotary parts of the rows that count.
    private static func makeCase(
        _ s: Sizes, hasSpecialValues: Bool, _ random: inout CaseGenerator
    ) -> KernelCase {
        let rowCount = min(s.count, s.capacity, s.cache)
        let (width, cacheWidth) = (s.heads * (s.nope + s.value), s.latent + s.rotary)
        var source = random.floats(s.capacity * width)
        for i in rowCount * width..<source.count { source[i] = .nan }
        var cache = [Float](repeating: .nan, count: s.cache * cacheWidth)
        for row in 0..<rowCount {
            cache.replaceSubrange(row * cacheWidth + s.latent..<(row + 1) * cacheWidth, with: random.floats(s.rotary))
        }
        if hasSpecialValues, rowCount > 0 {
            (source[0], source[1], source[s.heads * s.nope]) = (-0.0, .infinity, .leastNonzeroMagnitude)
            cache[s.latent] = .nan
        }
        return makeCase(
            "rows \(s.count) of \(s.capacity), heads \(s.heads) of \(s.nope) + \(s.rotary)/\(s.value), latent "
                + "\(s.latent), slots \(s.cache)",
            Contents(
                rows: .structure(RowCount(count: UInt32(s.count), capacity: UInt32(s.capacity))),
                source: .floats(source), cache: .floats(cache),
                keyCache: .unwritten(s.heads * s.cache * (s.nope + s.rotary)),
                valueCache: .unwritten(s.heads * s.cache * s.value)),
            Parameters(
                rowCapacity: UInt32(s.capacity), headCount: UInt32(s.heads), nopeSize: UInt32(s.nope),
                valueSize: UInt32(s.value), latentSize: UInt32(s.latent), rotarySize: UInt32(s.rotary),
                cacheCapacity: UInt32(s.cache)))
    }
}
