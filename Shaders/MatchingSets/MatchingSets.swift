public import VkdynCore

/// Divides the tokens of a picture into sources and destinations of merging: one destination in every cell of
/// `cellHeight` × `cellWidth` tokens, `sets = [sources ascending, destinations ascending]`.
///
/// | buffer         | shape                                        | type |
/// |----------------|----------------------------------------------|------|
/// | stepParameters | one `StepParameters`, optional               | u32  |
/// | sets           | [height · width], tokens in row-major order  | u32  |
///
/// Sizes count tokens. Without step parameters a cell's destination is its top left token. With them it is a random
/// one: `⌊word · cellHeight · cellWidth / 2³²⌋`, counted row by row inside the cell, where word is the first of Philox
/// with the seed as key and (cell, step, `RandomStream.matching`, site) as counter. Cells are numbered row by row;
/// `site` tells apart places of a model that shall differ in one step. All images of a batch share the sets.
/// Nothing is reduced; places in the lists are counted in integers.
/// Edge cases: only whole cells have destinations; the tokens to the right of and below them are sources. A picture
/// smaller than a cell has sources alone. At most 4096 cells lie side by side.
/// Source: Bolya and Hoffman, arXiv 2303.17604. Exact; a token of n is chosen with a probability within 2⁻³² of 1/n.
public enum MatchingSets: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        guard parameters.width > 0 else { return WorkExtent(0) }
        return WorkExtent((Int(parameters.height) + Int(parameters.cellHeight) - 1) / Int(parameters.cellHeight))
    }

    public static func cost(_ call: KernelCall<MatchingSets>) -> Cost {
        Cost(operations: 0, bytes: 4 * Int(call.parameters.height) * Int(call.parameters.width))
    }

    public static func twin(_ b: Views, _ call: KernelCall<MatchingSets>) {
        let p = call.parameters
        let (width, cellHeight, cellWidth) = (Int(p.width), Int(p.cellHeight), Int(p.cellWidth))
        let cellColumns = width / cellWidth
        precondition(cellColumns <= 4096, "more than 4096 cells side by side")
        var isDestination = [Bool](repeating: false, count: Int(p.height) * width)
        for cell in 0..<Int(p.height) / cellHeight * cellColumns {
            var inside = 0
            if call.elements.stepParameters != nil {
                let step = b.stepParameters[0]
                let words = Philox.words(
                    key: SIMD2(step.seedLow, step.seedHigh),
                    counter: SIMD4(UInt32(cell), step.step, RandomStream.matching.rawValue, p.site))
                inside = Int((UInt64(words.x) * UInt64(cellHeight * cellWidth)) >> 32)
            }
            let row = cell / cellColumns * cellHeight + inside / cellWidth
            isDestination[row * width + cell % cellColumns * cellWidth + inside % cellWidth] = true
        }
        let tokens = isDestination.indices
        for (place, token) in (tokens.filter { !isDestination[$0] } + tokens.filter { isDestination[$0] }).enumerated()
        {
            b.sets[place] = UInt32(token)
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 303)
        let shapes: [(height: Int, width: Int, cellHeight: Int, cellWidth: Int)] = [
            (0, 8, 2, 2), (4, 0, 2, 2), (1, 1, 1, 1), (1, 1, 2, 2), (2, 2, 2, 2), (3, 5, 2, 2), (8, 8, 2, 2),
            (7, 9, 3, 2),
            (5, 64, 5, 4), (9, 65, 2, 3), (64, 64, 2, 2), (16, 130, 1, 2), (6, 4, 9, 2), (6, 4, 2, 9), (40, 3, 7, 1),
            (12, 12, 1, 1),
        ]
        return shapes.flatMap { shape in
            [false, true].map { isRandom in
                makeCase(shape.height, shape.width, shape.cellHeight, shape.cellWidth, isRandom: isRandom, &random)
            }
        }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("height", 0...70, standard: 64), ShapeAxis("width", 0...130, standard: 64),
            ShapeAxis("cellHeight", 1...5, standard: 2), ShapeAxis("cellWidth", 1...5, standard: 2), .flag("random"),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            shape["height"], shape["width"], shape["cellHeight"], shape["cellWidth"], isRandom: shape.has("random"),
            &random)
    }

    private static func makeCase(
        _ height: Int, _ width: Int, _ cellHeight: Int, _ cellWidth: Int, isRandom: Bool, _ random: inout CaseGenerator
    ) -> KernelCase {
        let step = StepParameters(
            step: .random(in: 0..<1000, using: &random), seedLow: .random(in: 0 ... .max, using: &random),
            seedHigh: .random(in: 0 ... .max, using: &random))
        return makeCase(
            "\(height) × \(width) tokens, cells of \(cellHeight) × \(cellWidth)" + (isRandom ? ", random" : ""),
            Contents(
                stepParameters: isRandom ? .structure(step) : nil, sets: .unwritten(height * width, as: .u32)),
            Parameters(
                height: UInt32(height), width: UInt32(width), cellHeight: UInt32(cellHeight),
                cellWidth: UInt32(cellWidth), site: .random(in: 0..<4, using: &random)))
    }
}
