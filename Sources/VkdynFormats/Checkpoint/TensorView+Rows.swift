import VkdynCore

/// Matrices made of a matrix's rows, for layers whose checkpoint lies in another order than kernels read.
extension TensorView {
    /// Some rows of a matrix, in the order of `indices`: [indices.count, columns], in the same element type.
    ///
    /// - Parameter indices: rows of this matrix; a row may come several times, or not at all.
    /// - Throws: `FormatError` naming the tensor when it is no matrix, or when memory is short.
    public func selectingRows(_ indices: [Int]) throws(FormatError) -> TensorView {
        let columns = try matrixColumns()
        let rowBytes = columns * elementType.byteCount
        var rows = try copied(shape: [indices.count, columns]) { source, target in
            for (row, index) in indices.enumerated() {
                precondition((0..<shape[0]).contains(index), "\(name) has no row \(index)")
                let from = UnsafeRawBufferPointer(rebasing: source[index * rowBytes..<(index + 1) * rowBytes])
                UnsafeMutableRawBufferPointer(rebasing: target[row * rowBytes..<(row + 1) * rowBytes])
                    .copyMemory(from: from)
            }
        }
        rows.scales = scales?.selectingRows(indices, of: shape[0], columns: columns)
        return rows
    }

    /// A matrix with rows and columns exchanged, in the same element type.
    ///
    /// - Throws: `FormatError` naming the tensor when it is no matrix, or when memory is short.
    public func transposed() throws(FormatError) -> TensorView {
        let columns = try matrixColumns()
        let rows = shape[0]
        var exchanged = try copied(shape: [columns, rows]) { source, target in
            let size = elementType.byteCount
            for row in 0..<rows {
                for column in 0..<columns {
                    let (from, to) = ((row * columns + column) * size, (column * rows + row) * size)
                    for byte in 0..<size { target[to + byte] = source[from + byte] }
                }
            }
        }
        exchanged.scales = scales?.transposed(rows: rows, columns: columns)
        return exchanged
    }

    /// A convolution's kernel, [outputs, channels, height, width], as a matrix whose inputs are in the order of kernel
    /// row, kernel column, channel: [outputs, height · width · channels], in the same element type.
    ///
    /// - Throws: `FormatError` naming the tensor when it has not four dimensions, or when memory is short.
    public func channelsLast() throws(FormatError) -> TensorView {
        guard shape.count == 4 else { throw error("has shape \(shape), expected a convolution's four dimensions") }
        let (outputs, channels, taps) = (shape[0], shape[1], shape[2] * shape[3])
        let size = elementType.byteCount
        return try copied(shape: [outputs, taps * channels]) { source, target in
            for output in 0..<outputs {
                for channel in 0..<channels {
                    for tap in 0..<taps {
                        let from = ((output * channels + channel) * taps + tap) * size
                        let to = ((output * taps + tap) * channels + channel) * size
                        for byte in 0..<size { target[to + byte] = source[from + byte] }
                    }
                }
            }
        }
    }

    private func matrixColumns() throws(FormatError) -> Int {
        guard shape.count == 2 else { throw error("has shape \(shape), expected a matrix") }
        return shape[1]
    }

    /// A tensor in memory of its own, under this one's name.
    private func copied(
        shape: [Int], _ fill: (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) -> Void
    ) throws(FormatError) -> TensorView {
        let count = shape.reduce(elementType.byteCount, *)
        let copy = try MappedFile(named: file.path, byteCount: count) { target in
            withUnsafeBytes { fill($0, target) }
        }
        return TensorView(name: name, elementType: elementType, shape: shape, file: copy, range: 0..<count)
    }
}

extension BlockScales {
    /// The scales of some rows, each with its own.
    fileprivate func selectingRows(_ indices: [Int], of rows: Int, columns: Int) -> BlockScales {
        let count = (columns + block.inputs - 1) / block.inputs
        return BlockScales(
            block: WeightBlock(outputs: 1, inputs: block.inputs),
            values: indices.flatMap { values[$0 / block.outputs * count..<($0 / block.outputs + 1) * count] },
            byteCount: byteCount * indices.count / max(rows, 1))
    }

    fileprivate func transposed(rows: Int, columns: Int) -> BlockScales {
        let (rowBlocks, columnBlocks) = (
            (rows + block.outputs - 1) / block.outputs, (columns + block.inputs - 1) / block.inputs
        )
        return BlockScales(
            block: WeightBlock(outputs: block.inputs, inputs: block.outputs),
            values: (0..<columnBlocks).flatMap { column in
                (0..<rowBlocks).map { values[$0 * columnBlocks + column] }
            }, byteCount: byteCount)
    }
}

extension WeightBlock {
    fileprivate init(outputs: Int, inputs: Int) {
        self.outputs = outputs
        self.inputs = inputs
    }
}
