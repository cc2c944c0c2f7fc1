import Foundation
import Testing
import VkdynCore
import VkdynFormats
import VkdynSchedule

@testable import VkdynProfile

@Suite struct ProfileFileTests {
    private static let small = ProfileFixture(roundCount: 1, layerCount: 1).make()

    private func encoded(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return try encoder.encode(value)
    }

    /// The fixture's document with one value changed.
    private func damaged(_ path: [Any], _ value: Any?, inList: Bool = false) throws -> Data {
        func replaced(_ node: Any, _ rest: ArraySlice<Any>) -> Any? {
            guard let key = rest.first else { return value }
            if var object = node as? [String: Any], let name = key as? String {
                object[name] = replaced(object[name] ?? NSNull(), rest.dropFirst())
                return object
            }
            if var list = node as? [Any], let index = key as? Int {
                list.replaceSubrange(index...index, with: replaced(list[index], rest.dropFirst()).map { [$0] } ?? [])
                return list
            }
            return node
        }
        let document = try JSONSerialization.jsonObject(with: encoded(Self.small))
        let changed = try #require(replaced(document, path[...]))
        return try JSONSerialization.data(withJSONObject: inList ? [document, changed] : changed)
    }

    private func refusal(_ data: Data) -> FormatError? {
        do throws(FormatError) {
            _ = try ProfileFile.read(data, path: "p.json")
            return nil
        } catch {
            return error
        }
    }

    @Test func whatIsWrittenIsReadBack() throws {
        let profiles = ProfileFixture(roundCount: 2).repetitions(3)
        #expect(try ProfileFile.read(encoded(profiles), path: "p") == profiles)
        #expect(try ProfileFile.read(encoded(profiles[0]), path: "p") == [profiles[0]])
    }

    @Test func aMissingFileIsNamed() {
        #expect(throws: FormatError(file: "/nowhere/p.json", problem: "cannot be read; is it there?")) {
            try ProfileFile.read("/nowhere/p.json")
        }
    }

    @Test func anotherVersionIsSaidFirst() throws {
        let error = refusal(Data("{\"formatVersion\": 7}".utf8))
        #expect(error?.field == "formatVersion" && error?.problem.contains("7") == true)
        #expect(refusal(try damaged(["formatVersion"], 2, inList: true))?.field == "[1].formatVersion")
    }

    @Test func whatIsNoProfileIsRefused() {
        #expect(refusal(Data())?.problem == "is not JSON")
        #expect(refusal(Data("{\"formatVersion\": 1,".utf8))?.problem == "is not JSON")
        #expect(refusal(Data("[]".utf8))?.problem.contains("empty list") == true)
        #expect(refusal(Data("{}".utf8)) == FormatError(file: "p.json", field: "formatVersion", problem: "is missing"))
        #expect(refusal(Data("3".utf8)) != nil)
    }

    @Test func everyFlawNamesItsField() throws {
        let cases: [(path: [Any], value: Any?, field: String)] = [
            (["wallSeconds"], -1, "wallSeconds"), (["wallSeconds"], "long", "wallSeconds"),
            (["device", "name"], nil, "device.name"), (["mode"], "guessed", "mode"),
            (["counters", "submits"], -1, "counters.submits"),
            (["counters", "dispatches"], Int.max, "counters.dispatches"),
            (["plans", 1, "runCount"], -1, "plans[1].runCount"),
            (["plans", 1, "steps", 2, "label"], nil, "plans[1].steps[2].label"),
            (["plans", 1, "steps", 2, "meanSeconds"], 1e300, "plans[1].steps[2].meanSeconds"),
            (["plans", 1, "steps", 2, "sampleCount"], 99, "plans[1].steps[2].sampleCount"),
            (["plans", 1, "steps", 2, "operations"], -5, "plans[1].steps[2].operations"),
            (["plans", 1, "runCount"], 1 << 52, "plans[1].steps[0]"),
            (["spans", 0, "phase"], "sleep", "spans[0].phase"),
            (["spans", 1, "seconds"], -1e-3, "spans[1].seconds"),
            (["spans", 0, "start"], 5, "spans[1].start"), (["events", 0, "plan"], 3, "events[0].plan"),
            (["events", 0, "step"], 1000, "events[0].step"), (["events", 0, "run"], -1, "events[0].run"),
            (["ceilings", "readBytesPerSecond"], 0, "ceilings.readBytesPerSecond"),
        ]
        for (path, value, field) in cases {
            let data = try damaged(path, value)
            #expect(refusal(data)?.field == field, "\(path): \(refusal(data).map(\.description) ?? "accepted")")
            #expect(refusal(try damaged(path, value, inList: true))?.field == "[1]." + field)
        }
    }

    @Test func repetitionsOfDifferentThingsAreRefused() throws {
        #expect(refusal(try damaged(["command"], ["run", "other"], inList: true))?.field == "[1].command")
        #expect(refusal(try damaged(["device", "driver"], "other", inList: true))?.field == "[1].device")
    }

    /// Damaged copies of a document are refused in one line or read; what is read passes through every view.
    @Test func noDamageTraps() throws {
        let source = [UInt8](try encoded(Self.small))
        var random = SplitMix64(state: 20_261_122)
        var accepted = 0
        for _ in 0..<1000 {
            var bytes = source
            for _ in 0..<Int.random(in: 1...3, using: &random) { mutate(&bytes, &random) }
            do throws(FormatError) {
                let profiles = try ProfileFile.read(Data(bytes), path: "p.json")
                accepted += 1
                let comparison = ProfileComparison([Self.small], profiles)
                #expect(!comparison.rows.isEmpty)
                #expect(!comparison.table.isEmpty)
                #expect(profiles[0].report().hasSuffix("</html>\n"))
                #expect((try? profiles[0].trace()) != nil)
            } catch {
                #expect(!error.description.contains { $0.isNewline } && error.description.utf8.count < 600)
            }
        }
        // Digits that change leave a profile; both sides must have been tried.
        #expect(accepted > 50 && accepted < 950, "\(accepted)")
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        let digits = bytes.indices.filter { (0x30...0x39).contains(bytes[$0]) }
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes.removeSubrange(index..<min(index + 9, bytes.count))
        case 2: bytes.insert(contentsOf: Array("-1e308".utf8), at: index)
        case 3: bytes.insert(contentsOf: Array("9999999".utf8), at: digits.randomElement(using: &random) ?? 0)
        default: bytes[digits.randomElement(using: &random) ?? 0] = UInt8.random(in: 0x30...0x39, using: &random)
        }
    }
}
