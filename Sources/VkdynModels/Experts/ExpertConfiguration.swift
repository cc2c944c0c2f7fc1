public import VkdynCore
public import VkdynFormats
public import VkdynKernels
public import VkdynSchedule

/// The experts of a model's feed-forward layers, and how tokens choose among them, as `config.json` states it: Mixtral
/// (Jiang et al., arXiv:2401.04088), Qwen2-MoE (Yang et al., arXiv:2407.10671), DeepSeek-V2 (arXiv:2405.04434) and V3
/// (arXiv:2412.19437), Switch Transformers (Fedus et al., arXiv:2101.03961).
public struct ExpertConfiguration: Sendable, Equatable {
    /// How a checkpoint calls the tensors of a layer, below the layer's own name.
    public enum Naming: Sendable, Equatable {
        /// `block_sparse_moe.gate`, `block_sparse_moe.experts.N.{w1,w3,w2}`.
        case blockSparse
        /// `mlp.gate`, `mlp.experts.N.{gate_proj,up_proj,down_proj}`, and the shared expert under its name.
        case mlp(shared: String)
        /// `mlp.router.classifier`, `mlp.experts.expert_N.{wi,wo}`.
        case switchTransformers
    }

    /// What an expert, or a dense feed-forward, does between its two products.
    public enum Inner: Sendable, Equatable {
        /// The first product is a gate, which goes through SiLU, and what it multiplies.
        case gatedBySiLU
        case activation(Activation)
    }

    /// The stacks of layers that a model may have; layers are numbered in each from 0.
    public enum Stack: String, Sendable, Codable { case encoder, decoder }

    /// Experts that tokens choose from.
    public var count: Int
    /// Experts of each token.
    public var chosenCount: Int
    /// Inner width of an expert.
    public var width: Int
    /// The layers of the decoder that have experts, ascending; the others have one dense feed-forward.
    public var layers: [Int]
    /// Those of the encoder, which are counted before the decoder's; nil for a model that has none.
    public var encoderLayers: [Int]?
    public var naming: Naming
    public var inner = Inner.gatedBySiLU
    /// Whether the router adds a bias, with which it also weighs.
    public var hasRouterBias = false
    public var score: Route.Score
    /// Whether experts are chosen by score and a bias that was learned for balance.
    public var hasChoiceBias: Bool
    public var groupCount: Int
    /// Groups among whose experts a token chooses.
    public var keptGroupCount: Int
    public var groupScore: Route.GroupScore
    public var normalisation: Route.Normalisation
    /// Factor of the chosen experts' weights.
    public var scale: Float
    /// Inner width of the expert that every token has; 0 for none.
    public var sharedWidth: Int
    /// Whether the shared expert's output is multiplied by the sigmoid of a gate.
    public var hasSharedGate: Bool
    /// The most rows of a pass that an expert takes, in their order; those after pass through the residual (and the
    /// shared expert) alone (Fedus et al., arXiv:2101.03961). nil drops none, which is how published decoders run: a
    /// capacity makes a row's bits depend on the rows before it in its pass.
    public var capacity: Int?
    /// Of an encoder's pass, in place of `capacity`: ⌊tokens / experts · factor⌋ tokens, at least one.
    public var capacityFactor: Double?

    /// - Returns: nil for a configuration without experts.
    /// - Throws: `FormatError` naming the field that is wrong.
    public init?(_ config: ConfigObject) throws(FormatError) {
        switch try config.string("model_type") {
        case "mixtral": try self.init(mixtral: config)
        case "qwen2_moe": try self.init(qwen: config)
        case "deepseek_v2", "deepseek_v3":
            guard config.contains("n_routed_experts") else { return nil }
            try self.init(deepSeek: config)
        case "switch_transformers": try self.init(switchTransformers: config)
        default: return nil
        }
        if layerCount == 0 { return nil }
        try check(config)
    }

    private init(mixtral config: ConfigObject) throws(FormatError) {
        let layerCount = try config.integer("num_hidden_layers")
        self.init(
            count: try config.integer("num_local_experts"), chosenCount: try config.integer("num_experts_per_tok"),
            width: try config.integer("intermediate_size"), layers: Array(0..<layerCount), naming: .blockSparse,
            normalisation: .sum)
    }

