public import Foundation
public import VkdynCore
import VkdynKernels
public import VkdynSchedule

/// Plans of dispatches that do nothing.
public enum EmptyPlan {
    /// - Parameters:
    ///   - buffer: of one u32, which all dispatches claim to update: a barrier lies between any two. Nil for none, and
    ///     no barriers.
    public static func make(
        dispatchCount: Int, sharing buffer: Buffer?, traits: DeviceTraits
    ) throws(DeviceError) -> Plan {
        var recording = Recording()
        for index in 0..<dispatchCount {
            recording.dispatch(
                EmptyDispatch.self, "empty\(index)", .init(result: buffer), .init(groupCount: 1, activeCount: 0))
        }
        return try Plan(recording, label: "empty", traits: traits)
    }
}

/// What a device takes beside its kernels: dispatches, barriers, submits, copies between it and the host.
public struct LaunchCosts: Sendable, Equatable {
    /// One dispatch of one workgroup that does nothing, in a long plan without barriers.
    public var dispatchSeconds: Double
    /// The same with a barrier before it.
    public var barrierSeconds: Double
    /// From submitting an empty plan to seeing its end.
    public var submitSeconds: Double
    /// `Device.write` to and `Device.read` from memory of the device's own.
    public var hostToDeviceBytesPerSecond: Double
    public var deviceToHostBytesPerSecond: Double

    public static let dispatchCount = 1000
    public static let transferBytes = 64 << 20

    /// - Parameters:
    ///   - sampleCount: of each plan, in turn; the best counts. A quarter as many of the copies.
    ///   - transferBytes: of one copy.
    public static func measure(
        on device: any Device, sampleCount: Int = 20, transferBytes: Int = LaunchCosts.transferBytes
    ) throws(DeviceError) -> LaunchCosts {
        let buffer = try device.makeBuffer(.u32, count: 1, placement: .device, label: "empty")
        var plans: [any PreparedPlan] = []
        for (count, shared) in [(0, nil), (dispatchCount, nil), (dispatchCount, buffer)] as [(Int, Buffer?)] {
            let plan = try EmptyPlan.make(dispatchCount: count, sharing: shared, traits: device.traits)
            plans.append(try device.prepare(plan))
        }
        let samples = try measureInTurn(plans, sampleCount: sampleCount).map { $0.min() ?? 0 }
        // A clock that does not tell two of them apart leaves a nanosecond.
        func one(_ seconds: Double) -> Double { max(seconds - samples[0], 1e-9) / Double(dispatchCount) }

        let target = try device.makeBuffer(.u32, count: transferBytes / 4, placement: .device, label: "copies")
        // Not zeros, which no host has memory for.
        let words = (0..<transferBytes / 4).map { UInt32(truncatingIfNeeded: $0 &* 0x9E37_79B9) }
        var writes: [Double] = []
        var reads: [Double] = []
        for _ in 0..<max(sampleCount / 4, 1) + 1 {
            writes.append(try measuredSeconds { () throws(DeviceError) in try device.write(words, to: target) })
            let part = BufferPart(target, byteRange: 0..<transferBytes)
            reads.append(try measuredSeconds { () throws(DeviceError) in _ = try device.read([part]) })
        }
        return LaunchCosts(
            dispatchSeconds: one(samples[1]), barrierSeconds: one(samples[2]), submitSeconds: samples[0],
            hostToDeviceBytesPerSecond: Double(transferBytes) / (writes.min() ?? 1),
            deviceToHostBytesPerSecond: Double(transferBytes) / (reads.min() ?? 1))
    }

    /// Seconds a run, `sampleCount` of each, in turn there and back, after two runs that do not count.
    static func measureInTurn(
        _ plans: [any PreparedPlan], sampleCount: Int
    ) throws(DeviceError) -> [[Double]] {
        var samples = [[Double]](repeating: [], count: plans.count)
        for sample in -2..<sampleCount {
            for index in sample % 2 == 0 ? Array(plans.indices) : plans.indices.reversed() {
                let seconds = try measuredSeconds(plans[index].run)
                if sample >= 0 { samples[index].append(seconds) }
            }
        }
        return samples
    }
}

/// The replay of a plan beside the same commands recorded by hand.
public struct ReplayTiming: Sendable, Codable {
    public struct Samples: Sendable, Codable {
        public let bestSeconds: Double
        public let medianSeconds: Double

        init(_ samples: [Double]) {
            bestSeconds = samples.min() ?? 0
            medianSeconds = samples.median
        }
    }

    public let dispatchCount: Int
    /// Between the dispatches of either.
    public let barrierCount: Int
    public let sampleCount: Int
    public let plan: Samples
    public let raw: Samples
    /// Of the plan's best to the other's best, and of the medians.
    public let bestRatio: Double
    public let medianRatio: Double
    /// One timestamp, by what one after each dispatch adds; nil where the device has none.
    public let timestampSeconds: Double?
    /// A dispatch's share of turning a recording into a plan, of preparing that plan first (which compiles the kernel)
    /// and again, and of recording the commands by hand with a compiled kernel.
    public let planSecondsPerDispatch: Double
    public let firstPrepareSecondsPerDispatch: Double
    public let prepareSecondsPerDispatch: Double
    public let rawPrepareSecondsPerDispatch: Double

