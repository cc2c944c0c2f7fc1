import Foundation
import Synchronization
import VkdynCore

/// What a person sees: text as it comes, progress on a terminal, results in short lines. Silent under `--json`.
struct Console: Sendable {
    let isJSON: Bool

    init(isJSON: Bool) {
        self.isJSON = isJSON
        Interrupt.install()
    }

    /// Set by the first Ctrl-C; a command then ends after the submit that runs.
    var isInterrupted: Bool { Interrupt.isSet }

    func line(_ text: String) { stream(text + "\n") }

    func heading(_ text: String) { line(bold(text)) }

    func prompt(_ text: String) { stream(bold(text)) }

    /// Text without a line end, shown at once.
    func stream(_ text: String) {
        guard !isJSON, !text.isEmpty else { return }
        HostSpans.measure(.output) {
            // A reader that went away is no reason to trap.
            try? FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
        }
    }

    /// One line on standard error, under `--json` too.
    func note(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data("vkdyn: \(text)\n".utf8)) }

    func progress(_ label: String) -> Progress { Progress(label: label, isShown: !isJSON && isatty(2) == 1) }

    private func bold(_ text: String) -> String { isatty(1) == 1 ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
}

/// A percentage on standard error, erased when done.
final class Progress: Sendable {
    private let label: String
    private let isShown: Bool
    private let shown = Mutex(-1)

    init(label: String, isShown: Bool) {
        self.label = label
        self.isShown = isShown
        if isShown { write("\(label) …") }
    }

    func update(_ fraction: Double) {
        guard isShown else { return }
        let percent = Int(fraction * 100)
        let changed = shown.withLock { shown in
            defer { shown = percent }
            return shown != percent
        }
        if changed { write("\(label) \(percent)%") }
    }

    /// A bar and the count.
    func update(done: Int, of total: Int) {
        guard isShown else { return }
        let changed = shown.withLock { shown in
            defer { shown = done }
            return shown != done
        }
        guard changed else { return }
        let filled = total == 0 ? 0 : 30 * done / total
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 30 - filled)
        write("\(label) \(bar) \(done)/\(total)")
    }

    func finish() {
        if isShown { write("") }
    }

    private func write(_ text: String) {
        HostSpans.measure(.output, "progress") {
            try? FileHandle.standardError.write(contentsOf: Data("\r\u{1B}[K\(text)".utf8))
        }
    }
}

/// Progress that appears only after a second.
final class LateProgress {
    private let console: Console
    private let label: String
    private let start = ContinuousClock().now
    private var shown: Progress?

    init(_ console: Console, _ label: String) {
        self.console = console
        self.label = label
    }

    func update(_ fraction: Double) {
        if shown == nil, ContinuousClock().now - start > .seconds(1) { shown = console.progress(label) }
        shown?.update(fraction)
    }

    func finish() {
        shown?.finish()
        shown = nil
    }
}

/// The first Ctrl-C asks, the second ends the process.
enum Interrupt {
    private static let flag = Atomic<Bool>(false)

    static var isSet: Bool { flag.load(ordering: .relaxed) }

    static func install() {
        signal(SIGINT) { _ in
            Interrupt.flag.store(true, ordering: .relaxed)
            signal(SIGINT, SIG_DFL)
        }
    }
}
