import Foundation
import Testing
import VkdynCore
import VkdynKernels
import VkdynSchedule

@testable import VkdynVulkan

/// The file alone, without a device.
@Suite struct TuningFileTests {
    private let device = DeviceDescription(name: "a device", driver: "its driver 1.2", apiVersion: "1.3")

    private func call(_ width: UInt32) -> Tuning.CallClass {
        Tuning.CallClass(
            Matmul.self, parameters: [4, 8, width, 1, 8, 0, 0, width, 0, 0, 8], constants: [0, 0],
            elements: [.u32, .f32, .f16, nil, nil, nil, .f32], flavour: .separate)
    }

    private func withFile(_ body: (TuningFile, URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("vkdyn-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let url = folder.appendingPathComponent("deeper").appendingPathComponent("x.tuning.json")
        try body(TuningFile(url: url, device: device), url)
    }

    @Test func whatIsWrittenIsReadAndAddedTo() throws {
        try withFile { file, url in
            #expect(file.read().tuning.isEmpty && file.read().note == nil)
            try file.add(Tuning([call(8): "general"]))
            let all = try file.add(Tuning([call(12): "lanes8_rows4", call(8): "other"]))
            #expect(all.sorted.count == 2)
            let (tuning, note) = file.read()
            #expect(note == nil && tuning == all && tuning[call(8)] == "other" && tuning[call(12)] == "lanes8_rows4")
            // Nothing is left beside it.
            let folder = url.deletingLastPathComponent().path
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 1)
        }
    }

    @Test(arguments: [
        "", "{", "[]", "null", "{\"version\":1}", "{\"version\":\"1\"}", "{\"version\":2,\"choices\":[]}",
        "{\"version\":1,\"device\":\"a device\",\"driver\":\"its driver 1.2\",\"choices\":[{\"variant\":\"x\"}]}",
        "{\"version\":1,\"device\":\"another\",\"driver\":\"its driver 1.2\",\"choices\":[]}",
        "{\"version\":1,\"device\":\"a device\",\"driver\":\"its driver 1.3\",\"choices\":[]}",
    ]) func aFileThatIsNoTuningOfTheDeviceIsPassedOverWithANote(text: String) throws {
        try withFile { file, url in
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: url)
            let (tuning, note) = file.read()
            #expect(tuning.isEmpty)
            let line = try #require(note)
            #expect(line.hasPrefix(url.path) && line.contains("passed over") && !line.contains("\n"))
            // The next tuning takes its place.
            try file.add(Tuning([call(8): "general"]))
            #expect(file.read().tuning[call(8)] == "general" && file.read().note == nil)
        }
    }

    @Test func aFolderThatCannotBeWrittenIsNamed() {
        let file = TuningFile(url: URL(fileURLWithPath: "/proc/none/x.tuning.json"), device: device)
        let error = #expect(throws: CacheFileError.self) { try file.add(Tuning()) }
        #expect(error?.description.contains("/proc/none/x.tuning.json") == true)
    }
}
