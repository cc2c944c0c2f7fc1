public import VkdynCore

/// Matrix product of int8 activations and int8 weights with exact integer sums, and an epilogue:
/// `result[r, n] = residual[r, n] + activation(bias[n] + sourceScales[r] · Σ_g scales[g, n] · Σₖ source[r, k] · weights[k, n])`,
/// the inner sum over the k's of group g.
///
/// | buffer       | shape                                                        | type     |
/// |--------------|--------------------------------------------------------------|----------|
/// | rows         | one `RowCount`                                               | u32      |
/// | source       | [rows, ⌈depth/4⌉] words of four numbers, as `QuantizeRows` gives them | int8 |
/// | sourceScales | [rows]                                                       | f32      |
/// | weights      | packed as `PackedLayout` states                              | int8     |
/// | scales       | [⌈depth/groupSize⌉, 4⌈columns/4⌉]                            | f32, f16 |
/// | bias         | [columns], optional                                          | f32      |
/// | residual     | as result, optional                                          | f32      |
/// | result       | [rows, resultStride], columns from resultOffset on           | f32      |
///
/// A group is groupSize consecutive k's, a multiple of 4 that divides the chunk of 256 or is a multiple of it; the constant
/// `largeGroups` says that it is longer than a chunk. Numbers lie in −127…127, those that pad the source are 0.
/// Reduction order: a group's sum is exact in int32 in any order, for groups of up to 133,000 k's. It becomes f32 by one
/// rounding to nearest even and enters as `multiplyAdd(scale, group sum, total)`, in ascending order from +0. Then one
/// product with the row's scale, bias, activation, residual.
/// Edge cases: rows beyond the count are neither read nor touched. A depth of 0 gives the epilogue of 0 times the row's
/// scale. Padded weights meet numbers of 0 or reach no result. A scale of NaN makes its row NaN.
/// Source: Dettmers et al., LLM.int8(), arXiv 2208.07339; Jacob et al., arXiv 1712.05877.
/// Error beside quantisation: (3 · groups + 2) · 2⁻²⁴ · Σ|group sum · scale · row's scale|.
public enum Int8Matmul: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent((Int(parameters.columns) + 3) / 4, Int(parameters.rowCapacity), rowAxis: .y)
    }

    public static func cost(_ call: KernelCall<Int8Matmul>) -> Cost {
        let p = call.parameters
        let (rows, depth, columns) = (Int(p.rowCapacity), Int(p.depth), Int(p.columns))
        let groups = (depth + Int(p.groupSize) - 1) / Int(p.groupSize)
        return Cost(
            operations: 2 * rows * depth * columns,
            bytes: rows * (depth + 4 * columns) + (depth + groups * call.elements.scales.byteCount) * columns)
    }

    public static func variants(_ call: KernelCall<Int8Matmul>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        precondition(p.groupSize % 4 == 0, "a group of int8 weights is whole words")
        let rows = Int(p.rowCapacity)
        let dots = traits.hasIntegerDotProduct
            ? RegisterTile.smallestFirst([1, 4, 8], holding: rows).map { "dot_rows\($0)" } : []
        let tiles = p.depth % 4 != 0 ? [] : RegisterTile.ordered(
            rows: rows, quads: (Int(p.columns) + 3) / 4, batches: 1, names: interface.variants.map(\.name),
            kind: traits.kind)
        let matrices = IntegerMatrix.known.filter(traits.integerMatrices.contains).map(matrixVariant)
            .filter { interface.variant(named: $0) != nil }
        // Fewer rows than a matrix commonly has leave most of it idle.
        let integer = rows < 16 ? dots + matrices : matrices + dots
        let emulated = interface.variants.map(\.name).filter { $0.hasPrefix("matrix_emulated") }
        return (traits.kind == .cpu ? tiles + integer : integer + tiles) + ["general"] + emulated
    }

    /// The name of the variant that multiplies these matrices.
    public static func matrixVariant(_ matrix: IntegerMatrix) -> String {
        "matrix_\(matrix.form.rawValue)_\(matrix.size)x\(matrix.size)x\(matrix.depth)_lanes\(matrix.lanes)"
    }

    public static func twin(_ b: Views, _ call: KernelCall<Int8Matmul>) {
        switch call.flavour {
        case .separate: product(b, call, SeparateArithmetic.self)
        case .fused: product(b, call, FusedArithmetic.self)
        }
    }

    private static func product<A: Arithmetic>(_ b: Views, _ call: KernelCall<Int8Matmul>, _: A.Type) {
        let p = call.parameters
        let (depth, columns) = (Int(p.depth), Int(p.columns))
        let layout = PackedLayout(depth: depth, columns: columns, elementType: .i8)
        let activation = Activation(rawValue: call.constants.activation) ?? .none
        let source = UnsafeRawBufferPointer(b.source).bindMemory(to: Int8.self)
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let first = row * layout.wordRows * 4
            let place = row * Int(p.resultStride) + Int(p.resultOffset)
            for column in 0..<columns {
                var total: Float = 0
                for (group, start) in stride(from: 0, to: depth, by: Int(p.groupSize)).enumerated() {
                    var sum: Int32 = 0
                    for k in start..<min(start + Int(p.groupSize), depth) {
                        sum += Int32(source[first + k]) * Int32(b.weights[layout.index(k: k, column: column)])
                    }
                    total = A.multiplyAdd(b.scales[group * layout.paddedColumns + column], Float(sum), total)
                }
                var value = total * b.sourceScales[row]
                if !b.bias.isEmpty { value += b.bias[column] }
                value = activation(value)
                if !b.residual.isEmpty { value += b.residual[place + column] }
                b.result[place + column] = value
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 139)
        var cases: [KernelCase] = []
        for (rows, depth, columns, group) in [
            (0, 8, 8, 8), (1, 4, 1, 4), (1, 7, 5, 8), (1, 0, 4, 4), (2, 64, 33, 64), (3, 260, 40, 32), (5, 300, 37, 256),
            (9, 512, 31, 512), (17, 1100, 20, 1100), (8, 2048, 65, 1024), (33, 66, 132, 4), (65, 130, 100, 64),
        ] {
            cases.append(makeCase(rows: rows, depth: depth, columns: columns, group: group, &random))
        }
        // The largest sums there are: 127² through a whole group, rounded to f32.
        cases.append(makeCase(rows: 2, depth: 2048, columns: 6, group: 2048, isExtreme: true, &random))
        cases.append(makeCase(rows: 3, capacity: 7, depth: 68, columns: 20, group: 64, &random))
        cases.append(makeCase(rows: 9, capacity: 5, depth: 68, columns: 20, group: 128, scaleType: .f16, &random))
        cases.append(
            makeCase(
                rows: 4, depth: 36, columns: 21, group: 64, activation: .geluTanh, hasBias: true, hasResidual: true,
                &random))
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace(
            [
                ShapeAxis("rows", 0...60, standard: 512), ShapeAxis("columns", 1...200, standard: 3072),
                ShapeAxis("depth", 0...900, standard: 768),
                // Rounded down to a power of two, at least 4; 0 for one scale a column.
                ShapeAxis("group", 0...1024, standard: 0), Activation.axis(standard: .none), .flag("bias"),
                .flag("residual"),
            ], storage: [.i8])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let depth = shape["depth"]
        let group =
            shape["group"] < 4
            ? max((depth + 3) / 4 * 4, 4) : 1 << (Int.bitWidth - 1 - shape["group"].leadingZeroBitCount)
        return makeCase(
            rows: shape["rows"], capacity: random.capacity(for: shape["rows"]), depth: depth,
            columns: shape["columns"], group: group, activation: Activation(shape), hasBias: shape.has("bias"),
            hasResidual: shape.has("residual"), &random)
    }

    private static func makeCase(
        rows: Int, capacity: Int? = nil, depth: Int, columns: Int, group: Int, scaleType: ElementType = .f32,
        isExtreme: Bool = false, activation: Activation = .none, hasBias: Bool = false, hasResidual: Bool = false,
        _ random: inout CaseGenerator
    ) -> KernelCase {
        let capacity = capacity ?? rows
        let layout = PackedLayout(depth: depth, columns: columns, elementType: .i8)
        let width = layout.wordRows * 4
        let resultStride = columns + 3
        let source = (0..<capacity * width).map { i -> UInt8 in
            if i % width >= depth { return 0 }
            return isExtreme ? 127 : UInt8(bitPattern: Int8(Int.random(in: -127...127, using: &random)))
        }
        let weights =
            isExtreme
            ? BufferContents(elementType: .i8, bytes: [UInt8](repeating: 127, count: layout.elementCount))
            : packedWeights(layout, 1, &random)
        let rowScales = (0..<capacity).map { row in
            row < rows ? (row == 2 ? Float.nan : 0.02 + random.floats(1)[0] * 0.01) : .nan
        }
        return makeCase(
            "rows \(rows) of \(capacity), columns \(columns), depth \(depth), group \(group), \(activation)"
                + (hasBias ? ", bias" : "") + (hasResidual ? ", residual" : "") + (isExtreme ? ", largest sums" : ""),
            Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))),
                source: BufferContents(elementType: .i8, bytes: source), sourceScales: .floats(rowScales),
                weights: weights, scales: packedScales(layout, 1, groupSize: group, as: scaleType, &random),
                bias: hasBias ? .floats(random.floats(columns)) : nil,
                residual: hasResidual ? .floats(random.floats(capacity * resultStride)) : nil,
                result: .unwritten(capacity * resultStride)),
            Parameters(
                rowCapacity: UInt32(capacity), depth: UInt32(depth), columns: UInt32(columns),
                resultStride: UInt32(resultStride), resultOffset: 2, groupSize: UInt32(group)),
            Constants(activation: activation.rawValue, largeGroups: group > dotProductChunk))
    }
}
