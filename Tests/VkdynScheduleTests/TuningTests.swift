import Testing
import VkdynCore
import VkdynKernels

@testable import VkdynSchedule

@Suite struct TuningTests {
    private final class Persistent: BufferStorage {}

    private let traits = DeviceTraits(
        kind: .cpu, subgroupSize: 8, maximumWorkgroupInvocations: 1024, sharedMemoryBytes: 32768,
        maximumTexels: 1 << 27, maximumStorageBytes: 1 << 27)

    private func callClass(
        rows: UInt32 = 8, depth: UInt32 = 64, columns: UInt32 = 32, stride: UInt32 = 32, offset: UInt32 = 0,
        activation: UInt32 = 0, weights: ElementType = .f32, bias: ElementType? = nil, flavour: Flavour = .separate
    ) -> Tuning.CallClass {
        Tuning.CallClass(
            Matmul.self,
            parameters: Matmul.Parameters(
                rowCapacity: rows, depth: depth, columns: columns, resultStride: stride, resultOffset: offset
            ).words,
            constants: [activation], elements: [.u32, .f32, weights, bias, nil, .f32], flavour: flavour)
    }

    @Test func rowsFallIntoBucketsOfPowersOfTwo() {
        #expect((0...17).map(Tuning.CallClass.bucket) == [0, 1, 2, 4, 4] + Array(repeating: 8, count: 4)
            + Array(repeating: 16, count: 8) + [32])
        #expect(callClass(rows: 5) == callClass(rows: 8))
        #expect(callClass(rows: 4) != callClass(rows: 5))
        #expect(callClass(rows: 1) != callClass(rows: 2))
    }

    @Test func everythingElseOfTheWorkCountsExactly() {
        let call = callClass()
        #expect(call == callClass(stride: 99, offset: 7))
        for other in [
            callClass(depth: 68), callClass(columns: 36), callClass(activation: 1), callClass(weights: .f16),
            callClass(bias: .f32), callClass(flavour: .fused),
        ] { #expect(call != other) }
    }

    private func plan(_ tuning: Tuning) -> Plan {
        func buffer(_ type: ElementType, _ count: Int) -> Buffer {
            Buffer(elementType: type, count: count, label: "buffer", storage: Persistent())
        }
        var recording = Recording()
        recording.dispatch(
            Matmul.self, "product",
            .init(
                rows: buffer(.u32, 3), source: buffer(.f32, 512), weights: buffer(.f32, 2048),
                result: buffer(.f32, 256)),
            .init(rowCapacity: 8, depth: 64, columns: 32, resultStride: 32, resultOffset: 0))
        return Plan(recording, label: "test", traits: traits, tuning: tuning)
    }

    @Test func aPlanTakesTheMeasuredVariantForCallsOfItsClassOnly() {
        #expect(plan(Tuning()).steps[0].variant.name == "lanes8_rows8")
        #expect(plan(Tuning([callClass(rows: 6): "lanes8_rows4"])).steps[0].variant.name == "lanes8_rows4")
        #expect(plan(Tuning([callClass(rows: 9): "lanes8_rows4"])).steps[0].variant.name == "lanes8_rows8")
    }

    @Test func aVariantThatMayNotRunTheCallIsNeverTaken() {
        #expect(plan(Tuning([callClass(): "bits_general"])).steps[0].variant.name == "lanes8_rows8")
        #expect(plan(Tuning([callClass(): "zebra"])).steps[0].variant.name == "lanes8_rows8")
    }

    @Test func mergedTuningsKeepBothAndPreferTheLater() {
        let merged = Tuning([callClass(): "a", callClass(rows: 1): "b"]).merged(with: Tuning([callClass(): "c"]))
        #expect(merged[callClass()] == "c" && merged[callClass(rows: 1)] == "b" && merged.sorted.count == 2)
    }
}
