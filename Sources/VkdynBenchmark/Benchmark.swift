import VkdynCore
public import VkdynSchedule

/// Times calls of kernels on a device.
///
/// A sample is one submit of a plan with many repetitions of a call, each behind a barrier, so that what is measured
/// is a call among others: its dispatch and its barrier are in, the submit is not. The time of a plan without any call,
/// measured beforehand, is subtracted. Repetitions take copies of the buffers in turn, so that a call does not find in
/// a cache what the one before has read. Samples of all calls alternate: what a busy neighbour takes, it takes from
/// all.
///
/// A kernel that updates a buffer in place goes on from what its last repetition over the same copy has left.
public final class Benchmark {
    public struct Options: Sendable {
        public var sampleCount = 10
        /// A sample repeats its call until it takes about this long.
        public var sampleSeconds = 0.02
        /// Copies of a call's buffers together take this much, or less where that needs more than 64 copies.
        public var workingSetBytes = 256 << 20
        /// All buffers of all calls together; many shapes at once have smaller working sets.
        public var totalBytes = 3 << 30
        /// Companions are not sampled for longer, however long a call takes.
        public var longestCompanionSeconds = 0.2

        public init() {}
    }

    /// Repetitions in one plan, which costs memory and time to prepare.
    private static let largestRepetitionCount = 4096
    private static let largestCopyCount = 64

    let device: any Device
    private let options: Options
    /// The time of an empty submit, which the last measurement has subtracted from every sample.
    public private(set) var submitSeconds = 0.0
    /// By the inputs that they hold, for calls that are measured again.
    private var memory: [ObjectIdentifier: Copies] = [:]

    public init(device: any Device, options: Options = Options()) {
        self.device = device
        self.options = options
    }

    /// One timing a call, in their order, then one a companion.
    ///
    /// - Parameters:
    ///   - companions: what the calls will be compared with. Their samples are as long as the longest of a call, as
    ///     a moment without neighbours is likelier to be short than long.
    ///   - sampleCount: nil for the options'.
    ///   - progress: called with the share that is done, from 0 to 1; may throw to stop.
    public func measure(
        _ calls: [BenchmarkCall], companions: [BenchmarkCall] = [], sampleCount: Int? = nil,
        progress: (Double) throws -> Void = { _ in }
    ) throws -> [KernelTiming] {
        let overhead = try emptySubmitSeconds()
        submitSeconds = overhead
        let all = calls + companions
        let sampleCount = sampleCount ?? options.sampleCount
        try makeCopies(of: all)
        var prepared: [PreparedCall] = []
        for (index, call) in all.enumerated() {
            try progress(0.3 * Double(index) / Double(all.count))
            let seconds = prepared.prefix(calls.count).map(\.sampleSeconds).max() ?? 0
            prepared.append(
                try prepare(
                    call, sampleCount: sampleCount, overhead: overhead,
                    sampleSeconds: index < calls.count
                        ? options.sampleSeconds
                        : max(options.sampleSeconds, min(seconds, options.longestCompanionSeconds))))
        }
        var samples = [[Double]](repeating: [], count: all.count)
        for sample in 0..<sampleCount {
            // There and back, so that no call always follows the same one.
            let order = sample % 2 == 0 ? Array(all.indices) : all.indices.reversed()
            for (position, index) in order.enumerated() {
                let done = Double(sample * all.count + position) / Double(sampleCount * all.count)
                try progress(0.3 + 0.7 * done)
                let call = prepared[index]
                let seconds = try measuredSeconds(call.plans[sample % call.plans.count].run) - overhead
                samples[index].append(max(seconds, 1e-9) / Double(call.repetitionCount))
            }
        }
        try progress(1)
        return all.indices.map { index in
            KernelTiming(
                call: all[index], samples: samples[index], repetitionCount: prepared[index].repetitionCount,
                copyCount: prepared[index].copies.sets.count)
        }
    }

    /// A plan that makes a call `repetitionCount` times, each behind a barrier, over the copies in turn: for those who
    /// time it themselves.
    public func plan(of call: BenchmarkCall, repetitionCount: Int = 1) throws(DeviceError) -> any PreparedPlan {
        try makeCopies(of: [call])
        guard let copies = memory[ObjectIdentifier(call.inputs)] else { preconditionFailure("no memory for a call") }
        return try plan(call, copies, repetitionCount, from: 0)
    }

