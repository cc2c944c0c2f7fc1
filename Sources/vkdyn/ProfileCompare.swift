import ArgumentParser
import Foundation
import VkdynFormats
import VkdynProfile

struct ProfileCompare: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compare profiles: what got slower or faster, and what is only noise.",
        discussion: """
            Each file holds what vkdyn profile --json wrote: one profile, or a list of repetitions. Repetitions are \
            compared in pairs, so record them in turn: one of a, one of b, the next of a. A difference is called when \
            it exceeds both the noise and the threshold. The exit status is 1 if anything got slower, 0 if not, and 2 \
            if a file cannot be used.

            Examples:
              vkdyn profile compare before.json after.json
              vkdyn profile compare before.json after.json --threshold 2 --json
            """)

    /// The other spelling: vkdyn profile --compare a.json b.json.
    @Flag(name: .customLong("compare"), help: .hidden)
    var isSpelledAsOption = false

    @Argument(help: ArgumentHelp("The profiles before and after.", valueName: "a.json b.json"))
    var files: [String] = []

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Changes up to this are not called, whatever the noise.", valueName: "percent"))
    var threshold = ProfileComparison.standardThreshold * 100

    @Flag(help: "Print JSON and nothing else on standard output.")
    var json = false

    func validate() throws {
        guard files.count == 2 else {
            throw ValidationError(
                "vkdyn profile compare takes two files, a.json and b.json; vkdyn profile run … makes a profile")
        }
        guard (0...1000).contains(threshold) else {
            throw ValidationError("--threshold \(threshold): must be 0 to 1000 percent")
        }
    }

    func run() throws {
        let console = Console(isJSON: json)
        let sides: [[VkdynProfile.Profile]]
        do throws(FormatError) {
            sides = [try ProfileFile.read(files[0]), try ProfileFile.read(files[1])]
        } catch {
            console.note("\(error)")
            throw ExitCode(2)
        }
        let comparison = ProfileComparison(sides[0], sides[1], threshold: threshold / 100)
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(comparison), as: UTF8.self))
        } else {
            console.heading("a: \(files[0]), b: \(files[1])")
            for line in comparison.table { console.line(line) }
        }
        if comparison.isSlower { throw ExitCode(1) }
    }
}
