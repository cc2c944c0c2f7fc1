import VkdynCore
public import VkdynSchedule

/// Times calls of kernels on a device.
///
/// A sample is one submit of a plan with many repetitions of a call, each behind a barrier, so that what is measured is
/// a call among others: its dispatch and its barrier are in, the submit is not. The time of a plan without any call,
/// measured beforehand, is subtracted. Repetitions take copies of the buffers in turn, so that a call does not find in a
/// cache what the one before has read. Samples of all calls alternate: what a busy neighbour takes, it takes from all.
///
/// A kernel that updates a buffer in place goes on from what its last repetition over the same copy has left.
public struct Benchmark {
    public struct Options: Sendable {
        public var sampleCount = 10
        /// A sample repeats its call until it takes about this long.
        public var sampleSeconds = 0.02
        /// Copies of a call's buffers together take this much, or less where that needs more than 64 copies.
        public var workingSetBytes = 256 << 20
        /// All buffers of all calls together; many shapes at once have smaller working sets.
        public var totalBytes = 3 << 30

        public init() {}
    }

    /// Repetitions in one plan, which costs memory and time to prepare.
    private static let largestRepetitionCount = 4096
    private static let largestCopyCount = 64

    private let device: any Device
    private let options: Options

    public init(device: any Device, options: Options = Options()) {
        self.device = device
        self.options = options
    }

    /// One timing a call, in their order.
    ///
    /// - Parameter progress: called with the share that is done, from 0 to 1; may throw to stop.
    public func measure(
        _ calls: [BenchmarkCall], progress: (Double) throws -> Void = { _ in }
    ) throws -> [KernelTiming] {
        let overhead = try submitSeconds()
        var memory: [ObjectIdentifier: Copies] = [:]
        let inputCount = Set(calls.map { ObjectIdentifier($0.inputs) }).count
        let workingSet = min(options.workingSetBytes, options.totalBytes / max(inputCount, 1))
        var prepared: [PreparedCall] = []
        for (index, call) in calls.enumerated() {
            try progress(Double(index) / Double(2 * calls.count))
            let key = ObjectIdentifier(call.inputs)
            let copies: Copies
            if let found = memory[key] {
                copies = found
            } else {
                let byteCount = max(call.inputs.byteCount, 1)
                let count = min(max((workingSet + byteCount - 1) / byteCount, 1), Self.largestCopyCount)
                copies = try Copies(call, count: count, device: device)
                memory[key] = copies
            }
            prepared.append(try prepare(call, copies, overhead))
        }
        var samples = [[Double]](repeating: [], count: calls.count)
        for sample in 0..<options.sampleCount {
            // There and back, so that no call always follows the same one.
            let order = sample % 2 == 0 ? Array(calls.indices) : calls.indices.reversed()
            for (position, index) in order.enumerated() {
                let done = Double(sample * calls.count + position) / Double(options.sampleCount * calls.count)
                try progress(0.5 + done / 2)
                let call = prepared[index]
                let seconds = try time(call.plans[sample % call.plans.count]) - overhead
                samples[index].append(max(seconds, 1e-9) / Double(call.repetitionCount))
            }
        }
        try progress(1)
        return calls.indices.map { index in
            KernelTiming(
                call: calls[index], samples: samples[index], repetitionCount: prepared[index].repetitionCount,
                copyCount: prepared[index].copies.sets.count)
        }
    }

    /// From submitting a plan without calls to seeing its end.
    public func submitSeconds() throws(DeviceError) -> Double {
        let empty = try device.prepare(Plan(Recording(), label: "empty", traits: device.traits))
        for _ in 0..<3 { try empty.run() }
        var seconds: [Double] = []
        for _ in 0..<21 { seconds.append(try time(empty)) }
        return seconds.sorted()[10]
    }

    // MARK: Preparing

    /// The buffers of a call, several times.
    private final class Copies {
        let sets: [[Buffer?]]

        init(_ call: BenchmarkCall, count: Int, device: any Device) throws(DeviceError) {
            var sets: [[Buffer?]] = []
            for _ in 0..<count {
                var set: [Buffer?] = []
                for (binding, contents) in zip(call.kernel.interface.bindings, call.inputs.contents.contents) {
                    guard let contents else {
                        set.append(nil)
                        continue
                    }
                    set.append(try device.makeBuffer(contents, label: "\(call.kernel.interface.name).\(binding.name)"))
                }
                sets.append(set)
            }
            self.sets = sets
        }
    }

    private struct PreparedCall {
        let copies: Copies
        let repetitionCount: Int
        /// Taken in turn, where one of them cannot reach all copies.
        let plans: [any PreparedPlan]
    }

    private func prepare(
        _ call: BenchmarkCall, _ copies: Copies, _ overhead: Double
    ) throws(DeviceError) -> PreparedCall {
        var count = 1
        var first = try plan(call, copies, count, from: 0)
        // Compiles, and touches all memory.
        try first.run()
        var seconds = try time(first) - overhead
        while seconds < options.sampleSeconds * 0.75, count < Self.largestRepetitionCount {
            let needed = Double(count) * options.sampleSeconds / max(seconds, 1e-7)
            // At most 32 times as many: a first time may be wrong.
            count = min(max(Int(needed.rounded(.up)), count + 1), count * 32, Self.largestRepetitionCount)
            first = try plan(call, copies, count, from: 0)
            try first.run()
            seconds = try time(first) - overhead
        }
        var plans = [first]
        let planCount = min((copies.sets.count + count - 1) / count, options.sampleCount)
        while plans.count < planCount {
            plans.append(try plan(call, copies, count, from: plans.count * count))
        }
        return PreparedCall(copies: copies, repetitionCount: count, plans: plans)
    }

    private func plan(
        _ call: BenchmarkCall, _ copies: Copies, _ count: Int, from start: Int
    ) throws(DeviceError) -> any PreparedPlan {
        var recording = Recording()
        let inputs = call.inputs.contents
        for repetition in 0..<count {
            recording.dispatch(
                call.kernel, "repetition\(repetition)",
                buffers: copies.sets[(start + repetition) % copies.sets.count], parameters: inputs.parameters,
                constants: inputs.constants)
        }
        let plan = Plan(
            recording, label: "benchmark.\(call.kernel.interface.name)", traits: device.traits, flavour: call.flavour,
            variant: { _ in call.variant })
        return try device.prepare(plan.isolated())
    }

    private func time(_ plan: any PreparedPlan) throws(DeviceError) -> Double {
        let clock = ContinuousClock()
        let start = clock.now
        try plan.run()
        let passed = clock.now - start
        return Double(passed.components.seconds) + Double(passed.components.attoseconds) * 1e-18
    }
}
