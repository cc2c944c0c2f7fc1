import Testing
import VkdynCore
import VkdynKernels
import VkdynReference
import VkdynSchedule
@testable import VkdynTechniques

@Suite struct FeatureScheduleTests {
    @Test func intervalsCountSteps() throws {
        var schedule = try FeatureSchedule(.interval(3), stepCount: 7)
        let actions = (0..<7).map { _ in schedule.next() }
        #expect(
            actions == [
                .compute, .reuse(from: 0), .reuse(from: 0), .compute, .reuse(from: 3), .reuse(from: 3), .compute,
            ])
        // A run that begins later counts from its own first step.
        var late = try FeatureSchedule(.interval(3, first: 2), stepCount: 7)
        #expect(
            (2..<7).map { _ in late.next() } == [
                .compute, .reuse(from: 2), .reuse(from: 2), .compute, .reuse(from: 5),
            ])
        #expect(try FeatureSchedule(.interval(1), stepCount: 4).fullSteps == [0, 1, 2, 3])
        #expect(try FeatureSchedule(.everyStep, stepCount: 3).fullSteps == [0, 1, 2])
        #expect(try FeatureSchedule(.interval(5), stepCount: 0).fullSteps == [])
    }

    @Test func listsAreTakenInOrder() throws {
        let schedule = try FeatureSchedule(.list([7, 0, 3, 3, 90]), stepCount: 10)
        #expect(schedule.fullSteps == [0, 3, 7])
        #expect(schedule.action(step: 6) == .reuse(from: 3))
        #expect(throws: FeatureScheduleError.noFirstStep(lowest: 2)) {
            try FeatureSchedule(.list([2, 5]), stepCount: 10)
        }
        #expect(throws: FeatureScheduleError.noFirstStep(lowest: nil)) { try FeatureSchedule(.list([]), stepCount: 10) }
    }

    /// The steps that the authors' function gives.
    @Test func theNonUniformScheduleIsTheAuthors() throws {
        func steps(_ count: Int, _ interval: Int, _ power: Double, _ centre: Int) throws -> [Int] {
            try FeatureSchedule(
                .nonUniform(interval: interval, power: power, centre: centre), stepCount: count
            ).fullSteps
        }
        #expect(try steps(50, 5, 1.4, 15) == [0, 5, 9, 13, 17, 21, 26, 31, 37, 43])
        #expect(
            try steps(50, 3, 1.4, 15) == [0, 3, 6, 8, 11, 13, 15, 17, 20, 22, 25, 28, 32, 35, 38, 42, 46])
        #expect(try steps(20, 5, 1.4, 6) == [0, 5, 8, 13])
        #expect(try steps(100, 10, 1.2, 30) == [0, 10, 19, 28, 36, 45, 55, 65, 76, 88])
        #expect(try steps(50, 5, 1.6, 0) == [0, 1, 3, 7, 11, 16, 22, 28, 34, 42])
        #expect(try steps(25, 2, 1.4, 12) == [0, 3, 5, 7, 8, 10, 12, 13, 14, 16, 18, 20, 22])
        #expect(try steps(50, 7, 2, 20) == [0, 6, 11, 17, 22, 28, 35, 42])
        // From a power that is lowered to 1.4.
        #expect(try steps(38, 3, 2.4, 0) == [0, 1, 2, 4, 7, 9, 12, 15, 19, 22, 26, 30, 33])
        #expect(try steps(7, 1, 1.4, 3) == [0, 1, 2, 3, 4, 5, 6])
        #expect(throws: FeatureScheduleError.noPower(1.4, stepCount: 6, count: 3)) { try steps(6, 2, 1.4, 3) }
        #expect(throws: FeatureScheduleError.centre(50, stepCount: 50)) { try steps(50, 5, 1.4, 50) }
        #expect(throws: FeatureScheduleError.interval(0)) { try steps(50, 0, 1.4, 15) }
    }
}

@Suite struct AttentionBroadcastTests {
    @Test func everyKindKeepsItsOwnCount() throws {
        var broadcast = AttentionBroadcast(AttentionBroadcast.openSora)
        var computed: [AttentionBroadcast.Kind: [Int]] = [:]
        for step in 0..<14 {
            for kind in AttentionBroadcast.Kind.allCases {
                switch broadcast.next(kind, timestep: 900 - 10 * step) {
                case .compute: computed[kind, default: []].append(step)
                case .reuse(let from): #expect(from == computed[kind]?.last)
                }
            }
        }
        #expect(computed[.spatial] == [0, 2, 4, 6, 8, 10, 12])
        #expect(computed[.temporal] == [0, 4, 8, 12])
        #expect(computed[.cross] == [0, 6, 12])
    }

    @Test func nothingIsReusedOutsideTheTimesteps() throws {
        let rule = try AttentionBroadcast.Rule(interval: 4, lower: 450, upper: 930)
        var broadcast = AttentionBroadcast([.temporal: rule])
        // Excluded ends, a timestep that repeats, and steps that count on outside.
        let actions = [999, 930, 929, 929, 700, 451, 450, 449, 500].map { broadcast.next(.temporal, timestep: $0) }
        #expect(
            actions == [
                .compute, .compute, .reuse(from: 1), .reuse(from: 1), .compute, .reuse(from: 4), .compute, .compute,
                .compute,
            ])
        // No rule: no reuse.
        #expect((0..<3).map { _ in broadcast.next(.cross, timestep: 700) } == [.compute, .compute, .compute])
        #expect(throws: AttentionBroadcastError.interval(0)) {
            try AttentionBroadcast.Rule(interval: 0, lower: 1, upper: 2)
        }
        #expect(throws: AttentionBroadcastError.timesteps(lower: 3, upper: 2)) {
            try AttentionBroadcast.Rule(interval: 1, lower: 3, upper: 2)
        }
    }
}

