import Foundation
import Testing

/// `vkdyn profile compare`: its exit status, its two spellings, and what it refuses.
@Suite(.serialized) struct ProfileCompareTests {
    /// A profile of one plan with one dispatch, which took 20 ms in each of 40 runs, times `factor`.
    private func document(_ factor: Double, command: String = "speculative", version: Int = 1) -> String {
        let mean = 0.02 * factor
        return """
            {"formatVersion": \(version), "command": ["run", "\(command)"], "date": "2026-11-22T12:00:00Z",
            "device": {"name": "a device", "driver": "a driver", "apiVersion": "1.3"}, "mode": "all",
            "wallSeconds": \(40 * mean + 0.1), "overheadSeconds": 0, "peakDeviceBytes": 0,
            "counters": {"submits": 40, "readbacks": 0, "dispatches": 40}, "spans": [], "events": [],
            "furtherHostSeconds": {}, "plans": [{"label": "round", "runCount": 40, "prepareSeconds": 0,
            "submitSeconds": 0, "waitSeconds": \(40 * mean), "barrierCount": 0, "arenaByteCount": 0, "steps": [
            {"label": "verify.layer0.up", "kernel": "matmul", "variant": "quads4", "operations": 1000, "bytes": 1000,
            "phase": "verify", "needsBarrier": false, "sampleCount": 40, "minimumSeconds": \(mean * 0.99),
            "medianSeconds": \(mean), "meanSeconds": \(mean)}]}]}
            """
    }

    private func files(_ a: String, _ b: String) throws -> (folder: Scratch, a: String, b: String) {
        let folder = try Scratch()
        let paths = (folder.path + "/a.json", folder.path + "/b.json")
        try a.write(toFile: paths.0, atomically: true, encoding: .utf8)
        try b.write(toFile: paths.1, atomically: true, encoding: .utf8)
        return (folder, paths.0, paths.1)
    }

    @Test func theExitStatusSaysWhetherAnythingGotSlower() throws {
        let slower = try files(document(1), document(1.2))
        for arguments in [["compare", slower.a, slower.b], ["--compare", slower.a, slower.b]] {
            let outcome = try Program.run(["profile"] + arguments)
            #expect(outcome.status == 1 && outcome.error == "", "\(outcome.error)")
            #expect(outcome.output.contains("matmul") && outcome.output.contains("+20.0%"))
        }
        #expect(try Program.run("profile", "compare", slower.b, slower.a).status == 0)
        #expect(try Program.run("profile", "compare", slower.a, slower.a).status == 0)
        #expect(try Program.run("profile", "compare", slower.a, slower.b, "--threshold", "30").status == 0)
    }

    @Test func jsonHoldsEveryRow() throws {
        let slower = try files(
            "[\(document(1)), \(document(1.01)), \(document(1))]",
            "[\(document(1.2)), \(document(1.21)), \(document(1.19))]")
        let outcome = try Program.run("profile", "--compare", slower.a, slower.b, "--json")
        #expect(outcome.status == 1)
        let report = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
        let rows = try #require(report["rows"] as? [[String: Any]])
        let kernel = try #require(rows.first { $0["group"] as? String == "kernel" })
        #expect(kernel["name"] as? String == "matmul" && kernel["verdict"] as? String == "slower")
        #expect(report["repetitionsA"] as? Int == 3)
    }

    @Test func anotherCommandIsComparedWithANote() throws {
        let other = try files(document(1), document(1, command: "merging"))
        let outcome = try Program.run("profile", "compare", other.a, other.b)
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("note: different commands: a run speculative; b run merging"))
    }

    @Test func whatCannotBeUsedGivesTwoAndOneLine() throws {
        let broken = try files(document(1), document(1, version: 9))
        func expectRefusal(_ a: String, _ b: String, naming words: String...) throws {
            let outcome = try Program.run("profile", "compare", a, b)
            #expect(outcome.status == 2 && outcome.output == "")
            #expect(outcome.error.split(separator: "\n").count == 1)
            for word in words { #expect(outcome.error.contains(word), "\(word) in: \(outcome.error)") }
        }
        try expectRefusal(broken.a, broken.b, naming: "b.json", "formatVersion", "9")
        try expectRefusal(broken.folder.path + "/none.json", broken.a, naming: "none.json")
        try broken.folder.replace("b.json", "\"formatVersion\": 9", "\"formatVersion\": 1")
        try broken.folder.replace("b.json", "\"runCount\": 40", "\"runCount\": -1")
        try expectRefusal(broken.a, broken.b, naming: "b.json", "plans[0].runCount")
    }

    @Test func oneFileIsNotEnough() throws {
        let outcome = try Program.run("profile", "compare", "a.json")
        #expect(outcome.status != 0 && outcome.error.contains("two files"))
    }
}
