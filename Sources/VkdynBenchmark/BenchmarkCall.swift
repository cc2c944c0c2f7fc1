public import VkdynCore
import VkdynKernels
public import VkdynSchedule

/// One kernel, shape and variant to measure.
public struct BenchmarkCall: Sendable {
    /// Which of a kernel's variants are measured.
    public enum Variants: Sendable, Hashable {
        /// What a plan would choose.
        case standard
        case named(String)
        /// Every one that may run the shape on the device.
        case all
    }

    /// The inputs of a shape, shared by the calls of all its variants.
    final class Inputs: Sendable {
        let contents: KernelCase
        let byteCount: Int

        init(_ contents: KernelCase) {
            self.contents = contents
            byteCount = contents.byteCount
        }
    }

    public let kernel: any Kernel.Type
    public let shape: Shape
    public let flavour: Flavour
    public let variant: VariantInterface
    /// What one call takes at least, by the kernel's own account or the case's.
    public let cost: Cost
    let inputs: Inputs

    /// The calls of one shape.
    ///
    /// - Parameters:
    ///   - traits: of the device that will run them.
    ///   - tuning: of that device.
    ///   - seed: of the random inputs.
    public static func make(
        _ kernel: any Kernel.Type, _ shape: Shape, variants: Variants = .standard, flavour: Flavour = .separate,
        traits: DeviceTraits, tuning: Tuning = Tuning(), seed: UInt64 = 1
    ) throws(BenchmarkError) -> [BenchmarkCall] {
        let name = kernel.interface.name
        if kernel.shapes.axes.isEmpty { throw .noShapes(kernel: name) }
        if flavour == .fused, !kernel.interface.hasFlavour { throw .oneFlavour(kernel: name) }
        if case .named(let variant) = variants, kernel.interface.variant(named: variant) == nil {
            throw .unknownVariant(kernel: name, variant: variant, known: kernel.interface.variants.map { $0.name })
        }
        var random = CaseGenerator(seed: seed)
        let inputs = Inputs(try ShapeText.makeCase(shape, of: kernel, random: &random))
        let call = inputs.contents
        if kernel.work(parameters: call.parameters).isEmpty { throw .noWork(kernel: name, shape: shape.description) }
        let elements = call.contents.map { $0?.elementType }
        let legal = kernel.variants(
            parameters: call.parameters, constants: call.constants, elements: elements, traits: traits)
        let tuned = tuning.variants(
            kernel, parameters: call.parameters, constants: call.constants, elements: elements, flavour: flavour,
            traits: traits)
        guard let first = tuned.first else {
            throw .noVariant(kernel: name, shape: shape.description, device: "this device (\(traits.kind.rawValue))")
        }
        let chosen: [VariantInterface]
        switch variants {
        case .standard: chosen = [first]
        case .all: chosen = legal
        case .named(let variant):
            chosen = legal.filter { $0.name == variant }
            if chosen.isEmpty {
                throw .illegalVariant(
                    kernel: name, variant: variant, shape: shape.description, legal: legal.map(\.name))
            }
        }
        let cost = call.cost
            ?? kernel.cost(parameters: call.parameters, constants: call.constants, elements: elements)
        return chosen.map {
            BenchmarkCall(kernel: kernel, shape: shape, flavour: flavour, variant: $0, cost: cost, inputs: inputs)
        }
    }

    /// The calls for which a timing of this one speaks.
    public var callClass: Tuning.CallClass {
        let call = inputs.contents
        return Tuning.CallClass(
            kernel, parameters: call.parameters, constants: call.constants,
            elements: call.contents.map { $0?.elementType }, flavour: flavour)
    }

    /// The kernel of a name.
    public static func kernel(named name: String) throws(BenchmarkError) -> any Kernel.Type {
        let all = KernelRegistry.all
        guard let kernel = all.first(where: { $0.interface.name == name }) else {
            throw .unknownKernel(name, known: all.filter { !$0.shapes.axes.isEmpty }.map { $0.interface.name })
        }
        return kernel
    }
}
