public import VkdynCore

extension TopK {
    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 121)
        var cases: [KernelCase] = []
        let shapes: [(rows: Int, capacity: Int, width: Int, k: Int)] = [
            (0, 0, 8, 2), (0, 3, 8, 2), (1, 1, 1, 1), (2, 2, 0, 2), (9, 9, 8, 2), (8, 8, 60, 1), (7, 7, 64, 8),
            (17, 17, 65, 7), (3, 5, 128, 8), (9, 4, 128, 8), (65, 65, 7, 3), (2, 2, 4, 8), (3, 3, 5, 6), (2, 2, 63, 63),
            (2, 2, 255, 9), (2, 2, 1024, 40), (2, 2, 1025, 8), (1, 1, 1025, 1025), (2, 2, 2048, 300), (1, 1, 9001, 64),
            (9, 9, 8192, 8), (1, 1, 32_768, 32_768),
        ]
        for (index, shape) in shapes.enumerated() {
            cases.append(
                makeCase(
                    "rows \(shape.rows) of \(shape.capacity), width \(shape.width), k \(shape.k)", rows: shape.rows,
                    rows(capacity: shape.capacity, width: shape.width, k: shape.k),
                    RowCases.logits(shape.capacity * shape.width, &random), isIndexOrder: index % 3 == 1))
        }
        // Columns: tokens of each sequence for each expert.
        for (sequences, experts, tokens, k) in [(1, 8, 33, 5), (3, 5, 64, 20), (2, 70, 40, 8), (2, 4, 700, 90)] {
            for isIndexOrder in [false, true] {
                cases.append(
                    makeCase(
                        "\(sequences) sequences of \(tokens), \(experts) experts, k \(k)", rows: sequences * experts,
                        columns(capacity: sequences * experts, columns: experts, width: tokens, k: k),
                        RowCases.logits(sequences * experts * tokens, &random), isIndexOrder: isIndexOrder))
            }
        }
        for (width, k) in [(12, 2), (12, 8), (300, 8), (300, 70), (1100, 33)] {
            let special = RowCases.special(width: width, &random)
            for isIndexOrder in [false, true] {
                cases.append(
                    makeCase(
                        "special rows, width \(width), k \(k)", rows: special.count,
                        rows(capacity: special.count, width: width, k: k), special.flatMap(\.row),
                        isIndexOrder: isIndexOrder))
            }
        }
        cases.append(
            makeCase(
                "a vocabulary of 151936", rows: 1, rows(capacity: 1, width: 151_936, k: 50),
                RowCases.logits(151_936, &random), isIndexOrder: false))
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...70, standard: 512), ShapeAxis("width", 1...1500, standard: 128),
            ShapeAxis("k", 1...100, standard: 8), .flag("columns"), .flag("indexOrder"),
            ShapeAxis("levels", 0...6, standard: 0),
        ])
    }

    /// Elements of `levels` different values, where that is not 0; columns in matrices of up to five.
    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (width, k, levels) = (shape["width"], shape["k"], shape["levels"])
        let count = random.capacity(for: shape["rows"])
        let columnCount = [5, 4, 3, 2, 1].first { count % $0 == 0 } ?? 1
        let parameters =
            shape.has("columns")
            ? columns(capacity: count, columns: columnCount, width: width, k: k)
            : rows(capacity: count, width: width, k: k)
        var source = RowCases.logits(count * width, &random)
        if levels > 0 { source = source.map { _ in Float(Int.random(in: 0..<levels, using: &random)) } }
        return makeCase(
            "\(shape)", rows: shape["rows"], parameters, source, isIndexOrder: shape.has("indexOrder"))
    }

    /// Rows beyond the count hold NaN, where they are rows of a matrix.
    private static func makeCase(
        _ label: String, rows: Int, _ parameters: Parameters, _ source: [Float], isIndexOrder: Bool
    ) -> KernelCase {
        let (capacity, width) = (Int(parameters.rowCapacity), Int(parameters.width))
        var source = source
        if parameters.rowsPerGroup == 1 {
            for i in min(rows, capacity) * width..<capacity * width { source[i] = .nan }
        }
        return makeCase(
            label + (isIndexOrder ? ", by index" : ""),
            Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: parameters.rowCapacity)),
                source: .floats(source), indices: .unwritten(capacity * Int(parameters.k), as: .u32),
                largest: .unwritten(capacity * Int(parameters.k))),
            parameters, Constants(indexOrder: isIndexOrder))
    }
}
