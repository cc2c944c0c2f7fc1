import Testing
import VkdynCore
import VkdynKernels

/// Convolution against its formula in double precision, over a picture that is enlarged and padded in memory first.
@Suite struct ConvolutionTests {
    /// The picture that the taps of one image fall on: the enlarged source in a frame of nil, [height, width] of pixels
    /// of the source.
    private func framed(_ p: Convolution.Parameters) -> [[Int?]] {
        let (height, width) = (Int(p.gridHeight), Int(p.gridWidth))
        // Far enough for every tap of every result.
        let frame = Int(p.padding) + Int(p.resultHeight + p.resultWidth) * Int(p.stride) + Int(p.kernelSize)
        var rows = Array(
            repeating: [Int?](repeating: nil, count: width + 2 * frame), count: height + 2 * frame)
        for y in 0..<height {
            for x in 0..<width {
                rows[frame + y][frame + x] =
                    y * Int(p.sourceHeight) / height * Int(p.sourceWidth) + x * Int(p.sourceWidth) / width
            }
        }
        return rows.dropFirst(frame - Int(p.padding)).map { Array($0.dropFirst(frame - Int(p.padding))) }
    }

    @Test func everyCaseAgreesWithItsFormulaWithinTheStatedBound() {
        for run in TwinRun<Convolution>.all() {
            let p = run.parameters
            let (channels, columns, kernel) = (Int(p.channels), Int(p.columns), Int(p.kernelSize))
            let depth = kernel * kernel * channels
            let padded = (columns + 3) / 4 * 4
            let (source, weights) = (run.before[1]!.floats, run.before[2]!)
            let perWord = 4 / weights.elementType.byteCount
            let values = weights.floats
            let scales = run.before[3]?.floats
            let (bias, imageBias, residual) = (run.before[4]?.floats, run.before[5]?.floats, run.before[6]?.floats)
            let (before, after) = (run.before[7]!.floats, run.after[7]!.floats)
            let activation = Activation(rawValue: run.constants.activation)!
            let groups = scales == nil ? 0 : (depth + Int(p.groupSize) - 1) / Int(p.groupSize)
            let sourcePixels = Int(p.sourceHeight) * Int(p.sourceWidth)
            let picture = framed(p)
            var isWritten = [Bool](repeating: false, count: after.count)
            var wrong = 0
            for image in 0..<run.rowCount {
                for y in 0..<Int(p.resultHeight) {
                    for x in 0..<Int(p.resultWidth) {
                        let pixel = (image * Int(p.resultHeight) + y) * Int(p.resultWidth) + x
                        let place = pixel * Int(p.resultStride) + Int(p.resultOffset)
                        for column in 0..<columns {
                            var sum = 0.0
                            var magnitude = 0.0
                            // As the numbers are summed before a group's scale.
                            var unscaled = 0.0
                            for (ky, kx, c) in product(kernel, kernel, channels) {
                                let row = picture[y * Int(p.stride) + ky]
                                guard let found = row[x * Int(p.stride) + kx] else { continue }
                                let k = (ky * kernel + kx) * channels + c
                                let index = packedElement(k, column, depth: depth, columns: columns, perWord: perWord)
                                let number = source[(image * sourcePixels + found) * channels + c]
                                var product = Double(number) * Double(values[index])
                                unscaled += abs(product)
                                if let scales { product *= Double(scales[k / Int(p.groupSize) * padded + column]) }
                                sum += product
                                magnitude += abs(product)
                            }
                            if let bias { sum += Double(bias[column]) }
                            if let imageBias {
                                let row = Int(p.imageBiasOffset) + image * Int(p.imageBiasStride)
                                sum += Double(imageBias[row + column])
                            }
                            let exact = Double(activation(Float(sum))) + Double(residual?[place + column] ?? 0)
                            let slack = (258 + Double(depth / 256) + 2 * Double(groups)) * 0x1p-24 * magnitude
                            // The activations' slopes stay below 1.2.
                            let bound = 1.2 * slack + 10 * 0x1p-24 * (abs(sum) + abs(exact) + 2)
                            // Where products or their sums leave f32, an infinity or a NaN is what the order gives.
                            let overflows = !(magnitude < 0x1p127 && unscaled < 0x1p127)
                            if !overflows, !agrees(after[place + column], exact, bound: bound) { wrong += 1 }
                            if magnitude.isNaN, !after[place + column].isNaN { wrong += 1 }
                            isWritten[place + column] = true
                        }
                    }
                }
            }
            #expect(wrong == 0, "\(run.label)")
            let touched = after.indices.filter { !isWritten[$0] && after[$0].bitPattern != before[$0].bitPattern }
            #expect(touched.isEmpty, "\(run.label)")
        }
    }

    private func product(_ a: Int, _ b: Int, _ c: Int) -> [(Int, Int, Int)] {
        (0..<a * b * c).map { ($0 / (b * c), $0 / c % b, $0 % c) }
    }

