import ArgumentParser

struct ProfileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profile",
        abstract: "Show where the time of a command goes: every dispatch, every phase of the host.",
        // The default, so that vkdyn profile --compare a.json b.json is understood too.
        subcommands: [ProfileCompare.self], defaultSubcommand: ProfileCompare.self)
}
