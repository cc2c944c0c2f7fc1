public import VkdynCore
import VkdynKernels
import VkdynSchedule

/// The best that a device did, in kernels that do one thing only, in the same run as what is compared with it.
public struct Ceilings: Sendable {
    /// What limits a call: the resource of which it uses the larger share.
    public enum Bound: String, Sendable, Codable { case arithmetic, memory }

    /// How much of a ceiling a call reached. Above 1 the measurement has failed: of call, of ceiling, or because the
    /// call found its data in a cache.
    public struct Share: Sendable, Hashable {
        public let value: Double
        public let bound: Bound
    }

    /// The fastest multiply-add chains.
    public let arithmetic: KernelTiming
    /// The fastest of every kind of load and type of storage, the fastest first.
    public let reads: [KernelTiming]
    public let copy: KernelTiming

    /// The calls to measure beside others.
    public static func calls(
        flavour: Flavour = .separate, traits: DeviceTraits
    ) throws(BenchmarkError) -> [BenchmarkCall] {
        let isCPU = traits.kind == .cpu || traits.kind == .reference
        let chains = ArithmeticCeiling.shapes.shape(["chains": isCPU ? 1 << 13 : 1 << 20, "steps": 1024])
        var calls = try BenchmarkCall.make(
            ArithmeticCeiling.self, chains, variants: .all, flavour: flavour, traits: traits)
        // Larger than the caches that one call could fill, and so long that its dispatch, some 50 µs where threads must
        // wake up, is nothing beside it: with 32 MiB a product that reads 64 MiB came to 105%.
        let byteCount = 128 << 20
        func quads(_ bytes: Int) -> Int { min(bytes, byteCount, traits.maximumStorageBytes) }
        for storage in ReadCeiling.shapes.storage {
            let count = min(quads(byteCount) / (4 * storage.byteCount), traits.maximumTexels)
            calls += try BenchmarkCall.make(
                ReadCeiling.self, ReadCeiling.shapes.shape(["quads": count], storage: storage), variants: .all,
                traits: traits)
        }
        let count = min(quads(byteCount / 2) / 16, traits.maximumTexels)
        calls += try BenchmarkCall.make(
            CopyCeiling.self, CopyCeiling.shapes.shape(["quads": count]), variants: .all, traits: traits)
        return calls
    }

    /// Measures calls with the ceilings beside them.
    ///
    /// Which variant of a ceiling is the best is found out first, in a few samples each; those go on in turn with the
    /// calls.
    /// - Parameter flavour: of the chains.
    public static func measure(
        _ calls: [BenchmarkCall], with benchmark: Benchmark, flavour: Flavour = .separate,
        progress: (Double) throws -> Void = { _ in }
    ) throws -> (timings: [KernelTiming], ceilings: Ceilings?) {
        let family = try Self.calls(flavour: flavour, traits: benchmark.device.traits)
        let trial = Ceilings(try benchmark.measure(family, sampleCount: 4) { try progress(0.3 * $0) })
        let companions = trial.map { [$0.arithmetic] + $0.reads + [$0.copy] } ?? []
        let timings = try benchmark.measure(calls, companions: companions.map(\.call)) { try progress(0.3 + 0.7 * $0) }
        return (Array(timings.prefix(calls.count)), Ceilings(Array(timings.dropFirst(calls.count))))
    }

    /// - Parameter timings: of those calls; others are passed over. Nil if a kind is missing.
    public init?(_ timings: [KernelTiming]) {
        func best(_ kernel: any Kernel.Type) -> [KernelTiming] {
            var found: [String: KernelTiming] = [:]
            for timing in timings where timing.call.kernel == kernel {
                let key = "\(timing.call.shape.storage.rawValue) \(timing.call.load)"
                if let other = found[key], other.secondsForOne <= timing.secondsForOne { continue }
                found[key] = timing
            }
            return found.values.sorted { $0.secondsForOne < $1.secondsForOne }
        }
        guard let arithmetic = best(ArithmeticCeiling.self).first, let copy = best(CopyCeiling.self).first else {
            return nil
        }
        reads = best(ReadCeiling.self)
        if reads.isEmpty { return nil }
        self.arithmetic = arithmetic
        self.copy = copy
    }

    public var operationsPerSecond: Double { arithmetic.operationsPerSecond }
    public var readBytesPerSecond: Double { reads[0].bytesPerSecond }
    public var copyBytesPerSecond: Double { copy.bytesPerSecond }

    public func share(of timing: KernelTiming) -> Share {
        let operations = timing.operationsPerSecond / operationsPerSecond
        let bytes = timing.bytesPerSecond / readBytesPerSecond
        return operations > bytes ? Share(value: operations, bound: .arithmetic) : Share(value: bytes, bound: .memory)
    }
}

extension BenchmarkCall {
    /// The kind of load in the name of a ceiling's variant: what stands before the number of lanes.
    public var load: String { variant.name.split(separator: "_").first.map(String.init) ?? variant.name }
}

extension KernelTiming {
    /// Seconds for one byte, or for one operation where the kernel is there for those.
    fileprivate var secondsForOne: Double {
        minimumSeconds / Double(max(call.cost.operations > 0 ? call.cost.operations : call.cost.bytes, 1))
    }
}
