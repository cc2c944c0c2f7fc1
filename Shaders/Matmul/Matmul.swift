public import VkdynCore

/// Matrix product with an epilogue:
/// `result[r, n] = residual[r, n] + activation(bias[n] + Σₖ source[r, k] · weights[k, n])`.
///
/// | buffer   | shape                  | type           |
/// |----------|------------------------|----------------|
/// | rows     | one `RowCount`         | u32            |
/// | source   | [rows, depth]          | f32            |
/// | weights  | [depth, 4⌈columns/4⌉]  | f32, f16, bf16 |
/// | bias     | [columns], optional    | f32            |
/// | residual | as result, optional    | f32            |
/// | result   | [rows, resultStride], columns from resultOffset on | f32 |
///
/// Weights lie as `PackedWeights` leaves them: by depth, four columns a texel, padded columns never stored.
/// Reduction order: products are added in ascending k within chunks of 256, chunk sums in ascending order, both
/// from +0; then bias, activation, residual. Rows beyond the count are not touched. A depth of 0 gives the
/// epilogue of +0. NaN and infinity follow IEEE 754.
/// Error of the sum: at most (256 + depth/256 + 1) · 2⁻²⁴ · Σ|source·weights| in the separate flavour.
public enum Matmul: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent((Int(parameters.columns) + 3) / 4, Int(parameters.rowCapacity), rowAxis: .y)
    }

    public static func cost(_ call: KernelCall<Matmul>) -> Cost {
        let p = call.parameters
        let (rows, depth, columns) = (Int(p.rowCapacity), Int(p.depth), Int(p.columns))
        return Cost(
            operations: 2 * rows * depth * columns,
            bytes: rows * depth * 4 + depth * columns * call.elements.weights.byteCount + rows * columns * 4)
    }

    public static func variants(_ call: KernelCall<Matmul>, _ traits: DeviceTraits) -> [String] {
        let isBitWeights = call.elements.weights == .bf16
        let prefix = isBitWeights ? "bits_" : ""
        let general = prefix + "general"
        guard call.parameters.depth % 4 == 0 else { return [general] }
        let rows = Int(call.parameters.rowCapacity)
        // The smallest tile that holds all rows, else the largest; the others remain legal.
        func ordered(_ lanes: Int, _ tiles: [Int]) -> [String] {
            let best = tiled(tiles, rows)
            return ([best] + tiles.filter { $0 != best }).map { "\(prefix)lanes\(lanes)_rows\($0)" }
        }
        let (cpu, gpu) = (ordered(8, Array(1...8)), ordered(32, [1, 2, 4, 8]))
        return (traits.kind == .cpu ? cpu + gpu : gpu + cpu) + [general]
    }

    private static func tiled(_ tiles: [Int], _ rows: Int) -> Int { tiles.first { $0 >= rows } ?? tiles[tiles.count - 1] }

    public static func twin(_ b: Views, _ call: KernelCall<Matmul>) {
        switch call.flavour {
        case .separate: product(b, call, SeparateArithmetic.self)
        case .fused: product(b, call, FusedArithmetic.self)
        }
    }

    private static func product<A: Arithmetic>(_ b: Views, _ call: KernelCall<Matmul>, _: A.Type) {
        let p = call.parameters
        let (depth, columns) = (Int(p.depth), Int(p.columns))
        let stride = (columns + 3) / 4 * 4
        let rowCount = min(Int(b.rows.pointee.count), Int(p.rowCapacity))
        let activation = Activation(rawValue: call.constants.activation) ?? .none
        // total and sum: [rows, stride]; the weights of one k are widened once for all rows.
        var total = [Float](repeating: 0, count: rowCount * stride)
        var sum = [Float](repeating: 0, count: rowCount * stride)
        var weightRow = [Float](repeating: 0, count: stride)
        total.withUnsafeMutableBufferPointer { total in
            sum.withUnsafeMutableBufferPointer { sum in
                weightRow.withUnsafeMutableBufferPointer { w in
                    for start in Swift.stride(from: 0, to: depth, by: dotProductChunk) {
                        sum.update(repeating: 0)
                        for k in start..<min(start + dotProductChunk, depth) {
                            b.weights.widen(k * stride..<(k + 1) * stride, into: w)
                            for row in 0..<rowCount {
                                let x = b.source[row * depth + k]
                                let accumulator = sum.baseAddress! + row * stride
                                for n in 0..<stride {
                                    accumulator[n] = A.multiplyAdd(w[n], x, accumulator[n])
                                }
                            }
                        }
                        for index in total.indices { total[index] += sum[index] }
                    }
                }
            }
        }
        for row in 0..<rowCount {
            for column in 0..<columns {
                var value = total[row * stride + column]
                if !b.bias.isEmpty { value += b.bias[column] }
                value = activation(value)
                let index = row * Int(p.resultStride) + Int(p.resultOffset) + column
                if !b.residual.isEmpty { value += b.residual[index] }
                b.result[index] = value
            }
        }
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
            for type in [ElementType.f32, .f16, .bf16] {
                cases.append(
                    makeCase(
                        rows: shape.rows, capacity: shape.rows, depth: shape.depth, columns: shape.columns,
                        type: type, activation: .none, hasBias: false, hasResidual: false, random: &random))
            }
        }
        // Every epilogue on one shape: drivers compile each anew, so that more shapes of each would take minutes.
        for (index, activation) in Activation.allCases.enumerated() {
            cases.append(
                makeCase(
                    rows: 3, capacity: 3, depth: 68, columns: 37, type: .f16, activation: activation,
                    hasBias: index % 2 == 0, hasResidual: index != 2, random: &random))
        }
        // A count below the capacity leaves the other rows alone; one above it is cut.
        cases.append(
            makeCase(
                rows: 3, capacity: 8, depth: 64, columns: 20, type: .f32, activation: .none, hasBias: false,
                hasResidual: false, random: &random))
        cases.append(
            makeCase(
                rows: 9, capacity: 5, depth: 64, columns: 20, type: .f32, activation: .none, hasBias: false,
                hasResidual: false, random: &random))
        cases.append(
            makeCase(
                rows: 0, capacity: 5, depth: 64, columns: 20, type: .f32, activation: .none, hasBias: false,
                hasResidual: true, random: &random))
        for (depth, type) in [(68, ElementType.f32), (67, .f32), (260, .f16), (68, .bf16)] {
            cases.append(
                makeCase(
                    rows: 9, capacity: 9, depth: depth, columns: 13, type: type, activation: .none, hasBias: false,
                    hasResidual: false, hasSpecialValues: true, random: &random))
        }
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace(
            [
                ShapeAxis("rows", 0...80, standard: 512), ShapeAxis("columns", 1...400, standard: 3072),
                ShapeAxis("depth", 0...1100, multiple: 4, standard: 768),
                Activation.axis(standard: .none), .flag("bias"), .flag("residual"),
            ], storage: [.f32, .f16, .bf16])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            rows: shape["rows"], capacity: random.capacity(for: shape["rows"]), depth: shape["depth"], columns: shape["columns"],
            type: shape.storage, activation: Activation(shape),
            hasBias: shape.has("bias"), hasResidual: shape.has("residual"), random: &random)
    }

    private static func makeCase(
        rows: Int, capacity: Int, depth: Int, columns: Int, type: ElementType, activation: Activation,
        hasBias: Bool, hasResidual: Bool, hasSpecialValues: Bool = false, random: inout CaseGenerator
    ) -> KernelCase {
        let stride = (columns + 3) / 4 * 4
        let resultStride = columns + 3
        var weights = random.floats(depth * stride)
        // Padded columns hold NaN: they must not reach any result.
        for k in 0..<depth { for n in columns..<stride { weights[k * stride + n] = .nan } }
        var source = random.floats(capacity * depth)
        for index in min(rows, capacity) * depth..<capacity * depth { source[index] = .nan }
        if hasSpecialValues {
            // A row each of NaN, infinities that meet a zero weight, zeros, denormals, equal numbers and overflow.
            source[3] = .nan
            source[depth + 4] = .infinity
            source[2 * depth + 5] = -.infinity
            for k in 0..<depth {
                weights[k * stride + 2] = k % 2 == 0 ? 0 : -0.0
                weights[k * stride + 3] = k == 6 ? .infinity : 1
                source[3 * depth + k] = -0.0
                source[4 * depth + k] *= 0x1p-140
                source[5 * depth + k] = 0.1
                source[6 * depth + k] *= 0x1p127
            }
        }
        return makeCase(
            (hasSpecialValues ? "special values, " : "") + "rows \(rows) of \(capacity), columns \(columns), depth \(depth), \(type.rawValue), \(activation)"
                + (hasBias ? ", bias" : "") + (hasResidual ? ", residual" : ""),
            Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))),
                source: .floats(source), weights: .floats(weights, as: type),
                bias: hasBias ? .floats(random.floats(columns)) : nil,
                residual: hasResidual ? .floats(random.floats(capacity * resultStride)) : nil,
                result: .unwritten(capacity * resultStride)),
            Parameters(
                rowCapacity: UInt32(capacity), depth: UInt32(depth), columns: UInt32(columns),
                resultStride: UInt32(resultStride), resultOffset: 2),
            Constants(activation: activation.rawValue))
    }
}