    private init(qwen config: ConfigObject) throws(FormatError) {
        let layerCount = try config.integer("num_hidden_layers")
        let step = try config.integer("decoder_sparse_step", default: 1)
        let dense = Set(try config.optionalIntegers("mlp_only_layers", in: 0...layerCount - 1) ?? [])
        self.init(
            count: try config.integer("num_experts"), chosenCount: try config.integer("num_experts_per_tok"),
            width: try config.integer("moe_intermediate_size"),
            layers: (0..<layerCount).filter { ($0 + 1) % step == 0 && !dense.contains($0) },
            naming: .mlp(shared: "shared_expert"),
            normalisation: try config.boolean("norm_topk_prob", default: false) ? .sum : .none)
        sharedWidth = try config.integer("shared_expert_intermediate_size", in: 0...Int(Int32.max))
        hasSharedGate = sharedWidth > 0
    }

    /// How DeepSeek's configurations name the way in which experts are chosen.
    private enum TopKMethod: String, CaseIterable {
        case greedy
        case groupLimitedGreedy = "group_limited_greedy"
        case noAuxiliaryLoss = "noaux_tc"
    }

    private enum ScoringFunction: String, CaseIterable { case softmax, sigmoid }

    private init(deepSeek config: ConfigObject) throws(FormatError) {
        let layerCount = try config.integer("num_hidden_layers")
        let isThird = try config.string("model_type") == "deepseek_v3"
        let firstSparse = try config.integer("first_k_dense_replace", in: 0...Int(Int32.max), default: 0)
        let frequency = try config.integer("moe_layer_freq", default: 1)
        let width = try config.integer("moe_intermediate_size")
        let normalises = try config.boolean("norm_topk_prob", default: isThird)
        self.init(
            count: try config.integer("n_routed_experts"), chosenCount: try config.integer("num_experts_per_tok"),
            width: width,
            layers: (0..<layerCount).filter { $0 >= firstSparse && $0 % frequency == 0 },
            naming: .mlp(shared: "shared_experts"), normalisation: normalises ? .sumAndTiny : .none)
        let scoring = try config.choice(
            "scoring_func", of: ScoringFunction.self, default: isThird ? .sigmoid : .softmax)
        score = scoring == .sigmoid ? .sigmoid : .softmax
        let factor = Float(try config.number("routed_scaling_factor", default: 1))
        // The second version's own code multiplies by the factor only where it does not normalise.
        scale = normalises && !isThird ? 1 : factor
        sharedWidth = width * (try config.optionalInteger("n_shared_experts", in: 0...Int(Int16.max)) ?? 0)
        let method = try config.choice(
            "topk_method", of: TopKMethod.self, default: isThird ? .noAuxiliaryLoss : .greedy)
        hasChoiceBias = method == .noAuxiliaryLoss
        guard method != .greedy else { return }
        groupCount = try config.optionalInteger("n_group") ?? 1
        keptGroupCount = try config.optionalInteger("topk_group") ?? groupCount
        groupScore = method == .noAuxiliaryLoss ? .twoLargest : .largest
    }

    private init(switchTransformers config: ConfigObject) throws(FormatError) {
        let encoderLayerCount = try config.integer("num_layers")
        let decoderLayerCount = try config.optionalInteger("num_decoder_layers") ?? encoderLayerCount
        // transformers derives the step from the number of sparse layers, and keeps one that the file has.
        func layers(_ name: String, of count: Int) throws(FormatError) -> [Int] {
            let sparse = try config.integer("num_sparse_\(name)_layers", in: 0...Int(Int32.max), default: 3)
            let derived = sparse > 0 ? count / sparse : count
            let step = try config.optionalInteger("\(name)_sparse_step", in: 0...Int(Int32.max)) ?? derived
            return step == 0 ? [] : (0..<count).filter { $0 % step == 1 || step == 1 }
        }
        self.init(
            count: try config.integer("num_experts"), chosenCount: 1, width: try config.integer("d_ff"),
            layers: try layers("decoder", of: decoderLayerCount), naming: .switchTransformers, normalisation: .none)
        encoderLayers = try layers("encoder", of: encoderLayerCount)
        inner = .activation(try Activation(config, "dense_act_fn", default: "relu"))
        hasRouterBias = try config.boolean("router_bias", default: false)
        capacity = try config.integer("expert_capacity", default: 64)
    }

