public import Foundation
public import VkdynFormats
import VkdynSchedule

/// Reads what `vkdyn profile --json` wrote: one profile, or a list of repetitions.
public enum ProfileFile {
    /// - Returns: at least one profile, all of the same command on the same device, fit for every view of them.
    /// - Throws: naming the file and, where one is to blame, the field.
    public static func read(_ path: String) throws(FormatError) -> [Profile] {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw FormatError(file: path, problem: "cannot be read; is it there?")
        }
        return try read(data, path: path)
    }

    public static func read(_ data: Data, path: String) throws(FormatError) -> [Profile] {
        // Versions first: a document of another version may lack every other field.
        let versions = try decode(OneOrMore<Version>.self, data, path)
        for (index, version) in versions.items.enumerated() where version.formatVersion != Profile.formatVersion {
            throw FormatError(
                file: path, field: versions.field(index, "formatVersion"),
                problem: "is \(version.formatVersion), and this vkdyn reads \(Profile.formatVersion); "
                    + "profile again with the same vkdyn")
        }
        let profiles = try decode(OneOrMore<Profile>.self, data, path)
        guard let first = profiles.items.first else {
            throw FormatError(file: path, problem: "is an empty list; expected a profile or a list of repetitions")
        }
        for (index, profile) in profiles.items.enumerated() {
            if let (field, problem) = profile.flaw {
                throw FormatError(file: path, field: profiles.field(index, field), problem: problem)
            }
            if profile.command != first.command {
                throw FormatError(
                    file: path, field: profiles.field(index, "command"),
                    problem: "is another than the first's; repetitions are of one command")
            }
            if profile.device != first.device {
                throw FormatError(
                    file: path, field: profiles.field(index, "device"),
                    problem: "is another than the first's; repetitions are on one device")
            }
        }
        return profiles.items
    }

    // MARK: Decoding

    private struct Version: Decodable { let formatVersion: Int }

    private struct OneOrMore<Item: Decodable>: Decodable {
        let items: [Item]
        let isList: Bool

        init(from decoder: any Decoder) throws {
            isList = (try? decoder.unkeyedContainer()) != nil
            items = isList ? try [Item](from: decoder) : [try Item(from: decoder)]
        }

        func field(_ index: Int, _ name: String) -> String { isList ? "[\(index)].\(name)" : name }
    }

    private static func decode<Item: Decodable>(
        _ type: Item.Type, _ data: Data, _ path: String
    ) throws(FormatError) -> Item {
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch let error as DecodingError {
            switch error {
            case .keyNotFound(let key, let context):
                throw FormatError(file: path, field: field(context.codingPath + [key]), problem: "is missing")
            case .valueNotFound(_, let context):
                throw FormatError(file: path, field: field(context.codingPath), problem: "is null")
            case .typeMismatch(let expected, let context):
                throw FormatError(
                    file: path, field: field(context.codingPath), problem: "is of another type than \(expected)")
            case .dataCorrupted(let context) where !context.codingPath.isEmpty:
                throw FormatError(
                    file: path, field: field(context.codingPath), problem: "is a value that no profile holds")
            default: throw FormatError(file: path, problem: "is not JSON")
            }
        } catch {
            throw FormatError(file: path, problem: "is not JSON")
        }
    }

    /// As in `[1].plans[0].label`; nil for the document itself.
    private static func field(_ path: [any CodingKey]) -> String? {
        var text = ""
        for key in path {
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                // Field names are ours, but what an enumeration was given may come from the file.
                text += (text.isEmpty ? "" : ".") + String(key.stringValue.filter { !$0.isNewline }.prefix(64))
            }
        }
        return text.isEmpty ? nil : text
    }
}

// MARK: What a document must hold beside its types

extension Profile {
    /// The first field that contradicts the document's own rules, and how; nil for a sound profile.
    ///
    /// What is checked is what the views rely on: times are finite and not negative, indices are in range, and sums
    /// over runs fit.
    var flaw: (field: String, problem: String)? {
        if let name = Self.unusable([("wallSeconds", wallSeconds), ("overheadSeconds", overheadSeconds)]) {
            return (name, Self.timeProblem)
        }
        let counts = [
            ("counters.submits", counters.submits), ("counters.readbacks", counters.readbacks),
            ("counters.dispatches", counters.dispatches), ("peakDeviceBytes", peakDeviceBytes),
        ]
        if let name = Self.unusable(counts) { return (name, Self.countProblem) }
        if let flaw = ceilings?.flaw { return ("ceilings." + flaw.field, flaw.problem) }
        var operations = 0
        var bytes = 0
        var dispatches = 0
        for (index, plan) in plans.enumerated() {
            if let flaw = plan.flaw { return ("plans[\(index)].\(flaw.field)", flaw.problem) }
            for (number, step) in plan.steps.enumerated() {
                let sums = [
                    Self.add(&operations, step.operations, plan.runCount), Self.add(&bytes, step.bytes, plan.runCount),
                    Self.add(&dispatches, 1, plan.runCount),
                ]
                if sums.contains(false) {
                    return ("plans[\(index)].steps[\(number)]", "counts more over all runs than 64 bits hold")
                }
            }
        }
        for (index, span) in spans.enumerated() {
            if let name = Self.unusable([("start", span.start), ("seconds", span.seconds)]) {
                return ("spans[\(index)].\(name)", Self.timeProblem)
            }
            if index > 0, span.start < spans[index - 1].start {
                return ("spans[\(index)].start", "is before the span before it; spans are in the order of their starts")
            }
        }
        for (phase, seconds) in furtherHostSeconds where Self.unusable([("", seconds)]) != nil {
            return ("furtherHostSeconds.\(phase.rawValue)", Self.timeProblem)
        }
        for (index, event) in events.enumerated() {
            if let flaw = flaw(of: event) { return ("events[\(index)].\(flaw.field)", flaw.problem) }
        }
        return nil
    }

