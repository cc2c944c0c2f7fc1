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

    /// What ceilings are measured of; a kernel each.
    public enum Kind: Sendable, Hashable {
        /// Multiply-add chains, by flavour.
        case chains(Flavour)
        /// Products of f16, each widened for itself.
        case halves
        /// int8 × int8 in int32.
        case integers
        case reads
        case copies
    }

    /// The fastest multiply-add chains of each flavour that was measured.
    public let chains: [Flavour: KernelTiming]
    /// The fastest of every kind of load and type of storage, the fastest first.
    public let reads: [KernelTiming]
    public let copy: KernelTiming
    /// Nil where not measured.
    public let halves: KernelTiming?
    public let integers: KernelTiming?

    /// The calls to measure beside others.
    public static func calls(_ kinds: [Kind], traits: DeviceTraits) throws(BenchmarkError) -> [BenchmarkCall] {
        var calls: [BenchmarkCall] = []
        for kind in kinds { calls += try Self.calls(kind, traits) }
        return calls
    }

    private static func calls(_ kind: Kind, _ traits: DeviceTraits) throws(BenchmarkError) -> [BenchmarkCall] {
        let isCPU = traits.kind == .cpu || traits.kind == .reference
        func make(
            _ kernel: any Kernel.Type, _ values: [String: Int], storage: ElementType? = nil,
            flavour: Flavour = .separate
        ) throws(BenchmarkError) -> [BenchmarkCall] {
            try BenchmarkCall.make(
                kernel, kernel.shapes.shape(values, storage: storage), variants: .all, flavour: flavour, traits: traits)
        }
        // Larger than the caches that one call could fill, and so long that its dispatch, some 50 µs where threads must
        // wake up, is nothing beside it: with 32 MiB a product that reads 64 MiB came to 105%.
        let byteCount = min(128 << 20, traits.maximumStorageBytes)
        let chains = ["chains": isCPU ? 1 << 13 : 1 << 20, "steps": 1024]
        switch kind {
        case .chains(let flavour): return try make(ArithmeticCeiling.self, chains, flavour: flavour)
        case .halves: return try make(HalfCeiling.self, chains)
        case .integers:
            return try make(IntegerCeiling.self, chains.merging(["packed": 1]) { $1 })
                + make(IntegerCeiling.self, chains.merging(["packed": 0]) { $1 })
        case .reads:
            var calls: [BenchmarkCall] = []
            for storage in ReadCeiling.shapes.storage {
                let count = min(byteCount / (4 * storage.byteCount), traits.maximumTexels)
                calls += try make(ReadCeiling.self, ["quads": count], storage: storage)
            }
            return calls
        case .copies:
            let count = min(64 << 20, traits.maximumStorageBytes) / 16
            return try make(CopyCeiling.self, ["quads": min(count, traits.maximumTexels)])
        }
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
        let integers: [Kind] = calls.contains { $0.multipliesIntegers } ? [.integers] : []
        return try measure(
            calls, beside: [.chains(flavour), .reads, .copies] + integers, with: benchmark, progress: progress)
    }

    /// Measures calls, which may be none, with the ceilings of these kinds beside them.
    public static func measure(
        _ calls: [BenchmarkCall] = [], beside kinds: [Kind], with benchmark: Benchmark,
        progress: (Double) throws -> Void = { _ in }
    ) throws -> (timings: [KernelTiming], ceilings: Ceilings?) {
        let family = try Self.calls(kinds, traits: benchmark.device.traits)
        let trial = Ceilings(try benchmark.measure(family, sampleCount: 4) { try progress(0.3 * $0) })
        let companions = trial?.timings ?? []
        let timings = try benchmark.measure(calls, companions: companions.map(\.call)) { try progress(0.3 + 0.7 * $0) }
        return (Array(timings.prefix(calls.count)), Ceilings(Array(timings.dropFirst(calls.count))))
    }

    /// - Parameter timings: of those calls; others are passed over. Nil if chains, reads or copies are missing.
    public init?(_ timings: [KernelTiming]) {
        func best(_ kernel: any Kernel.Type, _ key: (BenchmarkCall) -> String = { _ in "" }) -> [KernelTiming] {
            var found: [String: KernelTiming] = [:]
            for timing in timings where timing.call.kernel == kernel {
                let key = key(timing.call)
                if let other = found[key], other.secondsForOne <= timing.secondsForOne { continue }
                found[key] = timing
            }
            return found.values.sorted { $0.secondsForOne < $1.secondsForOne }
        }
        let chains = best(ArithmeticCeiling.self) { $0.flavour.rawValue }
        reads = best(ReadCeiling.self) { "\($0.shape.storage.rawValue) \($0.load)" }
        guard !chains.isEmpty, !reads.isEmpty, let copy = best(CopyCeiling.self).first else { return nil }
        self.chains = Dictionary(uniqueKeysWithValues: chains.map { ($0.call.flavour, $0) })
        self.copy = copy
        halves = best(HalfCeiling.self).first
        integers = best(IntegerCeiling.self).first
    }

    /// All of them, to be measured again.
    var timings: [KernelTiming] {
        Flavour.allCases.compactMap { chains[$0] } + [halves, integers].compactMap { $0 } + reads + [copy]
    }

    /// The fastest chains.
    public var arithmetic: KernelTiming {
        chains.values.max { $0.operationsPerSecond < $1.operationsPerSecond } ?? copy
    }
    public var operationsPerSecond: Double { arithmetic.operationsPerSecond }
    public var readBytesPerSecond: Double { reads[0].bytesPerSecond }
    public var copyBytesPerSecond: Double { copy.bytesPerSecond }

    /// The fastest way to sum products of int8 exactly, which may be that of f32; nil where not measured.
    public var int8: KernelTiming? {
        integers.map { integers in
            guard let floats = chains[.separate] else { return integers }
            return floats.operationsPerSecond > integers.operationsPerSecond ? floats : integers
        }
    }

    /// The ceiling of a call's operations.
    private func arithmetic(for call: BenchmarkCall) -> KernelTiming {
        (call.multipliesIntegers ? int8 : chains[call.flavour]) ?? arithmetic
    }

    public func share(of timing: KernelTiming) -> Share {
        let operations = timing.operationsPerSecond / arithmetic(for: timing.call).operationsPerSecond
        let bytes = timing.bytesPerSecond / readBytesPerSecond
        return operations > bytes ? Share(value: operations, bound: .arithmetic) : Share(value: bytes, bound: .memory)
    }
}

extension BenchmarkCall {
    /// The kind of load in the name of a ceiling's variant: what stands before the number of lanes.
    public var load: String { variant.name.split(separator: "_").first.map(String.init) ?? variant.name }

    /// Whether its operations are products of int8 with int8, summed in int32.
    var multipliesIntegers: Bool { kernel == Int8Matmul.self }
}

extension KernelTiming {
    /// Seconds for one byte, or for one operation where the kernel is there for those.
    fileprivate var secondsForOne: Double {
        minimumSeconds / Double(max(call.cost.operations > 0 ? call.cost.operations : call.cost.bytes, 1))
    }
}
