import VkdynCore

extension Convolution {
    public static var shapes: ShapeSpace {
        ShapeSpace(
            [
                ShapeAxis("images", 0...3, standard: 1), ShapeAxis("height", 1...14, standard: 64),
                ShapeAxis("width", 1...14, standard: 64), ShapeAxis("channels", 0...130, multiple: 2, standard: 320),
                ShapeAxis("columns", 1...140, standard: 320),
                ShapeAxis("kernel", 1...4, standard: 3), ShapeAxis("stride", 1...3, standard: 1),
                // Of the source to the grid, in halves: 2 leaves it as it is.
                ShapeAxis("scale", 1...5, standard: 2),
                // Of int8 weights; rounded down to a power of two, 0 for one scale a column.
                ShapeAxis("group", 0...512, standard: 0), Activation.axis(standard: .none), .flag("bias"),
                .flag("imageBias"), .flag("residual"),
            ], storage: [.f32, .f16, .bf16, .i8])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        var options = Options(
            height: shape["height"], width: shape["width"], channels: shape["channels"], columns: shape["columns"],
            kernel: shape["kernel"], type: shape.storage)
        options.images = shape["images"]
        options.capacity = random.capacity(for: shape["images"])
        options.stride = shape["stride"]
        options.grid = (max(1, shape["height"] * shape["scale"] / 2), max(1, shape["width"] * shape["scale"] / 2))
        options.groupSize = shape["group"] < 4 ? 0 : 1 << (Int.bitWidth - 1 - shape["group"].leadingZeroBitCount)
        options.activation = Activation(shape)
        options.hasBias = shape.has("bias")
        options.hasImageBias = shape.has("imageBias")
        options.hasResidual = shape.has("residual")
        return makeCase(options, &random)
    }

    public static var cases: [KernelCase] {
        var cases: [KernelCase] = []
        var random = CaseGenerator(seed: 71)
        func add(
            _ height: Int, _ width: Int, _ channels: Int, _ columns: Int, _ kernel: Int, _ type: ElementType = .f32,
            _ change: (inout Options) -> Void = { _ in }
        ) {
            var options = Options(
                height: height, width: width, channels: channels, columns: columns, kernel: kernel, type: type)
            change(&options)
            cases.append(makeCase(options, &random))
        }
        // One pixel, one column, one tap, no channels; odd and whole texels; about a tile of pixels and of columns.
        for (height, width, channels, columns, kernel) in [
            (1, 1, 1, 1, 1), (1, 1, 4, 4, 3), (3, 5, 0, 4, 3), (2, 2, 3, 5, 3), (1, 16, 4, 64, 1), (17, 1, 8, 65, 3),
            (4, 4, 4, 63, 3), (5, 7, 36, 33, 2), (3, 3, 260, 4, 1), (9, 3, 30, 31, 5), (6, 6, 64, 3, 3),
            (2, 3, 4, 7, 7),
        ] {
            for type in [ElementType.f32, .f16, .bf16, .i8] { add(height, width, channels, columns, kernel, type) }
        }
        // Several images, strides, one side padded more than the other, no padding, grids that shrink and grow.
        add(8, 8, 32, 40, 3) { $0.images = 2 }
        add(9, 7, 20, 12, 3) { $0.stride = 2 }
        add(9, 7, 20, 12, 3, .f16) { ($0.stride, $0.padding, $0.result) = (2, 0, (5, 4)) }
        add(5, 4, 8, 9, 3) { ($0.padding, $0.result) = (3, (9, 2)) }
        add(6, 5, 12, 8, 3) { $0.padding = 0 }
        add(4, 5, 16, 20, 3, .f16) { ($0.grid, $0.images) = ((8, 10), 2) }
        add(3, 4, 7, 5, 3) { $0.grid = (5, 11) }
        add(7, 6, 8, 5, 2) { ($0.grid, $0.stride) = ((3, 4), 2) }
        // Groups of weights: shorter than a chunk, a chunk, longer, across taps, and odd ones.
        for (channels, kernel, group) in [(64, 3, 32), (20, 3, 64), (64, 3, 256), (64, 3, 512), (7, 3, 2)] {
            add(4, 3, channels, 45, kernel, .i8) {
                $0.groupSize = group
                $0.scaleType = group == 64 ? .f16 : .f32
            }
        }
        // Every epilogue on one shape.
        for (index, activation) in Activation.allCases.enumerated() {
            add(4, 4, 20, 21, 3, .f16) {
                $0.activation = activation
                $0.hasBias = index % 2 == 0
                $0.hasImageBias = index != 1
                $0.sharesImageBias = index == 3
                $0.hasResidual = index != 2
                $0.images = 1 + index % 2
            }
        }
        // A count below the capacity leaves the other images alone; one above it is cut.
        for (images, capacity) in [(1, 3), (3, 2), (0, 2)] {
            add(3, 4, 8, 12, 3) {
                ($0.images, $0.capacity) = (images, capacity)
                $0.hasResidual = images == 0
                $0.hasImageBias = images == 1
            }
        }
        for (channels, type) in [(8, ElementType.f32), (7, .f32), (36, .f16), (8, .bf16), (8, .i8)] {
            add(5, 5, channels, 13, 3, type) { $0.hasSpecialValues = true }
        }
        return cases
    }

