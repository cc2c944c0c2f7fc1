import VkdynCore
import VkdynModels
import VkdynSchedule

@testable import VkdynFormats

/// Weights of any shape from a seed, as large as trained ones: experts that differ, and attention that attends.
struct RandomWeights: WeightSource {
    let seed: UInt64
    /// Tensors that are not there.
    var missing: Set<String> = []
    var byteCount: Int { 0 }

    func contains(_ name: String) -> Bool { !missing.contains(name) }

    func tensor(_ name: String, shape: [Int], types: [ElementType]) throws(FormatError) -> TensorView {
        guard contains(name) else { throw FormatError(file: "random weights", field: name, problem: "no such tensor") }
        let count = shape.reduce(1, *)
        let file = try MappedFile(named: "random weights", byteCount: count * 4) { bytes in
            let hash = name.utf8.reduce(UInt64(seed)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
            var random = CaseGenerator(seed: hash)
            let values = bytes.bindMemory(to: Float.self)
            for index in values.indices {
                // Norms about 1; biases about 0; rows of matrices about as long as 2.
                let value = random.float(scale: shape.count == 1 ? 0.3 : 3.5 / Float(shape[1]).squareRoot())
                values[index] = shape.count == 1 && name.contains("norm") ? 1 + value : value
            }
        }
        return TensorView(name: name, elementType: .f32, shape: shape, file: file, range: 0..<count * 4)
    }
}

/// Small models of every kind that has experts.
enum ExpertModel: String, CaseIterable, Sendable {
    case mixtral, qwen2, deepSeekV2, deepSeekV3

    static let vocabularySize = 60
    static let latent: [ExpertModel] = [.deepSeekV2, .deepSeekV3]

    private var fields: String {
        switch self {
        case .mixtral:
            """
            "model_type": "mixtral", "num_key_value_heads": 2, "intermediate_size": 20, "num_local_experts": 8,
            "num_experts_per_tok": 2
            """
        case .qwen2:
            """
            "model_type": "qwen2_moe", "num_key_value_heads": 4, "intermediate_size": 44, "num_experts": 7,
            "num_experts_per_tok": 3, "moe_intermediate_size": 12, "shared_expert_intermediate_size": 28,
            "mlp_only_layers": [1]
            """
        case .deepSeekV2:
            """
            "model_type": "deepseek_v2", "intermediate_size": 44, "kv_lora_rank": 24, "q_lora_rank": null,
            "qk_nope_head_dim": 12, "qk_rope_head_dim": 8, "v_head_dim": 16, "n_routed_experts": 8,
            "num_experts_per_tok": 3, "moe_intermediate_size": 16, "n_shared_experts": 1, "first_k_dense_replace": 1,
            "topk_method": "group_limited_greedy", "n_group": 4, "topk_group": 2, "routed_scaling_factor": 1.5
            """
        case .deepSeekV3:
            """
            "model_type": "deepseek_v3", "intermediate_size": 44, "kv_lora_rank": 260, "q_lora_rank": 20,
            "qk_nope_head_dim": 16, "qk_rope_head_dim": 12, "v_head_dim": 8, "n_routed_experts": 12,
            "num_experts_per_tok": 4, "moe_intermediate_size": 16, "n_shared_experts": 2, "first_k_dense_replace": 1,
            "n_group": 4, "topk_group": 2, "routed_scaling_factor": 2.5, "attention_bias": true
            """
        }
    }

    func config() throws -> ConfigObject {
        try ConfigFile(
            path: "config.json",
            text: """
                {"vocab_size": \(Self.vocabularySize), "hidden_size": 32, "num_hidden_layers": 3,
                "num_attention_heads": 4, "max_position_embeddings": 200, \(fields)}
                """
        ).root
    }

    func load(
        on device: any Device, seed: UInt64 = 1, missing: Set<String> = [], capacity: Int? = nil,
        weights: ElementType? = nil
    ) throws -> any DecoderModel {
        let loader = WeightLoader(
            checkpoint: RandomWeights(seed: seed, missing: missing), device: device, weightType: weights)
        let config = try config()
        if Self.latent.contains(self) {
            var configuration = try DeepSeek.Configuration(config)
            configuration.experts?.capacity = capacity
            return try DeepSeek(configuration: configuration, loader: loader)
        }
        var configuration = try Llama.Configuration(config)
        configuration.experts?.capacity = capacity
        return try Llama(configuration: configuration, loader: loader)
    }

    /// Token ids in no order.
    static func tokens(_ count: Int) -> [Int] { (0..<count).map { ($0 * $0 * 7 + $0 * 3 + 5) % vocabularySize } }
}
