import VkdynCore
@testable import VkdynProfile
import VkdynSchedule

/// A plausible speculative run, made through the public types: a prefill, rounds of drafting and verifying, and a
/// readback each; 12 layers, seeded noise. What depends on time is consistent: spans nest, waits hold the dispatches,
/// and every stamped dispatch lies in the run of its plan.
struct ProfileFixture {
    var seed: UInt64 = 1
    /// Of every dispatch, as on a device that is this much slower.
    var slowdown = 1.0
    /// Of the dispatches of one kernel.
    var kernelSlowdown: [String: Double] = [:]
    var roundCount = 24
    var layerCount = 12
    var mode = Profile.Mode.all
    /// Standard deviation of a dispatch's time.
    var noise = 0.03
    /// Of the whole run, as on a machine with neighbours.
    var runNoise = 0.0

    private struct Work {
        let kernel: String
        let variant: String
        let operations: Int
        let bytes: Int
        let seconds: Double
    }

    /// What a kernel does on one row, and how long it takes: some near a ceiling, some bound by their launch.
    private static let works = [
        "norm": Work(kernel: "rms_norm", variant: "lanes64", operations: 4096, bytes: 6144, seconds: 6e-6),
        "qkv": Work(
            kernel: "matmul", variant: "texels_rows1_size256", operations: 2 * 768 * 2304, bytes: 768 * 2304 * 4,
            seconds: 4.1e-4),
        "rotary": Work(kernel: "rotary", variant: "quads4", operations: 9216, bytes: 12288, seconds: 7e-6),
        "append": Work(kernel: "kv_append", variant: "scalars", operations: 0, bytes: 12288, seconds: 5e-6),
        "attention": Work(
            kernel: "attention", variant: "split_size64", operations: 786_432, bytes: 1_572_864, seconds: 1.1e-4),
        "up": Work(
            kernel: "int8_matmul", variant: "texels_lanes64", operations: 2 * 768 * 2048, bytes: 768 * 2048,
            seconds: 1.3e-4),
        "activate": Work(kernel: "silu_gate", variant: "quads4", operations: 40_960, bytes: 24_576, seconds: 8e-6),
        "choose": Work(kernel: "argmax", variant: "texels256", operations: 4096, bytes: 16_384, seconds: 1.4e-5),
    ]

    func make() -> Profile {
        var builder = Builder(fixture: self)
        return builder.profile()
    }

    /// Some repetitions of it, each with noise of its own.
    func repetitions(_ count: Int) -> [Profile] {
        (0..<count).map { index in
            var copy = self
            copy.seed = seed &* 1000 &+ UInt64(index)
            return copy.make()
        }
    }

    private struct Builder {
        let fixture: ProfileFixture
        var random: SplitMix64
        var now = 0.0
        var spans: [Span] = []
        var events: [DispatchEvent] = []
        var plans: [PlanProfile] = []
        var samples: [[[Double]]] = []
        let runFactor: Double

        init(fixture: ProfileFixture) {
            self.fixture = fixture
            random = SplitMix64(state: fixture.seed)
            runFactor = 1 + fixture.runNoise * random.normal()
        }

        mutating func profile() -> Profile {
            var profile = Profile(
                command: ["run", "speculative", "--draft-tokens", "4"], date: "2026-11-22T11:40:00Z",
                device: DeviceDescription(
                    name: "llvmpipe (LLVM 15.0.6, 256 bits)", driver: "llvmpipe Mesa 22.3.6 (LLVM 15.0.6)",
                    apiVersion: "1.3.230"), mode: fixture.mode)
            plans = [
                plan("prefill", "prefill", rows: 12, layers: fixture.layerCount),
                plan("draft and verify", "verify", rows: 5, layers: fixture.layerCount),
                plan("accept", "accept", rows: 1, layers: 0),
            ]
            samples = plans.map { Array(repeating: [], count: $0.steps.count) }
            span(.open, 0.021)
            span(.load, 0.164, "prose-target") { builder in
                builder.now += 0.01
                builder.span(.write, 0.08, "weights")
                builder.now += 0.05
            }
            span(.tokenise, 3e-4)
            for plan in plans.indices {
                span(.plan, 2.4e-3, plans[plan].label)
                span(.record, 4.1e-3, plans[plan].label)
            }
            run(0, 0)
            for round in 0..<fixture.roundCount {
                run(1, round)
                now += 3e-5
                run(2, round)
                span(.read, 2.2e-5, "accepted tokens")
                span(.sample, 1.2e-5)
                span(.detokenise, 2e-5)
                if round % 6 == 5 { span(.output, 4e-4) }
                now += 8e-5 * (1 + random.normal() * 0.1)
            }
            for plan in plans.indices { summarize(plan) }
            profile.plans = plans
            profile.spans = spans
            profile.events = events
            profile.wallSeconds = now + 0.004
            profile.overheadSeconds = Double(events.count) * 1.2e-6
            profile.counters.submits = plans.reduce(0) { $0 + $1.runCount }
            profile.counters.readbacks = fixture.roundCount
            profile.counters.dispatches = plans.reduce(0) { $0 + $1.runCount * $1.steps.count }
            profile.peakDeviceBytes = 67_354_624
            profile.ceilings = ceilings
            return profile
        }

