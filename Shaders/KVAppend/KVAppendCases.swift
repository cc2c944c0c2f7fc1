import VkdynCore

extension KVAppend {
    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 15)
        var cases: [KernelCase] = []
        for type in [ElementType.f32, .f16] {
            let shapes: [(rows: Int, capacity: Int, heads: Int, headSize: Int, offset: Int, extra: Int, cache: Int)] = [
                (0, 0, 1, 4, 0, 0, 64), (1, 1, 1, 4, 0, 0, 64), (1, 1, 3, 20, 3, 1, 64), (2, 2, 12, 64, 768, 0, 128),
                (5, 5, 2, 36, 8, 4, 192), (3, 8, 2, 32, 4, 8, 64), (0, 4, 2, 16, 0, 0, 64), (9, 4, 3, 16, 1, 0, 64),
                (65, 65, 1, 8, 0, 0, 128),
            ]
            for shape in shapes {
                var made = Case(heads: shape.heads, headSize: shape.headSize, cache: shape.cache, type: type)
                (made.count, made.capacity) = (shape.rows, shape.capacity)
                (made.offset, made.extra) = (shape.offset, shape.extra)
                cases.append(made.make(&random))
            }
            var made = Case(heads: 2, headSize: 24, cache: 64, type: type)
            (made.count, made.capacity, made.valueSize) = (5, 6, 16)
            cases.append(made.make(&random))
            made.hasSlots = false
            cases.append(made.make(&random))
            // Four sequences, the last one short; then beyond what a cache holds.
            (made.sequenceRows, made.count, made.capacity) = (3, 10, 12)
            cases.append(made.make(&random))
            (made.sequenceRows, made.count, made.capacity) = (66, 140, 140)
            cases.append(made.make(&random))
            // Twice as many slots, as no two rows of a sequence may share one.
            (made.hasSlots, made.offset, made.cache) = (true, 2, 128)
            cases.append(made.make(&random))
        }
        // Floats around every f16: its own value, the ties beside it and their neighbours.
        var made = Case(heads: 8, headSize: 64, cache: 256, type: .f16)
        (made.count, made.capacity) = (256, 256)
        let halves = (0...UInt16.max).map(Narrow.widenF16)
        for (index, offset) in [0, 1, -1, 0x1000, 0x0FFF, 0x1001].enumerated() {
            made.values = halves.map { Float(bitPattern: UInt32(truncatingIfNeeded: Int($0.bitPattern) + offset)) }
            cases.append(made.make(&random, label: "halves \(index)"))
        }
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace(
            [
                ShapeAxis("rows", 0...80, standard: 512), ShapeAxis("heads", 1...8, standard: 12),
                ShapeAxis("headSize", 4...256, multiple: 4, standard: 64),
                ShapeAxis("valueSize", 0...256, multiple: 4, standard: 0),
                ShapeAxis("cache", 64...256, multiple: 64, standard: 1024),
                ShapeAxis("sequences", 1...4, standard: 1), ShapeAxis("offset", 0...8, standard: 0),
                .flag("counted"),
            ], storage: [.f32, .f16])
    }

    /// valueSize 0 stands for headSize.
    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        var made = Case(heads: shape["heads"], headSize: shape["headSize"], cache: shape["cache"], type: shape.storage)
        if shape.has("valueSize") { made.valueSize = shape["valueSize"] }
        made.capacity = min(shape["rows"], shape["cache"]) * shape["sequences"]
        made.sequenceRows = shape["sequences"] == 1 ? 0 : max(made.capacity / shape["sequences"], 1)
        made.count = shape.has("counted") ? made.capacity - made.capacity / 3 : made.capacity
        made.offset = shape["offset"]
        made.hasSlots = !shape.has("counted")
        return made.make(&random)
    }

    private struct Case {
        var heads: Int
        var headSize: Int
        var cache: Int
        var type: ElementType
        var count = 0
        var capacity = 0
        var sequenceRows = 0
        var valueSize: Int
        var hasSlots = true
        var offset = 0
        var extra = 0
        /// The source's first elements.
        var values: [Float]?

        init(heads: Int, headSize: Int, cache: Int, type: ElementType) {
            (self.heads, self.headSize, self.cache, self.type) = (heads, headSize, cache, type)
            valueSize = headSize
        }

        func make(_ random: inout CaseGenerator, label: String = "") -> KernelCase {
            let rowCount = min(count, capacity)
            let stride = offset + heads * (headSize + valueSize) + extra
            var source = random.floats(capacity * stride)
            for i in rowCount * stride..<source.count { source[i] = .nan }
            if rowCount > 0 {
                source[offset] = -.infinity
                source[offset + 1] = .nan
                source[offset + heads * headSize + 2] = -0.0
            }
            if let values { source.replaceSubrange(0..<values.count, with: values) }
            let ownRows = sequenceRows == 0 ? max(capacity, 1) : sequenceRows
            let sequences = max(1, (capacity + ownRows - 1) / ownRows)
            // Slots in a stride that leaves gaps; one of several is out of range.
            let slots = (0..<capacity).map { row in
                row >= rowCount || (row == 1 && count > 2)
                    ? UInt32(cache + row) : UInt32((row % ownRows * 37 + 63) % cache)
            }
            return KVAppend.makeCase(
                "\(label) rows \(count) of \(capacity), \(sequences) sequences, heads \(heads) of \(headSize)/"
                    + "\(valueSize), offset \(offset), stride \(stride), slots \(cache), \(type.rawValue)",
                Contents(
                    rows: .structure(RowCount(count: UInt32(count), capacity: UInt32(capacity))),
                    slots: hasSlots ? .words(slots) : nil, source: .floats(source),
                    keyCache: .unwritten(sequences * heads * headSize * cache, as: type),
                    valueCache: .unwritten(sequences * heads * valueSize * cache, as: type)),
                Parameters(
                    rowCapacity: UInt32(capacity), sequenceRows: UInt32(sequenceRows), kvHeadCount: UInt32(heads),
                    headSize: UInt32(headSize), valueSize: UInt32(valueSize), keyOffset: UInt32(offset),
                    valueOffset: UInt32(offset + heads * headSize), stride: UInt32(stride),
                    cacheCapacity: UInt32(cache)))
        }
    }
}
