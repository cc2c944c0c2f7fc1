import Testing
import VkdynKernels
import VkdynReference
import VkdynSchedule

@testable import VkdynCore
@testable import VkdynVulkan

/// Any row of a product or an attention has the same bits alone, in a batch of 2 to 64, and at any position in it: on
/// the twin, and on the device in every variant and flavour.
@Suite(.serialized) struct RowInvarianceTests {
    /// Kernels over rows. A further one is a line: what it is called with, and which of its bindings hold rows.
    static let products: [RowProduct] = [
        RowProduct(Matmul.self, ["rows": 64, "columns": 37, "depth": 516], .f32, rows: ["source", "result"]),
        RowProduct(Matmul.self, ["rows": 64, "columns": 70, "depth": 260], .bf16, rows: ["source", "result"]),
        RowProduct(Matmul.self, ["rows": 64, "columns": 33, "depth": 257], .f32, rows: ["source", "result"]),
        RowProduct(
            Matmul.self, ["rows": 64, "columns": 41, "depth": 300, "activation": 4, "bias": 1, "residual": 1], .f16,
            rows: ["source", "residual", "result"]),
        RowProduct(
            Matmul.self, ["rows": 64, "columns": 70, "depth": 520, "group": 64], .i8, rows: ["source", "result"]),
        RowProduct(
            Int8Matmul.self, ["rows": 64, "columns": 37, "depth": 300, "group": 128, "bias": 1], .i8,
            rows: ["source", "sourceScales", "result"]),
        RowProduct(QuantizeRows.self, ["rows": 64, "width": 67], .f32, rows: ["source", "result", "scales"]),
        RowProduct(Attention.self, case: "prefill", rows: ["positions", "source", "result"]),
        RowProduct(Attention.self, case: "encoder", rows: ["positions", "source", "result"]),
        RowProduct(
            LatentAttention.self, ["rows": 64, "keys": 130, "heads": 3, "latentSize": 260, "rotarySize": 12], .f32,
            rows: ["positions", "latentQueries", "rotaryQueries", "result"]),
        RowProduct(
            Route.self, ["rows": 64, "experts": 128, "k": 8, "groups": 1, "kept": 1, "normalisation": 1], .f32,
            rows: ["logits", "experts", "weights"]),
        RowProduct(
            Route.self,
            [
                "rows": 64, "experts": 64, "k": 6, "groups": 8, "kept": 3, "sigmoid": 1, "twoLargest": 1,
                "normalisation": 2, "bias": 1,
            ], .f32, rows: ["logits", "experts", "weights"]),
        RowProduct(TopK.self, ["rows": 64, "width": 60, "k": 5], .f32, rows: ["source", "indices", "largest"]),
        RowProduct(Sort.self, ["rows": 64, "width": 70, "ranks": 1], .f32, rows: ["keys", "order", "ranks"]),
        RowProduct(
            CombineExperts.self, ["rows": 64, "width": 36, "k": 5, "experts": 1, "shared": 1, "residual": 1], .f32,
            rows: ["positions", "experts", "weights", "sharedRows", "residual", "result"]),
        RowProduct(
            GatherColumns.self, ["rows": 64, "width": 60, "k": 5], .f32, rows: ["indices", "source", "result"]),
        RowProduct(
            Convolution.self,
            [
                "images": 8, "height": 5, "width": 4, "channels": 28, "columns": 37, "kernel": 3, "scale": 2,
                "activation": 4, "bias": 1, "residual": 1,
            ], .f16, rows: ["source", "residual", "result"]),
        RowProduct(
            GroupMoments.self, ["images": 8, "pixels": 70, "groups": 4, "groupChannels": 5], .f32,
            rows: ["source", "moments"]),
        RowProduct(
            GroupStatistics.self, ["images": 8, "pixels": 70, "groups": 4, "groupChannels": 5], .f32,
            rows: ["moments", "statistics"]),
        RowProduct(
            GroupNorm.self, ["images": 8, "pixels": 70, "groups": 4, "groupChannels": 5, "activation": 4], .f32,
            rows: ["source", "statistics", "result"]),
    ]

