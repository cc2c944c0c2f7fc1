import Foundation
import Testing

/// `vkdyn bench`: what its report holds and what it refuses; never how long anything takes.
@Suite(.serialized) struct BenchCommandTests {
    private struct Report: Decodable {
        struct Result: Decodable {
            let kernel: String
            let shape: [String: Int]
            let weights: String
            let variant: String
            let medianSeconds: Double
            let minimumSeconds: Double
            let maximumSeconds: Double
            let gigaflopsPerSecond: Double
            let gigabytesPerSecond: Double
            let samples: Int
            let repetitions: Int
            let copies: Int
            let workingSetBytes: Int
            let ceilingShare: Double?
            let bound: String?
            let failed: Bool?
        }

        struct Ceilings: Decodable {
            struct Arithmetic: Decodable {
                let flavour: String
                let variant: String
                let gigaflopsPerSecond: Double
            }

            struct Memory: Decodable {
                let load: String
                let storage: String
                let gigabytesPerSecond: Double
            }

            let arithmetic: Arithmetic
            let reads: [Memory]
            let copy: Memory
        }

        let ceilings: Ceilings?
        let results: [Result]
    }

    private func report(_ arguments: String...) throws -> Report {
        let outcome = try Program.run(["bench", "--json"] + arguments)
        #expect(outcome.status == 0, "\(outcome.error)")
        return try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
    }

