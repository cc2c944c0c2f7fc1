/// What the host does in a stretch of a run, by the names that a profile shows.
public enum HostPhase: String, Sendable, Codable, CodingKeyRepresentable, CaseIterable {
    /// Opening the device: loader, driver and the probe of its arithmetic.
    case open
    /// Reading and converting weights.
    case load
    /// Turning recordings into plans: variants, memory, barriers.
    case plan
    /// Providing a plan's pipelines, descriptors and command buffers.
    case record
    case submit
    case wait
    /// What the first run of a plan took beyond its other runs: many drivers compile and allocate then.
    case firstRun = "first run"
    case read
    /// Copying to the device, and the memory for it.
    case write
    /// Choosing on the host what to do next.
    case sample
    case tokenise
    case detokenise
    /// Decoding, resizing or encoding pictures.
    case image
    /// Writing what the user sees.
    case output
}

/// Where stretches of host time go while something listens; see `HostSpans`.
public protocol HostSpanRecorder: AnyObject, Sendable {
    /// - Returns: what `end` takes.
    func begin(_ phase: HostPhase, _ label: String) -> Int
    func end(_ token: Int)
}

/// Names stretches of host time, for whoever profiles; costs a task-local read where nobody does.
public enum HostSpans {
    /// Listens to everything that `withValue`'s body runs.
    @TaskLocal public static var recorder: (any HostSpanRecorder)?

    /// Runs `body` as one stretch of `phase`.
    public static func measure<Result, Failure: Error>(
        _ phase: HostPhase, _ label: @autoclosure () -> String = "", _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard let recorder else { return try body() }
        let token = recorder.begin(phase, label())
        defer { recorder.end(token) }
        return try body()
    }
}
