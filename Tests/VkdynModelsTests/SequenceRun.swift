import VkdynCore
import VkdynModels
import VkdynSchedule

/// Passes of a model over one sequence, of any sizes, without a decoder.
final class SequenceRun {
    let model: any DecoderModel
    let device: any Device
    let cache: KeyValueCache
    private(set) var position = 0

    init(_ model: any DecoderModel, on device: any Device, capacity: Int) throws {
        self.model = model
        self.device = device
        cache = try model.makeCache(device: device, capacity: capacity, label: "test")
    }

    /// Reads further tokens.
    /// - Parameters:
    ///   - spare: rows that the pass provides for beyond the tokens'.
    /// - Returns: logits, [tokens, vocabulary].
    func logits(
        _ tokens: [Int], spare: Int = 0, isPrefill: Bool = false, computesAllExperts: Bool = false
    ) throws -> [Float] {
        let capacity = tokens.count + spare
        let result = try device.makeBuffer(
            .f32, count: capacity * model.vocabularySize, placement: .device, label: "logits")
        let padding = [UInt32](repeating: .max, count: spare)
        let pass = DecoderPass(
            rows: Counted(
                buffer: try device.makeBuffer(
                    .words([UInt32(tokens.count), UInt32(capacity), 0]), label: "rows"),
                capacity: capacity, isIndirect: spare > 0),
            tokens: try device.makeBuffer(.words(tokens.map(UInt32.init) + padding), label: "tokens"),
            positions: try device.makeBuffer(
                .words((position..<position + tokens.count).map(UInt32.init) + padding), label: "positions"),
            isPrefill: isPrefill,
            everyExpert: computesAllExperts ? try model.experts?.everyExpert(device: device, rows: capacity) : nil)
        position += tokens.count
        var recording = Recording()
        let hidden = model.recordHidden(into: &recording, pass: pass, cache: cache)
        model.recordLogits(into: &recording, hidden: hidden, rows: pass.rows, logits: result)
        let plan = try Plan(recording, label: "pass", traits: device.traits)
        let violations = PlanChecker.violations(of: plan)
        guard violations.isEmpty else { throw BrokenPlan(violations: violations) }
        try device.prepare(plan).run()
        return try device.read(Float.self, from: result, count: tokens.count * model.vocabularySize)
    }

    /// What the experts' log holds.
    func experts() throws -> ExpertTrace? {
        try cache.experts?.read(
            from: device, positions: position,
            promptTallies: [LayerTally](repeating: LayerTally(), count: cache.experts?.layerCount ?? 0))
    }

    struct BrokenPlan: Error { let violations: [PlanChecker.Violation] }
}
