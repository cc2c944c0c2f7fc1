public import VkdynCore

/// Looks tokens up in a table, or in a piece of one:
/// `result[r, i] = table[tokens[r], i] + positionTable[positions[r] + positionOffset, i]`.
///
/// | buffer        | shape                              | type           |
/// |---------------|------------------------------------|----------------|
/// | rows          | one `RowCount`                     | u32            |
/// | tokens        | [rows]                             | u32            |
/// | table         | [vocabulary, width], or packed [width, 4·vocabularyQuads] | f32, f16, bf16 |
/// | positions     | [rows], optional                   | u32            |
/// | positionTable | [positions, width], optional       | bf16 if the table is, else f32 or f16 |
/// | result        | [rows, width]                      | f32            |
///
/// Tables are read four elements a texel, so they hold a multiple of four elements. The constant `packed` says that the
/// table lies as `Matmul`'s packed weights do, so that one table can serve as embedding and as output projection;
/// vocabularyQuads is ⌈vocabulary/4⌉ and matters to it alone. Positions are logical, in tokens; without them a row's
/// position is its own number. Without a position table nothing is added.
/// A table too large for one view comes in pieces: this one holds the tokens firstToken ..< firstToken + tokenCount,
/// and rows of other tokens are not touched.
/// Reduction order: none but the one addition.
/// Edge cases: rows beyond the count are neither read nor touched. Positions must lie inside their table.
/// Padded columns of a packed table are never read. NaN and infinity pass through.
/// Source: learned positions, Radford et al., "Language models are unsupervised multitask learners", 2019.
/// Error: exact without a position table, at most half an ulp with one.
public enum Embedding: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.rowCapacity), rowAxis: .x)
    }

    public static func cost(_ call: KernelCall<Embedding>) -> Cost {
        let count = Int(call.parameters.rowCapacity) * Int(call.parameters.width)
        let tableBytes = call.elements.table.byteCount
        guard let positionElement = call.elements.positionTable else {
            return Cost(operations: 0, bytes: count * (tableBytes + 4))
        }
        return Cost(operations: count, bytes: count * (tableBytes + positionElement.byteCount + 4))
    }

    public static func variants(_ call: KernelCall<Embedding>, _ traits: DeviceTraits) -> [String] {
        let prefix = call.elements.table == .bf16 ? "bits_" : ""
        let isQuadWidth = call.parameters.width % 4 == 0 && !call.constants.packed
        return (isQuadWidth ? ["quads", "scalars"] : ["scalars"]).map { prefix + $0 }
    }

    public static func twin(_ b: Views, _ call: KernelCall<Embedding>) {
        let p = call.parameters
        let width = Int(p.width)
        for row in 0..<min(Int(b.rows.pointee.count), Int(p.rowCapacity)) {
            let token = Int(b.tokens[row]) - Int(p.firstToken)
            guard (0..<Int(p.tokenCount)).contains(token) else { continue }
            let position = Int(p.positionOffset) + (b.positions.isEmpty ? row : Int(b.positions[row]))
            for i in 0..<width {
                let element = call.constants.packed ? i * Int(p.vocabularyQuads) * 4 + token : token * width + i
                var value = b.table[element]
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
            ], storage: [.f32, .f16, .bf16])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, vocabulary) = (shape["rows"], shape["vocabulary"])
        let first = min(shape["first_token"], vocabulary - 1)
        let isPiece = first > 0
        return makeCase(
            (rows, random.capacity(for: rows), shape["width"], vocabulary), shape.storage,
            isPacked: shape.has("packed"),
            positionMode: shape.has("position_table") ? (shape.has("positions") ? 2 : 1) : 0, firstToken: first,
            tokenCount: isPiece ? (vocabulary - first + 1) / 2 : nil, random: &random)
    }

    /// - Parameter positionMode: 0 without positions, 1 with a table alone, 2 with a table and positions.
    private static func makeCase(
        _ shape: (rows: Int, capacity: Int, width: Int, vocabulary: Int), _ type: ElementType, isPacked: Bool,
        positionMode: Int, firstToken: Int = 0, tokenCount: Int? = nil, random: inout CaseGenerator
    ) -> KernelCase {
        let quads = (shape.vocabulary + 3) / 4
        let positionCount = 2 * shape.capacity + 8
        func table(_ count: Int) -> [Float] {
            // Whole texels; what pads the last one is NaN.
            var values = random.floats(count)
            values += [Float](repeating: .nan, count: (4 - count % 4) % 4)
            return values
        }
        var values = table(isPacked ? shape.width * quads * 4 : shape.width * shape.vocabulary)
        if isPacked {
            for i in 0..<shape.width {
                for token in shape.vocabulary..<quads * 4 { values[i * quads * 4 + token] = .nan }
            }
        } else if shape.width * shape.vocabulary > 8 {
            values[4] = .nan
            values[5] = .infinity
            values[6] = -0.0
            values[7] = 6e-8
        }
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
                tokens: .words(tokens), table: .floats(values, as: type),
                positions: positionMode == 2 ? .words(positions) : nil,
                positionTable: positionMode == 0 ? nil : .floats(positionTable, as: type),
                result: .unwritten(shape.capacity * shape.width)),
            Parameters(
                rowCapacity: UInt32(shape.capacity), width: UInt32(shape.width), vocabularyQuads: UInt32(quads),
                positionOffset: 2, firstToken: UInt32(firstToken), tokenCount: UInt32(tokenCount ?? shape.vocabulary)),
            Constants(packed: isPacked))
    }
}
