public import VkdynCore

/// Looks tokens up in a table, or in a piece of one:
/// `result[r, i] = table[tokens[r], i] · scales[i/groupSize, tokens[r]] + positionTable[positions[r] + positionOffset, i]`.
///
/// | buffer        | shape                                         | type                 |
/// |---------------|-----------------------------------------------|----------------------|
/// | rows          | one `RowCount`                                | u32                  |
/// | tokens        | [rows]                                        | u32                  |
/// | table         | [tokenCount, width], or packed by `PackedLayout`, tokens as columns | f32, f16, bf16; packed also int8 |
/// | scales        | [⌈width/groupSize⌉, 4⌈tokenCount/4⌉], optional | f32, f16            |
/// | positions     | [rows], optional                              | u32                  |
/// | positionTable | [positions, width], optional                  | f32, f16, bf16       |
/// | result        | [rows, width]                                 | f32                  |
///
/// Tables are read as whole texels of 16 bytes. The constant `packed` says that the table lies as `Matmul`'s weights do,
/// so that one table can serve as embedding and as output projection; scales are those of its int8 weights. Positions
/// are logical, in tokens; without them a row's position is its own number. Without a position table nothing is added.
/// A table too large for one view comes in pieces: this one holds the tokens firstToken ..< firstToken + tokenCount,
/// and rows of other tokens are not touched.
/// Reduction order: none but the product with the scale, then the one addition, both rounded.
/// Edge cases: rows beyond the count are neither read nor touched. Positions must lie inside their table.
/// Padded columns of a packed table are never read. NaN and infinity pass through.
/// Source: learned positions, Radford et al., "Language models are unsupervised multitask learners", 2019.
/// Error: exact without scales and position table, at most half an ulp for each of them.
public enum Embedding: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<Embedding>) -> Cost {
        let count = Int(call.parameters.rowCapacity) * Int(call.parameters.width)
        let positionBytes = call.elements.positionTable?.byteCount ?? 0
        return Cost(
            operations: count * ((positionBytes > 0 ? 1 : 0) + (call.elements.scales == nil ? 0 : 1)),
            bytes: count * (call.elements.table.byteCount + positionBytes + 4))
    }

    public static func variants(_ call: KernelCall<Embedding>, _ traits: DeviceTraits) -> [String] {
        let isQuadWidth = call.parameters.width % 4 == 0 && !call.constants.packed && call.elements.table != .i8
        return isQuadWidth ? ["quads", "scalars"] : ["scalars"]
    }

    public static func twin(_ b: Views, _ call: KernelCall<Embedding>) {
        let p = call.parameters
        let width = Int(p.width)
        let layout = PackedLayout(depth: width, columns: Int(p.tokenCount), elementType: call.elements.table)
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let token = Int(b.tokens[row]) - Int(p.firstToken)
            guard (0..<Int(p.tokenCount)).contains(token) else { continue }
            let position = Int(p.positionOffset) + (b.positions.isEmpty ? row : Int(b.positions[row]))
            for i in 0..<width {
                let element = call.constants.packed ? layout.index(k: i, column: token) : token * width + i
                var value = b.table[element]
                if call.elements.scales != nil {
                    value = value * b.scales[i / Int(p.groupSize) * layout.paddedColumns + token]
                }
                if call.elements.positionTable != nil { value = value + b.positionTable[position * width + i] }
                b.result[row * width + i] = value
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 13)
        var cases: [KernelCase] = []
        let shapes: [(rows: Int, capacity: Int, width: Int, vocabulary: Int)] = [
            (0, 0, 8, 4), (1, 1, 1, 4), (1, 1, 4, 3), (2, 2, 63, 8), (3, 3, 64, 17), (5, 5, 260, 30), (3, 8, 20, 9),
            (0, 4, 20, 9), (9, 4, 12, 9), (17, 17, 6, 50), (2, 2, 768, 11),
        ]
        for (index, shape) in shapes.enumerated() {
            for type in [ElementType.f32, .f16, .bf16] {
                cases.append(
                    makeCase(shape, type, isPacked: index % 2 == 1, positionMode: index % 3, random: &random))
                cases.append(
                    makeCase(shape, type, isPacked: index % 2 == 0, positionMode: (index + 1) % 3, random: &random))
            }
            cases.append(makeCase(shape, .i8, isPacked: true, positionMode: index % 3, random: &random))
        }
        // Pieces of a table: tokens before and after them leave their rows alone.
        for first in [3, 8] {
            cases.append(
                makeCase(
                    (rows: 9, capacity: 9, width: 20, vocabulary: 17), .f16, isPacked: first == 3, positionMode: 0,
                    firstToken: first, tokenCount: 6, random: &random))
        }
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace(
            [
                ShapeAxis("rows", 0...40, standard: 512), ShapeAxis("width", 1...300, standard: 768),
                ShapeAxis("vocabulary", 1...200, standard: 32_000), ShapeAxis("first_token", 0...12, standard: 0),
                .flag("packed"), .flag("position_table"), .flag("positions"),
            ], storage: [.f32, .f16, .bf16, .i8])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, vocabulary) = (shape["rows"], shape["vocabulary"])
        let first = min(shape["first_token"], vocabulary - 1)
        let isPiece = first > 0
        return makeCase(
            (rows, random.capacity(for: rows), shape["width"], vocabulary), shape.storage,
            isPacked: shape.has("packed") || shape.storage == .i8,
            positionMode: shape.has("position_table") ? (shape.has("positions") ? 2 : 1) : 0, firstToken: first,
            tokenCount: isPiece ? (vocabulary - first + 1) / 2 : nil, random: &random)
    }

    /// - Parameter positionMode: 0 without positions, 1 with a table alone, 2 with a table and positions.
    private static func makeCase(
        _ shape: (rows: Int, capacity: Int, width: Int, vocabulary: Int), _ type: ElementType, isPacked: Bool,
        positionMode: Int, firstToken: Int = 0, tokenCount: Int? = nil, random: inout CaseGenerator
    ) -> KernelCase {
        let columns = tokenCount ?? shape.vocabulary
        let layout = PackedLayout(depth: shape.width, columns: columns, elementType: type)
        let groupSize = shape.width > 64 ? 64 : shape.width
        let positionCount = 2 * shape.capacity + 8
        // Whole texels; what pads the last one is NaN.
        func table(_ count: Int) -> [Float] {
            random.floats(count) + [Float](repeating: .nan, count: (8 - count % 8) % 8)
        }
        var values = table(shape.width * columns)
        if shape.width * columns > 8, !isPacked {
            values[4] = .nan
            values[5] = .infinity
            values[6] = -0.0
            values[7] = 6e-8
        }
        let contents = isPacked ? packedWeights(layout, 1, &random) : .floats(values, as: type)
        let rowCount = min(shape.rows, shape.capacity)
        let tokens = (0..<shape.capacity).map { row in
            row < rowCount ? UInt32(random.next() % UInt64(shape.vocabulary)) : UInt32.max
        }
        let positions = (0..<shape.capacity).map { row in
            row < rowCount ? UInt32(random.next() % UInt64(positionCount - 2)) : UInt32.max
        }
        let positionTable = table(positionCount * shape.width)
        return makeCase(
            "rows \(shape.rows) of \(shape.capacity), width \(shape.width), vocabulary \(shape.vocabulary), "
                + "\(type.rawValue)" + (isPacked ? ", packed" : "") + ["", ", position table", ", positions"][positionMode],
            Contents(
                rows: .structure(RowCount(count: UInt32(shape.rows), capacity: UInt32(shape.capacity))),
                tokens: .words(tokens), table: contents, scales: type == .i8 ? packedScales(layout, 1, groupSize: groupSize, &random) : nil,
                positions: positionMode == 2 ? .words(positions) : nil,
                positionTable: positionMode == 0 ? nil : .floats(positionTable, as: type == .i8 ? .f16 : type),
                result: .unwritten(shape.capacity * shape.width)),
            Parameters(
                rowCapacity: UInt32(shape.capacity), width: UInt32(shape.width), groupSize: UInt32(groupSize),
                positionOffset: 2, firstToken: UInt32(firstToken), tokenCount: UInt32(columns)),
            Constants(packed: isPacked))
    }
}
