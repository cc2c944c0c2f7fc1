import ArgumentParser
import Foundation
import VkdynCore
import VkdynProfile
import VkdynSchedule
import VkdynVulkan

struct ProfileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profile",
        abstract: "Show where the time of a command goes: every dispatch, every phase of the host.",
        // The default, so that vkdyn profile --compare a.json b.json is understood too.
        subcommands: [ProfileRun.self, ProfileSpeculation.self, ProfileCeilings.self, ProfileCompare.self],
        defaultSubcommand: ProfileCompare.self)
}

struct ProfileRun: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Profile any of vkdyn's `run` commands.",
        discussion: """
            What follows the technique's name is that command's own. A timestamp may cost as much as a small dispatch, \
            so each run of a plan stamps a part of its dispatches in turn, as many as take some 2% of the time; the \
            others' times are those of their own turns.

            Examples:
              vkdyn profile run speculative
              vkdyn profile run --all speculative --draft-tokens 8 --max-new-tokens 20
              vkdyn profile run --report profile.html --trace trace.json speculative
              vkdyn profile run --json speculative --temperature 0.8 > profile.json
            """)

    @Flag(help: "Stamp every dispatch of every run, and say what that costs.")
    var all = false

    @Flag(help: "Stamp every dispatch, with a barrier before each, so that no two run at once.")
    var isolated = false

    @Flag(help: "Print the profile as JSON and nothing else on standard output, the command's own output included.")
    var json = false

    @Flag(help: "Do without the device's ceilings where none are kept; otherwise they are measured once, in some seconds.")
    var noCeilings = false

    @Option(help: ArgumentHelp("Write the profile, as under --json, to a file.", valueName: "file"))
    var output: String?

    @OptionGroup var outputs: ProfileOutputs

    @Argument(
        parsing: .captureForPassthrough,
        help: ArgumentHelp("A technique and its options, as after `vkdyn run`.", valueName: "command"))
    var command: [String] = []

    func validate() throws {
        if all, isolated { throw ValidationError("--all and --isolated: one of the two; --isolated stamps all too") }
        if command.isEmpty {
            throw ValidationError("profile run needs a technique: vkdyn profile run speculative")
        }
        if let output { try OutputFile(output, option: "--output").check() }
    }

    func run() throws {
        // The words after the options are the other command's, but a plea for help with nothing before it is not.
        if let first = command.first, ["--help", "-h"].contains(first) { throw CleanExit.helpRequest(Self.self) }
        var run = try Run.parseAsRoot(command)
        let session = ProfileSession(stamping: isolated ? .isolated : all ? .all : .sampled)
        var status = ExitCode.success
        try HostSpans.$recorder.withValue(session) {
            try StandardOutput.discarding(json) {
                do {
                    try run.run()
                } catch let code as ExitCode where code == .failure {
                    // It ran to its end and found a difference; where its time went is known all the same.
                    status = code
                }
            }
        }
        var profile = session.profile(command: ["run"] + command)
        profile.ceilings = try ceilings(session)
        try show(profile)
        if status != .success { throw status }
    }

    /// Of the device that the command ran on, after it ran, so that none of this is in its profile.
    private func ceilings(_ session: ProfileSession) throws -> CeilingFigures? {
        guard let device = session.devices.lazy.compactMap({ $0 as? VulkanDevice }).first else { return nil }
        if noCeilings { return device.keptCeilings().ceilings }
        return try ProfileCeilings.figures(
            of: device, timestampSeconds: try device.measureTimestampCost()?.runSeconds, Console(isJSON: json)
        ).figures
    }

    private func show(_ profile: Profile) throws {
        if json || output != nil {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            let document = String(decoding: try encoder.encode(profile), as: UTF8.self) + "\n"
            if let output { try OutputFile(output, option: "--output").write(document) }
            if json { try? FileHandle.standardOutput.write(contentsOf: Data(document.utf8)) }
        }
        try outputs.write(profile)
        if json { return }
        // Under its own --json the command has standard output to itself.
        let isOwn = command.contains("--json")
        let target = isOwn ? FileHandle.standardError : FileHandle.standardOutput
        try? target.write(contentsOf: Data(("\n" + ProfileTables(profile).text).utf8))
    }
}

/// Standard output, for commands that print to it whatever happens.
enum StandardOutput {
    /// Runs `body`; what it prints goes nowhere if `isDiscarding`.
    static func discarding(_ isDiscarding: Bool, _ body: () throws -> Void) throws {
        guard isDiscarding else { return try body() }
        fflush(nil)
        let kept = dup(STDOUT_FILENO)
        let nowhere = open("/dev/null", O_WRONLY)
        guard kept >= 0, nowhere >= 0, dup2(nowhere, STDOUT_FILENO) >= 0 else {
            throw SetupError("--json: standard output cannot be put aside")
        }
        close(nowhere)
        defer {
            fflush(nil)
            dup2(kept, STDOUT_FILENO)
            close(kept)
        }
        try body()
    }
}
