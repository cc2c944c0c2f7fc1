import Testing
import VkdynCore
import VkdynKernels
import VkdynReference
import VkdynSchedule

@testable import VkdynVulkan

/// What plans leave out of their command buffers, and the peer recorded by hand; never how long either takes.
@Suite(.serialized) struct ReplayTests {
    private struct Call {
        var buffer: Int
        var groups: UInt32
        var active: UInt32
    }

    /// A plan that counts in buffers of eight words, and those buffers.
    private func counting(_ calls: [Call], bufferCount: Int, on device: any Device) throws -> (Plan, [Buffer]) {
        let buffers = try (0..<bufferCount).map {
            try device.makeBuffer(.words([UInt32](repeating: 100, count: 8)), label: "counts\($0)")
        }
        var recording = Recording()
        for (index, call) in calls.enumerated() {
            recording.dispatch(
                EmptyDispatch.self, "count\(index)", .init(result: buffers[call.buffer]),
                .init(groupCount: call.groups, activeCount: call.active))
        }
        return (try Plan(recording, label: "counting", traits: device.traits), buffers)
    }

    @Test(arguments: [false, true]) func theReplayByHandDoesWhatThePlanDoes(isStamped: Bool) throws {
        let device = try TestDevice.open()
        if isStamped, !device.canStamp { return }
        let calls = [Call](repeating: Call(buffer: 0, groups: 3, active: 2), count: 40)
        let (plan, buffers) = try counting(calls, bufferCount: 1, on: device)
        let replay = try RawReplay(plan, on: device, isStamped: isStamped)
        #expect(replay.dispatchCount == 40 && replay.dispatchCount == plan.steps.count)
        #expect(replay.barrierCount == 39 && replay.barrierCount == plan.steps.count { $0.needsBarrier })
        try device.prepare(plan).run()
        #expect(try device.read(UInt32.self, from: buffers[0], count: 4) == [140, 140, 100, 100])
        try replay.run()
        #expect(try device.read(UInt32.self, from: buffers[0], count: 4) == [180, 180, 100, 100])
        try replay.run()
        #expect(try device.read(UInt32.self, from: buffers[0], count: 4) == [220, 220, 100, 100])
        #expect(ValidationMessages.all == [])
    }

    @Test func stepsThatBindTheSameMemoryShareASet() throws {
        let device = try TestDevice.open()
        func setCount(_ places: [Int]) throws -> Int {
            let calls = places.enumerated().map { Call(buffer: $1, groups: UInt32(1 + $0 % 3), active: 8) }
            let (plan, _) = try counting(calls, bufferCount: 3, on: device)
            return try #require(try device.prepare(plan) as? VulkanPlan).setCount
        }
        #expect(try setCount([0]) == 1)
        #expect(try setCount([0, 0, 0, 0]) == 1)
        #expect(try setCount([0, 1, 0, 1, 2]) == 3)
    }

    /// Every way in which a step may or may not have what the one before has bound: pipeline, set, parameters.
    @Test func whatIsNotBoundAgainIsWhatTheStepNeeds() throws {
        let device = try TestDevice.open()
        var random = CaseGenerator(seed: 8)
        let calls = (0..<200).map { _ in
            Call(
                buffer: Int.random(in: 0..<2, using: &random), groups: UInt32(Int.random(in: 6...8, using: &random)),
                active: UInt32(Int.random(in: 0...1, using: &random) * 7))
        }
        let others = (0..<200).map { _ in Int.random(in: 0..<4, using: &random) == 0 }
        func run(_ device: any Device) throws -> [[UInt32]] {
            let buffers = try (0..<4).map { try device.makeBuffer(.words([UInt32](0..<8)), label: "words\($0)") }
            var recording = Recording()
            for (index, call) in calls.enumerated() {
                recording.dispatch(
                    EmptyDispatch.self, "count\(index)", .init(result: buffers[call.buffer]),
                    .init(groupCount: call.groups, activeCount: call.active))
                // Another kernel between two that are alike; what it copies shows what was counted so far.
                if others[index] {
                    recording.dispatch(
                        CopyCeiling.self, "copy\(index)",
                        .init(source: buffers[call.buffer], result: buffers[2 + call.buffer]), .init(quadCount: 1))
                }
            }
            let plan = try Plan(recording, label: "mixed", traits: device.traits)
            #expect(PlanChecker.violations(of: plan) == [])
            try device.prepare(plan).run()
            return try buffers.map { try device.read(UInt32.self, from: $0, count: 8) }
        }
        let expected = try run(ReferenceDevice())
        #expect(Set(expected).count == 4)
        #expect(try run(device) == expected)
        #expect(ValidationMessages.all == [])
    }
}
