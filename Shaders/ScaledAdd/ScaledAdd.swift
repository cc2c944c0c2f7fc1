public import VkdynCore

/// Columns by a factor each, added to a residual: `result[r, i] = residual[r, i] + source[r, i] · scale[i]`.
///
/// | buffer   | shape                   | type |
/// |----------|-------------------------|------|
/// | rows     | one `RowCount`          | u32  |
/// | source   | [rows, width]           | f32  |
/// | scale    | [width]                 | f32  |
/// | residual | [rows, width], optional | f32  |
/// | result   | [rows, width]           | f32  |
///
/// No units. Without a residual the product is the result. No reduction: the product is rounded, then the sum.
/// Edge cases: rows beyond the count are not touched; NaN and infinity follow IEEE 754.
/// Source: layer scale, Touvron et al., arXiv 2103.17239, section 2.
/// Error: at most half an ulp of the product, and half an ulp of the sum.
public enum ScaledAdd: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        Elementwise.work(rowCapacity: parameters.rowCapacity, width: parameters.width)
    }

    public static func cost(_ call: KernelCall<ScaledAdd>) -> Cost {
        let (rows, width) = (Int(call.parameters.rowCapacity), Int(call.parameters.width))
        let isSum = call.elements.residual != nil
        return Cost(operations: (isSum ? 2 : 1) * rows * width, bytes: ((isSum ? 3 : 2) * rows + 1) * width * 4)
    }

    public static func variants(_ call: KernelCall<ScaledAdd>, _ traits: DeviceTraits) -> [String] {
        Elementwise.variants(
            isQuadWidth: call.parameters.width % 4 == 0, rows: Int(call.parameters.rowCapacity), traits)
    }

    public static func twin(_ b: Views, _ call: KernelCall<ScaledAdd>) {
        let width = Int(call.parameters.width)
        for row in 0..<min(Int(b.rows.pointee.count), Int(call.parameters.rowCapacity)) {
            for i in 0..<width {
                let product = b.source[row * width + i] * b.scale[i]
                b.result[row * width + i] = b.residual.isEmpty ? product : b.residual[row * width + i] + product
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 131)
        return Elementwise.shapes.enumerated().flatMap { index, shape in
            // Both ways where the shape is one of the edges, in turn elsewhere.
            (shape.isSpecial || shape.width < 8 ? [false, true] : [index % 2 == 0]).map {
                makeCase(shape, hasResidual: $0, &random)
            }
        }
    }

    public static var shapes: ShapeSpace { ShapeSpace(Elementwise.axes + [.flag("residual")]) }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(Elementwise.Shape(shape, &random), hasResidual: shape.has("residual"), &random)
    }

    private static func makeCase(
        _ shape: Elementwise.Shape, hasResidual: Bool, _ random: inout CaseGenerator
    ) -> KernelCase {
        let source = shape.source(width: shape.width, random: &random)
        var scale = random.floats(shape.width, scale: 2)
        var residual = shape.source(width: shape.width, random: &random)
        if shape.isSpecial {
            for (index, value) in Elementwise.specialValues.enumerated() {
                scale[(index * 7 + 3) % scale.count] = value
                residual[(index * 3 + 1) % residual.count] = value
            }
        }
        return makeCase(
            shape.label + (hasResidual ? ", residual" : ""),
            Contents(
                rows: shape.rowContents, source: .floats(source), scale: .floats(scale),
                residual: hasResidual ? .floats(residual) : nil,
                result: .unwritten(shape.capacity * shape.width)),
            Parameters(rowCapacity: UInt32(shape.capacity), width: UInt32(shape.width)))
    }
}