    @Test(arguments: products) func aRowHasTheSameBitsInEveryBatch(product: RowProduct) throws {
        let device = try TestDevice.open()
        let kernel = product.kernel
        for flavour in Flavour.allCases where flavour == .separate || kernel.interface.hasFlavour {
            let twin = ReferenceDevice()
            let alone = try (0..<product.rowCount).map { row in
                try product.batch([row], capacity: 1).run(twin, flavour, nil)[0]
            }
            var random = CaseGenerator(seed: 64)
            for size in [1, 2, 3, 5, 8, 13, 33, 64] {
                // Any rows in any order; what lies beyond the count is NaN.
                let rows = (0..<size).map { _ in Int.random(in: 0..<product.rowCount, using: &random) }
                let batch = product.batch(rows, capacity: size + Int.random(in: 0...3, using: &random))
                var wrong = try batch.wrongRows(batch.run(twin, flavour, nil), alone)
                #expect(wrong.isEmpty, "the twin, \(flavour): rows \(wrong) of a batch of \(size)")
                let variants = batch.variants(device.traits)
                #expect(!variants.isEmpty)
                for variant in variants {
                    wrong = try batch.wrongRows(batch.run(device, flavour, variant), alone)
                    #expect(wrong.isEmpty, "\(variant.name), \(flavour): rows \(wrong) of a batch of \(size)")
                }
            }
        }
        #expect(ValidationMessages.all == [])
    }

    /// The property can fail: a sum whose order follows the batch is seen.
    @Test func aRowThatFollowsItsBatchIsSeen() throws {
        let product = Self.products[0]
        let batch = product.batch([3, 4], capacity: 2)
        let alone = try (0..<product.rowCount).map {
            try product.batch([$0], capacity: 1).run(ReferenceDevice(), .separate, nil)[0]
        }
        var rows = try batch.run(ReferenceDevice(), .separate, nil)
        #expect(batch.wrongRows(rows, alone) == [])
        rows[1][0][8] ^= 1
        #expect(batch.wrongRows(rows, alone) == [1])
        rows = try batch.run(ReferenceDevice(), .fused, nil)
        #expect(batch.wrongRows(rows, alone) == [0, 1])
    }
}

/// A case of many rows, from which batches are taken.
struct RowProduct: CustomTestStringConvertible, Sendable {
    let kernel: any Kernel.Type
    private let testCase: KernelCase
    /// Bindings that hold as many bytes for each row.
    private let rowBindings: Set<String>
    let rowCount: Int

    var testDescription: String { "\(kernel.interface.name): \(testCase.label)" }

    init(_ kernel: any Kernel.Type, _ shape: [String: Int], _ storage: ElementType, rows: Set<String>) {
        var random = CaseGenerator(seed: 1)
        // Axes that are not named have their least value: no bias, one batch and the like.
        var values = Dictionary(uniqueKeysWithValues: kernel.shapes.axes.map { ($0.name, $0.range.lowerBound) })
        values.merge(shape) { $1 }
        self.init(kernel, kernel.makeCase(Shape(values, storage: storage), &random), rows)
    }

    /// - Parameter label: how the label of one of the kernel's cases begins.
    init(_ kernel: any Kernel.Type, case label: String, rows: Set<String>) {
        guard let found = kernel.cases.first(where: { $0.label.hasPrefix(label) }) else {
            preconditionFailure("\(kernel) has no case \(label)")
        }
        self.init(kernel, found, rows)
    }

    private init(_ kernel: any Kernel.Type, _ testCase: KernelCase, _ rows: Set<String>) {
        self.kernel = kernel
        rowBindings = rows
        let names = kernel.interface.bindings.map(\.name)
        precondition(rows.isSubset(of: names) && ["rows", "images"].contains(names[0]))
        let count = testCase.contents[0]!.bytes.withUnsafeBytes { $0.loadUnaligned(as: RowCount.self) }
        // A product without bytes would never differ.
        precondition(zip(names, testCase.contents).allSatisfy { !rows.contains($0) || $1?.bytes.isEmpty != true })
        // Every kernel over rows has its capacity as the first parameter.
        precondition(count.count == count.capacity && testCase.parameters[0] == count.capacity)
        rowCount = Int(count.count)
        // One row of NaN, which must not reach its neighbours.
        var contents = testCase.contents
        for (index, binding) in kernel.interface.bindings.enumerated()
        where rows.contains(binding.name) && binding.element == .f32 && binding.access == .read {
            guard let whole = contents[index] else { continue }
            let stride = whole.bytes.count / rowCount
            let nan = BufferContents.unwritten(stride / whole.elementType.byteCount, as: whole.elementType).bytes
            var bytes = whole.bytes
            bytes.replaceSubrange(5 * stride..<6 * stride, with: nan)
            contents[index] = BufferContents(elementType: whole.elementType, bytes: bytes)
        }
        self.testCase = KernelCase(
            label: testCase.label, contents: contents, parameters: testCase.parameters, constants: testCase.constants,
            cost: testCase.cost)
    }

