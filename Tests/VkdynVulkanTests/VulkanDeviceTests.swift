import CVulkan
import Testing
import VkdynCore
import VkdynKernels
import VkdynReference
import VkdynSchedule

@testable import VkdynVulkan

@Suite(.serialized) struct VulkanDeviceTests {
    @Test func bytesWrittenAreReadBack() throws {
        let device = try TestDevice.open()
        for placement in [BufferPlacement.device, .shared] {
            let values = (0..<100_000).map { UInt32(truncatingIfNeeded: $0 &* 2_654_435_761) }
            let buffer = try device.makeBuffer(.u32, count: values.count, placement: placement, label: "values")
            try device.write(values, to: buffer)
            #expect(try device.read(UInt32.self, from: buffer, at: 77, count: 5000) == Array(values[77..<5077]))
        }
    }

    @Test func aZeroCountSkipsItsDispatchesOnTheDevice() throws {
        let device = try TestDevice.open()
        for count in [0, 1, 3] {
            var recording = Recording()
            let state = try device.makeBuffer(
                .structure(SequenceState(length: UInt32(count))), placement: .shared, label: "sequence")
            let tokens = try device.makeBuffer(.words([5, 6, 7, 8]), label: "tokens")
            let rows = Counted(buffer: recording.transient(.u32, count: 3, "rows"), capacity: 4, isIndirect: true)
            recording.dispatch(
                BeginPass.self, "begin",
                .init(
                    sequence: state, tokens: tokens, rows: rows.buffer,
                    rowTokens: recording.transient(.u32, count: 4, "row_tokens"),
                    positions: recording.transient(.u32, count: 4, "positions")),
                .init(rowCapacity: 4, model: 0, holdBack: 0, skipWhenStopped: 0))
            let ones = try device.makeBuffer(.floats([Float](repeating: 1, count: 32)), label: "ones")
            let result = try device.makeBuffer(.floats([Float](repeating: 9, count: 32)), label: "result")
            recording.dispatch(
                Add.self, "add", .init(rows: rows.buffer, left: ones, right: ones, result: result),
                .init(rowCapacity: 4, width: 8), rows: rows)
            let plan = try Plan(recording, label: "zero", traits: device.traits)
            #expect(PlanChecker.violations(of: plan) == [])
            try device.prepare(plan).run()
            let expected = (0..<32).map { Float($0 < count * 8 ? 2 : 9) }
            #expect(try device.read(Float.self, from: result, count: 32) == expected)
        }
        #expect(ValidationMessages.all == [])
    }

    @Test func anUnknownDeviceIsNamedWithThoseThatExist() throws {
        let list = try DeviceList()
        #expect(throws: DeviceError.self) { try list.open("no such device") }
        do {
            _ = try list.open("99")
        } catch {
            #expect(error.description.contains("--device 99") && error.description.contains("reference"))
        }
    }

    @Test func memoryThatDoesNotExistIsAnErrorAndNoCrash() throws {
        let device = try TestDevice.open()
        #expect(throws: DeviceError.self) {
            try device.makeBuffer(.f32, count: 1 << 42, placement: .device, label: "everything")
        }
        // The device goes on afterwards.
        let buffer = try device.makeBuffer(.words([1, 2, 3]), label: "after")
        #expect(try device.read(UInt32.self, from: buffer, count: 3) == [1, 2, 3])
    }

    @Test func aBindingAboveTheLimitIsAnError() throws {
        let device = try TestDevice.open()
        let count = device.traits.maximumStorageBytes / 4 + 1024
        let buffer = try device.makeBuffer(.f32, count: count, placement: .device, label: "large")
        var recording = Recording()
        let rows = try device.makeBuffer(.structure(RowCount(count: 1, capacity: 1)), label: "rows")
        recording.dispatch(
            Softmax.self, "softmax", .init(rows: rows, source: buffer, result: buffer),
            .init(rowCapacity: 1, width: 4, resultOffset: 8))
        let plan = try Plan(
            recording, label: "large", traits: device.traits,
            variant: { variants in variants.first { $0.kinds.allSatisfy { $0 == .storage } } ?? variants.first })
        #expect(throws: DeviceError.self) { try device.prepare(plan) }
    }

    @Test func thisDeviceIsExact() throws {
        let exactness = try DeviceList().open().probe()
        #expect(exactness.reason == nil)
    }

    @Test func floatControlsStandAfterTheEntryPoint() {
        var properties = VkPhysicalDeviceFloatControlsProperties()
        properties.shaderRoundingModeRTEFloat32 = 1
        let module = Add.interface.variants[0].module.words
        let words = FloatControls(properties).apply(to: module)
        #expect(words.count == module.count + 2 + 4)
        #expect(words[5] == 2 << 16 | 17 && words[6] == 4467)
        #expect(FloatControls(VkPhysicalDeviceFloatControlsProperties()).apply(to: module) == module)
    }
}
