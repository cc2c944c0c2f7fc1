import ArgumentParser
import Foundation
import VkdynCore
import VkdynReference
import VkdynSchedule
import VkdynVulkan

struct Devices: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the devices, what the probe found out about their arithmetic, and their limits.",
        discussion: """
            Examples:
              vkdyn devices
              vkdyn devices --json
            """)

    @Flag(help: "Print JSON and nothing else on standard output.")
    var json = false

    private struct Entry: Encodable {
        var index: Int
        var name: String
        var driver: String
        var apiVersion: String
        var kind: String
        /// Why vkdyn cannot run there; absent where it can.
        var obstacle: String?
        var exact: Bool
        var inexactReason: String?
        var fused: Bool
        var subgroupSize: Int
        var sharedMemoryBytes: Int
        var maximumWorkgroupInvocations: Int
        var maximumStorageBytes: Int
        var maximumTexels: Int
    }

    func run() throws {
        let list = try DeviceList()
        let entries = try list.entries.map { entry -> Entry in
            let exactness = entry.obstacle == nil ? try list.open("\(entry.index)").probe() : nil
            return Entry(
                index: entry.index, name: entry.description.name, driver: entry.description.driver,
                apiVersion: entry.description.apiVersion, kind: entry.traits.kind.rawValue, obstacle: entry.obstacle,
                exact: exactness.map { $0.reason == nil } ?? false, inexactReason: exactness?.reason,
                fused: exactness?.isFused ?? false, subgroupSize: entry.traits.subgroupSize,
                sharedMemoryBytes: entry.traits.sharedMemoryBytes,
                maximumWorkgroupInvocations: entry.traits.maximumWorkgroupInvocations,
                maximumStorageBytes: entry.traits.maximumStorageBytes, maximumTexels: entry.traits.maximumTexels)
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(["devices": entries]), as: UTF8.self))
        } else {
            entries.forEach(show)
            print("reference: the Swift twins, on any machine")
        }
    }

    private func show(_ entry: Entry) {
        print("\(entry.index): \(entry.name) (\(entry.kind)), Vulkan \(entry.apiVersion), \(entry.driver)")
        if let obstacle = entry.obstacle {
            print("   cannot run vkdyn: \(obstacle)")
            return
        }
        print("   \(entry.exact ? "exact: equals the twins bit for bit" : "NOT exact: \(entry.inexactReason ?? "")")")
        print("   fused multiply-add: \(entry.fused ? "rounds once" : "rounds twice, so the fused flavour is for tests only")")
        print(
            "   subgroups of \(entry.subgroupSize), \(entry.sharedMemoryBytes >> 10) KiB shared memory, "
                + "\(entry.maximumWorkgroupInvocations) invocations a workgroup, \(entry.maximumStorageBytes >> 20) MiB "
                + "a storage binding, \(entry.maximumTexels >> 20) Mi texels a view")
    }
}
