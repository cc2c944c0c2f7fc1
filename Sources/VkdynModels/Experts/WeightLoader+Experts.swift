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
        let gateAndUp = try stack(count: c.count, label: root + "experts.gate_up") { loader, expert in
            try [names.gate, names.up].map {
                try loader.matrix("\(root)experts.\(expert).\($0)", outputs: c.width, inputs: width)
            }
        }
        let down = try stack(count: c.count, label: root + "experts.down") { loader, expert in
            [try loader.matrix("\(root)experts.\(expert).\(names.down)", outputs: width, inputs: c.width)]
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
            shared: shared, sharedGate: sharedGate)
    }
}
