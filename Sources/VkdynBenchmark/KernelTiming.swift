import VkdynCore
import VkdynSchedule

/// How long one call of a kernel took.
public struct KernelTiming: Sendable {
    public let call: BenchmarkCall
    /// Seconds a call in every sample, in the order taken.
    public let samples: [Double]
    /// Calls in one sample, each after the one before.
    public let repetitionCount: Int
    /// Copies of the buffers that the calls take in turn.
    public let copyCount: Int

    /// Bytes of all copies: above the device's last-level cache, calls find nothing there.
    public var workingSetBytes: Int { copyCount * call.inputs.byteCount }

    public var minimumSeconds: Double { samples.min() ?? 0 }
    public var maximumSeconds: Double { samples.max() ?? 0 }

    public var medianSeconds: Double { samples.median }

    /// Of the fastest sample: on a shared machine the others measure the neighbours.
    public var operationsPerSecond: Double { Double(call.cost.operations) / minimumSeconds }
    public var bytesPerSecond: Double { Double(call.cost.bytes) / minimumSeconds }
}

extension [Double] {
    /// The middle one; between the two middle ones of an even number. 0 where there are none.
    package var median: Double {
        let sorted = sorted()
        guard !sorted.isEmpty else { return 0 }
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}

/// What `body` takes on the host's monotonic clock.
func measuredSeconds(_ body: () throws(DeviceError) -> Void) throws(DeviceError) -> Double {
    let clock = ContinuousClock()
    let start = clock.now
    try body()
    let passed = clock.now - start
    return Double(passed.components.seconds) + Double(passed.components.attoseconds) * 1e-18
}
