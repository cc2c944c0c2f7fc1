public import VkdynCore

/// Variants that were measured to be the fastest on a device, by the kind of call.
///
/// Plain data: whoever opens a device knows where its tuning is kept, a plan only looks it up. All variants give the
/// same bits, so that no tuning, however old or wrong, can change a result.
public struct Tuning: Sendable, Hashable {
    /// Calls that one measurement speaks for: the same kernel, types, constants and work, with about as many rows.
    ///
    /// What a call only says about where its rows lie, strides and offsets, is not in it.
    public struct CallClass: Sendable, Hashable, Codable {
        public let kernel: String
        public let flavour: Flavour
        /// In binding order; nil where an optional buffer is absent.
        public let elements: [ElementType?]
        public let constants: [UInt32]
        /// Work items along x, y and z; along the axis of rows the next power of two.
        public let work: [Int]
        /// Tells calls apart that differ inside one work item, such as in the length of a dot product.
        public let operationsPerRow: Int

        public init(
            _ kernel: any Kernel.Type, parameters: [UInt32], constants: [UInt32], elements: [ElementType?],
            flavour: Flavour
        ) {
            self.kernel = kernel.interface.name
            self.flavour = kernel.interface.hasFlavour ? flavour : .separate
            self.elements = elements
            self.constants = constants
            let extent = kernel.work(parameters: parameters)
            let rows = extent.rowAxis.map { extent[$0] } ?? 1
            var work = [extent.x, extent.y, extent.z]
            if let axis = extent.rowAxis { work[axis.rawValue] = Self.bucket(rows) }
            self.work = work
            let operations = kernel.cost(parameters: parameters, constants: constants, elements: elements).operations
            operationsPerRow = operations / max(rows, 1)
        }

        /// 1, 2, 3 to 4, 5 to 8, 9 to 16 … by their last number.
        static func bucket(_ rows: Int) -> Int {
            rows <= 1 ? rows : 1 << (Int.bitWidth - (rows - 1).leadingZeroBitCount)
        }
    }

    private var choices: [CallClass: String]

    public init(_ choices: [CallClass: String] = [:]) { self.choices = choices }

    public var isEmpty: Bool { choices.isEmpty }

    /// The variant's name; nil for a call that nobody measured.
    public subscript(call: CallClass) -> String? {
        get { choices[call] }
        set { choices[call] = newValue }
    }

    /// In an order that depends on the choices alone.
    public var sorted: [(call: CallClass, variant: String)] {
        choices.map { (call: $0.key, variant: $0.value) }.sorted { "\($0.call)" < "\($1.call)" }
    }

    /// The other's choice counts where both have one.
    public func merged(with other: Tuning) -> Tuning { Tuning(choices.merging(other.choices) { $1 }) }

    /// The legal variants of a call with the measured one in front; as they are where that one is no longer legal.
    func ordered(_ variants: [VariantInterface], for call: @autoclosure () -> CallClass) -> [VariantInterface] {
        guard !isEmpty, variants.count > 1, let name = self[call()],
            let best = variants.first(where: { $0.name == name })
        else { return variants }
        return [best] + variants.filter { $0.name != name }
    }
}

extension Tuning {
    /// The legal variants of a call, the best first.
    public func variants(
        _ kernel: any Kernel.Type, parameters: [UInt32], constants: [UInt32], elements: [ElementType?],
        flavour: Flavour, traits: DeviceTraits
    ) -> [VariantInterface] {
        let legal = kernel.variants(parameters: parameters, constants: constants, elements: elements, traits: traits)
        return ordered(
            legal,
            for: CallClass(
                kernel, parameters: parameters, constants: constants, elements: elements, flavour: flavour))
    }
}
