import VkdynCore
import VkdynSchedule

/// A case as the twin leaves it, against which devices are compared.
struct ExpectedCase {
    let kernel: any Kernel.Type
    let testCase: KernelCase
    let flavour: Flavour
    /// Memory after the twin by binding, guards included.
    private let memory: [[UInt8]?]

    /// 64 bytes behind every buffer that no kernel may touch: NaNs of each binding's own, so that what is made of an
    /// input's guard shows in a result's.
    private static func guardBytes(_ binding: Int) -> [UInt8] {
        (0..<16).flatMap { _ in [UInt8(truncatingIfNeeded: binding), 0xDE, 0xFA, 0x7F] }
    }

    init(_ kernel: any Kernel.Type, _ testCase: KernelCase, _ flavour: Flavour) {
        self.kernel = kernel
        self.testCase = testCase
        self.flavour = flavour
        let memories = testCase.contents.enumerated().map { binding, contents -> UnsafeMutableRawBufferPointer? in
            contents.map { contents in
                let bytes = contents.bytes + Self.guardBytes(binding)
                let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
                memory.copyBytes(from: bytes)
                return memory
            }
        }
        defer { memories.forEach { $0?.deallocate() } }
        if !kernel.work(parameters: testCase.parameters).isEmpty {
            let views = zip(memories, testCase.contents).map { memory, contents -> TwinMemory? in
                guard let memory, let contents else { return nil }
                return TwinMemory(
                    base: memory.baseAddress!, byteCount: contents.bytes.count, elementType: contents.elementType)
            }
            kernel.runTwin(
                memory: views, parameters: testCase.parameters, constants: testCase.constants, flavour: flavour)
        }
        memory = memories.map { $0.map { Array($0) } }
    }

    /// The variants that may run it on a device.
    func variants(_ traits: DeviceTraits) -> [VariantInterface] { kernel.variants(testCase, traits) }

    /// Runs one variant on a device and compares every buffer that the kernel writes.
    func compare(
        _ device: any Device, _ variant: VariantInterface, placement: BufferPlacement
    ) throws(DeviceError) -> CaseComparison {
        let initial = testCase.contents.enumerated().map { ($1?.bytes ?? []) + Self.guardBytes($0) }
        var buffers: [Buffer?] = []
        for (index, binding) in kernel.interface.bindings.enumerated() {
            guard let contents = testCase.contents[index] else {
                buffers.append(nil)
                continue
            }
            let bytes = BufferContents(elementType: contents.elementType, bytes: initial[index])
            buffers.append(try device.makeBuffer(bytes, placement: placement, label: binding.name))
        }
        var recording = Recording()
        recording.dispatch(
            kernel, testCase.label, buffers: buffers, parameters: testCase.parameters, constants: testCase.constants)
        let plan = try Plan(
            recording, label: kernel.interface.name, traits: device.traits, flavour: flavour,
            variant: { _ in variant })
        try device.prepare(plan).run()
        var result = CaseComparison()
        for (index, binding) in kernel.interface.bindings.enumerated() where binding.access.writes {
            guard let buffer = buffers[index], let expected = memory[index] else { continue }
            let actual = try device.read([BufferPart(buffer, byteRange: 0..<buffer.byteCount)])[0]
            let comparison = initial[index].withUnsafeBytes { initial in
                expected.withUnsafeBytes { expected in
                    actual.withUnsafeBytes { actual in
                        BitComparison(
                            expected: expected, actual: actual, elementType: buffer.elementType, initial: initial)
                    }
                }
            }
            result.comparedCount += comparison.comparedCount
            result.differenceCount += comparison.differenceCount
            if let first = comparison.first, result.firstDifference == nil {
                result.firstDifference =
                    "\(kernel.interface.name), variant \(variant.name), case \"\(testCase.label)\": \(binding.name) "
                    + "differs in \(comparison.differenceCount) of \(comparison.comparedCount) values; \(first)"
            }
        }
        return result
    }
}

/// What one run of a case gave.
struct CaseComparison {
    var comparedCount = 0
    var differenceCount = 0
    /// The first difference in full.
    var firstDifference: String?
}

extension Kernel {
    /// The variants that may run a case on a device, the best first.
    static func variants(_ testCase: KernelCase, _ traits: DeviceTraits) -> [VariantInterface] {
        variants(
            parameters: testCase.parameters, constants: testCase.constants,
            elements: testCase.contents.map { $0?.elementType }, traits: traits)
    }
}
