import Foundation
import Synchronization
import Testing
import VkdynCore
import VkdynKernels
import VkdynReference
import VkdynSchedule

@testable import VkdynBenchmark

/// Which ceilings are measured and what becomes of their timings; times are never asserted.
@Suite struct CeilingsTests {
    private func timing(_ call: BenchmarkCall, _ seconds: Double) -> KernelTiming {
        KernelTiming(call: call, samples: [seconds, 2 * seconds], repetitionCount: 1, copyCount: 1)
    }

    private func calls(
        _ kernel: any Kernel.Type, _ values: [String: Int], _ flavour: Flavour = .separate
    ) throws -> [BenchmarkCall] {
        try BenchmarkCall.make(
            kernel, kernel.shapes.shape(values), variants: .all, flavour: flavour, traits: .reference)
    }

    /// 8,000 operations a second in chains, of both flavours, 6,000 of f16; `integerSeconds` for 32,000 of int8.
    private func timings(integerSeconds: Double) throws -> [KernelTiming] {
        let size = ["chains": 10, "steps": 100]
        var timings = try calls(ArithmeticCeiling.self, size).map { timing($0, 1) }
        timings += try calls(ArithmeticCeiling.self, size, .fused).map { timing($0, 0.5) }
        timings += try calls(HalfCeiling.self, ["chains": 10, "steps": 75]).enumerated().map {
            timing($1, $0 == 2 ? 1 : 3)
        }
        timings += try calls(IntegerCeiling.self, size.merging(["packed": 1]) { $1 }).enumerated().map {
            timing($1, $0 == 1 ? integerSeconds : 9 * integerSeconds)
        }
        timings += try calls(IntegerCeiling.self, size.merging(["packed": 0]) { $1 }).map { timing($0, 100) }
        timings += try calls(ReadCeiling.self, ["quads": 4096]).map { timing($0, 1) }
        return try timings + calls(CopyCeiling.self, ["quads": 100]).map { timing($0, 1) }
    }

    private let launch = LaunchCosts(
        dispatchSeconds: 1e-6, barrierSeconds: 2e-6, submitSeconds: 3e-6, hostToDeviceBytesPerSecond: 4,
        deviceToHostBytesPerSecond: 5)

    @Test func theBestOfEachKindIsTheFigure() throws {
        let ceilings = try #require(Ceilings(timings(integerSeconds: 2)))
        let figures = CeilingFigures(ceilings, launch, timestampSeconds: 7e-6, date: Date(timeIntervalSince1970: 0))
        #expect(figures.multiplyThenAddOperationsPerSecond == 8000)
        #expect(figures.multiplyAddOperationsPerSecond == 16_000)
        #expect(figures.f16OperationsPerSecond == 6000)
        #expect(figures.int8OperationsPerSecond == 16_000)
        #expect(figures.readBytesPerSecond == 65_544 && figures.copyBytesPerSecond == 3200)
        #expect(figures.dispatchSeconds == 1e-6 && figures.barrierSeconds == 2e-6 && figures.submitSeconds == 3e-6)
        #expect(figures.hostToDeviceBytesPerSecond == 4 && figures.deviceToHostBytesPerSecond == 5)
        #expect(figures.timestampSeconds == 7e-6 && figures.date == "1970-01-01T00:00:00Z" && figures.flaw == nil)
        let half = try calls(HalfCeiling.self, [:])[2].variant.name
        #expect(figures.variants?["f16OperationsPerSecond"] == "half_ceiling \(half)")
        #expect(figures.variants?["int8OperationsPerSecond"]?.hasSuffix(", packed") == true)
        #expect(figures.variants?.count == 6)
    }

    @Test func productsOfInt8GoByF32WhereThatIsFaster() throws {
        let ceilings = try #require(Ceilings(timings(integerSeconds: 5)))
        let figures = CeilingFigures(ceilings, launch, timestampSeconds: nil)
        #expect(figures.int8OperationsPerSecond == 8000)
        #expect(figures.variants?["int8OperationsPerSecond"]?.hasPrefix("arithmetic_ceiling") == true)
    }