    /// A call with these rows, in this order; rows from their number to the capacity hold NaN.
    func batch(_ rows: [Int], capacity: Int) -> RowBatch {
        var contents = testCase.contents
        contents[0] = .structure(RowCount(count: UInt32(rows.count), capacity: UInt32(capacity)))
        for (index, binding) in kernel.interface.bindings.enumerated() where rowBindings.contains(binding.name) {
            guard let whole = testCase.contents[index] else { continue }
            let stride = whole.bytes.count / rowCount
            let padding = BufferContents.unwritten(
                (capacity - rows.count) * stride / whole.elementType.byteCount, as: whole.elementType)
            contents[index] = BufferContents(
                elementType: whole.elementType,
                bytes: rows.flatMap { whole.bytes[$0 * stride..<($0 + 1) * stride] } + padding.bytes)
        }
        return RowBatch(
            kernel: kernel,
            testCase: KernelCase(
                label: testCase.label, contents: contents,
                parameters: [UInt32(capacity)] + testCase.parameters.dropFirst(), constants: testCase.constants,
                cost: testCase.cost),
            rows: rows, capacity: capacity,
            results: kernel.interface.bindings.indices.filter {
                rowBindings.contains(kernel.interface.bindings[$0].name)
                    && kernel.interface.bindings[$0].access.writes
            })
    }
}

/// Some rows of a `RowProduct`.
struct RowBatch {
    let kernel: any Kernel.Type
    let testCase: KernelCase
    /// Their numbers in the product.
    let rows: [Int]
    let capacity: Int
    /// The bindings that hold what a row gives.
    let results: [Int]

    /// The bytes of one row in each binding of results.
    typealias Row = [[UInt8]]

    func variants(_ traits: DeviceTraits) -> [VariantInterface] {
        kernel.variants(
            parameters: testCase.parameters, constants: testCase.constants,
            elements: testCase.contents.map { $0?.elementType }, traits: traits)
    }

    /// All rows of the results up to the capacity.
    func run(_ device: any Device, _ flavour: Flavour, _ variant: VariantInterface?) throws -> [Row] {
        let buffers = try testCase.contents.map { contents in
            try contents.map { try device.makeBuffer($0, placement: .shared, label: "buffer") }
        }
        var recording = Recording()
        recording.dispatch(
            kernel, testCase.label, buffers: buffers, parameters: testCase.parameters, constants: testCase.constants)
        let plan = try Plan(
            recording, label: "batch", traits: device.traits, flavour: flavour, variant: { variant ?? $0.first })
        try device.prepare(plan).run()
        let whole = try results.map { index in
            try device.read([BufferPart(buffers[index]!, byteRange: 0..<buffers[index]!.byteCount)])[0]
        }
        return (0..<capacity).map { row in
            whole.map { bytes in Array(bytes[row * bytes.count / capacity..<(row + 1) * bytes.count / capacity]) }
        }
    }

    /// The places in the batch whose bits are not those of the row alone, or that were written beyond the count.
    func wrongRows(_ found: [Row], _ alone: [Row]) -> [Int] {
        (0..<capacity).filter { place in
            zip(results, found[place]).enumerated().contains { number, result in
                let (binding, actual) = result
                let type = testCase.contents[binding]!.elementType
                let unwritten = BufferContents.unwritten(actual.count / type.byteCount, as: type).bytes
                let expected = place < rows.count ? alone[rows[place]][number] : unwritten
                return expected.withUnsafeBytes { expected in
                    actual.withUnsafeBytes { actual in
                        BitComparison(expected: expected, actual: actual, elementType: type).differenceCount > 0
                    }
                }
            }
        }
    }
}