        private var ceilings: CeilingFigures {
            var figures = CeilingFigures(
                readBytesPerSecond: 2.13e10, copyBytesPerSecond: 1.48e10, dispatchSeconds: 2e-6, barrierSeconds: 4e-6,
                submitSeconds: 6.2e-5, hostToDeviceBytesPerSecond: 8.8e9, deviceToHostBytesPerSecond: 9.1e9,
                date: "2026-11-22T11:39:30Z")
            figures.multiplyThenAddOperationsPerSecond = 1.12e11
            figures.f16OperationsPerSecond = 9.7e10
            figures.int8OperationsPerSecond = 2.4e11
            figures.timestampSeconds = 1.2e-6
            return figures
        }

        private func plan(_ label: String, _ phase: String, rows: Int, layers: Int) -> PlanProfile {
            var steps: [StepProfile] = []
            func add(_ path: String, _ name: String, phase: String, rows: Int) {
                guard let work = ProfileFixture.works[name] else { preconditionFailure(name) }
                steps.append(
                    StepProfile(
                        label: path, kernel: work.kernel, variant: work.variant, operations: work.operations * rows,
                        bytes: work.bytes + (rows - 1) * 6144, phase: phase, needsBarrier: !steps.isEmpty))
            }
            if label == "draft and verify" {
                for draft in 0..<4 {
                    for layer in 0..<3 {
                        let path = "draft\(draft).layer\(layer)"
                        for (part, name) in [("norm", "norm"), ("attention.key", "qkv"), ("attention", "attention")] {
                            add("\(path).\(part)", name, phase: "draft", rows: 1)
                        }
                    }
                    add("draft\(draft).choose", "choose", phase: "draft", rows: 1)
                }
            }
            for layer in 0..<layers {
                let parts = [
                    ("norm", "norm"), ("attention.qkv", "qkv"), ("attention.rotary", "rotary"),
                    ("attention.append", "append"), ("attention", "attention"), ("mlp.norm", "norm"), ("mlp.up", "up"),
                    ("mlp.activate", "activate"), ("mlp.down", "up"),
                ]
                for (part, name) in parts { add("\(phase).layer\(layer).\(part)", name, phase: phase, rows: rows) }
            }
            add("\(phase).logits", "qkv", phase: phase, rows: 1)
            add("\(phase).choose", "choose", phase: phase, rows: 1)
            return PlanProfile(
                label: label, prepareSeconds: 6.5e-3, deviceSeconds: 0, barrierCount: steps.count - 1,
                arenaByteCount: rows * 1_310_720, steps: steps)
        }

        private mutating func span(
            _ phase: HostPhase, _ seconds: Double, _ label: String = "", _ inside: (inout Builder) -> Void = { _ in }
        ) {
            let index = spans.count
            let start = now
            spans.append(Span(phase: phase, label: label, start: start, seconds: 0))
            inside(&self)
            now = max(now, start + seconds * runFactor * (1 + fixture.noise * abs(random.normal())))
            spans[index].seconds = now - start
        }

        private mutating func run(_ index: Int, _ number: Int) {
            let submitStart = now
            span(.submit, 6e-5, plans[index].label)
            plans[index].submitSeconds += now - submitStart
            let waitStart = now
            span(.wait, 0, plans[index].label) { $0.dispatches(index, number) }
            plans[index].waitSeconds += now - waitStart
            plans[index].runCount += 1
        }

        /// In the order of the steps, with the bubbles that barriers leave.
        private mutating func dispatches(_ index: Int, _ number: Int) {
            now += 4e-5
            let start = now
            for (step, profile) in plans[index].steps.enumerated() {
                let rows = max(1, Double(profile.operations) / Double(operations(profile.kernel)))
                let factor = fixture.slowdown * (fixture.kernelSlowdown[profile.kernel] ?? 1) * runFactor
                let seconds =
                    seconds(profile.kernel) * (1 + 0.12 * (rows - 1)) * factor
                    * max(0.5, 1 + fixture.noise * random.normal())
                let isStamped = fixture.mode == .all || (step + number * 7) % 5 == 0
                if isStamped, fixture.mode != .none {
                    samples[index][step].append(seconds)
                    events.append(DispatchEvent(plan: index, step: step, run: number, start: now, seconds: seconds))
                }
                now += seconds
            }
            plans[index].deviceSeconds = (plans[index].deviceSeconds ?? 0) + now - start
            now += 2.5e-5
        }

        private func operations(_ kernel: String) -> Int {
            ProfileFixture.works.values.first { $0.kernel == kernel }.map { max(1, $0.operations) } ?? 1
        }

        private func seconds(_ kernel: String) -> Double {
            ProfileFixture.works.values.first { $0.kernel == kernel }?.seconds ?? 0
        }

        private mutating func summarize(_ plan: Int) {
            if fixture.mode == .none { plans[plan].deviceSeconds = nil }
            for step in plans[plan].steps.indices {
                let sorted = samples[plan][step].sorted()
                guard let least = sorted.first else { continue }
                plans[plan].steps[step].sampleCount = sorted.count
                plans[plan].steps[step].minimumSeconds = least
                plans[plan].steps[step].medianSeconds = sorted[sorted.count / 2]
                plans[plan].steps[step].meanSeconds = sorted.reduce(0, +) / Double(sorted.count)
            }
        }
    }
}

/// Vigna's SplitMix64.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    /// Of mean 0 and deviation 1, nearly: the sum of twelve uniform numbers.
    mutating func normal() -> Double {
        (0..<12).reduce(-6) { sum, _ in sum + Double.random(in: 0..<1, using: &self) }
    }
}