    private func flaw(of event: DispatchEvent) -> (field: String, problem: String)? {
        guard plans.indices.contains(event.plan) else { return ("plan", "is \(event.plan) of \(plans.count) plans") }
        let plan = plans[event.plan]
        guard plan.steps.indices.contains(event.step) else {
            return ("step", "is \(event.step) of \(plan.steps.count) steps of \(plan.label.debugDescription)")
        }
        if let name = Self.unusable([("run", event.run)]) { return (name, Self.countProblem) }
        return Self.unusable([("start", event.start), ("seconds", event.seconds)]).map { ($0, Self.timeProblem) }
    }

    static let timeProblem = "must be a number of seconds, 0 or more and below 10⁸"

    /// The first that no clock gives: infinite, NaN, negative, or above three years.
    static func unusable(_ times: [(String, Double)]) -> String? {
        times.first { !($0.1 >= 0 && $0.1 < 1e8) }?.0
    }

    static let countProblem = "must be a whole number, 0 or more and below 2⁵³"

    /// The first that no run counts: negative, or no longer exact as a `Double`.
    static func unusable(_ counts: [(String, Int)]) -> String? {
        counts.first { !(0..<1 << 53).contains($0.1) }?.0
    }

    /// - Returns: whether the sum fits.
    private static func add(_ sum: inout Int, _ value: Int, _ count: Int) -> Bool {
        let (product, overflows) = value.multipliedReportingOverflow(by: count)
        let (total, overflowsToo) = sum.addingReportingOverflow(product)
        sum = total
        return !overflows && !overflowsToo
    }
}

extension PlanProfile {
    fileprivate var flaw: (field: String, problem: String)? {
        let times = [
            ("prepareSeconds", prepareSeconds), ("submitSeconds", submitSeconds), ("waitSeconds", waitSeconds),
            ("firstRunSeconds", firstRunSeconds), ("deviceSeconds", deviceSeconds ?? 0),
        ]
        if let name = Profile.unusable(times) { return (name, Profile.timeProblem) }
        let counts = [("runCount", runCount), ("barrierCount", barrierCount), ("arenaByteCount", arenaByteCount)]
        if let name = Profile.unusable(counts) { return (name, Profile.countProblem) }
        for (index, step) in steps.enumerated() {
            if let flaw = step.flaw(runCount: runCount) { return ("steps[\(index)].\(flaw.field)", flaw.problem) }
        }
        return nil
    }
}

extension StepProfile {
    fileprivate func flaw(runCount: Int) -> (field: String, problem: String)? {
        let times = [
            ("minimumSeconds", minimumSeconds), ("medianSeconds", medianSeconds), ("meanSeconds", meanSeconds),
        ]
        if let name = Profile.unusable(times) { return (name, Profile.timeProblem) }
        let counts = [("operations", operations), ("bytes", bytes), ("sampleCount", sampleCount)]
        if let name = Profile.unusable(counts) { return (name, Profile.countProblem) }
        if sampleCount > runCount { return ("sampleCount", "is \(sampleCount) of \(runCount) runs") }
        return nil
    }
}

extension CeilingFigures {
    fileprivate var flaw: (field: String, problem: String)? {
        let rates = [
            ("multiplyThenAddOperationsPerSecond", multiplyThenAddOperationsPerSecond),
            ("multiplyAddOperationsPerSecond", multiplyAddOperationsPerSecond),
            ("f16OperationsPerSecond", f16OperationsPerSecond), ("int8OperationsPerSecond", int8OperationsPerSecond),
            ("readBytesPerSecond", readBytesPerSecond), ("copyBytesPerSecond", copyBytesPerSecond),
        ]
        if let (name, _) = rates.first(where: { $0.1.map { !($0 > 0 && $0.isFinite) } ?? false }) {
            return (name, "must be a rate above 0")
        }
        let times = [
            ("dispatchSeconds", dispatchSeconds), ("barrierSeconds", barrierSeconds), ("submitSeconds", submitSeconds),
            ("timestampSeconds", timestampSeconds ?? 0),
        ]
        return Profile.unusable(times).map { ($0, Profile.timeProblem) }
    }
}