    @Test func theReportHoldsTheShapeTheTimesAndTheRates() throws {
        let result = try #require(
            report("matmul", "--shape", "4,64,32", "--weights", "f16", "--samples", "3", "--no-ceilings").results.first)
        #expect(result.kernel == "matmul" && result.weights == "f16")
        #expect(result.shape["rows"] == 4 && result.shape["columns"] == 64 && result.shape["depth"] == 32)
        #expect(result.shape["bias"] == 0)
        #expect(result.minimumSeconds > 0 && result.minimumSeconds <= result.medianSeconds)
        #expect(result.medianSeconds <= result.maximumSeconds)
        #expect(result.gigaflopsPerSecond > 0 && result.gigabytesPerSecond > 0)
        #expect(result.samples == 3 && result.repetitions >= 1 && result.copies == 64)
    }

    @Test func ceilingsOfTheSameRunGiveAShareAndWhatBoundsIt() throws {
        let report = try report("matmul", "--shape", "1,256,256", "--samples", "1")
        let result = try #require(report.results.first)
        let share = try #require(result.ceilingShare)
        #expect(share > 0 && result.failed == (share > 1))
        #expect(["arithmetic", "memory"].contains(result.bound))
        let ceilings = try #require(report.ceilings)
        #expect(ceilings.arithmetic.gigaflopsPerSecond > 0 && ceilings.arithmetic.flavour == "separate")
        let loads = Set(ceilings.reads.map { "\($0.load) \($0.storage)" })
        #expect(loads == ["texels f32", "storage f32", "texels f16", "bits f32"])
        #expect(ceilings.reads.allSatisfy { $0.gigabytesPerSecond > 0 } && ceilings.copy.gigabytesPerSecond > 0)
        #expect(report.results.count == 1)
    }

    @Test func severalShapesAndStorageTypesGiveAResultEach() throws {
        let results = try report(
            "matmul", "--shape", "1,8,8", "--shape", "depth=12,rows=2", "--weights", "f32", "--weights", "bf16",
            "--samples", "1", "--working-set", "0", "--no-ceilings"
        ).results
        #expect(results.map(\.weights) == ["f32", "bf16", "f32", "bf16"])
        #expect(results.map { $0.shape["rows"] } == [1, 1, 2, 2])
        #expect(results[2].shape["columns"] == 3072)
        #expect(results.allSatisfy { $0.copies == 1 })
    }

    @Test func allVariantsAreMeasuredOnceEach() throws {
        let results = try report(
            "matmul", "--shape", "2,8,8", "--all-variants", "--samples", "1", "--no-ceilings"
        ).results
        let names = results.map(\.variant)
        #expect(names.count > 5 && Set(names).count == names.count)
        let one = try report(
            "matmul", "--shape", "2,8,8", "--variant", "general", "--samples", "1", "--no-ceilings"
        ).results
        #expect(one.map(\.variant) == ["general"])
    }

    /// A file that cannot be read is named, and replaced by the next tuning.
    @Test func tuningKeepsAChoiceThatTheNextRunTakes() throws {
        let folder = try Scratch()
        try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
        let environment = ["XDG_CACHE_HOME": folder.path]
        let arguments = ["bench", "matmul", "--shape", "3,8,8", "--samples", "1", "--no-ceilings", "--json"]
        let tuned = try Program.run(arguments + ["--tune"], environment: environment)
        #expect(tuned.status == 0, "\(tuned.error)")
        let file = try #require(
            try FileManager.default.contentsOfDirectory(atPath: folder.path + "/vkdyn").first {
                $0.hasSuffix(".tuning.json")
            })
        let path = folder.path + "/vkdyn/" + file
        #expect(tuned.output.contains(path))
        // Another variant than the measured one, to see that the next run takes it.
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let changed = text.replacingOccurrences(
            of: "\"variant\":\"[a-z0-9_]+\"", with: "\"variant\":\"lanes8_rows2_quads2\"", options: .regularExpression)
        try changed.write(toFile: path, atomically: true, encoding: .utf8)
        let next = try Program.run(arguments, environment: environment)
        #expect(next.output.contains("\"variant\" : \"lanes8_rows2_quads2\""), "\(next.output)")
        try "{".write(toFile: path, atomically: true, encoding: .utf8)
        let broken = try Program.run(arguments, environment: environment)
        #expect(broken.status == 0 && broken.error.contains(path) && broken.error.contains("passed over"))
        let again = try Program.run(arguments + ["--tune"], environment: environment)
        #expect(again.status == 0)
        #expect(try Program.run(arguments, environment: environment).error == "")
    }

    @Test func theTwinsAreMeasuredToo() throws {
        let results = try report("matmul", "--shape", "2,8,8", "--device", "reference", "--samples", "2").results
        #expect(results.count == 1 && results[0].samples == 2)
    }

    @Test func withoutAKernelTheAxesAreListed() throws {
        let text = try Program.run("bench")
        #expect(text.status == 0 && text.output.contains("matmul") && text.output.contains("depth: 0 or more"))
        let json = try Program.run("bench", "--json")
        #expect(json.status == 0 && json.output.contains("\"multiple\" : 4"))
    }

    @Test func theTableNamesShapeVariantAndDevice() throws {
        let outcome = try Program.run(
            "bench", "matmul", "--shape", "2,8,8", "--samples", "1", "--device", "reference")
        #expect(outcome.status == 0 && outcome.output.hasPrefix("reference (Swift twins)"))
        #expect(outcome.output.contains("matmul, rows 2, columns 8, depth 8, batch 1, f32"))
        #expect(outcome.output.contains("GFLOP/s"))
    }

    @Test(arguments: [
        (["zebra"], "zebra: no such kernel"),
        (["matmul", "--shape", "width=4"], "no such axis; its axes are: rows, columns, depth"),
        (["matmul", "--shape", "1,2,x"], "\"x\" is not a whole number"),
        (["matmul", "--shape", "1,,4"], "\"\" is not a whole number"),
        (["matmul", "--shape", "1,2,4,1,0,0,0,0,7"], "has 8 axes"),
        (["matmul", "--shape", "1,rows=2"], "rows is given twice"),
        (["matmul", "--shape", "-1,8,8"], "rows -1 of matmul must be 0 to"),
        (["matmul", "--shape", "99999999999,8,8"], "must be 0 to 16777216"),
        (["matmul", "--shape", "99999999999999999999,8,8"], "is not a whole number"),
        (["matmul", "--shape", "16777216,16777216,768"], "takes more than 4 GiB"),
        (["matmul", "--shape", "1,8,7"], "must be a multiple of 4"),
        (["matmul", "--shape", "activation=9"], "activation 9 of matmul must be 0 to 5"),
        (["matmul", "--shape", "bias=2"], "bias 2 of matmul must be 0 to 1"),
        (["matmul", "--shape", "0,8,8"], "nothing to do"),
        (["matmul", "--weights", "i64"], "--weights i64: matmul stores f32, f16, bf16, i8"),
        (["matmul", "--variant", "zebra"], "--variant zebra: matmul has no such variant"),
        (["embedding", "--shape", "1,8,packed=1", "--variant", "quads"], "--variant quads may not run embedding with"),
        (["matmul", "--device", "no such gpu"], "--device no such gpu"),
    ]) func aBenchmarkThatCannotBeMadeIsRefusedInOneLine(arguments: [String], words: String) throws {
        // A shape of its own for those that get as far as making one.
        let small = arguments.contains("--shape") ? [] : ["--shape", "2,8,8"]
        let outcome = try Program.run(["bench"] + arguments + (arguments[0] == "matmul" ? small : []))
        #expect(outcome.status != 0 && outcome.output == "")
        #expect(outcome.error.contains(words), "\(outcome.error)")
        #expect(outcome.error.split(separator: "\n").count == 1, "\(outcome.error)")
    }

    @Test(arguments: [
        ["--samples", "0"], ["--samples", "x"], ["--working-set", "-1"], ["--weights", "f99"],
        ["--variant", "general", "--all-variants"], ["--tune", "--device", "reference"],
        ["--tune", "--variant", "general"], ["--suite"], ["--output", "/tmp"],
    ])
    func flagsOutsideTheirRange(arguments: [String]) throws {
        let outcome = try Program.run(["bench", "matmul", "--shape", "2,8,8"] + arguments)
        #expect(outcome.status != 0 && outcome.output == "")
        #expect(outcome.error.contains(arguments[0]))
    }

    @Test func theSuiteWritesATableAndItsFigures() throws {
        let folder = try Scratch()
        try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
        let outcome = try Program.run("bench", "--suite", "--samples", "1", "--output", folder.path)
        #expect(outcome.status == 0, "\(outcome.error)")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(files.count == 2 && files[0].hasSuffix("-suite.json") && files[1].hasSuffix("-suite.md"))
        let table = try String(contentsOfFile: folder.path + "/" + files[1], encoding: .utf8)
        #expect(table == outcome.output && table.contains("| f32 512×3072×768 | `matmul`"))
        let rows = try JSONDecoder().decode(
            Suite.self, from: Data(contentsOf: URL(fileURLWithPath: folder.path + "/" + files[0]))
        ).rows
        #expect(rows.count >= 7 && rows.allSatisfy { $0.result.ceilingShare != nil && $0.goalMilliseconds > 0 })
    }

    private struct Suite: Decodable {
        struct Row: Decodable {
            let work: String
            let goalMilliseconds: Double
            let result: Report.Result
        }

        let rows: [Row]
    }

    @Test func theFusedFlavourWhereTheDeviceDoesNotFuseIsRefused() throws {
        let devices = try Program.run("devices", "--json")
        guard devices.output.contains("\"fused\" : false") else { return }
        let outcome = try Program.run("bench", "matmul", "--shape", "2,8,8", "--flavour", "fused")
        #expect(outcome.status != 0 && outcome.error.contains("--flavour fused"))
    }
}
