import ArgumentParser

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a technique against its plain counterpart.",
        subcommands: [RunSpeculative.self, RunToMe.self, RunMoE.self, RunDiffusion.self])
}
