import VkdynCore
import VkdynKernels
public import VkdynSchedule

/// Which experts a sequence's tokens went to, and what that took, on a device: every pass adds to it, and the host
/// reads it once, at the end.
public struct ExpertLog: Sendable {
    /// By position, expert layer and slot, [capacity, layerCount · chosenCount]. An encoder's positions are those of
    /// the prompt, the decoder's those of what it reads: each stack of layers has its own columns.
    let choices: Buffer
    /// Counts of each expert layer, [layerCount, 4], as `TallyExperts` states them.
    let tally: Buffer
    /// Layers that have experts.
    public let layerCount: Int
    /// The first of them that are an encoder's.
    public let encoderLayerCount: Int
    /// Experts of a token.
    public let chosenCount: Int
    /// Positions.
    public let capacity: Int

    init(
        device: any Device, layerCount: Int, encoderLayerCount: Int = 0, chosenCount: Int, capacity: Int, label: String
    ) throws(DeviceError) {
        self.layerCount = layerCount
        self.encoderLayerCount = encoderLayerCount
        self.chosenCount = chosenCount
        self.capacity = capacity
        choices = try device.makeBuffer(
            .u32, count: capacity * layerCount * chosenCount, placement: .device, label: "\(label).experts")
        tally = try device.makeBuffer(
            .u32, count: layerCount * LayerTally.wordCount, placement: .device, label: "\(label).expert_tally")
        try clear(on: device)
    }

    /// Begins a sequence anew: the counts become 0, and no position has experts.
    public func clear(on device: any Device) throws(DeviceError) {
        try device.write([UInt32](repeating: .max, count: choices.count), to: choices)
        try device.write([UInt32](repeating: 0, count: tally.count), to: tally)
    }

    /// What all passes so far took, by expert layer; one readback.
    public func readTallies(from device: any Device) throws(DeviceError) -> [LayerTally] {
        Self.tallies(try device.read(UInt32.self, from: tally, count: tally.count))
    }

    /// What was logged so far, in one readback.
    /// - Parameters:
    ///   - positions: of the sequence, from its first token on.
    ///   - encoded: tokens of the prompt that an encoder has read, which the trace begins with.
    ///   - promptTallies: what the passes over the prompt took, as `readTallies` gave it after them.
    public func read(
        from device: any Device, positions: Int, encoded: Int = 0, promptTallies: [LayerTally]
    ) throws(DeviceError) -> ExpertTrace {
        let count = min(max(positions, encoded), capacity)
        let parts = try device.read([
            BufferPart(choices, byteRange: 0..<count * layerCount * chosenCount * 4),
            BufferPart(tally, byteRange: 0..<tally.byteCount),
        ])
        func words(_ bytes: [UInt8]) -> [UInt32] {
            bytes.withUnsafeBytes { bytes in
                (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self) }
            }
        }
        return ExpertTrace(
            layerCount: layerCount, chosenCount: chosenCount,
            choices: byToken(words(parts[0]), positions: min(positions, count), encoded: min(encoded, count)),
            prompt: promptTallies,
            rounds: zip(Self.tallies(words(parts[1])), promptTallies).map { $0 - $1 })
    }

    /// Puts an encoder's tokens before the decoder's; each has no experts in the other's layers.
    private func byToken(_ choices: [UInt32], positions: Int, encoded: Int) -> [UInt32] {
        let (width, encoderWidth) = (layerCount * chosenCount, encoderLayerCount * chosenCount)
        var result: [UInt32] = []
        result.reserveCapacity((encoded + positions) * width)
        for position in 0..<encoded {
            result += choices[position * width..<position * width + encoderWidth]
            result += [UInt32](repeating: .max, count: width - encoderWidth)
        }
        for position in 0..<positions {
            result += [UInt32](repeating: .max, count: encoderWidth)
            result += choices[position * width + encoderWidth..<(position + 1) * width]
        }
        return result
    }

    private static func tallies(_ words: [UInt32]) -> [LayerTally] {
        stride(from: 0, to: words.count, by: LayerTally.wordCount).map { LayerTally(words[$0...]) }
    }
}

/// What the passes over one layer's experts took, altogether.
public struct LayerTally: Sendable, Hashable, Codable {
    static let wordCount = 4

    /// Passes with at least one row.
    public var passes: Int
    /// Rows of all passes; those of rejected drafts too.
    public var rows: Int
    /// Rows times the experts that each had.
    public var assignments: Int
    /// Experts that a pass had rows for, summed over the passes: whose weights were read.
    public var touchedExperts: Int

    public init(passes: Int = 0, rows: Int = 0, assignments: Int = 0, touchedExperts: Int = 0) {
        self.passes = passes
        self.rows = rows
        self.assignments = assignments
        self.touchedExperts = touchedExperts
    }

    fileprivate init(_ words: ArraySlice<UInt32>) {
        let counts = words.prefix(Self.wordCount).map(Int.init)
        self.init(passes: counts[0], rows: counts[1], assignments: counts[2], touchedExperts: counts[3])
    }

    public static func + (a: LayerTally, b: LayerTally) -> LayerTally {
        LayerTally(
            passes: a.passes + b.passes, rows: a.rows + b.rows, assignments: a.assignments + b.assignments,
            touchedExperts: a.touchedExperts + b.touchedExperts)
    }

    static func - (a: LayerTally, b: LayerTally) -> LayerTally {
        LayerTally(
            passes: a.passes - b.passes, rows: a.rows - b.rows, assignments: a.assignments - b.assignments,
            touchedExperts: a.touchedExperts - b.touchedExperts)
    }
}

/// A sequence's experts, read back. Its tokens are those that the model read; those that an encoder did come first.
public struct ExpertTrace: Sendable, Equatable, Codable {
    /// Layers that have experts.
    public let layerCount: Int
    /// Experts of a token.
    public let chosenCount: Int
    /// [tokens, layerCount, chosenCount], in descending score; `UInt32.max` where no pass has been.
    public let choices: [UInt32]
    /// What the passes over the prompt took, all but its last token, by expert layer.
    public let prompt: [LayerTally]
    /// What the rounds took.
    public let rounds: [LayerTally]

    public init(layerCount: Int, chosenCount: Int, choices: [UInt32], prompt: [LayerTally], rounds: [LayerTally]) {
        precondition(choices.count % max(layerCount * chosenCount, 1) == 0, "positions in part")
        self.layerCount = layerCount
        self.chosenCount = chosenCount
        self.choices = choices
        self.prompt = prompt
        self.rounds = rounds
    }

    public var positionCount: Int { choices.count / max(layerCount * chosenCount, 1) }

    /// The experts of a token, in descending score.
    /// - Parameter layer: counted over the layers that have experts.
    public func experts(position: Int, layer: Int) -> ArraySlice<UInt32> {
        let start = (position * layerCount + layer) * chosenCount
        return choices[start..<start + chosenCount]
    }
}