    /// - Parameters:
    ///   - raw: makes the peer of a plan; with timestamps after its dispatches if told so, nil where there are none.
    ///   - sampleCount: of either, in turn.
    public static func measure(
        on device: any Device, dispatchCount: Int = LaunchCosts.dispatchCount, sampleCount: Int = 30,
        raw: (_ plan: Plan, _ isStamped: Bool) throws(DeviceError) -> (any PreparedPlan)?
    ) throws(DeviceError) -> ReplayTiming? {
        let buffer = try device.makeBuffer(.u32, count: 1, placement: .device, label: "empty")
        func make() throws(DeviceError) -> Plan {
            try EmptyPlan.make(dispatchCount: dispatchCount, sharing: buffer, traits: device.traits)
        }
        var made: [Double] = []
        for _ in 0..<5 { made.append(try measuredSeconds { () throws(DeviceError) in _ = try make() }) }
        let plan = try make()
        var prepared: [Double] = []
        var rawPrepared: [Double] = []
        var plans: [any PreparedPlan] = []
        for _ in 0..<6 {
            var pair: [any PreparedPlan] = []
            prepared.append(
                try measuredSeconds { () throws(DeviceError) in pair.append(try device.prepare(plan)) })
            rawPrepared.append(
                try measuredSeconds { () throws(DeviceError) in
                    if let replay = try raw(plan, false) { pair.append(replay) }
                })
            plans = pair
        }
        guard plans.count == 2 else { return nil }
        if let stamped = try raw(plan, true) { plans.append(stamped) }
        let samples = try LaunchCosts.measureInTurn(plans, sampleCount: sampleCount)
        let count = Double(dispatchCount)
        let (own, other) = (Samples(samples[0]), Samples(samples[1]))
        return ReplayTiming(
            dispatchCount: plan.steps.count, barrierCount: plan.steps.dropFirst().count { $0.needsBarrier },
            sampleCount: sampleCount, plan: own, raw: other, bestRatio: own.bestSeconds / other.bestSeconds,
            medianRatio: own.medianSeconds / other.medianSeconds,
            timestampSeconds: samples.count < 3
                ? nil : max(Samples(samples[2]).bestSeconds - other.bestSeconds, 1e-9) / count,
            planSecondsPerDispatch: (made.min() ?? 0) / count,
            firstPrepareSecondsPerDispatch: prepared[0] / count,
            prepareSecondsPerDispatch: (prepared.dropFirst().min() ?? 0) / count,
            rawPrepareSecondsPerDispatch: (rawPrepared.min() ?? 0) / count)
    }
}

extension CeilingFigures {
    /// - Parameters:
    ///   - ceilings: of all kinds that the device has.
    ///   - timestampSeconds: nil where the device has none.
    public init(_ ceilings: Ceilings, _ launch: LaunchCosts, timestampSeconds: Double?, date: Date = Date()) {
        self.init(
            readBytesPerSecond: ceilings.readBytesPerSecond, copyBytesPerSecond: ceilings.copyBytesPerSecond,
            dispatchSeconds: launch.dispatchSeconds, barrierSeconds: launch.barrierSeconds,
            submitSeconds: launch.submitSeconds, hostToDeviceBytesPerSecond: launch.hostToDeviceBytesPerSecond,
            deviceToHostBytesPerSecond: launch.deviceToHostBytesPerSecond,
            date: ISO8601DateFormatter().string(from: date))
        self.timestampSeconds = timestampSeconds
        multiplyThenAddOperationsPerSecond = ceilings.chains[.separate]?.operationsPerSecond
        multiplyAddOperationsPerSecond = ceilings.chains[.fused]?.operationsPerSecond
        f16OperationsPerSecond = ceilings.halves?.operationsPerSecond
        int8OperationsPerSecond = ceilings.int8?.operationsPerSecond
        let timings: [String: KernelTiming?] = [
            "multiplyThenAddOperationsPerSecond": ceilings.chains[.separate],
            "multiplyAddOperationsPerSecond": ceilings.chains[.fused], "f16OperationsPerSecond": ceilings.halves,
            "int8OperationsPerSecond": ceilings.int8, "readBytesPerSecond": ceilings.reads.first,
            "copyBytesPerSecond": ceilings.copy,
        ]
        variants = timings.compactMapValues { timing in
            timing.map { timing in
                let call = timing.call
                let isPacked = call.kernel == IntegerCeiling.self && call.shape.has("packed")
                return "\(call.kernel.interface.name) \(call.variant.name)" + (isPacked ? ", packed" : "")
            }
        }
    }
}
