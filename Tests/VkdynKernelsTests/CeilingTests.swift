import Testing
import VkdynCore
import VkdynKernels

/// The kernels that benchmarks are compared with do the work that they claim.
@Suite struct CeilingTests {
    @Test func aChainIsTheClosedFormOfItsSteps() {
        let (steps, a, b) = (64, -0.9990234375, 2.75)
        let run = TwinCall<ArithmeticCeiling>(
            .init(result: .unwritten(4 * 70)),
            .init(chainCount: 70, stepCount: UInt32(steps), factor: Float(a), addend: Float(b))
        ).run()
        let result = run.floats("result")
        var power = 1.0
        for _ in 0..<steps { power *= a }
        for index in 0..<4 * 70 {
            let start = 1 + Double(index) / 65536
            // f(x) = ax + b, n times: aⁿx + b(1 − aⁿ)/(1 − a).
            let exact = power * start + b * (1 - power) / (1 - a)
            #expect(abs(Double(result[index]) - exact) < Double(steps) * 4 * 0x1p-24)
        }
        #expect(Set(result).count == 4 * 70)
    }

    @Test func noStepGivesTheStart() {
        let run = TwinCall<ArithmeticCeiling>(
            .init(result: .unwritten(8)), .init(chainCount: 2, stepCount: 0, factor: 3, addend: 4)
        ).run()
        #expect(run.floats("result") == (0..<8).map { 1 + Float($0) / 65536 })
    }

    @Test(arguments: [ElementType.f32, .f16]) func everyElementReadChangesTheResult(type: ElementType) {
        var random = CaseGenerator(seed: 5)
        let made = ReadCeiling.makeCase(ReadCeiling.shapes.shape(["quads": 8200], storage: type), &random)
        let contents = made.contents[0]!
        func result(_ bytes: [UInt8]) -> [UInt32] {
            TwinCall<ReadCeiling>(
                contents: [BufferContents(elementType: type, bytes: bytes), made.contents[1]],
                parameters: made.parameters, constants: []
            ).run().words("result")
        }
        let whole = result(contents.bytes)
        #expect(whole.count == 2)
        for element in [0, 1, 4095, 32767, 32768, 32799] {
            var bytes = contents.bytes
            bytes[element * type.byteCount] ^= 1
            let changed = result(bytes)
            let segment = element / 32768
            #expect(changed[segment] != whole[segment] && changed[1 - segment] == whole[1 - segment])
        }
    }

    @Test func readingIsTheExclusiveOrOfAllWords() {
        var random = CaseGenerator(seed: 6)
        let made = ReadCeiling.makeCase(ReadCeiling.shapes.shape(["quads": 1000]), &random)
        let words = made.contents[0]!.bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt32.self)) }
        // Segment 0 starts from 0.
        #expect(TwinCall<ReadCeiling>(made).run().words("result") == [words.reduce(0, ^)])
    }

    @Test func aCopyIsEqual() {
        var random = CaseGenerator(seed: 7)
        let made = CopyCeiling.makeCase(CopyCeiling.shapes.shape(["quads": 4097]), &random)
        let run = TwinCall<CopyCeiling>(made).run()
        #expect(run.words("result") == run.words("source"))
    }
}