    private func parameters(
        size: Int, channels: Int, columns: Int, kernel: Int, stride: UInt32 = 1
    ) -> Convolution.Parameters {
        let side = UInt32(size)
        return .init(
            imageCapacity: 1, sourceHeight: side, sourceWidth: side, gridHeight: side, gridWidth: side,
            resultHeight: side, resultWidth: side, channels: UInt32(channels), columns: UInt32(columns),
            kernelSize: UInt32(kernel), stride: stride, padding: UInt32(kernel / 2), resultStride: UInt32(columns),
            resultOffset: 0, imageBiasStride: 0, imageBiasOffset: 0, groupSize: 64)
    }

    private let one = BufferContents.structure(RowCount(count: 1, capacity: 1))

    /// In every storage type, with and without scales.
    @Test func aKernelOfOneTapHasTheBitsOfMatmul() {
        var random = CaseGenerator(seed: 12)
        let (size, channels, columns) = (5, 300, 37)
        let source = BufferContents.floats(random.floats(size * size * channels))
        for type in [ElementType.f32, .f16, .i8] {
            let layout = PackedLayout(depth: channels, columns: columns, elementType: type)
            let weights: BufferContents =
                type == .i8
                ? .init(elementType: .i8, bytes: (0..<layout.elementCount).map { UInt8($0 * 31 % 251) })
                : .floats(random.floats(layout.elementCount), as: type)
            let scales: BufferContents? =
                type == .i8 ? .floats(random.floats(5 * layout.paddedColumns)) : nil
            let bias = BufferContents.floats(random.floats(columns))
            let convolved = TwinRun<Convolution>(
                Convolution.self,
                Convolution.makeCase(
                    "one tap",
                    .init(
                        images: one, source: source, weights: weights, scales: scales, bias: bias,
                        result: .unwritten(size * size * columns)),
                    parameters(size: size, channels: channels, columns: columns, kernel: 1),
                    .init(activation: Activation.silu.rawValue)))
            let rows = UInt32(size * size)
            let multiplied = TwinRun<Matmul>(
                Matmul.self,
                Matmul.makeCase(
                    "rows",
                    .init(
                        rows: .structure(RowCount(count: rows, capacity: rows)), source: source, weights: weights,
                        scales: scales, bias: bias, result: .unwritten(size * size * columns)),
                    .init(
                        rowCapacity: rows, depth: UInt32(channels), columns: UInt32(columns), batchCount: 1,
                        sourceStride: UInt32(channels), sourceOffset: 0, sourceBatchStride: 0,
                        resultStride: UInt32(columns), resultOffset: 0, resultBatchStride: 0, groupSize: 64),
                    .init(activation: Activation.silu.rawValue)))
            #expect(convolved.after[7]!.words == multiplied.after[6]!.words, "\(type)")
        }
    }

    /// The taps of the left column lie outside for the left pixels and reach all others.
    @Test func weightsOfAbsentTapsAreNotMultiplied() {
        let layout = PackedLayout(depth: 9 * 4, columns: 1, elementType: .f32)
        let weights = layout.pack { k, _ in k / 4 % 3 == 0 ? .nan : 1 }
        let size = 6
        let run = TwinRun<Convolution>(
            Convolution.self,
            Convolution.makeCase(
                "NaN on the left",
                .init(
                    images: one, source: .floats([Float](repeating: 1, count: size * size * 4)),
                    weights: .floats(weights), result: .unwritten(size * size)),
                parameters(size: size, channels: 4, columns: 1, kernel: 3)))
        for (pixel, value) in run.after[7]!.floats.enumerated() {
            let rows = pixel / size == 0 || pixel / size == size - 1 ? 2 : 3
            if pixel % size == 0 {
                #expect(value == Float(rows * 2 * 4))
            } else {
                #expect(value.isNaN)
            }
        }
    }

    /// A sum of 2²⁴ and ones loses those of its own chunk of 256 and keeps those of the next, which is of other taps.
    @Test func chunksRunAcrossTaps() {
        let layout = PackedLayout(depth: 9 * 60, columns: 1, elementType: .f32)
        let weights = layout.pack { k, _ in k == 0 ? 0x1p24 : 1 }
        let run = TwinRun<Convolution>(
            Convolution.self,
            Convolution.makeCase(
                "chunks",
                .init(
                    images: one, source: .floats([Float](repeating: 1, count: 9 * 60)),
                    weights: .floats(weights), result: .unwritten(9)),
                parameters(size: 3, channels: 60, columns: 1, kernel: 3)))
        // The middle pixel has all taps: 256 products, 256 and 28.
        #expect(run.after[7]!.floats[4] == 0x1p24 + 256 + 28)
        // The first lacks the upper and left taps, and with them k = 0.
        #expect(run.after[7]!.floats[0] == 4 * 60)
    }

    @Test func costCountsTheProductsThatAreAdded() {
        var p = parameters(size: 4, channels: 8, columns: 16, kernel: 3)
        func operations() -> Int {
            Convolution.cost(
                .init(parameters: p, constants: .init(), elements: .init(values: Array(repeating: .f32, count: 8)),
                    flavour: .separate)
            ).operations
        }
        // 2 + 3 + 3 + 2 taps along each axis.
        #expect(operations() == 2 * 10 * 10 * 8 * 16)
        p.padding = 0
        (p.resultHeight, p.resultWidth) = (2, 2)
        #expect(operations() == 2 * 6 * 6 * 8 * 16)
    }
}
