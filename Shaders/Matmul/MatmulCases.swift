public import VkdynCore

extension Matmul {
    public static var shapes: ShapeSpace {
        ShapeSpace(
            [
                ShapeAxis("rows", 0...80, standard: 512), ShapeAxis("columns", 1...400, standard: 3072),
                ShapeAxis("depth", 0...1100, multiple: 4, standard: 768), ShapeAxis("batch", 1...4, standard: 1),
                // Of int8 weights; rounded down to a power of two, 0 for one scale a column.
                ShapeAxis("group", 0...1024, standard: 0), Activation.axis(standard: .none), .flag("bias"),
                .flag("residual"),
            ], storage: [.f32, .f16, .bf16, .i8])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        var options = Options(rows: shape["rows"], depth: shape["depth"], columns: shape["columns"], type: shape.storage)
        options.capacity = random.capacity(for: shape["rows"])
        options.batchCount = shape["batch"]
        options.groupSize = shape["group"] < 4 ? 0 : 1 << (Int.bitWidth - 1 - shape["group"].leadingZeroBitCount)
        options.activation = Activation(shape)
        options.hasBias = shape.has("bias")
        options.hasResidual = shape.has("residual")
        return makeCase(options, &random)
    }

    public static var cases: [KernelCase] {
        var cases: [KernelCase] = []
        var random = CaseGenerator(seed: 1)
        let shapes: [(rows: Int, depth: Int, columns: Int)] = [
            (0, 8, 8), (1, 0, 4), (1, 1, 1), (1, 4, 4), (1, 255, 31), (1, 256, 128), (1, 260, 129), (2, 516, 132),
            (3, 12, 260), (4, 64, 64), (5, 300, 40), (7, 128, 7), (8, 192, 512), (9, 768, 36), (16, 32, 256),
            (17, 257, 65), (33, 64, 131), (1, 2048, 64),
        ]
        for shape in shapes {
            for type in [ElementType.f32, .f16, .bf16, .i8] {
                cases.append(
                    makeCase(
                        Options(rows: shape.rows, depth: shape.depth, columns: shape.columns, type: type), &random))
            }
        }
        // Groups of weights: shorter than a chunk, a chunk, longer, with a remainder, and odd ones.
        for (depth, group) in [(256, 32), (520, 64), (300, 128), (512, 256), (1100, 512), (1024, 1024), (66, 2)] {
            var options = Options(rows: 3, depth: depth, columns: 45, type: .i8)
            options.groupSize = group
            options.scaleType = group == 128 ? .f16 : .f32
            cases.append(makeCase(options, &random))
        }
        // Batches with rows between, as heads lie.
        for (batchCount, type) in [(2, ElementType.f32), (5, .f16), (3, .i8)] {
            var options = Options(rows: 6, depth: 36, columns: 39, type: type)
            options.batchCount = batchCount
            options.isInterleaved = true
            options.hasBias = true
            options.hasResidual = batchCount != 2
            cases.append(makeCase(options, &random))
        }
        // Every epilogue on one shape: drivers compile each anew, so that more shapes of each would take minutes.
        for (index, activation) in Activation.allCases.enumerated() {
            var options = Options(rows: 3, depth: 68, columns: 37, type: .f16)
            options.activation = activation
            options.hasBias = index % 2 == 0
            options.hasResidual = index != 2
            cases.append(makeCase(options, &random))
        }
        // A count below the capacity leaves the other rows alone; one above it is cut.
        for (rows, capacity) in [(3, 8), (9, 5), (0, 5)] {
            var options = Options(rows: rows, depth: 64, columns: 20, type: .f32)
            options.capacity = capacity
            options.hasResidual = rows == 0
            cases.append(makeCase(options, &random))
        }
        for (depth, type) in [(68, ElementType.f32), (67, .f32), (260, .f16), (68, .bf16), (20, .i8)] {
            var options = Options(rows: 9, depth: depth, columns: 13, type: type)
            options.hasSpecialValues = true
            cases.append(makeCase(options, &random))
        }
        return cases
    }

    private struct Options {
        var rows: Int
        var capacity: Int
        var depth: Int
        var columns: Int
        var type: ElementType
        var batchCount = 1
        /// Rows of the batch's matrices side by side instead of one matrix after another.
        var isInterleaved = false
        /// For int8; 0 for one scale a column.
        var groupSize = 0
        var scaleType = ElementType.f32
        var activation = Activation.none
        var hasBias = false
        var hasResidual = false
        var hasSpecialValues = false

        init(rows: Int, depth: Int, columns: Int, type: ElementType) {
            (self.rows, capacity, self.depth, self.columns, self.type) = (rows, rows, depth, columns, type)
        }
    }

    private static func makeCase(_ o: Options, _ random: inout CaseGenerator) -> KernelCase {
        let (capacity, depth, columns, batches) = (o.capacity, o.depth, o.columns, o.batchCount)
        let layout = PackedLayout(depth: depth, columns: columns, elementType: o.type)
        let resultWidth = columns + 3
        let groupSize = o.groupSize == 0 ? max(depth, 1) : o.groupSize
        // Whatever nobody may read is NaN: rows beyond the count, padded weights and scales.
        var source = random.floats(batches * capacity * depth)
        for row in min(o.rows, capacity)..<capacity {
            for batch in 0..<batches {
                let start = (o.isInterleaved ? row * batches + batch : batch * capacity + row) * depth
                for k in 0..<depth { source[start + k] = .nan }
            }
        }
        if o.hasSpecialValues {
            // A row each of NaN, infinities, zeros, denormals, equal numbers and overflow.
            source[3] = .nan
            source[depth + 4] = .infinity
            source[2 * depth + 5] = -.infinity
            for k in 0..<depth {
                source[3 * depth + k] = -0.0
                source[4 * depth + k] *= 0x1p-140
                source[5 * depth + k] = 0.1
                source[6 * depth + k] *= 0x1p127
            }
        }
        let result = batches * capacity * resultWidth
        return makeCase(
            (o.hasSpecialValues ? "special values, " : "") + "rows \(o.rows) of \(capacity), columns \(columns), depth \(depth), \(o.type.rawValue), batch \(batches), "
                + "group \(groupSize), \(o.activation)" + (o.hasBias ? ", bias" : "")
                + (o.hasResidual ? ", residual" : ""),
            Contents(
                rows: .structure(RowCount(count: UInt32(o.rows), capacity: UInt32(capacity))),
                source: .floats(source),
                weights: packedWeights(layout, batches, &random, hasSpecialValues: o.hasSpecialValues),
                scales: o.type == .i8
                    ? packedScales(layout, batches, groupSize: groupSize, as: o.scaleType, &random) : nil,
                bias: o.hasBias ? .floats(random.floats(batches * columns)) : nil,
                residual: o.hasResidual ? .floats(random.floats(result)) : nil, result: .unwritten(result)),
            Parameters(
                rowCapacity: UInt32(capacity), depth: UInt32(depth), columns: UInt32(columns),
                batchCount: UInt32(batches), sourceStride: UInt32(o.isInterleaved ? batches * depth : depth),
                sourceOffset: 0, sourceBatchStride: UInt32(o.isInterleaved ? depth : capacity * depth),
                resultStride: UInt32(o.isInterleaved ? batches * resultWidth : resultWidth), resultOffset: 2,
                resultBatchStride: UInt32(o.isInterleaved ? resultWidth : capacity * resultWidth),
                groupSize: UInt32(groupSize)),
            Constants(activation: o.activation.rawValue, largeGroups: o.type == .i8 && groupSize > dotProductChunk))
    }
}
