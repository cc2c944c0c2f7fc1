import Testing
import VkdynCore
import VkdynKernels
import VkdynReference

@testable import VkdynVulkan

/// Every kernel, variant and case on the device against its twin, with validation on.
@Suite(.serialized) struct KernelBitTests {
    @Test(arguments: KernelRegistry.all.map { $0.interface.name })
    func kernelEqualsItsTwinBitForBit(name: String) throws {
        let kernel = try #require(KernelRegistry.all.first { $0.interface.name == name })
        let device = try TestDevice.open()
        for flavour in Flavour.allCases where flavour == .separate || kernel.interface.hasFlavour {
            for result in try KernelVerifier(device: device, flavour: flavour).verify(kernel) {
                #expect(
                    result.differenceCount == 0,
                    "\(name) \(result.variant) \(flavour): \(result.firstDifference ?? "")")
                #expect(result.comparedCount > 0)
            }
        }
        #expect(ValidationMessages.all == [])
    }

    @Test func everyVariantIsRunByACaseOrTheDeviceLacksSomething() throws {
        let device = try TestDevice.open()
        for kernel in KernelRegistry.all {
            for absent in KernelVerifier.absentVariants(kernel, device.traits) {
                #expect(absent.reason != nil, "\(absent.kernel): no case runs \(absent.variant)")
            }
        }
    }

    @Test func aVariantThatADeviceCannotRunIsListedWithTheReason() {
        var traits = DeviceTraits.reference
        traits.kind = .discrete
        #expect(KernelVerifier.absentVariants(Argmax.self, traits).isEmpty)
        traits.maximumWorkgroupInvocations = 128
        let absent = KernelVerifier.absentVariants(Argmax.self, traits)
        #expect(absent.map(\.variant) == ["lanes256", "texels256"])
        #expect(absent.allSatisfy { $0.reason == "it needs workgroups of more than 128 invocations" })
        // Two things missing at once.
        traits.maximumTexels = 0
        let reasons = KernelVerifier.absentVariants(Argmax.self, traits).map(\.reason)
        #expect(reasons.contains("it needs several things that this device lacks"))
        #expect(reasons.contains("it needs buffer views of more than 0 texels"))
    }

    @Test func aVariantThatTheBuildHasLeftOutIsListedWithTheReason() {
        enum Partial: Kernel {
            typealias Parameters = Argmax.Parameters
            typealias Constants = Argmax.Constants
            typealias Buffers = Argmax.Buffers
            typealias Contents = Argmax.Contents
            typealias Elements = Argmax.Elements
            typealias Views = Argmax.Views

            static var interface: KernelInterface {
                let whole = Argmax.interface
                return KernelInterface(
                    name: "partial", bindings: whole.bindings, parameterWordCount: whole.parameterWordCount,
                    constantIDs: whole.constantIDs, hasFlavour: whole.hasFlavour, variants: whole.variants,
                    leftOut: [LeftOutVariant(name: "fast", reason: "the compiler lacks it")])
            }
            static func work(_ parameters: Parameters) -> WorkExtent { Argmax.work(parameters) }
            static func cost(_ call: KernelCall<Partial>) -> Cost { Cost(operations: 0, bytes: 0) }
            static func twin(_ buffers: Views, _ call: KernelCall<Partial>) {}
            static var cases: [KernelCase] { Argmax.cases }
            static var shapes: ShapeSpace { Argmax.shapes }
            static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
                Argmax.makeCase(shape, &random)
            }
        }
        let absent = KernelVerifier.absentVariants(Partial.self, .reference)
        #expect(absent.map(\.kernel) == ["partial"] && absent.map(\.variant) == ["fast"])
        #expect(absent[0].reason == "the compiler lacks it")
    }

    @Test func matricesThatADeviceLacksAreNamedAsTheReason() throws {
        var traits = DeviceTraits.reference
        for matrix in IntegerMatrix.known {
            traits.integerMatrices = Set(IntegerMatrix.known.filter { $0 != matrix })
            let variant = Int8Matmul.matrixVariant(matrix)
            let absent = KernelVerifier.absentVariants(Int8Matmul.self, traits).filter { $0.variant == variant }
            let leftOut = Int8Matmul.interface.leftOut.first { $0.name == variant }
            #expect(absent.map(\.reason) == [leftOut?.reason ?? "it needs \(matrix)"])
        }
    }

    /// A tenth of what a release is checked with: `vkdyn verify --random 10000`.
    @Test func randomCasesEqualTheirTwins() throws {
        let device = try TestDevice.open()
        var verifier = RandomVerifier(device: device, kernels: KernelRegistry.all, flavours: Flavour.allCases)
        let count = max(1000, 2 * verifier.targets.count)
        for seed in 0..<UInt64(count) { try verifier.run(seed: seed) }
        for failure in verifier.failures {
            Issue.record("\(failure.difference); seed \(failure.seed), shape \(failure.shape)")
        }
        // Two rounds reach every target, each through a shape that it can run.
        #expect(verifier.results.count == verifier.targets.count)
        #expect(verifier.results.reduce(0) { $0 + $1.caseCount } == count)
        #expect(ValidationMessages.all == [])
    }

    /// What a failure names must be enough to see it again.
    @Test func aSeedRepeatsItsCaseAlone() throws {
        let fresh = RandomVerifier(
            device: ReferenceDevice(), kernels: KernelRegistry.all, flavours: [.separate])
        var whole = fresh
        let start: UInt64 = 7_000_000
        for seed in start..<start + 300 { try whole.run(seed: seed) }
        var alone: [String: Int] = [:]
        for seed in start..<start + 300 {
            var verifier = fresh
            try verifier.run(seed: seed)
            let result = try #require(verifier.results.first)
            alone["\(result.kernel) \(result.variant)", default: 0] += result.comparedCount
        }
        for result in whole.results { #expect(alone["\(result.kernel) \(result.variant)"] == result.comparedCount) }
    }

    /// lavapipe runs the lanes of a workgroup in ascending order, which hides some missing barriers.
    @Test func lanesInReverseGiveTheSameBits() throws {
        let device = try DeviceList(
            options: .init(validation: true, emulatesFused: true, reversesLanes: true)).open()
        let kernels = KernelRegistry.all.filter { kernel in
            kernel.interface.variants.contains { ReversedLanes.apply(to: $0.module.words) != nil }
        }
        #expect(kernels.contains { $0.interface.name == "softmax" } && kernels.count < KernelRegistry.all.count)
        var verifier = RandomVerifier(device: device, kernels: kernels, flavours: [.separate])
        for seed in 0..<UInt64(2 * verifier.targets.count) { try verifier.run(seed: seed) }
        for failure in verifier.failures {
            Issue.record("\(failure.difference); seed \(failure.seed), shape \(failure.shape)")
        }
        #expect(ValidationMessages.all == [])
    }
}
