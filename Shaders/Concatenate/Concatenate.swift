public import VkdynCore

/// Rows side by side: `result[r] = [first[r], second[r]]`.
///
/// | buffer | shape                           | type |
/// |--------|---------------------------------|------|
/// | rows   | one `RowCount`                  | u32  |
/// | first  | [rows, firstWidth]              | f32  |
/// | second | [rows, secondWidth]             | f32  |
/// | result | [rows, firstWidth + secondWidth] | f32 |
///
/// No units. No reduction; elements are copied with their bits.
/// Edge cases: either width may be 0; rows beyond the count are not touched.
/// Source: skip connections of the U-Net, Ronneberger et al., arXiv 1505.04597.
/// Error: exact.
public enum Concatenate: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        Elementwise.work(
            rowCapacity: parameters.rowCapacity, width: parameters.firstWidth + parameters.secondWidth)
    }

    public static func cost(_ call: KernelCall<Concatenate>) -> Cost {
        let p = call.parameters
        return Cost(operations: 0, bytes: 8 * Int(p.rowCapacity) * (Int(p.firstWidth) + Int(p.secondWidth)))
    }

    public static func variants(_ call: KernelCall<Concatenate>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        return Elementwise.variants(
            isQuadWidth: p.firstWidth % 4 == 0 && p.secondWidth % 4 == 0, rows: Int(p.rowCapacity), traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<Concatenate>) {
        let (firstWidth, secondWidth) = (Int(call.parameters.firstWidth), Int(call.parameters.secondWidth))
        for row in 0..<min(Int(b.rows.pointee.count), Int(call.parameters.rowCapacity)) {
            let start = row * (firstWidth + secondWidth)
            for i in 0..<firstWidth { b.result[start + i] = b.first[row * firstWidth + i] }
            for i in 0..<secondWidth { b.result[start + firstWidth + i] = b.second[row * secondWidth + i] }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 707)
        return Elementwise.shapes.enumerated().map { index, shape in
            makeCase(shape, secondWidth: [0, 8, 300, 4, 5, 64][index % 6], &random)
        }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...70, standard: 4096), ShapeAxis("first", 0...400, standard: 320),
            ShapeAxis("second", 0...400, standard: 320),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let rows = shape["rows"]
        return makeCase(
            Elementwise.Shape(
                rows: rows, capacity: random.capacity(for: rows), width: shape["first"], isSpecial: false),
            secondWidth: shape["second"], &random)
    }

    private static func makeCase(
        _ shape: Elementwise.Shape, secondWidth: Int, _ random: inout CaseGenerator
    ) -> KernelCase {
        makeCase(
            shape.label + ", beside \(secondWidth)",
            Contents(
                rows: shape.rowContents, first: .floats(shape.source(width: shape.width, random: &random)),
                second: .floats(shape.source(width: secondWidth, random: &random)),
                result: .unwritten(shape.capacity * (shape.width + secondWidth))),
            Parameters(
                rowCapacity: UInt32(shape.capacity), firstWidth: UInt32(shape.width),
                secondWidth: UInt32(secondWidth)))
    }
}