/// Cached features on a device, over the steps of a run.
@Suite(.serialized) struct FeatureCacheTests {
    private final class Run {
        let device: any Device
        let cache: FeatureCache
        private let step: Buffer
        private let input: Buffer
        private let skip: Buffer
        private let rows: Counted
        private let output: Buffer
        private let full: any PreparedPlan
        private let cached: any PreparedPlan
        static let (rowCount, width, skipWidth) = (5, 12, 8)

        init(_ device: any Device, storage: ElementType) throws {
            self.device = device
            let (rowCount, width, skipWidth) = (Self.rowCount, Self.width, Self.skipWidth)
            step = try device.makeBuffer(.structure(StepParameters()), placement: .shared, label: "step")
            input = try device.makeBuffer(.f32, count: rowCount * width, placement: .device, label: "input")
            skip = try device.makeBuffer(
                .floats((0..<rowCount * skipWidth).map(Float.init)), label: "skip")
            output = try device.makeBuffer(
                .unwritten(rowCount * (width + skipWidth)), placement: .shared, label: "output")
            rows = Counted(
                buffer: try device.makeBuffer(
                    .structure(RowCount(count: UInt32(rowCount), capacity: UInt32(rowCount))), label: "rows"),
                capacity: rowCount, isIndirect: false)
            cache = try FeatureCache(
                on: device, stepParameters: step,
                features: [("other", rowCount, width), ("up.1.feature", rowCount, width)], storage: storage)
            var recording = Recording()
            cache.store(input, as: cache.features[1], rows: rows, into: &recording)
            full = try Self.prepare(recording, device)
            recording = Recording()
            let result = cache.concatenate(
                cache.features[1], with: skip, freshWidth: skipWidth, rows: rows, into: &recording)
            // A copy to where the host reads: addition to zero, which keeps all values but −0.
            let zero = try device.makeBuffer(
                .floats([Float](repeating: 0, count: rowCount * (width + skipWidth))), label: "zero")
            recording.dispatch(
                Add.self, "copy", .init(rows: rows.buffer, left: result, right: zero, result: output),
                .init(rowCapacity: UInt32(rowCount), width: UInt32(width + skipWidth)))
            cached = try Self.prepare(recording, device)
        }

        private static func prepare(_ recording: Recording, _ device: any Device) throws -> any PreparedPlan {
            let plan = try Plan(recording, label: "step", traits: device.traits)
            #expect(PlanChecker.violations(of: plan) == [])
            return try device.prepare(plan)
        }

        /// Runs a step, whose full ones have the input `number` throughout.
        func run(_ number: Int, _ action: FeatureAction, planned: FeatureAction? = nil) throws -> [Float] {
            try device.write(StepParameters(step: UInt32(number)), to: step)
            try cache.plan([.compute, planned ?? action], on: device)
            switch action {
            case .compute:
                try device.write([Float](repeating: Float(number) + 0.5, count: input.count), to: input)
                try full.run()
                return []
            case .reuse:
                try cached.run()
                let parts = try device.read([BufferPart(output, byteRange: 0..<output.byteCount), cache.errorPart])
                let values = parts[0].withUnsafeBytes { bytes in
                    (0..<output.count).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
                }
                try cache.check(parts[1])
                return values
            }
        }
    }

    @Test(arguments: TestDevices.Choice.allCases, [ElementType.f32, .f16])
    func reusedFeaturesAreOfThePlannedStep(choice: TestDevices.Choice, storage: ElementType) throws {
        let run = try Run(try TestDevices.device(choice), storage: storage)
        var schedule = try FeatureSchedule(.list([0, 2, 5]), stepCount: 8)
        var reused = 0
        for step in 0..<8 {
            let action = schedule.next()
            let result = try run.run(step, action)
            guard case .reuse(let from) = action else { continue }
            reused += 1
            let width = Run.width + Run.skipWidth
            for (index, value) in result.enumerated() {
                let (row, column) = (index / width, index % width)
                #expect(
                    value == (column < Run.width ? Float(from) + 0.5 : Float(row * Run.skipWidth + column - Run.width)))
            }
        }
        #expect(reused == 5)
        #expect(run.device.counters.readbacks >= 5)
    }

    @Test(arguments: TestDevices.Choice.allCases) func aStaleFeatureIsAnError(choice: TestDevices.Choice) throws {
        let run = try Run(try TestDevices.device(choice), storage: .f32)
        // Never stored, whatever was planned.
        #expect(throws: StaleFeature(label: "up.1.feature", planned: 0, found: nil)) {
            try run.run(1, .reuse(from: 0))
        }
        try run.cache.reset(on: run.device)
        #expect(throws: StaleFeature.self) { try run.run(1, .reuse(from: 0), planned: .compute) }
        try run.cache.reset(on: run.device)
        _ = try run.run(3, .compute)
        _ = try run.run(4, .reuse(from: 3))
        #expect(throws: StaleFeature(label: "up.1.feature", planned: 2, found: 3)) {
            try run.run(5, .reuse(from: 2))
        }
        // The error stays until the run is begun anew, and so do features.
        #expect(throws: StaleFeature(label: "up.1.feature", planned: 2, found: 3)) {
            try run.run(6, .reuse(from: 3))
        }
        try run.cache.reset(on: run.device)
        #expect(throws: StaleFeature(label: "up.1.feature", planned: 3, found: nil)) {
            try run.run(7, .reuse(from: 3))
        }
    }
}
