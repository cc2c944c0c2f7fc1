import Synchronization
import Testing
import VkdynCore
import VkdynModels
import VkdynReference
import VkdynSchedule
import VkdynTechniques

/// The reference device with a small largest view, so that weights come in pieces.
final class SmallViewDevice: Device {
    private let inner = ReferenceDevice()
    let traits: DeviceTraits

    init(maximumTexels: Int) {
        var traits = DeviceTraits.reference
        traits.maximumTexels = maximumTexels
        self.traits = traits
    }

    var description: DeviceDescription { inner.description }
    var counters: DeviceCounters { inner.counters }

    func makeBuffer(
        _ elementType: ElementType, count: Int, placement: BufferPlacement, label: String
    ) throws(DeviceError) -> Buffer {
        try inner.makeBuffer(elementType, count: count, placement: placement, label: label)
    }

    func write(_ bytes: UnsafeRawBufferPointer, to buffer: Buffer, byteOffset: Int) throws(DeviceError) {
        try inner.write(bytes, to: buffer, byteOffset: byteOffset)
    }

    func read(_ parts: [BufferPart]) throws(DeviceError) -> [[UInt8]] { try inner.read(parts) }

    func prepare(_ plan: Plan) throws(DeviceError) -> any PreparedPlan { try inner.prepare(plan) }
}

@Suite struct PieceTests {
    private func generation(_ name: String, on device: any Device) throws -> Generation {
        let prompt = try #require(try ModelFixture.load(name).prompts.last).tokens
        let model = try ModelFolder(ModelFixture.path(name)).load(on: device)
        let decoder = try Decoder(device: device, target: model, configuration: .init(contextLength: 80))
        let generation = try decoder.generate(prompt: prompt, options: .init(maximumNewTokens: 12))
        for plan in decoder.plans { #expect(PlanChecker.violations(of: plan) == []) }
        return generation
    }

    @Test(arguments: ModelFixture.names)
    func weightsInPiecesGiveTheSameBits(name: String) throws {
        let whole = try generation(name, on: TestDevices.reference)
        // A quad of columns of all experts has to fit.
        for maximumTexels in name.hasSuffix("fp8") ? [700, 2000] : [300, 1000] {
            let pieces = try generation(name, on: SmallViewDevice(maximumTexels: maximumTexels))
            #expect(whole.tokens == pieces.tokens)
            #expect(whole.finalLogits.map(\.bitPattern) == pieces.finalLogits.map(\.bitPattern))
        }
    }
}
