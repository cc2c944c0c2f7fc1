import VkdynCore

/// Inputs of the kernels that read a [rows, width] buffer of logits or probabilities.
enum RowCases {
    /// Counts, capacities and widths that every one of them is tested with: nothing, one, odd and whole texels, about a
    /// workgroup, several, and a vocabulary's size.
    static let shapes: [(rows: Int, capacity: Int, width: Int)] = [
        (0, 3, 12), (0, 0, 8), (1, 1, 1), (2, 2, 3), (1, 1, 4), (3, 3, 63), (2, 5, 64), (1, 1, 255), (2, 2, 256), (3, 2, 257),
        (2, 2, 1023), (1, 1, 1028), (5, 5, 4097), (2, 3, 32_000),
    ]

    /// The axes of their `shapes`.
    static let axes = [ShapeAxis("rows", 0...12, standard: 1), ShapeAxis("width", 0...3000, standard: 32_000)]

    /// Logits as models give them, from a generator of equal steps: sums of three, hence roughly normal.
    static func logits(_ count: Int, _ random: inout CaseGenerator) -> [Float] {
        let (a, b, c) = (random.floats(count, scale: 6), random.floats(count, scale: 6), random.floats(count, scale: 6))
        return (0..<count).map { a[$0] + b[$0] + c[$0] }
    }

    /// Probabilities of rows, normalised in double precision.
    static func probabilities(rows: Int, width: Int, _ random: inout CaseGenerator) -> [Float] {
        var result: [Float] = []
        for _ in 0..<rows {
            // Squares twice over: a few large weights, many small ones.
            let weights = random.floats(width).map { Double($0 * $0 * $0 * $0) }
            let total = weights.reduce(0, +)
            result += weights.map { Float($0 / max(total, 1e-30)) }
        }
        return result
    }

    /// Rows that hold one special thing each.
    static func special(width: Int, _ random: inout CaseGenerator) -> [(label: String, row: [Float])] {
        func replacing(_ values: [Float], at indices: [Int]) -> [Float] {
            var row = logits(width, &random)
            for (value, index) in zip(values, indices) where index < width { row[index] = value }
            return row
        }
        let last = width - 1
        return [
            ("all equal", Array(repeating: 1.5, count: width)),
            ("two largest", replacing([40, 40, 40], at: [last, width / 2, width / 3])),
            ("all NaN", Array(repeating: .nan, count: width)),
            ("all −∞", Array(repeating: -.infinity, count: width)),
            ("NaN and −∞", (0..<width).map { $0 % 3 == 0 ? .nan : -.infinity }),
            ("NaN first", replacing([.nan, .nan], at: [0, last])),
            ("one left", (0..<width).map { $0 == width * 2 / 3 ? -3 : -.infinity }),
            ("+∞ twice", replacing([.infinity, .infinity, .nan], at: [width / 2, last, width / 3])),
            ("zeros of both signs", (0..<width).map { $0 % 2 == 0 ? -0.0 : 0 }),
            ("below zero, −0 before +0", (0..<width).map { $0 == width / 3 ? -0.0 : $0 == last ? 0 : -Float($0 + 1) }),
            ("denormals", (0..<width).map { Float(bitPattern: UInt32($0 * 7919 % 8191)) * ($0 % 2 == 0 ? 1 : -1) }),
            ("few levels", (0..<width).map { Float($0 * 7919 % 5) }),
            ("extremes", (0..<width).map { $0 % 2 == 0 ? -.greatestFiniteMagnitude : .greatestFiniteMagnitude }),
        ]
    }
}
