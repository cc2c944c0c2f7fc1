import Testing
import VkdynCore
import VkdynKernels
import VkdynReference
import VkdynVulkan

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

    @Test func everyVariantIsRunByACase() throws {
        let device = try TestDevice.open()
        for kernel in KernelRegistry.all {
            var run: Set<String> = []
            for testCase in kernel.cases {
                let variants = kernel.variants(
                    parameters: testCase.parameters, constants: testCase.constants,
                    elements: testCase.contents.map { $0?.elementType }, traits: device.traits)
                run.formUnion(variants.map(\.name))
            }
            let missing = Set(kernel.interface.variants.map(\.name)).subtracting(run)
            #expect(missing.isEmpty, "\(kernel.interface.name): no case runs \(missing.sorted())")
        }
    }
}
