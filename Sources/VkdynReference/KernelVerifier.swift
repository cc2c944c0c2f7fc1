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

        init(kernel: String, variant: String, flavour: Flavour) {
            self.kernel = kernel
            self.variant = variant
            self.flavour = flavour
        }

        mutating func add(_ comparison: CaseComparison) {
            caseCount += 1
            comparedCount += comparison.comparedCount
            differenceCount += comparison.differenceCount
            firstDifference = firstDifference ?? comparison.firstDifference
        }
    }

    /// A variant that no case may run on a device, or that the build has left out.
    public struct AbsentVariant: Sendable, Codable, Hashable {
        public var kernel: String
        public var variant: String
        /// What the device or the build lacks; nil when no device is known that runs it, which is a mistake in `cases`.
        public var reason: String?
    }

    private let device: any Device
    private let flavour: Flavour

    public init(device: any Device, flavour: Flavour) {
        self.device = device
        self.flavour = flavour
    }

    /// One result a variant, in the kernel's order; see `absentVariants` for those that no case may run.
    public func verify(_ kernel: any Kernel.Type) throws(DeviceError) -> [Result] {
        var results: [String: Result] = [:]
        for testCase in kernel.cases {
            let expected = ExpectedCase(kernel, testCase, flavour)
            for variant in expected.variants(device.traits) {
                let comparison = try expected.compare(device, variant, placement: .device)
                results[
                    variant.name,
                    default: Result(kernel: kernel.interface.name, variant: variant.name, flavour: flavour)
                ].add(comparison)
            }
        }
        return kernel.interface.variants.compactMap { results[$0.name] }
    }

    /// The variants of a kernel that no case may run on a device, each with what the device lacks, and those that the
    /// build has left out.
    public static func absentVariants(_ kernel: any Kernel.Type, _ traits: DeviceTraits) -> [AbsentVariant] {
        let leftOut = kernel.interface.leftOut.map {
            AbsentVariant(kernel: kernel.interface.name, variant: $0.name, reason: $0.reason)
        }
        let cases = kernel.cases
        func present(_ traits: DeviceTraits) -> Set<String> {
            Set(cases.flatMap { kernel.variants($0, traits).map(\.name) })
        }
        let missing = Set(kernel.interface.variants.map(\.name)).subtracting(present(traits))
        if missing.isEmpty { return leftOut }
        let alternatives = traits.alternatives.map { ($0.missing, present($0.traits)) }
        let unlimited = present(.reference)
        return kernel.interface.variants.filter { missing.contains($0.name) }.map { variant in
            AbsentVariant(
                kernel: kernel.interface.name, variant: variant.name,
                reason: alternatives.first { $0.1.contains(variant.name) }?.0
                    ?? (unlimited.contains(variant.name) ? "it needs several things that this device lacks" : nil))
        } + leftOut
    }
}
