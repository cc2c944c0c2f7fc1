public import VkdynCore
public import VkdynFormats

/// Weights of one or several linear layers over the same input, in the order that `Matmul` reads.
///
/// Checkpoints store a linear layer as [out, in]. Packed, the weights of all layers lie side by side as
/// [in, 4⌈Σout/4⌉], so that four neighbouring outputs of one input are one texel and neighbouring invocations read
/// neighbouring texels. Padding is zero and never reaches a result.
public struct PackedWeights: Sendable {
    public let elementType: ElementType
    /// Inputs.
    public let depth: Int
    /// Outputs, without padding.
    public let columns: Int
    public let bytes: [UInt8]

    public static func paddedColumns(_ columns: Int) -> Int { (columns + 3) / 4 * 4 }

    /// - Parameters:
    ///   - matrices: [out, in] each, with the same in, in f32, f16 or bf16.
    ///   - range: the outputs to pack, counted over all matrices; nil packs all.
    ///   - type: the storage type; narrowing rounds to nearest even.
    /// - Throws: `FormatError` naming the tensor whose shape or type does not fit.
    public init(
        _ matrices: [TensorView], outputs range: Range<Int>? = nil, as type: ElementType
    ) throws(FormatError) {
        guard let first = matrices.first else { preconditionFailure("no matrix to pack") }
        for matrix in matrices {
            try matrix.requireElementType([.f32, .f16, .bf16])
            guard matrix.shape.count == 2, matrix.shape[1] == first.shape[1] else {
                throw matrix.error("has shape \(matrix.shape), expected [any, \(first.shape.last ?? 0)]")
            }
        }
        depth = first.shape[1]
        let range = range ?? 0..<matrices.reduce(0) { $0 + $1.shape[0] }
        columns = range.count
        elementType = type
        let stride = Self.paddedColumns(columns)
        var packed = [UInt8](repeating: 0, count: depth * stride * type.byteCount)
        var firstColumn = 0
        for matrix in matrices {
            let all = firstColumn..<firstColumn + matrix.shape[0]
            let own = all.clamped(to: range)
            firstColumn = all.upperBound
            if own.isEmpty { continue }
            let rows = own.lowerBound - all.lowerBound..<own.upperBound - all.lowerBound
            let target = own.lowerBound - range.lowerBound
            if matrix.elementType == type {
                Self.transpose(matrix, rows, into: &packed, stride: stride, firstColumn: target)
            } else {
                try Self.convert(matrix, rows, to: type, into: &packed, stride: stride, firstColumn: target)
            }
        }
        bytes = packed
    }

    /// Moves [out, in] to [in, stride] in square blocks, which both sides' caches hold.
    private static func transpose(
        _ matrix: TensorView, _ rows: Range<Int>, into packed: inout [UInt8], stride: Int, firstColumn: Int
    ) {
        switch matrix.elementType.byteCount {
        case 2: transpose(matrix, rows, UInt16.self, &packed, stride, firstColumn)
        default: transpose(matrix, rows, UInt32.self, &packed, stride, firstColumn)
        }
    }

    private static func transpose<Word: FixedWidthInteger & BitwiseCopyable>(
        _ matrix: TensorView, _ rows: Range<Int>, _: Word.Type, _ packed: inout [UInt8], _ stride: Int,
        _ firstColumn: Int
    ) {
        let depth = matrix.shape[1]
        let block = 32
        let size = MemoryLayout<Word>.size
        let source = matrix.bytes
        packed.withUnsafeMutableBytes { target in
            for rowStart in Swift.stride(from: rows.lowerBound, to: rows.upperBound, by: block) {
                for depthStart in Swift.stride(from: 0, to: depth, by: block) {
                    for row in rowStart..<min(rowStart + block, rows.upperBound) {
                        for k in depthStart..<min(depthStart + block, depth) {
                            let word = source.loadUnaligned(fromByteOffset: (row * depth + k) * size, as: Word.self)
                            target.storeBytes(
                                of: word, toByteOffset: (k * stride + firstColumn + row - rows.lowerBound) * size,
                                as: Word.self)
                        }
                    }
                }
            }
        }
    }

    private static func convert(
        _ matrix: TensorView, _ rows: Range<Int>, to type: ElementType, into packed: inout [UInt8], stride: Int, firstColumn: Int
    ) throws(FormatError) {
        let depth = matrix.shape[1]
        let floats = try matrix.floats()
        packed.withUnsafeMutableBytes { target in
            for row in rows {
                for k in 0..<depth {
                    let value = floats[row * depth + k]
                    let index = k * stride + firstColumn + row - rows.lowerBound
                    switch type {
                    case .f16: target.storeBytes(of: Narrow.toF16(value), toByteOffset: index * 2, as: UInt16.self)
                    case .bf16: target.storeBytes(of: Narrow.toBF16(value), toByteOffset: index * 2, as: UInt16.self)
                    default: target.storeBytes(of: value, toByteOffset: index * 4, as: Float.self)
                    }
                }
            }
        }
    }
}
