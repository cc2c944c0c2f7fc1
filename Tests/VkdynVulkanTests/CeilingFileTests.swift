import Foundation
import Testing
import VkdynSchedule

@testable import VkdynVulkan

/// The file alone, without a device.
@Suite struct CeilingFileTests {
    private let device = DeviceDescription(name: "a device", driver: "its driver 1.2", apiVersion: "1.3")

    private var figures: CeilingFigures {
        var figures = CeilingFigures(
            readBytesPerSecond: 2e10, copyBytesPerSecond: 1.5e10, dispatchSeconds: 3.25e-6, barrierSeconds: 4e-6,
            submitSeconds: 2e-5, hostToDeviceBytesPerSecond: 9e9, deviceToHostBytesPerSecond: 5e9,
            date: "2026-11-22T12:00:00Z")
        figures.multiplyThenAddOperationsPerSecond = 1.1e11
        figures.int8OperationsPerSecond = 1.2e11
        figures.variants = ["int8OperationsPerSecond": "integer_ceiling lanes64_chains2_block16"]
        return figures
    }

    private func withFile(_ body: (CeilingFile, URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("vkdyn-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let url = folder.appendingPathComponent("deeper").appendingPathComponent("x.ceilings.json")
        try body(CeilingFile(url: url, device: device, processorCount: 4), url)
    }

    /// The written file with one place changed.
    private func isPassedOver(_ old: String, _ new: String) throws {
        try withFile { file, url in
            try file.write(figures)
            let text = try String(contentsOf: url, encoding: .utf8)
            try #require(text.contains(old), "\(text)")
            try text.replacingOccurrences(of: old, with: new).write(to: url, atomically: true, encoding: .utf8)
            let (ceilings, note) = file.read()
            #expect(ceilings == nil)
            let line = try #require(note)
            #expect(line.hasPrefix(url.path) && line.contains("passed over") && !line.contains("\n"))
            // The next measurement takes its place.
            try file.write(figures)
            #expect(file.read().ceilings == figures && file.read().note == nil)
        }
    }

    @Test func whatIsWrittenIsReadAndNothingLiesBesideIt() throws {
        try withFile { file, url in
            #expect(file.read().ceilings == nil && file.read().note == nil)
            try file.write(figures)
            #expect(file.read().ceilings == figures && file.read().note == nil)
            var other = figures
            other.timestampSeconds = 1e-5
            try file.write(other)
            #expect(file.read().ceilings == other)
            let folder = url.deletingLastPathComponent().path
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 1)
        }
    }

    @Test(arguments: [
        ("\"driver\":\"its driver 1.2\"", "\"driver\":\"its driver 1.3\""),
        ("\"device\":\"a device\"", "\"device\":\"b\""),
        ("\"version\":1", "\"version\":2"), ("\"version\":1", "\"version\":\"1\""),
        ("\"processorCount\":4", "\"processorCount\":8"), ("\"dispatchSeconds\"", "\"dispatch\""),
        ("\"submitSeconds\":2e-05", "\"submitSeconds\":0"),
        ("\"int8OperationsPerSecond\":", "\"int8OperationsPerSecond\":-"),
        ("\"readBytesPerSecond\":", "\"readBytesPerSecond\":1e999,\"x\":"), ("{", "["), ("}", ""),
    ]) func ceilingsOfAnotherDriverAndBrokenOnesArePassedOverWithANote(old: String, new: String) throws {
        try isPassedOver(old, new)
    }

    @Test func aFolderThatCannotBeWrittenIsNamed() {
        let file = CeilingFile(url: URL(fileURLWithPath: "/proc/none/x.ceilings.json"), device: device)
        let error = #expect(throws: CacheFileError.self) { try file.write(figures) }
        #expect(error?.description.contains("/proc/none/x.ceilings.json") == true)
    }

    @Test func aFigureThatNothingMeasuresIsNeverWritten() throws {
        try withFile { file, _ in
            try file.write(figures)
            var wrong = figures
            wrong.copyBytesPerSecond = .infinity
            #expect(wrong.flaw?.hasPrefix("copyBytesPerSecond") == true)
            #expect(throws: CacheFileError.self) { try file.write(wrong) }
            #expect(file.read().ceilings == figures)
        }
    }
}
