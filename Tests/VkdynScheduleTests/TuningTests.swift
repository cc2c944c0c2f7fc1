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
                rowCapacity: rows, depth: depth, columns: columns, batchCount: 1, sourceStride: depth, sourceOffset: 0,
                sourceBatchStride: 0, resultStride: stride, resultOffset: offset, resultBatchStride: 0, groupSize: 64
            ).words,
            constants: [activation, 0], elements: [.u32, .f32, weights, nil, bias, nil, .f32], flavour: flavour)
    }

    @Test func rowsFallIntoBucketsOfPowersOfTwo() {
        let buckets = [0, 1, 2, 4, 4] + Array(repeating: 8, count: 4) + Array(repeating: 16, count: 8) + [32]
        #expect((0...17).map(Tuning.CallClass.bucket) == buckets)
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

    private func plan(_ tuning: Tuning) throws -> Plan {
        func buffer(_ type: ElementType, _ count: Int) -> Buffer {
            Buffer(elementType: type, count: count, label: "buffer", storage: Persistent())
        }
        var recording = Recording()
        recording.dispatch(
            Matmul.self, "product",
            .init(
                rows: buffer(.u32, 3), source: buffer(.f32, 512), weights: buffer(.f32, 2048),
                result: buffer(.f32, 256)),
            .init(
                rowCapacity: 8, depth: 64, columns: 32, batchCount: 1, sourceStride: 64, sourceOffset: 0,
                sourceBatchStride: 0, resultStride: 32, resultOffset: 0, resultBatchStride: 0, groupSize: 64))
        return try Plan(recording, label: "test", traits: traits, tuning: tuning)
    }

    @Test func aPlanTakesTheMeasuredVariantForCallsOfItsClassOnly() throws {
        let first = try plan(Tuning()).steps[0].variant.name
        #expect(first != "lanes8_rows3_quads2")
        #expect(try plan(Tuning([callClass(rows: 6): "lanes8_rows3_quads2"])).steps[0].variant.name == "lanes8_rows3_quads2")
        #expect(try plan(Tuning([callClass(rows: 9): "lanes8_rows3_quads2"])).steps[0].variant.name == first)
    }

    @Test func aVariantThatMayNotRunTheCallIsNeverTaken() throws {
        let first = try plan(Tuning()).steps[0].variant.name
        #expect(try plan(Tuning([callClass(): "texels_rows4_size64"])).steps[0].variant.name == first)
        #expect(try plan(Tuning([callClass(): "zebra"])).steps[0].variant.name == first)
    }

    @Test func mergedTuningsKeepBothAndPreferTheLater() {
        let merged = Tuning([callClass(): "a", callClass(rows: 1): "b"]).merged(with: Tuning([callClass(): "c"]))
        #expect(merged[callClass()] == "c" && merged[callClass(rows: 1)] == "b" && merged.sorted.count == 2)
    }
}
