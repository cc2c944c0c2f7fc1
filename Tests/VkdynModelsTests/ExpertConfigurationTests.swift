import Testing
import VkdynFormats
import VkdynKernels
import VkdynModels

/// What configurations mean, and which are refused.
@Suite struct ExpertConfigurationTests {
    private func configuration(_ text: String) throws -> ExpertConfiguration? {
        try ExpertConfiguration(try ConfigFile(path: "config.json", text: text).root)
    }

    @Test func publishedConfigurationsMeanWhatTheirPapersSay() throws {
        let mixtral = try #require(
            try configuration(
                """
                {"model_type": "mixtral", "num_hidden_layers": 32, "num_local_experts": 8, "num_experts_per_tok": 2,
                "intermediate_size": 14336}
                """))
        #expect(mixtral.count == 8 && mixtral.chosenCount == 2 && mixtral.layers == Array(0..<32))
        #expect(mixtral.score == .softmax && mixtral.normalisation == .sum && mixtral.sharedWidth == 0)
        #expect(mixtral.parametersPerExpert(modelWidth: 4096) == 176_160_768)

        let qwen = try #require(
            try configuration(
                """
                {"model_type": "qwen2_moe", "num_hidden_layers": 24, "num_experts": 60, "num_experts_per_tok": 4,
                "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632, "norm_topk_prob": false,
                "decoder_sparse_step": 1}
                """))
        #expect(qwen.count == 60 && qwen.chosenCount == 4 && qwen.layers.count == 24)
        #expect(qwen.normalisation == .none && qwen.sharedWidth == 5632 && qwen.hasSharedGate)

        let second = try #require(
            try configuration(
                """
                {"model_type": "deepseek_v2", "num_hidden_layers": 60, "n_routed_experts": 160,
                "num_experts_per_tok": 6, "moe_intermediate_size": 1536, "n_shared_experts": 2,
                "first_k_dense_replace": 1, "moe_layer_freq": 1, "topk_method": "group_limited_greedy",
                "n_group": 8, "topk_group": 3,
                "routed_scaling_factor": 16.0, "norm_topk_prob": false, "scoring_func": "softmax"}
                """))
        #expect(second.layers == Array(1..<60) && second.groupCount == 8 && second.keptGroupCount == 3)
        #expect(second.groupScore == .largest && second.scale == 16 && second.normalisation == .none)
        #expect(second.sharedWidth == 3072 && !second.hasSharedGate && !second.hasChoiceBias)

        let third = try #require(
            try configuration(
                """
                {"model_type": "deepseek_v3", "num_hidden_layers": 61, "n_routed_experts": 256,
                "num_experts_per_tok": 8, "moe_intermediate_size": 2048, "n_shared_experts": 1,
                "first_k_dense_replace": 3,
                "topk_method": "noaux_tc", "n_group": 8, "topk_group": 4, "routed_scaling_factor": 2.5,
                "norm_topk_prob": true, "scoring_func": "sigmoid"}
                """))
        #expect(third.layers == Array(3..<61) && third.score == .sigmoid && third.hasChoiceBias)
        #expect(third.groupScore == .twoLargest && third.normalisation == .sumAndTiny && third.scale == 2.5)
    }

    @Test func someLayersAreDense() throws {
        let text = { (more: String) in
            """
            {"model_type": "qwen2_moe", "num_hidden_layers": 8, "num_experts": 4, "num_experts_per_tok": 2,
            "moe_intermediate_size": 8, "shared_expert_intermediate_size": 8\(more)}
            """
        }
        #expect(try configuration(text(#", "decoder_sparse_step": 2"#))?.layers == [1, 3, 5, 7])
        #expect(try configuration(text(#", "decoder_sparse_step": 2, "mlp_only_layers": [3, 4]"#))?.layers == [1, 5, 7])
        #expect(try configuration(text(#", "mlp_only_layers": [0, 1, 2, 3, 4, 5, 6, 7]"#)) == nil)
        #expect(try configuration(#"{"model_type": "llama", "num_hidden_layers": 8}"#) == nil)
        #expect(try configuration(#"{"model_type": "deepseek_v3", "num_hidden_layers": 8}"#) == nil)
    }

    @Test(arguments: [
        (#""num_experts_per_tok": 9"#, "num_experts_per_tok: 9 experts a token, of 4 that it may choose from"),
        (#""num_experts_per_tok": 5"#, "num_experts_per_tok: 5 experts a token, of 4 that it may choose from"),
        (#""n_group": 3"#, "n_group: 3 groups cannot divide 8 experts evenly"),
        (#""topk_group": 5"#, "topk_group: keeps 5 of 4 groups"),
        (#""topk_method": "best""#, "topk_method: expected one of greedy, group_limited_greedy, noaux_tc"),
        (#""scoring_func": "tanh""#, "scoring_func: expected one of softmax, sigmoid"),
        (#""n_routed_experts": 4096, "n_group": 4"#, "n_routed_experts: 4096 experts in 4 groups"),
        (#""moe_intermediate_size": 6"#, "moe_intermediate_size: widths are to be multiples of 4"),
        (#""norm_topk_prob": 1"#, "norm_topk_prob: expected true or false"),
        (#""routed_scaling_factor": "x""#, "routed_scaling_factor: expected"),
    ]) func aWrongFieldIsNamed(field: String, message: String) throws {
        let fields: [(name: String, value: String)] = [
            ("model_type", #""deepseek_v3""#), ("num_hidden_layers", "4"), ("n_routed_experts", "8"),
            ("num_experts_per_tok", "4"), ("moe_intermediate_size", "8"), ("n_group", "4"), ("topk_group", "2"),
        ]
        let rest = fields.filter { !field.contains("\"\($0.name)\"") }.map { "\"\($0.name)\": \($0.value)" }
        let error = #expect(throws: FormatError.self) {
            _ = try configuration("{" + (rest + [field]).joined(separator: ", ") + "}")
        }
        #expect(error?.description.hasPrefix("config.json: " + message) == true, "\(error?.description ?? "")")
    }

    @Test func aCapacityNeedsExperts() throws {
        let folder = try ModelFolder(ModelFixture.path("llama-gqa"))
        let error = #expect(throws: FormatError.self) {
            _ = try folder.load(on: TestDevices.reference, expertCapacity: .rows(3))
        }
        #expect(error?.description.hasSuffix("model_type: has no experts that could have a capacity") == true)
    }
}
