import Foundation
import Testing
import VkdynCore
import VkdynSchedule

@testable import VkdynProfile

@Suite struct TraceTests {
    @Test(arguments: [Profile.Mode.all, .sampled, .none]) func everyRuleOfTheFormatHolds(mode: Profile.Mode) throws {
        let trace = try TraceValidator(ProfileFixture(mode: mode).make().trace())
        #expect(trace.problems == [])
        #expect(trace.processNames.values.contains("vkdyn run speculative --draft-tokens 4"))
    }

    @Test func theValidatorRefusesWhatTheFormatDoes() throws {
        func problems(_ events: String...) throws -> [String] {
            let names = """
                {"ph":"M","name":"process_name","pid":1,"tid":0,"args":{"name":"p"}},
                {"ph":"M","name":"thread_name","pid":1,"tid":1,"args":{"name":"t"}}
                """
            let text = "{\"traceEvents\":[" + ([names] + events).joined(separator: ",") + "]}"
            return try TraceValidator(Data(text.utf8)).problems
        }
        func slice(_ start: Double, _ length: Double) -> String {
            "{\"ph\":\"X\",\"name\":\"a\",\"pid\":1,\"tid\":1,\"ts\":\(start),\"dur\":\(length),\"args\":{}}"
        }
        #expect(try problems(slice(0, 10), slice(2, 8), slice(10, 1)) == [])
        #expect(try problems(slice(0, 10), slice(2, 9)).count == 1)
        #expect(try problems(slice(5, 1), slice(2, 1)).count == 1)
        #expect(try problems(slice(-1, 1)).count == 1)
        #expect(try problems("{\"ph\":\"C\",\"name\":\"c\",\"pid\":1,\"tid\":0,\"ts\":1,\"args\":{}}").count == 1)
        #expect(try problems("{\"ph\":\"X\",\"name\":\"a\",\"pid\":1,\"tid\":1,\"ts\":1,\"args\":{}}").count == 1)
        #expect(try problems("{\"ph\":\"Q\",\"name\":\"a\",\"pid\":1,\"tid\":1,\"ts\":1,\"args\":{}}").count == 1)
    }

    @Test func everyDispatchIsASliceWithItsRates() throws {
        let profile = ProfileFixture(roundCount: 2).make()
        let trace = try TraceValidator(profile.trace())
        let dispatches = trace.thread(named: profile.device.name)
        #expect(dispatches.count == profile.events.count)
        #expect(dispatches.allSatisfy { $0.depth == 0 })
        let events = trace.events.filter { $0["cat"] as? String == "kernel" }
        #expect(events.count == profile.events.count)
        let event = try #require(profile.events.first { profile.plans[$0.plan].steps[$0.step].kernel == "matmul" })
        let step = profile.plans[event.plan].steps[event.step]
        let found = try #require(
            events.first { $0["name"] as? String == step.label && ($0["args"] as? [String: Any])?["run"] as? Int == 0 })
        let arguments = try #require(found["args"] as? [String: Any])
        #expect(arguments["kernel"] as? String == "matmul" && arguments["variant"] as? String == step.variant)
        #expect(arguments["bytes"] as? Int == step.bytes && arguments["operations"] as? Int == step.operations)
        let rate = try #require(arguments["GB/s"] as? Double)
        #expect(abs(rate - Double(step.bytes) / event.seconds * 1e-9) < 1e-9 * rate)
        let share = try #require(arguments["share of the ceiling"] as? Double)
        // 12 rows: arithmetic, against 112 GFLOP/s.
        let memory = Double(step.bytes) / event.seconds / 2.13e10
        let arithmetic = Double(step.operations) / event.seconds / 1.12e11
        #expect(abs(share - max(memory, arithmetic)) < 1e-9)
        let start = try #require(found["ts"] as? Double)
        #expect(abs(start - event.start * 1e6) < 0.001)
    }

    @Test func hostSpansNestAsTheyWereRecorded() throws {
        let trace = try TraceValidator(ProfileFixture(roundCount: 2).make().trace())
        let host = trace.thread(named: "host")
        let load = try #require(host.first { $0.name == "load prose-target" })
        let write = try #require(host.first { $0.name == "write weights" })
        #expect(load.depth == 0 && write.depth == 1)
        #expect(load.start <= write.start && write.end <= load.end)
    }

    @Test func planRunsHoldTheirDispatches() throws {
        let profile = ProfileFixture(roundCount: 3).make()
        let trace = try TraceValidator(profile.trace())
        let runs = trace.thread(named: "plan runs")
        #expect(runs.count == 7)
        #expect(runs.filter { $0.name == "draft and verify" }.count == 3)
        for dispatch in trace.thread(named: profile.device.name) {
            #expect(runs.contains { $0.start <= dispatch.start && dispatch.end <= $0.end }, "\(dispatch.name)")
        }
    }

    @Test func slicesThatCrossGoToAnotherTrack() throws {
        var profile = ProfileFixture(roundCount: 1).make()
        let first = profile.events[0]
        profile.events.append(
            DispatchEvent(
                plan: first.plan, step: 0, run: 7, start: first.start + first.seconds / 2, seconds: first.seconds))
        let trace = try TraceValidator(profile.trace())
        #expect(trace.problems == [])
        #expect(trace.thread(named: profile.device.name + ", overlapping 1").count >= 1)
    }

    @Test func countersRiseToWhatWasCounted() throws {
        let profile = ProfileFixture(roundCount: 4).make()
        let trace = try TraceValidator(profile.trace())
        for (name, total) in [
            ("submits", profile.counters.submits), ("readbacks", profile.counters.readbacks),
            ("dispatches", profile.counters.dispatches),
        ] {
            let counts = trace.events.filter { $0["ph"] as? String == "C" && $0["name"] as? String == name }
                .compactMap { ($0["args"] as? [String: Any])?["count"] as? Int }
            #expect(counts.first == 0 && counts.last == total && counts == counts.sorted(), "\(name)")
            #expect(counts.count > 4)
        }
    }

    @Test func theDeviceCounterFallsToZeroInGaps() throws {
        let profile = ProfileFixture(roundCount: 2).make()
        let trace = try TraceValidator(profile.trace())
        let rates = trace.events.filter { $0["name"] as? String == "device" && $0["ph"] as? String == "C" }
        let zeros = rates.filter { ($0["args"] as? [String: Any])?["GB/s"] as? Double == 0 }
        // After the prefill, after both plans of each round.
        #expect(zeros.count == 5)
    }
}
