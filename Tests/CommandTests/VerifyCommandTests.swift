import Foundation
import Testing

@Suite(.serialized) struct VerifyCommandTests {
    private struct Report: Decodable {
        struct Result: Decodable {
            let caseCount: Int
            let comparedCount: Int
        }

        struct Random: Decodable {
            let seed: UInt64
            let count: Int
        }

        let results: [Result]
        let random: Random?
        let differenceCount: Int
    }

    private func verify(_ arguments: String...) throws -> (report: Report, error: String) {
        let outcome = try Program.run(["verify", "--device", "reference", "--json"] + arguments)
        #expect(outcome.status == 0)
        return (try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8)), outcome.error)
    }

    @Test func randomCasesAreCountedAndComeAgainBySeed() throws {
        let (report, error) = try verify("--random", "100", "--seed", "5", "--kernel", "argmax", "--kernel", "rotary")
        #expect(report.random?.seed == 5 && report.random?.count == 100)
        #expect(report.results.reduce(0) { $0 + $1.caseCount } == 100)
        #expect(report.differenceCount == 0)
        #expect(error.contains("100 of 100 random cases, 0 differ"))
        let again = try verify("--random", "100", "--seed", "5", "--kernel", "argmax", "--kernel", "rotary").report
        #expect(again.results.map(\.comparedCount) == report.results.map(\.comparedCount))
    }

    @Test func fixedCasesAreTheDefault() throws {
        let report = try verify("--kernel", "dispatch_setup").report
        #expect(report.random == nil && report.results.count == 1 && report.results[0].caseCount > 5)
    }

    @Test func numbersThatMakeNoSenseAreRefused() throws {
        for (arguments, word) in [
            (["--random", "0"], "--random 0"), (["--seed", "4"], "--seed is for random cases"),
            (["--random", "2", "--seed", "18446744073709551615"], "--seed 18446744073709551615"),
            (["--kernel", "nothing"], "--kernel nothing"),
        ] {
            let outcome = try Program.run(["verify"] + arguments)
            #expect(outcome.status != 0 && outcome.output == "")
            #expect(outcome.error.contains(word), "\(outcome.error)")
        }
    }
}
