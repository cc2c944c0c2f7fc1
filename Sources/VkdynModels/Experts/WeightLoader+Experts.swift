import VkdynCore
import VkdynFormats
import VkdynKernels
import VkdynSchedule

extension WeightLoader {
    /// The experts of one layer.
    /// - Parameters:
    ///   - prefix: the layer's name with its dot, as in `model.layers.3.`.
    ///   - layer: its number in its stack; one of the configuration's.
    ///   - width: the model's.
    mutating func experts(
        _ c: ExpertConfiguration, prefix: String, layer: Int, stack: ExpertConfiguration.Stack = .decoder, width: Int
    ) throws -> ExpertFeedForward {
        guard let ordinal = c.ordinal(ofLayer: layer, in: stack) else {
            preconditionFailure("layer \(layer) of the \(stack) has no experts")
        }
        let root: String
        var (gate, expert) = ("gate", "experts.")
        let names: (inner: [String], down: String)
        switch c.naming {
        case .blockSparse: (root, names) = (prefix + "block_sparse_moe.", (["w1", "w3"], "w2"))
        case .mlp: (root, names) = (prefix + "mlp.", (["gate_proj", "up_proj"], "down_proj"))
        case .switchTransformers:
            (root, names) = (prefix + "mlp.", (["wi"], "wo"))
            (gate, expert) = ("router.classifier", "experts.expert_")
        }
        // Which experts a token has follows from small differences: the router stays as the checkpoint has it.
        let router = try linear(
            [root + gate], inputs: width, outputs: [c.count], hasBias: c.hasRouterBias, keepsType: true,
            label: root + gate)
        let bias = c.hasChoiceBias
            ? try vector(root + "gate.e_score_correction_bias", count: c.count, label: root + "gate.bias") : nil
        let matrices = ExpertMatrices(
            checkpoint: checkpoint, root: root + expert, inner: names.inner, down: names.down, width: width,
            innerWidth: c.width)
        let gateAndUp: LinearStack
        let down: LinearStack
        let cache = try expertCacheBytes.map { try expertCache(c, matrices, ordinal: ordinal, bytes: $0) }
        if let cache {
            (gateAndUp, down) = (cache.gateAndUp, cache.down)
        } else {
            gateAndUp = try self.stack(count: c.count, label: root + "experts.gate_up") { _, expert in
                try matrices.gateAndUp(expert)
            }
            down = try self.stack(count: c.count, label: root + "experts.down") { _, expert in try matrices.down(expert) }
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
        if let expertCache {
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
        let slotCount = min(bytes / expertBytes, c.count * c.layerCount)
        let cache = try ExpertCache(
            gateAndUp: try slots(count: slotCount, like: first.gateAndUp, type: type, label: "expert_cache.gate_up"),
            down: try slots(count: slotCount, like: first.down, type: type, label: "expert_cache.down"),
            layerCount: c.layerCount, expertCount: c.count, type: type, device: device)
        cache.add(matrices, layer: ordinal)
        expertCache = cache
        return cache
    }
}

/// Where one layer's experts lie in a checkpoint.
struct ExpertMatrices: Sendable {
    let checkpoint: any WeightSource
    /// All that is before an expert's number.
    let root: String
    /// Gate and up, or up alone.
    let inner: [String]
    let down: String
    /// Of the model.
    let width: Int
    let innerWidth: Int

    func gateAndUp(_ expert: Int) throws(FormatError) -> [TensorView] {
        var matrices: [TensorView] = []
        for name in inner {
            matrices.append(try checkpoint.tensor("\(root)\(expert).\(name).weight", shape: [innerWidth, width]))
        }
        return matrices
    }

    func down(_ expert: Int) throws(FormatError) -> [TensorView] {
        [try checkpoint.tensor("\(root)\(expert).\(down).weight", shape: [width, innerWidth])]
    }
}
