import ArgumentParser

struct Profile: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure what a device can do.", subcommands: [ProfileCeilings.self])
}
