import Foundation
import Testing

/// `vkdyn profile ceilings`: what it shows, keeps and refuses; never how long anything takes.
@Suite struct ProfileCeilingsTests {
    private struct Report: Decodable {
        struct Replay: Decodable {
            struct Samples: Decodable {
                let bestSeconds: Double
                let medianSeconds: Double
            }

            let dispatchCount: Int
            let barrierCount: Int
            let sampleCount: Int
            let plan: Samples
            let raw: Samples
            let bestRatio: Double
            let medianRatio: Double
            let planSecondsPerDispatch: Double
            let prepareSecondsPerDispatch: Double
        }

        struct Ceilings: Decodable, Equatable {
            let multiplyThenAddOperationsPerSecond: Double
            let f16OperationsPerSecond: Double
            let int8OperationsPerSecond: Double
            let readBytesPerSecond: Double
            let copyBytesPerSecond: Double
            let dispatchSeconds: Double
            let barrierSeconds: Double
            let submitSeconds: Double
            let hostToDeviceBytesPerSecond: Double
            let deviceToHostBytesPerSecond: Double
            let date: String
        }

        let isMeasured: Bool
        let file: String
        let ceilings: Ceilings
        let replay: Replay
    }

    @Test func figuresAreMeasuredOnceAndKept() throws {
        let folder = try Scratch()
        let environment = ["XDG_CACHE_HOME": folder.path]
        func report() throws -> (Report, error: String) {
            let outcome = try Program.run("profile", "ceilings", "--json", environment: environment)
            #expect(outcome.status == 0, "\(outcome.error)")
            return (try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8)), outcome.error)
        }
        let (first, firstError) = try report()
        #expect(first.isMeasured && firstError == "")
        #expect(first.file.hasPrefix(folder.path + "/vkdyn/") && first.file.hasSuffix(".ceilings.json"))
        let replay = first.replay
        #expect(replay.dispatchCount == 1000 && replay.barrierCount == 999 && replay.sampleCount >= 20)
        let ratio = replay.plan.bestSeconds / replay.raw.bestSeconds
        #expect(abs(replay.bestRatio - ratio) < 1e-9 && replay.medianRatio > 0)
        #expect(replay.planSecondsPerDispatch > 0 && replay.prepareSecondsPerDispatch > 0)

        let (second, secondError) = try report()
        #expect(!second.isMeasured && second.ceilings == first.ceilings && secondError == "")
        let table = try Program.run("profile", "ceilings", environment: environment)
        #expect(table.status == 0 && table.output.contains("--refresh measures again"))
        for word in ["multiply, then add", "f16", "int8", "dispatch, barrier", "submit", "timestamp", "plan to raw"] {
            #expect(table.output.contains("  " + word), "\(word)")
        }

        // What is no measurement is measured again, and says so.
        let text = try String(contentsOfFile: first.file, encoding: .utf8)
        try text.replacingOccurrences(of: "\"driver\":\"", with: "\"driver\":\"another ").write(
            toFile: first.file, atomically: true, encoding: .utf8)
        let (third, thirdError) = try report()
        #expect(third.isMeasured && thirdError.contains(first.file) && thirdError.contains("passed over"))
        #expect(try report().0.isMeasured == false)
    }

    @Test(arguments: [
        (["--device", "reference"], "the twins have no ceilings"),
        (["--device", "no such gpu"], "--device no such gpu"),
    ]) func whatHasNoCeilingsIsRefusedInOneLine(arguments: [String], words: String) throws {
        let outcome = try Program.run(["profile", "ceilings"] + arguments)
        #expect(outcome.status != 0 && outcome.output == "")
        #expect(outcome.error.contains(words) && outcome.error.split(separator: "\n").count == 1, "\(outcome.error)")
    }
}
