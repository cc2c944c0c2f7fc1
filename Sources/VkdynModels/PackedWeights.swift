public import VkdynCore
public import VkdynFormats
public import VkdynKernels

/// Weights of one or several linear layers over the same input, in the order that `Matmul` reads.
///
/// Checkpoints store a linear layer as [out, in]. Packed, the weights of all layers lie side by side as the columns of
/// one `PackedLayout`. Padding is zero and never reaches a result.
public struct PackedWeights: Sendable {
    public let layout: PackedLayout
    public let bytes: [UInt8]
    /// Of int8 weights, [⌈in/groupSize⌉, padded columns]: a weight is its number times its group's scale.
    public let scales: [Float]

    /// Inputs that share a scale in int8 weights.
    public static let groupSize = 64

    /// Scales of int8 weights in such a layout.
    static func scaleCount(_ layout: PackedLayout) -> Int {
        (layout.depth + groupSize - 1) / groupSize * layout.paddedColumns
    }

    /// Bytes of matrices side by side in one piece, scales included.
    static func byteCount(_ matrices: [TensorView], as type: ElementType) -> Int {
        let layout = PackedLayout(
            depth: matrices[0].shape[1], columns: matrices.reduce(0) { $0 + $1.shape[0] }, elementType: type)
        return layout.elementCount * type.byteCount + (type == .i8 ? scaleCount(layout) * 4 : 0)
    }

    /// - Parameters:
    ///   - matrices: [out, in] each, with the same in, in f32, f16, bf16, or fp8 with scales.
    ///   - range: the outputs to pack, counted over all matrices; nil packs all.
    ///   - type: the storage type; narrowing rounds to nearest even. int8 is symmetric: the largest magnitude of a group
    ///     is 127.
    /// - Throws: `FormatError` naming the tensor whose shape or type does not fit.
    public init(
        _ matrices: [TensorView], outputs range: Range<Int>? = nil, as type: ElementType
    ) throws(FormatError) {
        guard let first = matrices.first else { preconditionFailure("no matrix to pack") }
        for matrix in matrices {
            try matrix.requireElementType([.f32, .f16, .bf16, .f8e4m3])
            guard matrix.shape.count == 2, matrix.shape[1] == first.shape[1] else {
                throw matrix.error("has shape \(matrix.shape), expected [any, \(first.shape.last ?? 0)]")
            }
        }
        let range = range ?? 0..<matrices.reduce(0) { $0 + $1.shape[0] }
        let layout = PackedLayout(depth: first.shape[1], columns: range.count, elementType: type)
        var packed = [UInt8](repeating: 0, count: layout.elementCount * type.byteCount)
        var scales: [Float] = []
        if type == .i8 {
            scales = [Float](repeating: 0, count: Self.scaleCount(layout))
        }
        var firstOutput = 0
        for matrix in matrices {
            let all = firstOutput..<firstOutput + matrix.shape[0]
            let own = all.clamped(to: range)
            firstOutput = all.upperBound
            if own.isEmpty { continue }
            let rows = own.lowerBound - all.lowerBound..<own.upperBound - all.lowerBound
            let column = own.lowerBound - range.lowerBound
            switch (matrix.elementType, type) {
            case (_, .i8):
                Self.quantise(try matrix.floats(), rows, layout, column, &packed, &scales)
            case (.f32, .f32):
                Self.place(rows, layout, column, &packed) { row, k in
                    matrix.bytes.loadUnaligned(fromByteOffset: (row * layout.depth + k) * 4, as: UInt32.self)
                }
            case (.f16, .f16), (.bf16, .bf16):
                Self.place(rows, layout, column, &packed) { row, k in
                    matrix.bytes.loadUnaligned(fromByteOffset: (row * layout.depth + k) * 2, as: UInt16.self)
                }
            default:
                let floats = try matrix.floats()
                switch type {
                case .f16:
                    Self.place(rows, layout, column, &packed) { Narrow.toF16(floats[$0 * layout.depth + $1]) }
                case .bf16:
                    Self.place(rows, layout, column, &packed) { Narrow.toBF16(floats[$0 * layout.depth + $1]) }
                default:
                    Self.place(rows, layout, column, &packed) { floats[$0 * layout.depth + $1] }
                }
            }
        }
        self.layout = layout
        bytes = packed
        self.scales = scales
    }

    /// Stores rows of [out, in] as columns, in squares that both sides' caches hold.
    private static func place<Element: BitwiseCopyable>(
        _ rows: Range<Int>, _ layout: PackedLayout, _ firstColumn: Int, _ packed: inout [UInt8],
        _ element: (_ row: Int, _ k: Int) -> Element
    ) {
        let side = PackedLayout.blockColumns
        packed.withUnsafeMutableBytes { target in
            for rowStart in stride(from: rows.lowerBound, to: rows.upperBound, by: side) {
                for start in stride(from: 0, to: layout.depth, by: side) {
                    for row in rowStart..<min(rowStart + side, rows.upperBound) {
                        let column = firstColumn + row - rows.lowerBound
                        for k in start..<min(start + side, layout.depth) {
                            target.storeBytes(
                                of: element(row, k),
                                toByteOffset: layout.index(k: k, column: column) * MemoryLayout<Element>.size,
                                as: Element.self)
                        }
                    }
                }
            }
        }
    }

    private static func quantise(
        _ values: [Float], _ rows: Range<Int>, _ layout: PackedLayout, _ firstColumn: Int, _ packed: inout [UInt8],
        _ scales: inout [Float]
    ) {
        let depth = layout.depth
        for row in rows {
            let column = firstColumn + row - rows.lowerBound
            for (group, start) in stride(from: 0, to: depth, by: groupSize).enumerated() {
                let range = row * depth + start..<row * depth + min(start + groupSize, depth)
                scales[group * layout.paddedColumns + column] = values[range].reduce(0) { max($0, abs($1)) } / 127
            }
        }
        let found = scales
        place(rows, layout, firstColumn, &packed) { row, k in
            let scale = found[k / groupSize * layout.paddedColumns + firstColumn + row - rows.lowerBound]
            let quotient = scale > 0 ? values[row * depth + k] / scale : 0
            return Int8(max(-127, min(127, quotient.rounded(.toNearestOrEven))))
        }
    }
}
