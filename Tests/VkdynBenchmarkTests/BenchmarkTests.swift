import Testing
import VkdynCore
import VkdynKernels
import VkdynReference
import VkdynSchedule

@testable import VkdynBenchmark

/// What is run and how often; times are never asserted.
@Suite struct BenchmarkTests {
    private func options(_ change: (inout Benchmark.Options) -> Void = { _ in }) -> Benchmark.Options {
        var options = Benchmark.Options()
        options.sampleCount = 3
        options.sampleSeconds = 0.0005
        change(&options)
        return options
    }

    private func calls(_ text: String, _ variants: BenchmarkCall.Variants = .standard) throws -> [BenchmarkCall] {
        try BenchmarkCall.make(
            Matmul.self, try ShapeText.shape(text, of: Matmul.self), variants: variants, traits: .reference)
    }

    @Test func everyCallGetsItsSamplesAndTheProgressEndsAtOne() throws {
        let calls = try calls("2,8,8") + calls("3,8,8")
        var seen: [Double] = []
        let timings = try Benchmark(device: ReferenceDevice(), options: options()).measure(calls) { seen.append($0) }
        #expect(timings.count == 2 && timings.allSatisfy { $0.samples.count == 3 && $0.minimumSeconds > 0 })
        #expect(timings.map { $0.call.shape["rows"] } == [2, 3])
        #expect(seen == seen.sorted() && seen.last == 1)
    }

    @Test func copiesFillTheWorkingSetAndNoMore() throws {
        let call = try calls("2,8,8")
        let byteCount = call[0].inputs.byteCount
        func copies(_ workingSetBytes: Int, total: Int = 1 << 30) throws -> Int {
            let device = ReferenceDevice()
            let options = options {
                $0.workingSetBytes = workingSetBytes
                $0.totalBytes = total
            }
            return try Benchmark(device: device, options: options).measure(call)[0].copyCount
        }
        #expect(try copies(0) == 1)
        #expect(try copies(byteCount) == 1)
        #expect(try copies(byteCount + 1) == 2)
        #expect(try copies(5 * byteCount) == 5)
        #expect(try copies(1 << 20) == 64)
        #expect(try copies(5 * byteCount, total: 2 * byteCount) == 2)
    }

    @Test func whatProgressThrowsEndsTheMeasurement() throws {
        struct Stop: Error {}
        let calls = try calls("2,8,8")
        #expect(throws: Stop.self) {
            try Benchmark(device: ReferenceDevice(), options: options()).measure(calls) { _ in throw Stop() }
        }
    }

    @Test func theVariantsOfAShapeShareItsInputs() throws {
        let calls = try calls("2,8,8", .all)
        #expect(calls.count > 3)
        #expect(calls.allSatisfy { $0.inputs === calls[0].inputs })
        #expect(calls[0].variant.name == (try self.calls("2,8,8"))[0].variant.name)
    }

    @Test func theMedianOfAnEvenNumberIsBetweenTheMiddleOnes() throws {
        let call = try calls("2,8,8")[0]
        let even = KernelTiming(call: call, samples: [4, 1, 2, 9], repetitionCount: 1, copyCount: 1)
        #expect(even.medianSeconds == 3 && even.minimumSeconds == 1 && even.maximumSeconds == 9)
        let odd = KernelTiming(call: call, samples: [4, 1, 2], repetitionCount: 1, copyCount: 1)
        #expect(odd.medianSeconds == 2)
    }

    @Test func theShareIsThatOfTheNearerCeiling() throws {
        let traits = DeviceTraits.reference
        func timing(_ call: BenchmarkCall, _ seconds: Double) -> KernelTiming {
            KernelTiming(call: call, samples: [seconds], repetitionCount: 1, copyCount: 1)
        }
        let chains = try BenchmarkCall.make(
            ArithmeticCeiling.self, ArithmeticCeiling.shapes.shape(["chains": 10, "steps": 100]), variants: .all,
            traits: traits)
        let reads = try [ElementType.f32, .f16].flatMap { storage -> [BenchmarkCall] in
            try BenchmarkCall.make(
                ReadCeiling.self, ReadCeiling.shapes.shape(["quads": 4096], storage: storage), variants: .all,
                traits: traits)
        }
        let copy = try BenchmarkCall.make(
            CopyCeiling.self, CopyCeiling.shapes.shape(["quads": 100]), traits: traits)
        // 8,000 operations in 1 s at best; 65,544 bytes in 1 s by texels of f32, half by storage.
        var timings = chains.enumerated().map { timing($1, $0 == 1 ? 1 : 2) }
        timings += reads.map { timing($0, $0.load == "texels" ? 1 : 2) }
        timings += copy.map { timing($0, 1) }
        let ceilings = try #require(Ceilings(timings))
        #expect(ceilings.operationsPerSecond == 8000)
        #expect(ceilings.readBytesPerSecond == 65_544)
        #expect(ceilings.reads.first?.call.load == "texels")
        #expect(ceilings.reads.map(\.call.load).sorted() == ["bits", "storage", "texels", "texels"])
        let matmul = try calls("2,8,8")[0]
        // 256 operations; 16 + 2·8·4 + 64·4 + 16·4 bytes would be far from the read ceiling.
        let share = ceilings.share(of: timing(matmul, 0.064))
        #expect(share.bound == .arithmetic && abs(share.value - 0.5) < 1e-9)
        #expect(ceilings.share(of: timing(matmul, 0.016)).value > 1)
        #expect(ceilings.share(of: timing(copy[0], 1)).bound == .memory)
        #expect(Ceilings([timing(matmul, 1)]) == nil)
    }
}
