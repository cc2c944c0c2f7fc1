public import VkdynCore
public import VkdynSchedule

/// Runs kernels' cases on a device and on the twins and compares every written bit.
public struct KernelVerifier {
    /// One kernel's result with one variant and flavour.
    public struct Result: Sendable, Codable {
        public var kernel: String
        public var variant: String
        public var flavour: Flavour
        public var caseCount = 0
        public var comparedCount = 0
        public var differenceCount = 0
        /// The first difference in full.
        public var firstDifference: String?
    }

    private let device: any Device
    private let flavour: Flavour

    public init(device: any Device, flavour: Flavour) {
        self.device = device
        self.flavour = flavour
    }

    /// Bytes behind every buffer that no kernel may touch.
    private static let guardByteCount = 64

    /// One result a variant, in the kernel's order; a variant that no case may run is missing.
    public func verify(_ kernel: any Kernel.Type) throws(DeviceError) -> [Result] {
        var results: [String: Result] = [:]
        for testCase in kernel.cases {
            let expected = Self.expected(kernel, testCase, flavour)
            let variants = kernel.variants(
                parameters: testCase.parameters, constants: testCase.constants,
                elements: testCase.contents.map { $0?.elementType }, traits: device.traits)
            for variant in variants {
                var result = results[variant.name]
                    ?? Result(kernel: kernel.interface.name, variant: variant.name, flavour: flavour)
                try run(kernel, testCase, variant, expected, &result)
                results[variant.name] = result
            }
        }
        return kernel.interface.variants.compactMap { results[$0.name] }
    }

    private static func padded(_ contents: BufferContents) -> [UInt8] {
        contents.bytes + BufferContents.unwritten(guardByteCount / 4).bytes
    }

    /// The twin's memory after the case, guards included.
    private static func expected(
        _ kernel: any Kernel.Type, _ testCase: KernelCase, _ flavour: Flavour
    ) -> [[UInt8]?] {
        let memories = testCase.contents.map { contents -> UnsafeMutableRawBufferPointer? in
            contents.map { contents in
                let bytes = padded(contents)
                let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
                memory.copyBytes(from: bytes)
                return memory
            }
        }
        defer { memories.forEach { $0?.deallocate() } }
        let work = kernel.work(parameters: testCase.parameters)
        if !work.isEmpty {
            let views = zip(memories, testCase.contents).map { memory, contents -> TwinMemory? in
                guard let memory, let contents else { return nil }
                return TwinMemory(
                    base: memory.baseAddress!, byteCount: contents.bytes.count, elementType: contents.elementType)
            }
            kernel.runTwin(
                memory: views, parameters: testCase.parameters, constants: testCase.constants, flavour: flavour)
        }
        return memories.map { $0.map { Array($0) } }
    }

    private func run(
        _ kernel: any Kernel.Type, _ testCase: KernelCase, _ variant: VariantInterface, _ expected: [[UInt8]?],
        _ result: inout Result
    ) throws(DeviceError) {
        var buffers: [Buffer?] = []
        for (binding, contents) in zip(kernel.interface.bindings, testCase.contents) {
            guard let contents else {
                buffers.append(nil)
                continue
            }
            let bytes = BufferContents(elementType: contents.elementType, bytes: Self.padded(contents))
            buffers.append(try device.makeBuffer(bytes, label: binding.name))
        }
        var recording = Recording()
        recording.dispatch(
            kernel, testCase.label, buffers: buffers, parameters: testCase.parameters, constants: testCase.constants)
        let plan = Plan(
            recording, label: kernel.interface.name, traits: device.traits, flavour: flavour,
            variant: { _ in variant })
        try device.prepare(plan).run()
        result.caseCount += 1
        for (index, binding) in kernel.interface.bindings.enumerated() {
            guard let buffer = buffers[index], let expected = expected[index], binding.access.writes else { continue }
            let actual = try device.read(UInt8.self, from: buffer, count: buffer.byteCount)
            let comparison = expected.withUnsafeBytes { expected in
                actual.withUnsafeBytes { actual in
                    BitComparison(expected: expected, actual: actual, elementType: buffer.elementType)
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
    }
}
