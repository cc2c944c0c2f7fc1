public import VkdynCore

/// How the weights of a matrix product lie: what `packed.glsl` reads.
///
/// Columns come in blocks of 32 (the last block has what is left, in whole quads), so that a workgroup streams through
/// its own columns; inside a block lie rows of words, [⌈depth/p⌉, quads of the block, 4 columns], and a word holds p
/// consecutive k's of one column, the lowest in the lowest bits: p is 1 for f32, 2 for f16 and bf16, 4 for int8.
/// Padding, of columns to a quad and of k's to a word, is stored and never reaches a result. Indices count elements.
public struct PackedLayout: Sendable, Hashable {
    public let depth: Int
    public let columns: Int
    public let elementType: ElementType

    /// Columns of a block.
    public static let blockColumns = 32

    public init(depth: Int, columns: Int, elementType: ElementType) {
        self.depth = depth
        self.columns = columns
        self.elementType = elementType
    }

    /// The k's of one word.
    public var wordDepth: Int { 4 / elementType.byteCount }
    /// Rows of words.
    public var wordRows: Int { (depth + wordDepth - 1) / wordDepth }
    /// Columns with their padding.
    public var paddedColumns: Int { (columns + 3) / 4 * 4 }
    /// Elements, padding included.
    public var elementCount: Int { wordRows * wordDepth * paddedColumns }
    public var texelCount: Int { wordRows * paddedColumns / 4 }
    public var blockCount: Int { (paddedColumns + Self.blockColumns - 1) / Self.blockColumns }

    /// Columns of a block, padding included.
    public func columns(ofBlock block: Int) -> Range<Int> {
        block * Self.blockColumns..<min((block + 1) * Self.blockColumns, paddedColumns)
    }

    public func index(k: Int, column: Int) -> Int {
        let block = columns(ofBlock: column / Self.blockColumns)
        let word = block.lowerBound * wordRows + k / wordDepth * block.count + column - block.lowerBound
        return word * wordDepth + k % wordDepth
    }

    /// The elements of one row of a block's words: p consecutive k's of each column.
    func elements(ofBlock block: Int, wordRow: Int) -> Range<Int> {
        let columns = columns(ofBlock: block)
        let first = (columns.lowerBound * wordRows + wordRow * columns.count) * wordDepth
        return first..<first + columns.count * wordDepth
    }

    /// A matrix in this layout from values by k and column; padding is `padding`.
    public func pack(padding: Float = 0, _ value: (_ k: Int, _ column: Int) -> Float) -> [Float] {
        var packed = [Float](repeating: padding, count: elementCount)
        for k in 0..<depth {
            for column in 0..<columns { packed[index(k: k, column: column)] = value(k, column) }
        }
        return packed
    }
}

/// The twin of the products that read packed weights.
enum PackedProduct {
    /// `sums[r, n] = Σ rows[r][k] · weight(k, n)` in the contract's order: products in ascending k inside chunks, chunk
    /// sums in ascending order from +0. With scales, a group's sum is made so and enters as
    /// `multiplyAdd(scale, group sum, total)`, groups in ascending order from +0; groups of up to a chunk are chunks.
    ///
    /// - Parameters:
    ///   - rows: where each row's `depth` values begin.
    ///   - firstElement: where the matrix begins in `weights`.
    ///   - scale: the scale of a group and column; nil for none.
    ///   - isPresent: whether a row's product with a k is added at all; nil for always.
    /// - Returns: [rows, padded columns].
    static func sums<A: Arithmetic>(
        rows: [UnsafePointer<Float>], weights: TexelView, firstElement: Int, layout: PackedLayout, groupSize: Int,
        scale: ((_ group: Int, _ column: Int) -> Float)?, isPresent: ((_ row: Int, _ k: Int) -> Bool)? = nil, _: A.Type
    ) -> [Float] {
        let (depth, stride, part) = (layout.depth, layout.paddedColumns, layout.wordDepth)
        let group = scale == nil ? depth : groupSize
        let chunk = min(dotProductChunk, max(group, 1))
        var totals = [Float](repeating: 0, count: rows.count * stride)
        var words = [Float](repeating: 0, count: PackedLayout.blockColumns * 4)
        var column = [Float](repeating: 0, count: PackedLayout.blockColumns)
        var groups = [Float](repeating: 0, count: rows.count * PackedLayout.blockColumns)
        var sums = groups
        for block in 0..<layout.blockCount {
            let columns = layout.columns(ofBlock: block)
            let width = columns.count
            for i in groups.indices { groups[i] = 0 }
            for start in Swift.stride(from: 0, to: depth, by: chunk) {
                let end = min(start + chunk, depth)
                for i in sums.indices { sums[i] = 0 }
                for k in start..<end {
                    if k == start || k % part == 0 {
                        let range = layout.elements(ofBlock: block, wordRow: k / part)
                        words.withUnsafeMutableBufferPointer {
                            weights.widen(firstElement + range.lowerBound..<firstElement + range.upperBound, into: $0)
                        }
                    }
                    for n in 0..<width { column[n] = words[n * part + k % part] }
                    for row in rows.indices {
                        if let isPresent, !isPresent(row, k) { continue }
                        let x = rows[row][k]
                        for n in 0..<width {
                            let i = row * PackedLayout.blockColumns + n
                            sums[i] = A.multiplyAdd(column[n], x, sums[i])
                        }
                    }
                }
                for i in sums.indices { groups[i] += sums[i] }
                guard end % group == 0 || end == depth else { continue }
                for row in rows.indices {
                    for n in 0..<width {
                        let (i, total) = (row * PackedLayout.blockColumns + n, row * stride + columns.lowerBound + n)
                        guard let scale else {
                            totals[total] = groups[i]
                            continue
                        }
                        if columns.lowerBound + n < layout.columns {
                            let factor = scale(start / group, columns.lowerBound + n)
                            totals[total] = A.multiplyAdd(factor, groups[i], totals[total])
                        }
                    }
                }
                for i in groups.indices { groups[i] = 0 }
            }
        }
        return totals
    }
}
