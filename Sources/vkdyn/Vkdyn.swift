import ArgumentParser

@main
struct Vkdyn: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vkdyn",
        abstract: "Dynamic neural networks on any Vulkan GPU, bit for bit the same everywhere.",
        subcommands: [Run.self, Bench.self, ProfileCommand.self, Verify.self, Devices.self])
}
