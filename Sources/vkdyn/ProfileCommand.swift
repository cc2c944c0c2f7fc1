import ArgumentParser

struct Profile: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say where a command's time goes, and whether a technique pays.",
        subcommands: [ProfileSpeculation.self])
}