    @Test func aRateThatWasNotMeasuredIsAbsent() throws {
        let some = try timings(integerSeconds: 1).filter {
            $0.call.flavour == .separate && $0.call.kernel != HalfCeiling.self && $0.call.kernel != IntegerCeiling.self
        }
        let figures = CeilingFigures(try #require(Ceilings(some)), launch, timestampSeconds: nil)
        #expect(figures.multiplyAddOperationsPerSecond == nil && figures.f16OperationsPerSecond == nil)
        #expect(figures.int8OperationsPerSecond == nil && figures.timestampSeconds == nil)
        #expect(figures.variants?.count == 3)
        let text = String(decoding: try JSONEncoder().encode(figures), as: UTF8.self)
        #expect(!text.contains("int8") && text.contains("\"dispatchSeconds\":"))
        #expect(try JSONDecoder().decode(CeilingFigures.self, from: Data(text.utf8)) == figures)
    }

    @Test func aShareIsThatOfTheCallsOwnKindOfProducts() throws {
        let ceilings = try #require(Ceilings(timings(integerSeconds: 1)))
        // 2 · 8 · 16 · 8 operations a second.
        let int8 = try calls(Int8Matmul.self, ["rows": 8, "columns": 16, "depth": 8])[0]
        #expect(abs(ceilings.share(of: timing(int8, 1)).value - 2048.0 / 32_000) < 1e-9)
        let floats = try calls(Matmul.self, ["rows": 8, "columns": 16, "depth": 8])[0]
        #expect(abs(ceilings.share(of: timing(floats, 1)).value - 2048.0 / 8000) < 1e-9)
        let fused = try calls(Matmul.self, ["rows": 8, "columns": 16, "depth": 8], .fused)[0]
        #expect(abs(ceilings.share(of: timing(fused, 1)).value - 2048.0 / 16_000) < 1e-9)
    }

    @Test func everyKindHasCallsOfItsKernel() throws {
        func kernels(_ kinds: Ceilings.Kind...) throws -> Set<String> {
            // Small ones: the sizes of the calls follow the device's limits.
            var traits = DeviceTraits.reference
            traits.kind = .cpu
            traits.maximumStorageBytes = 1 << 16
            traits.maximumTexels = 1 << 12
            return Set(try Ceilings.calls(kinds, traits: traits).map { $0.kernel.interface.name })
        }
        #expect(try kernels(.chains(.separate)) == ["arithmetic_ceiling"])
        #expect(try kernels(.halves, .integers) == ["half_ceiling", "integer_ceiling"])
        #expect(try kernels(.reads, .copies) == ["read_ceiling", "copy_ceiling"])
    }

    @Test func emptyPlansHaveBarriersOverASharedBufferOnly() throws {
        let device = ReferenceDevice()
        let buffer = try device.makeBuffer(.words([41]), label: "shared")
        let shared = try EmptyPlan.make(dispatchCount: 1000, sharing: buffer, traits: device.traits)
        #expect(shared.steps.count == 1000 && shared.steps.count { $0.needsBarrier } == 999)
        let apart = try EmptyPlan.make(dispatchCount: 1000, sharing: nil, traits: device.traits)
        #expect(apart.steps.count == 1000 && apart.steps.allSatisfy { !$0.needsBarrier })
        try device.prepare(shared).run()
        #expect(try device.read(UInt32.self, from: buffer, count: 1) == [41])
    }

    @Test func launchCostsAreFiguresOfTheirPlansAndCopies() throws {
        let device = ReferenceDevice()
        let costs = try LaunchCosts.measure(on: device, sampleCount: 4, transferBytes: 1 << 16)
        #expect(costs.dispatchSeconds > 0 && costs.barrierSeconds > 0 && costs.submitSeconds > 0)
        #expect(costs.hostToDeviceBytesPerSecond > 0 && costs.deviceToHostBytesPerSecond > 0)
        // Two runs that do not count and four that do, of three plans, two of which dispatch; two copies each way.
        #expect(device.counters.submits == 18 && device.counters.dispatches == 12_000 && device.counters.readbacks == 2)
    }

    private final class Peer: PreparedPlan {
        let runs = Mutex(0)
        func run() throws(DeviceError) { runs.withLock { $0 += 1 } }
    }

    @Test func planAndPeerAreRunEquallyOften() throws {
        let device = ReferenceDevice()
        var peers: [(peer: Peer, isStamped: Bool)] = []
        let timing = try ReplayTiming.measure(on: device, dispatchCount: 10, sampleCount: 5) { plan, isStamped in
            #expect(plan.steps.count == 10)
            peers.append((Peer(), isStamped))
            return peers[peers.count - 1].peer
        }
        let replay = try #require(timing)
        #expect(replay.dispatchCount == 10 && replay.barrierCount == 9 && replay.sampleCount == 5)
        #expect(device.counters.submits == 7 && device.counters.dispatches == 70)
        #expect(peers.count { $0.isStamped } == 1 && peers.last?.isStamped == true)
        // The last that is not stamped, and the stamped one.
        #expect(peers.suffix(2).allSatisfy { $0.peer.runs.withLock { $0 } == 7 })
        #expect(replay.timestampSeconds != nil && replay.bestRatio > 0 && replay.medianRatio > 0)
    }

    @Test func withoutAPeerThereIsNoRatioAndWithoutStampsNoCostOfThem() throws {
        let device = ReferenceDevice()
        let none = try ReplayTiming.measure(on: device, dispatchCount: 3, sampleCount: 2) { _, _ in nil }
        #expect(none == nil)
        let unstamped = try ReplayTiming.measure(on: device, dispatchCount: 3, sampleCount: 2) { $1 ? nil : Peer() }
        #expect(unstamped != nil && unstamped?.timestampSeconds == nil)
    }
}
