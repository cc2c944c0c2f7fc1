import VkdynCore

extension Kernel {
    /// Random packed matrices, one behind the other; their padding is NaN, or −128 in int8, which weights never are.
    static func packedWeights(
        _ layout: PackedLayout, _ matrixCount: Int, _ random: inout CaseGenerator, hasSpecialValues: Bool = false
    ) -> BufferContents {
        if layout.elementType == .i8 {
            var bytes: [UInt8] = []
            for _ in 0..<matrixCount {
                var matrix = [UInt8](repeating: 0x80, count: layout.elementCount)
                for k in 0..<layout.depth {
                    for column in 0..<layout.columns {
                        let value = Int8(truncatingIfNeeded: Int(random.next() >> 33 % 255) - 127)
                        matrix[layout.index(k: k, column: column)] = UInt8(bitPattern: value)
                    }
                }
                bytes += matrix
            }
            return BufferContents(elementType: .i8, bytes: bytes)
        }
        var values: [Float] = []
        for _ in 0..<matrixCount {
            var matrix = random.floats(layout.depth * layout.columns)
            if hasSpecialValues {
                // A column of zeros of both signs, and one of ones with an infinity.
                for k in 0..<layout.depth {
                    matrix[k * layout.columns + 2] = k % 2 == 0 ? 0 : -0.0
                    matrix[k * layout.columns + 3] = k == 6 ? .infinity : 1
                }
            }
            values += layout.pack(padding: .nan) { k, column in matrix[k * layout.columns + column] }
        }
        return .floats(values, as: layout.elementType)
    }

    /// Random scales of int8 matrices, [matrixCount, ⌈depth/groupSize⌉, padded columns]; padding is NaN.
    static func packedScales(
        _ layout: PackedLayout, _ matrixCount: Int, groupSize: Int, as type: ElementType = .f32,
        _ random: inout CaseGenerator
    ) -> BufferContents {
        let rows = matrixCount * ((layout.depth + groupSize - 1) / groupSize)
        var scales = random.floats(rows * layout.paddedColumns).map { 0.01 + $0 * 0.005 }
        for i in scales.indices where i % layout.paddedColumns >= layout.columns { scales[i] = .nan }
        return .floats(scales, as: type)
    }
}