    private struct Options {
        var images = 1
        var capacity: Int?
        var height: Int
        var width: Int
        var channels: Int
        var columns: Int
        var kernel: Int
        var type: ElementType
        /// The source's own size if nil.
        var grid: (height: Int, width: Int)?
        var stride = 1
        /// Half of the kernel if nil.
        var padding: Int?
        /// What the sizes give if nil.
        var result: (height: Int, width: Int)?
        /// For int8; 0 for one scale a column.
        var groupSize = 0
        var scaleType = ElementType.f32
        var activation = Activation.none
        var hasBias = false
        var hasImageBias = false
        var sharesImageBias = false
        var hasResidual = false
        var hasSpecialValues = false

        init(height: Int, width: Int, channels: Int, columns: Int, kernel: Int, type: ElementType) {
            (self.height, self.width, self.channels, self.columns) = (height, width, channels, columns)
            (self.kernel, self.type) = (kernel, type)
        }
    }

    private static func makeCase(_ o: Options, _ random: inout CaseGenerator) -> KernelCase {
        let capacity = o.capacity ?? o.images
        let padding = o.padding ?? o.kernel / 2
        let grid = o.grid ?? (o.height, o.width)
        func size(_ grid: Int) -> Int { max(0, (grid + 2 * padding - o.kernel) / o.stride + 1) }
        let result = o.result ?? (size(grid.height), size(grid.width))
        let depth = o.kernel * o.kernel * o.channels
        let layout = PackedLayout(depth: depth, columns: o.columns, elementType: o.type)
        let groupSize = o.groupSize == 0 ? max(depth, 1) : o.groupSize
        let imageElements = o.height * o.width * o.channels
        var source = random.floats(capacity * imageElements)
        for i in min(o.images, capacity) * imageElements..<source.count { source[i] = .nan }
        if o.hasSpecialValues {
            // In one corner each: they reach some pixels and no others.
            source[3] = .nan
            source[(o.width - 1) * o.channels + 4] = .infinity
            source[(o.height - 1) * o.width * o.channels + 5] = -.infinity
            for c in 0..<o.channels { source[imageElements - o.channels + c] *= 0x1p127 }
            for c in 0..<o.channels { source[(o.width / 2) * o.channels + c] = -0.0 }
        }
        let resultStride = o.columns + 3
        let resultCount = capacity * result.height * result.width * resultStride
        let imageBiasStride = o.sharesImageBias ? 0 : o.columns + 1
        var label = (o.hasSpecialValues ? "special values, " : "") + "images \(o.images) of \(capacity), "
        label += "\(o.height)×\(o.width)×\(o.channels)"
        if grid != (o.height, o.width) { label += " as \(grid.height)×\(grid.width)" }
        label += " to \(result.height)×\(result.width)×\(o.columns), kernel \(o.kernel), stride \(o.stride), "
        label += "padding \(padding), \(o.type.rawValue), group \(groupSize), \(o.activation)"
        label += (o.hasBias ? ", bias" : "") + (o.hasImageBias ? ", image bias" : "")
        return makeCase(
            label + (o.hasResidual ? ", residual" : ""),
            Contents(
                images: .structure(RowCount(count: UInt32(o.images), capacity: UInt32(capacity))),
                source: .floats(source),
                weights: packedWeights(layout, 1, &random, hasSpecialValues: o.hasSpecialValues),
                scales: o.type == .i8 ? packedScales(layout, 1, groupSize: groupSize, as: o.scaleType, &random) : nil,
                bias: o.hasBias ? .floats(random.floats(o.columns)) : nil,
                imageBias: o.hasImageBias
                    ? .floats(random.floats(5 + max(capacity, 1) * max(imageBiasStride, o.columns))) : nil,
                residual: o.hasResidual ? .floats(random.floats(resultCount)) : nil, result: .unwritten(resultCount)),
            Parameters(
                imageCapacity: UInt32(capacity), sourceHeight: UInt32(o.height), sourceWidth: UInt32(o.width),
                gridHeight: UInt32(grid.height), gridWidth: UInt32(grid.width), resultHeight: UInt32(result.height),
                resultWidth: UInt32(result.width), channels: UInt32(o.channels), columns: UInt32(o.columns),
                kernelSize: UInt32(o.kernel), stride: UInt32(o.stride), padding: UInt32(padding),
                resultStride: UInt32(resultStride), resultOffset: 2, imageBiasStride: UInt32(imageBiasStride),
                imageBiasOffset: 5, groupSize: UInt32(groupSize)),
            Constants(activation: o.activation.rawValue, largeGroups: o.type == .i8 && groupSize > dotProductChunk))
    }
}
