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

    @Test func packedChainsAreSumsOfProductsOfTheirBytes() {
        let (steps, factor, addend) = (5, Int32(bitPattern: 0x80FF_017F), Int32(1_000_003))
        let result = TwinCall<IntegerCeiling>(
            .init(result: .unwritten(4 * 9, as: .u32)),
            .init(chainCount: 9, stepCount: UInt32(steps), factor: factor, addend: addend), .init(packed: true)
        ).run().words("result")
        func bytes(_ word: UInt32) -> [Int] { (0..<4).map { Int(Int8(truncatingIfNeeded: word >> (8 * $0))) } }
        for index in 0..<4 * 9 {
            var x = UInt32(truncatingIfNeeded: index * 0x9E37_79B9)
            for _ in 0..<steps {
                let sum = zip(bytes(x), bytes(UInt32(bitPattern: factor))).reduce(Int(addend)) { $0 + $1.0 * $1.1 }
                x = UInt32(truncatingIfNeeded: sum)
            }
            #expect(result[index] == x)
        }
    }

    @Test func integerChainsAreTheClosedFormOfTheirSteps() {
        let (steps, factor, addend): (Int, UInt32, UInt32) = (37, 0x5DA3_1C8D, 12345)
        let result = TwinCall<IntegerCeiling>(
            .init(result: .unwritten(4 * 3, as: .u32)),
            .init(chainCount: 3, stepCount: UInt32(steps), factor: Int32(bitPattern: factor), addend: Int32(addend)),
            .init(packed: false)
        ).run().words("result")
        // aⁿx + b(1 + a + … + aⁿ⁻¹).
        var (power, sum) = (UInt32(1), UInt32(0))
        for _ in 0..<steps { (power, sum) = (power &* factor, sum &+ power) }
        #expect(result == (0..<12).map { power &* UInt32(truncatingIfNeeded: $0 * 0x9E37_79B9) &+ addend &* sum })
    }

    @Test func halvesAreSummedFromAQuarterOn() {
        let (steps, factor) = (600, 0.75)
        let result = TwinCall<HalfCeiling>(
            .init(result: .unwritten(4 * 2)),
            .init(chainCount: 2, stepCount: UInt32(steps), factor: Float(factor), start: 0x3400)
        ).run().floats("result")
        for index in 0..<8 {
            // Bits from 0x3400 on are (1024 + n) / 4096, n below 1024.
            let exact = (0..<steps).reduce(0.0) { $0 + factor * Double(1024 + index + $1) / 4096 }
            #expect(abs(Double(result[index]) - exact) < Double(steps) * 0x1p-24 * exact)
        }
        #expect(Set(result).count == 8)
    }

    @Test func onlyActiveGroupsAreCounted() {
        func result(groups: UInt32, active: UInt32) -> [UInt32] {
            TwinCall<EmptyDispatch>(
                .init(result: .words([5, .max, 7])), .init(groupCount: groups, activeCount: active)
            ).run().words("result")
        }
        #expect(result(groups: 3, active: 0) == [5, .max, 7])
        #expect(result(groups: 3, active: 2) == [6, 0, 7])
        #expect(result(groups: 1, active: 9) == [6, .max, 7])
    }
}
