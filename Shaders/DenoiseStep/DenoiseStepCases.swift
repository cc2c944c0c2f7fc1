import VkdynCore

extension DenoiseStep {
    /// Which slots a step names, as the samplers do, and what no sampler does.
    enum Recurrence: Int, CaseIterable {
        /// Nothing but the sample and the output: Euler's and DDIM's.
        case single
        /// The output and three before it, as Adams–Bashforth of fourth order.
        case fourth
        /// Saves the sample and reads it in the same step, beside the stored one.
        case saved
        /// Reads what an earlier step saved, and has no weight for the sample.
        case restored
        /// Terms without a slot, and slots whose weight is 0, over memory that holds NaN.
        case absent
        /// Nothing stored, nothing read: the sample is scaled.
        case empty
        /// Stored and saved are one slot.
        case same

        static let slotCount = 5

        func parameters(_ random: inout CaseGenerator) -> DenoiseParameters {
            let none = DenoiseParameters.noSlot
            var denoise = DenoiseParameters(
                timestep: 500, inputScale: 1, guidance: 7.5, storedSample: random.float(scale: 1),
                storedOutput: random.float(scale: 1), storedSlot: 0, savedSlot: none,
                sampleWeight: random.float(scale: 1), weight0: random.float(scale: 1), weight1: random.float(scale: 1),
                weight2: random.float(scale: 1), weight3: random.float(scale: 1), slot0: 0, slot1: none, slot2: none,
                slot3: none, noiseWeight: random.float(scale: 1))
            switch self {
            case .single: denoise.storedSample = 0
            case .fourth:
                denoise.storedSlot = 2
                (denoise.slot0, denoise.slot1, denoise.slot2, denoise.slot3) = (2, 1, 0, 3)
            case .saved: (denoise.savedSlot, denoise.slot1, denoise.slot2) = (4, 4, 1)
            case .restored: (denoise.storedSlot, denoise.slot0, denoise.slot1, denoise.sampleWeight) = (3, 4, 3, 0)
            case .absent:
                (denoise.weight0, denoise.slot1, denoise.weight1, denoise.noiseWeight) = (0, 3, 0, 0)
                denoise.slot3 = 2
            case .empty: (denoise.storedSlot, denoise.slot0, denoise.storedOutput) = (none, none, 0)
            case .same: (denoise.savedSlot, denoise.slot1) = (0, 2)
            }
            return denoise
        }

        /// The slots that a step of this kind reads from memory.
        var readSlots: [Int] {
            switch self {
            case .single, .empty: []
            case .fourth: [0, 1, 3]
            case .saved: [1]
            case .restored: [4]
            case .absent, .same: [2]
            }
        }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 76)
        var cases: [KernelCase] = []
        for (index, shape) in DenoiseCase.all.enumerated() {
            for (number, recurrence) in Recurrence.allCases.enumerated()
            where shape.elements == 40 || number == index % Recurrence.allCases.count {
                cases.append(makeCase(shape, recurrence, hasNoise: (index + number) % 3 != 0, &random))
            }
        }
        return cases
    }

    public static var shapes: ShapeSpace {
        let last = Recurrence.allCases.count - 1
        return ShapeSpace(
            DenoiseCase.axes + [ShapeAxis("recurrence", 0...last, standard: 1, maximum: last), .flag("noise")])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            DenoiseCase(shape, &random), Recurrence(rawValue: shape["recurrence"]) ?? .single,
            hasNoise: shape.has("noise"), &random)
    }

    private static func makeCase(
        _ o: DenoiseCase, _ recurrence: Recurrence, hasNoise: Bool, _ random: inout CaseGenerator
    ) -> KernelCase {
        // Slots that the step does not read hold NaN, and noise that has no weight.
        var history: [Float] = []
        for slot in 0..<Recurrence.slotCount {
            history += recurrence.readSlots.contains(slot)
                ? o.rows(1, &random) : Array(repeating: .nan, count: o.capacity * o.elements)
        }
        let isNoiseRead = recurrence != .absent
        return makeCase(
            "\(o.label), \(recurrence)" + (hasNoise ? ", noise" : ""),
            Contents(
                images: o.rowContents, denoise: .structure(recurrence.parameters(&random)),
                output: .floats(o.rows(o.copies, &random)),
                noise: hasNoise
                    ? .floats(
                        isNoiseRead ? o.rows(1, &random) : Array(repeating: .nan, count: o.capacity * o.elements))
                    : nil,
                sample: .floats(o.rows(1, &random)), history: .floats(history)),
            Parameters(
                imageCapacity: UInt32(o.capacity), elements: UInt32(o.elements), copies: UInt32(o.copies)))
    }
}