    /// From submitting a plan without calls to seeing its end.
    private func emptySubmitSeconds() throws(DeviceError) -> Double {
        let empty = try device.prepare(try Plan(Recording(), label: "empty", traits: device.traits))
        for _ in 0..<3 { try empty.run() }
        var seconds: [Double] = []
        for _ in 0..<21 { seconds.append(try measuredSeconds(empty.run)) }
        return seconds.median
    }

    // MARK: Preparing

    /// The buffers of a call, several times.
    private final class Copies {
        /// Held, as the copies are found by its identity.
        let inputs: BenchmarkCall.Inputs
        let sets: [[Buffer?]]

        init(_ call: BenchmarkCall, count: Int, device: any Device) throws(DeviceError) {
            inputs = call.inputs
            var sets = [try Self.makeSet(call, device)]
            while sets.count < count {
                do throws(DeviceError) {
                    sets.append(try Self.makeSet(call, device))
                } catch .outOfMemory {
                    // Fewer will do; the working set says so.
                    break
                }
            }
            self.sets = sets
        }

        private static func makeSet(_ call: BenchmarkCall, _ device: any Device) throws(DeviceError) -> [Buffer?] {
            var set: [Buffer?] = []
            for (binding, contents) in zip(call.kernel.interface.bindings, call.inputs.contents.contents) {
                guard let contents else {
                    set.append(nil)
                    continue
                }
                set.append(try device.makeBuffer(contents, label: "\(call.kernel.interface.name).\(binding.name)"))
            }
            return set
        }

        var byteCount: Int { sets.count * inputs.byteCount }
    }

    private func makeCopies(of calls: [BenchmarkCall]) throws(DeviceError) {
        var missing: [BenchmarkCall] = []
        for call in calls
        where memory[ObjectIdentifier(call.inputs)] == nil && !missing.contains(where: { $0.inputs === call.inputs }) {
            missing.append(call)
        }
        let free = options.totalBytes - memory.values.reduce(0) { $0 + $1.byteCount }
        let workingSet = min(options.workingSetBytes, max(free, 0) / max(missing.count, 1))
        for call in missing {
            let byteCount = max(call.inputs.byteCount, 1)
            let count = min(max((workingSet + byteCount - 1) / byteCount, 1), Self.largestCopyCount)
            memory[ObjectIdentifier(call.inputs)] = try Copies(call, count: count, device: device)
        }
    }

    private struct PreparedCall {
        let copies: Copies
        let repetitionCount: Int
        /// What one sample took.
        let sampleSeconds: Double
        /// Taken in turn, where one of them cannot reach all copies.
        let plans: [any PreparedPlan]
    }

    private func prepare(
        _ call: BenchmarkCall, sampleCount: Int, overhead: Double, sampleSeconds: Double
    ) throws(DeviceError) -> PreparedCall {
        guard let copies = memory[ObjectIdentifier(call.inputs)] else { preconditionFailure("no memory for a call") }
        var count = 1
        var first = try plan(call, copies, count, from: 0)
        // Compiles, and touches all memory.
        try first.run()
        var seconds = try measuredSeconds(first.run) - overhead
        while seconds < sampleSeconds * 0.75, count < Self.largestRepetitionCount {
            let needed = Double(count) * sampleSeconds / max(seconds, 1e-7)
            // At most 32 times as many: a first time may be wrong.
            count = min(max(Int(needed.rounded(.up)), count + 1), count * 32, Self.largestRepetitionCount)
            first = try plan(call, copies, count, from: 0)
            try first.run()
            seconds = try measuredSeconds(first.run) - overhead
        }
        var plans = [first]
        let planCount = min((copies.sets.count + count - 1) / count, sampleCount)
        while plans.count < planCount {
            plans.append(try plan(call, copies, count, from: plans.count * count))
        }
        return PreparedCall(copies: copies, repetitionCount: count, sampleSeconds: seconds, plans: plans)
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
        let plan = try Plan(
            recording, label: "benchmark.\(call.kernel.interface.name)", traits: device.traits, flavour: call.flavour,
            variant: { _ in call.variant })
        return try device.prepare(plan.isolated())
    }
}
