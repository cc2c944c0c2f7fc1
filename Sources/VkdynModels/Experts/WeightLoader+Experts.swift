import VkdynCore
import VkdynFormats
import VkdynKernels
import VkdynSchedule

extension WeightLoader {
    /// The experts of one layer.
    /// - Parameters:
    ///   - prefix: the layer's name with its dot, as in `model.layers.3.`.
    ///   - layer: its number in the model; one of the configuration's.
    ///   - width: the model's.
    mutating func experts(
        _ c: ExpertConfiguration, prefix: String, layer: Int, width: Int
    ) throws -> ExpertFeedForward {
        guard let ordinal = c.ordinal(ofLayer: layer) else { preconditionFailure("layer \(layer) has no experts") }
        let root: String
        let names: (gate: String, up: String, down: String)
        switch c.naming {
        case .blockSparse: (root, names) = (prefix + "block_sparse_moe.", ("w1", "w3", "w2"))
        case .mlp: (root, names) = (prefix + "mlp.", ("gate_proj", "up_proj", "down_proj"))
        }
        // Which experts a token has follows from small differences: the router stays as the checkpoint has it.
        let router = try linear(
            [root + "gate"], inputs: width, outputs: [c.count], hasBias: false, keepsType: true, label: root + "gate")
        let bias = c.hasChoiceBias
            ? try vector(root + "gate.e_score_correction_bias", count: c.count, label: root + "gate.bias") : nil
        let matrices = ExpertMatrices(
            checkpoint: checkpoint, root: root + "experts.", gate: names.gate, up: names.up, down: names.down,
            width: width, innerWidth: c.width)
        let gateAndUp: LinearStack
        let down: LinearStack
        let cache = try expertCacheBytes.map { try expertCache(c, matrices, ordinal: ordinal, bytes: $0) }
        if let cache {
            (gateAndUp, down) = (cache.gateAndUp, cache.down)
        } else {
            gateAndUp = try stack(count: c.count, label: root + "experts.gate_up") { _, expert in
                try matrices.gateAndUp(expert)
            }
            down = try stack(count: c.count, label: root + "experts.down") { _, expert in try matrices.down(expert) }
        }
        var shared: GatedFeedForward?
        var sharedGate: Linear?
        if case .mlp(let name) = c.naming, c.sharedWidth > 0 {
            shared = try gatedFeedForward("\(root)\(name).", width: width, innerWidth: c.sharedWidth)
            if c.hasSharedGate {
                sharedGate = try linear(
                    ["\(root)\(name)_gate"], inputs: width, outputs: [1], hasBias: false, keepsType: true,
                    label: "\(root)\(name)_gate")
            }
        }
        return ExpertFeedForward(
            configuration: c, ordinal: ordinal, router: router, choiceBias: bias, gateAndUp: gateAndUp, down: down,
            cache: cache, shared: shared, sharedGate: sharedGate)
    }

    /// The cache of all layers' experts, made at the first; every tensor is looked up now, and read when it is needed.
    private mutating func expertCache(
        _ c: ExpertConfiguration, _ matrices: ExpertMatrices, ordinal: Int, bytes: Int
    ) throws -> ExpertCache {
        for expert in 0..<c.count {
            for matrix in try matrices.gateAndUp(expert) + matrices.down(expert) { try tally(matrix) }
        }
        if let expertCache = expertCaches {
            expertCache.add(matrices, layer: ordinal)
            return expertCache
        }
        let first = try (gateAndUp: matrices.gateAndUp(0), down: matrices.down(0))
        let type = weightType ?? first.down[0].storageType
        let expertBytes = PackedWeights.byteCount(first.gateAndUp, as: type) + PackedWeights.byteCount(first.down, as: type)
        guard bytes >= expertBytes else {
            throw first.down[0].error(
                "is of an expert that takes \(expertBytes) bytes, more than the \(bytes) of the expert cache")
        }
        let slotCount = min(bytes / expertBytes, c.count * c.layers.count)
        let cache = try ExpertCache(
            gateAndUp: try slots(count: slotCount, like: first.gateAndUp, type: type, label: "expert_cache.gate_up"),
            down: try slots(count: slotCount, like: first.down, type: type, label: "expert_cache.down"),
            layerCount: c.layers.count, expertCount: c.count, type: type, device: device)
        cache.add(matrices, layer: ordinal)
        expertCaches = cache
        return cache
    }
}

/// Where one layer's experts lie in a checkpoint.
struct ExpertMatrices: Sendable {
    let checkpoint: any WeightSource
    /// With its dot.
    let root: String
    let gate: String
    let up: String
    let down: String
    /// Of the model.
    let width: Int
    let innerWidth: Int

    func gateAndUp(_ expert: Int) throws(FormatError) -> [TensorView] {
        [
            try checkpoint.tensor("\(root)\(expert).\(gate).weight", shape: [innerWidth, width]),
            try checkpoint.tensor("\(root)\(expert).\(up).weight", shape: [innerWidth, width]),
        ]
    }

    func down(_ expert: Int) throws(FormatError) -> [TensorView] {
        [try checkpoint.tensor("\(root)\(expert).\(down).weight", shape: [width, innerWidth])]
    }
}
