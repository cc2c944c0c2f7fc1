import VkdynCore

extension LatentAttention {
    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 142)
        var cases = [
            Case("no rows", positions: [], heads: 2, latent: 32, rotary: 8, cache: 64),
            Case("first token", positions: [0], heads: 1, latent: 4, rotary: 4, cache: 64),
            Case("a whole cache", positions: [63], heads: 3, latent: 8, rotary: 4, cache: 64),
            Case("decode", positions: [299], heads: 8, latent: 512, rotary: 64, cache: 320),
            Case("verify 5", positions: Array(62..<67), heads: 16, latent: 512, rotary: 64, cache: 128),
            Case("3 of 9", positions: [5, 66, 130], heads: 4, latent: 64, rotary: 16, cache: 192) { $0.capacity = 9 },
            Case("0 of 4", positions: [], heads: 2, latent: 32, rotary: 8, cache: 64) { $0.capacity = 4 },
            Case("9 over a capacity of 3", positions: [7, 8, 9], heads: 2, latent: 32, rotary: 8, cache: 64) {
                $0.count = 9
            },
            Case("beyond the cache", positions: [62, 64, 1000], heads: 2, latent: 32, rotary: 8, cache: 64),
            // Enough workgroups for the variants of many heads.
            Case("16 rows", positions: Array(60..<76), heads: 64, latent: 20, rotary: 4, cache: 128),
            Case("offset 3", positions: [70], heads: 3, latent: 36, rotary: 12, cache: 128) {
                ($0.offset, $0.extra) = (3, 2)
            },
            Case("offset 4", positions: [70], heads: 3, latent: 36, rotary: 12, cache: 128) {
                ($0.offset, $0.extra) = (4, 8)
            },
        ]
        for position in [62, 63, 64, 65, 127, 128, 300] {
            cases.append(
                Case("position \(position)", positions: [position], heads: 5, latent: 64, rotary: 16, cache: 320))
        }
        // A chunk that ends in the latent part, between the parts, in the rotary part, and the last one full.
        for (latent, rotary, heads) in [
            (252, 4, 2), (256, 64, 3), (252, 12, 1), (260, 4, 2), (128, 128, 4), (132, 128, 5), (500, 12, 1),
            (512, 128, 1), (508, 4, 2), (384, 128, 1),
        ] {
            cases.append(
                Case("sizes", positions: [70, 3], heads: heads, latent: latent, rotary: rotary, cache: 128))
        }
        for special in Special.allCases {
            cases.append(
                Case("\(special)", positions: [3, 69, 130], heads: 3, latent: 32, rotary: 8, cache: 192) {
                    $0.special = special
                })
        }
        return cases.map { $0.make(&random) }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...12, standard: 1), ShapeAxis("keys", 1...200, standard: 1024),
            ShapeAxis("heads", 1...20, standard: 128, maximum: 256),
            ShapeAxis("latentSize", 4...512, multiple: 4, standard: 512, maximum: 512),
            ShapeAxis("rotarySize", 4...128, multiple: 4, standard: 64, maximum: 128),
            ShapeAxis("offset", 0...8, standard: 0),
        ])
    }

    /// Rows are the last ones of the keys.
    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let rows = shape["rows"]
        let keys = max(shape["keys"], rows)
        var made = Case(
            "random", positions: (0..<rows).map { keys - rows + $0 }, heads: shape["heads"],
            latent: shape["latentSize"], rotary: shape["rotarySize"], cache: (keys + 63) / 64 * 64)
        made.capacity = random.capacity(for: rows)
        made.offset = shape["offset"]
        return made.make(&random)
    }

    /// What a case puts into the cache beside random numbers.
    private enum Special: CaseIterable {
        /// A NaN in a latent and in a rotary part, both in the second block.
        case latentNaN, rotaryNaN
        /// The rotary part makes all scores of the first block −∞, which weighs nothing beside the second.
        case firstBlockNegative
        /// All scores are −∞.
        case allNegative
        /// One score of +∞.
        case rotaryInfinity
        /// Latents of both infinities, which scores and outputs share.
        case latentInfinity
        /// All scores equal.
        case ties
        /// Scores so far apart that all weights but one underflow.
        case farApart
        /// Products and sums below the normal numbers.
        case denormals
    }

    /// The description of a call. Whatever nobody may read is NaN.
    private struct Case {
        let label: String
        let positions: [Int]
        let heads: Int
        let latent: Int
        let rotary: Int
        let cache: Int
        var count: Int
        var capacity: Int
        /// Elements of a row of rotary queries before and behind the heads'.
        var offset = 0
        var extra = 0
        var special: Special?

        init(
            _ label: String, positions: [Int], heads: Int, latent: Int, rotary: Int, cache: Int,
            _ change: (inout Case) -> Void = { _ in }
        ) {
            (self.label, self.positions, self.heads) = (label, positions, heads)
            (self.latent, self.rotary, self.cache) = (latent, rotary, cache)
            (count, capacity) = (positions.count, positions.count)
            change(&self)
        }

        private var rowCount: Int { min(positions.count, count, capacity) }

        func make(_ random: inout CaseGenerator) -> KernelCase {
            let stride = offset + heads * rotary + extra
            var latentQueries = [Float](repeating: .nan, count: capacity * heads * latent)
            var rotaryQueries = [Float](repeating: .nan, count: capacity * stride)
            for row in 0..<rowCount {
                let latents = random.floats(heads * latent, scale: queryScale)
                var rotaries = random.floats(heads * rotary, scale: queryScale)
                // A first dimension of a sign that the special keys rely on.
                if special != nil { for h in 0..<heads { rotaries[h * rotary] = 1 } }
                latentQueries.replaceSubrange(row * latents.count..<(row + 1) * latents.count, with: latents)
                let start = row * stride + offset
                rotaryQueries.replaceSubrange(start..<start + rotaries.count, with: rotaries)
            }
            // Slots that rows attend, one row after another.
            let stops = positions.prefix(rowCount).map { min($0 + 1, cache) }
            let cached = stops.max() ?? 0
            let parameters = Parameters(
                rowCapacity: UInt32(capacity), headCount: UInt32(heads), latentSize: UInt32(latent),
                rotarySize: UInt32(rotary), rotaryStride: UInt32(stride), rotaryOffset: UInt32(offset),
                cacheCapacity: UInt32(cache), scale: special == .farApart ? 40 : 0.35)
            return LatentAttention.makeCase(
                "\(label), rows \(count) of \(capacity), heads \(heads), sizes \(latent) and \(rotary), "
                    + "cache \(cache), stride \(stride)",
                Contents(
                    rows: .structure(RowCount(count: UInt32(count), capacity: UInt32(capacity))),
                    positions: .words(
                        (0..<capacity).map { $0 < positions.count ? UInt32(positions[$0]) : UInt32.max }),
                    latentQueries: .floats(latentQueries), rotaryQueries: .floats(rotaryQueries),
                    cache: .floats(cacheContents(cached, &random)),
                    result: .unwritten(capacity * heads * latent)),
                parameters, cost: cost(entries: stops.reduce(0, +), cached: cached, rows: rowCount, parameters))
        }

        private var queryScale: Float { special == .denormals ? 0x1p-70 : 2 }

        private func cacheContents(_ cached: Int, _ random: inout CaseGenerator) -> [Float] {
            let size = latent + rotary
            var values = [Float](repeating: .nan, count: cache * size)
            // NaN and infinities reach all that attend them: one slot may have them.
            let rareSlot = random.isAdversarial ? Int.random(in: 0..<cache, using: &random) : 0
            for slot in 0..<cached {
                var entry = random.floats(size, mayBeRare: slot == rareSlot)
                switch special {
                case .latentNaN: if slot == 68 { entry[7] = .nan }
                case .rotaryNaN: if slot == 68 { entry[latent + 3] = .nan }
                case .firstBlockNegative: if slot < 64 { entry[latent] = -.infinity }
                case .allNegative: entry[latent] = -.infinity
                case .rotaryInfinity: if slot == 65 { entry[latent] = .infinity }
                case .latentInfinity:
                    if slot == 2 { entry[3] = .infinity }
                    if slot == 66 { entry[4] = -.infinity }
                case .ties: entry = [Float](repeating: 0, count: size)
                case .denormals: for d in 0..<size { entry[d] *= 0x1p-70 }
                case .farApart, nil: break
                }
                values.replaceSubrange(slot * size..<(slot + 1) * size, with: entry)
            }
            return values
        }
    }
}
