import Testing
import VkdynCore
import VkdynKernels

@Suite struct Int8Tests {
    @Test func quantisedRowsAreWithinHalfAStepOfTheirSource() {
        for run in TwinRun<QuantizeRows>.all() {
            let width = Int(run.parameters.width)
            let stride = (width + 3) / 4 * 4
            let source = run.before[1]!.floats
            let numbers = run.after[2]!.bytes.map { Int(Int8(bitPattern: $0)) }
            let scales = run.after[3]!.floats
            var wrong = 0
            for row in 0..<run.rowCount {
                let values = source[row * width..<(row + 1) * width].map(Double.init)
                let own = numbers[row * stride..<(row + 1) * stride]
                if own.suffix(stride - width).contains(where: { $0 != 0 }) { wrong += 1 }
                if values.contains(where: { !$0.isFinite }) {
                    if !scales[row].isNaN || own.contains(where: { $0 != 0 }) { wrong += 1 }
                    continue
                }
                let largest = values.map(abs).max() ?? 0
                let isZero = largest < 0x1p-100
                if !agrees(scales[row], isZero ? 0 : largest / 127, bound: ulp(largest / 127)) { wrong += 1 }
                for (value, number) in zip(values, own) {
                    let exact = isZero ? 0 : value * 127 / largest
                    if abs(exact - Double(number)) > 0.5001 || abs(number) > 127 { wrong += 1 }
                }
            }
            #expect(wrong == 0, "\(run.label)")
        }
    }

    @Test func productsAgreeWithTheirFormula() {
        for run in TwinRun<Int8Matmul>.all() {
            let p = run.parameters
            let (depth, columns, group) = (Int(p.depth), Int(p.columns), Int(p.groupSize))
            let layout = PackedLayout(depth: depth, columns: columns, elementType: .i8)
            let stride = (depth + 3) / 4 * 4
            let source = run.before[1]!.bytes.map { Int(Int8(bitPattern: $0)) }
            let weights = run.before[3]!.bytes.map { Int(Int8(bitPattern: $0)) }
            let (rowScales, scales) = (run.before[2]!.floats, run.before[4]!.floats)
            let (bias, residual) = (run.before[5]?.floats, run.before[6]?.floats)
            let result = run.after[7]!.floats
            let activation = Activation(rawValue: run.constants.activation)!
            var wrong = 0
            for row in 0..<run.rowCount {
                for column in 0..<columns {
                    var sum = 0.0
                    var magnitude = 0.0
                    for start in Swift.stride(from: 0, to: depth, by: group) {
                        var exact = 0
                        for k in start..<min(start + group, depth) {
                            exact += source[row * stride + k] * weights[layout.index(k: k, column: column)]
                        }
                        let scale = Double(scales[start / group * layout.paddedColumns + column])
                        sum += Double(exact) * scale
                        magnitude += abs(Double(exact) * scale)
                    }
                    let value = sum * Double(rowScales[row]) + Double(bias?[column] ?? 0)
                    let place = row * Int(p.resultStride) + Int(p.resultOffset) + column
                    let exact = Double(activation(Float(value))) + Double(residual?[place] ?? 0)
                    let groups = Double((depth + group - 1) / group)
                    let bound = 1.2 * (3 * groups + 4) * 0x1p-24 * magnitude * abs(Double(rowScales[row]))
                        + 8 * 0x1p-24 * (abs(value) + abs(exact) + 1)
                    if !agrees(result[place], exact, bound: bound) { wrong += 1 }
                }
            }
            #expect(wrong == 0, "\(run.label)")
        }
    }

    /// Every known matrix has a variant in the sources; those that the build left out are chosen by no device.
    @Test func aMatrixVariantIsNamedWhereTheDeviceAndTheBuildHaveIt() throws {
        let built = Int8Matmul.interface.variants.map(\.name)
        let leftOut = Int8Matmul.interface.leftOut.map(\.name)
        let matrices = IntegerMatrix.known.map { ($0, Int8Matmul.matrixVariant($0)) }
        #expect((built + leftOut).filter { $0.hasPrefix("matrix_") && !$0.hasPrefix("matrix_emulated") }.sorted()
            == matrices.map(\.1).sorted())
        for kind in [DeviceTraits.Kind.discrete, .integrated, .cpu] {
            for (matrix, name) in matrices {
                for kernelCase in Int8Matmul.cases {
                    var traits = DeviceTraits.reference
                    (traits.kind, traits.integerMatrices) = (kind, [matrix])
                    let variants = Int8Matmul.variants(
                        parameters: kernelCase.parameters, constants: kernelCase.constants,
                        elements: kernelCase.contents.map { $0?.elementType }, traits: traits).map(\.name)
                    #expect(variants.filter { $0.hasPrefix("matrix_\(matrix.form.rawValue)") }
                        == (built.contains(name) ? [name] : []))
                    // For tests, not for speed.
                    let firstEmulated = try #require(variants.firstIndex { $0.hasPrefix("matrix_emulated") })
                    #expect(variants[firstEmulated...].allSatisfy { $0.hasPrefix("matrix_emulated") })
                    #expect(firstEmulated > 0 && variants.contains("general"))
                }
            }
        }
    }

    /// 127² · 2048 lies above 2²⁴: it is rounded once, not summed in f32.
    @Test func groupSumsAreExactBeforeTheyAreRounded() {
        let run = TwinRun<Int8Matmul>.all().first { $0.label.hasSuffix("largest sums") }!
        let p = run.parameters
        let scale = run.before[4]!.floats[0]
        let expected = (Float(127 * 127 * 2048) * scale + 0) * run.before[2]!.floats[0]
        #expect(run.after[7]!.floats[Int(p.resultOffset)] == expected)
    }
}
