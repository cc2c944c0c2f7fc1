public import VkdynCore
public import VkdynSchedule

/// Runs random cases on a device and on the twins: each on one variant, in rotation over all variants of all kernels.
///
/// A case follows from its seed alone, so that one seed repeats one case: the seed chooses kernel, variant and flavour
/// by its remainder, then the shape and the values. Specialization constants change only every so many rounds, because
/// drivers compile a pipeline for each combination.
public struct RandomVerifier {
    /// What a case runs.
    public struct Target: Sendable {
        public let kernel: any Kernel.Type
        public let variant: String
        public let flavour: Flavour
    }

    /// A case that differed.
    public struct Failure: Sendable, Codable {
        public var kernel: String
        public var variant: String
        public var flavour: Flavour
        /// The shape that was drawn, and the case's own label.
        public var shape: String
        public var seed: UInt64
        /// The first difference in full.
        public var difference: String
    }

    /// Every variant that a case may run on the device, in each flavour.
    public let targets: [Target]
    /// One result a target that has run, and every failure.
    public private(set) var results: [KernelVerifier.Result] = []
    public private(set) var failures: [Failure] = []

    private let device: any Device
    private var indices: [String: Int] = [:]

    /// Rounds over all targets between changes of the constants.
    private static let roundsPerConstants = 64
    /// Shapes that are tried for one that the variant may run.
    private static let attemptCount = 768

    /// - Parameter flavours: those that the device runs; kernels without a flavour run the separate one alone.
    public init(device: any Device, kernels: [any Kernel.Type], flavours: [Flavour]) {
        self.device = device
        var targets: [Target] = []
        for kernel in kernels {
            let absent = Set(KernelVerifier.absentVariants(kernel, device.traits).map(\.variant))
            let present = kernel.interface.variants.map(\.name).filter { !absent.contains($0) }
            for flavour in flavours where flavour == .separate || kernel.interface.hasFlavour {
                targets += present.map { Target(kernel: kernel, variant: $0, flavour: flavour) }
            }
        }
        self.targets = targets
    }

    /// Runs the case of a seed; false when it differs.
    @discardableResult
    public mutating func run(seed: UInt64) throws(DeviceError) -> Bool {
        let (shape, expected, variant) = try makeCase(seed: seed)
        let (kernel, flavour) = (expected.kernel.interface.name, expected.flavour)
        let comparison = try expected.compare(device, variant, placement: .shared)
        let key = "\(kernel).\(variant.name).\(flavour)"
        if indices[key] == nil {
            indices[key] = results.count
            results.append(KernelVerifier.Result(kernel: kernel, variant: variant.name, flavour: flavour))
        }
        results[indices[key]!].add(comparison)
        guard let difference = comparison.firstDifference else { return true }
        failures.append(
            Failure(
                kernel: kernel, variant: variant.name, flavour: flavour,
                shape: "\(shape): \(expected.testCase.label)", seed: seed, difference: difference))
        return false
    }

    private func makeCase(
        seed: UInt64
    ) throws(DeviceError) -> (shape: Shape, expected: ExpectedCase, variant: VariantInterface) {
        precondition(!targets.isEmpty, "no kernel to verify")
        let (round, index) = seed.quotientAndRemainder(dividingBy: UInt64(targets.count))
        let target = targets[Int(index)]
        let period = round / UInt64(Self.roundsPerConstants) * UInt64(targets.count) + index
        var random = CaseGenerator(seed: seed, isAdversarial: true)
        for attempt in 0..<Self.attemptCount {
            // The same constants at first; others in case it is they that the variant cannot have.
            var constants = CaseGenerator(seed: ~period &- UInt64(attempt / 8) << 40)
            let shape = target.kernel.shapes.draw(&random, constants: &constants)
            let testCase = target.kernel.makeCase(shape, &random)
            let variants = target.kernel.variants(testCase, device.traits)
            // The last shape runs on whatever may run it.
            let variant = variants.first { $0.name == target.variant }
                ?? (attempt == Self.attemptCount - 1 ? variants.first : nil)
            if let variant { return (shape, ExpectedCase(target.kernel, testCase, target.flavour), variant) }
        }
        throw .noVariant(kernel: target.kernel.interface.name, call: "the random case of seed \(seed)")
    }
}
