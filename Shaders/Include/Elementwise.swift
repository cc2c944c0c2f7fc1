import VkdynCore

/// What the kernels that treat each element alone have in common.
enum Elementwise {
    /// Rows along x, quads of a row along y; the variants for lavapipe take all quads of a row in one workgroup.
    static func work(rowCapacity: UInt32, width: UInt32) -> WorkExtent {
        WorkExtent(Int(rowCapacity), (Int(width) + 3) / 4, rowAxis: .x)
    }

    /// In quads where the width allows it, one row or four a workgroup; else single elements.
    static func variants(isQuadWidth: Bool, rows: Int, _ traits: DeviceTraits) -> [String] {
        guard isQuadWidth else { return ["scalars"] }
        switch traits.kind {
        case .cpu: return rows >= 8 ? ["quads4", "quads1", "scalars"] : ["quads1", "quads4", "scalars"]
        default: return ["scalars", "quads1", "quads4"]
        }
    }

    /// The axes of a kernel's `shapes`.
    static let axes = [ShapeAxis("rows", 0...40, standard: 512), ShapeAxis("width", 1...1100, standard: 3072)]

    struct Shape {
        let rows: Int
        let capacity: Int
        let width: Int
        let isSpecial: Bool

        init(rows: Int, capacity: Int, width: Int, isSpecial: Bool) {
            self.rows = rows
            self.capacity = capacity
            self.width = width
            self.isSpecial = isSpecial
        }

        /// A point of `axes`.
        init(_ shape: VkdynCore.Shape, _ random: inout CaseGenerator) {
            let rows = shape["rows"]
            self.init(
                rows: rows, capacity: random.capacity(for: rows), width: shape["width"], isSpecial: false)
        }

        var label: String {
            "rows \(rows) of \(capacity), width \(width)" + (isSpecial ? ", special values" : "")
        }

        var rowContents: BufferContents {
            .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity)))
        }

        /// [capacity, width]; rows beyond the count hold NaN.
        func source(width: Int, random: inout CaseGenerator) -> [Float] {
            var values = random.floats(capacity * width, scale: 4)
            for i in min(rows, capacity) * width..<capacity * width { values[i] = .nan }
            if isSpecial {
                for (index, value) in specialValues.enumerated() {
                    values[(index * 5) % values.count] = value
                }
            }
            return values
        }
    }

    static let specialValues: [Float] = [
        .nan, .infinity, -.infinity, 0, -0.0, 0x1p-140, -0x1p-140, 3.4e38, -3.4e38, 88.5, -88.5, -103.5, 1e-38,
    ]

    static let shapes: [Shape] = [
        (0, 0, 8), (2, 2, 0), (1, 1, 1), (1, 1, 4), (2, 2, 63), (3, 3, 64), (1, 1, 65), (4, 4, 60), (2, 2, 260), (9, 9, 768),
        (5, 5, 252), (3, 8, 72), (0, 5, 12), (9, 5, 36), (33, 33, 7),
    ].map { Shape(rows: $0.0, capacity: $0.1, width: $0.2, isSpecial: false) }
        + [68, 67].map { Shape(rows: 2, capacity: 2, width: $0, isSpecial: true) }
}