    private init(
        count: Int, chosenCount: Int, width: Int, layers: [Int], naming: Naming, normalisation: Route.Normalisation
    ) {
        self.count = count
        self.chosenCount = chosenCount
        self.width = width
        self.layers = layers
        self.naming = naming
        self.normalisation = normalisation
        score = .softmax
        hasChoiceBias = false
        groupCount = 1
        keptGroupCount = 1
        groupScore = .largest
        scale = 1
        sharedWidth = 0
        hasSharedGate = false
    }

    private func check(_ config: ConfigObject) throws(FormatError) {
        let names = ["num_local_experts", "num_experts", "n_routed_experts"]
        let countField = names.first { config.contains($0) } ?? names[0]
        guard count <= 2048, groupCount <= 256 else {
            throw config.error(
                countField, "\(count) experts in \(groupCount) groups; at most 2048 in 256 are supported")
        }
        guard count % groupCount == 0 else {
            throw config.error("n_group", "\(groupCount) groups cannot divide \(count) experts evenly")
        }
        guard keptGroupCount <= groupCount else {
            throw config.error("topk_group", "keeps \(keptGroupCount) of \(groupCount) groups")
        }
        let candidates = keptGroupCount * (count / groupCount)
        guard chosenCount <= min(candidates, 256) else {
            throw config.error(
                "num_experts_per_tok", "\(chosenCount) experts a token, of \(candidates) that it may choose from; at "
                    + "most 256 are supported")
        }
        guard width % 4 == 0, sharedWidth % 4 == 0 else {
            throw config.error(
                naming == .switchTransformers ? "d_ff" : "moe_intermediate_size",
                "widths are to be multiples of 4; found \(width), shared \(sharedWidth)")
        }
    }

    /// Layers with experts, of encoder and decoder.
    public var layerCount: Int { (encoderLayers?.count ?? 0) + layers.count }

    /// Every layer with experts: the stack that it is in, and its number there.
    public var allLayers: [(stack: Stack, layer: Int)] {
        (encoderLayers ?? []).map { (.encoder, $0) } + layers.map { (.decoder, $0) }
    }

    /// The layer's number among all that have experts, or nil.
    func ordinal(ofLayer layer: Int, in stack: Stack) -> Int? {
        allLayers.firstIndex { $0.stack == stack && $0.layer == layer }
    }

    /// Whether a pass over so many rows may leave some without an expert: each has an expert once at most.
    public func mayDrop(rows: Int) -> Bool { capacity.map { $0 < rows } ?? false }

    /// The most tokens that an expert takes of a prompt that an encoder reads; nil for all.
    func capacity(ofPrompt tokens: Int) -> Int? {
        guard let capacityFactor else { return capacity }
        return max(1, Int(Double(tokens) / Double(count) * capacityFactor))
    }

    /// Puts a capacity in the place of the configuration's.
    mutating func limit(_ limit: ExpertCapacity) {
        switch limit {
        case .unlimited: (capacity, capacityFactor) = (nil, nil)
        case .rows(let rows): (capacity, capacityFactor) = (rows, nil)
        case .factor(let factor):
            precondition(encoderLayers != nil, "only an encoder reads a prompt as a whole")
            capacityFactor = factor
        }
    }

    /// What `DecoderPass.everyExpert` asks for, [rows, count]: the numbers of all experts, for each of up to `rows`
    /// rows.
    public func everyExpert(device: any Device, rows: Int) throws(DeviceError) -> Buffer {
        let numbers = (0..<rows).flatMap { _ in (0..<UInt32(count)) }
        return try device.makeBuffer(.words(numbers), label: "every_expert")
    }

    /// Elements of one expert's matrices.
    public func parametersPerExpert(modelWidth: Int) -> Int {
        (inner == .gatedBySiLU ? 3 : 2) * width * modelWidth
    }

    /// Elements of the matrices of experts that a token does not choose, in all layers.
    func unchosenParameterCount(modelWidth: Int) -> Int {
        layerCount * (count - chosenCount) * parametersPerExpert(modelWidth: modelWidth)
    }
}

/// How many rows an expert is to take, where a configuration's own rule is not wanted.
public enum ExpertCapacity: Sendable, Equatable {
    /// All: no row is left out.
    case unlimited
    /// The most of a pass.
    case rows(Int)
    /// Of a prompt that an encoder reads: ⌊tokens / experts · factor⌋, at least one (Fedus et al., arXiv:2101.03961).
    case factor(Double)
}
