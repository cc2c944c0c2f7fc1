import VkdynCore
import VkdynModels
import VkdynReference
import VkdynSchedule
import VkdynTechniques

/// A small pipeline of seeded weights, in the shapes of Stable Diffusion's first or second kind.
enum SeededDiffusion {
    static func pipeline(
        on device: any Device, secondKind: Bool = false, weightType: ElementType? = nil
    ) throws -> DiffusionPipeline {
        let heads = secondKind ? "[2, 4]" : "2"
        let configuration = try DiffusionModels.Configuration(
            text: """
                {"vocab_size": 99, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
                 "num_attention_heads": 2, "max_position_embeddings": 7, "hidden_act": "quick_gelu"}
                """,
            unet: """
                {"sample_size": 8, "cross_attention_dim": 32, "attention_head_dim": \(heads),
                 "block_out_channels": [16, 32], "norm_num_groups": 4, "use_linear_projection": \(secondKind),
                 "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
                 "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]}
                """,
            decoder: """
                {"block_out_channels": [8, 16], "layers_per_block": 1, "latent_channels": 4, "norm_num_groups": 4,
                 "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"]}
                """, file: "seeded")
        var scheduler = SchedulerConfiguration()
        scheduler.kind = .pndm
        scheduler.betaSchedule = .scaledLinear
        (scheduler.betaStart, scheduler.betaEnd) = (0.00085, 0.012)
        (scheduler.stepsOffset, scheduler.skipsRungeKutta) = (1, true)
        scheduler.clipsSample = false
        return DiffusionPipeline(
            models: try DiffusionModels(
                configuration, weights: .seeded(3), on: device, weightType: weightType), scheduler: scheduler,
            device: device
        ) { text in
            // As many tokens as the encoder takes, told apart by their letters.
            (0..<7).map { UInt32(text.unicodeScalars.reduce($0) { ($0 * 31 + Int($1.value)) % 99 }) }
        }
    }

    /// Few steps on a small picture.
    static func request(_ prompts: [String] = ["a fish"]) -> DiffusionRequest {
        DiffusionRequest(prompts: prompts, steps: 4, guidance: 3, seed: 5, width: 16, height: 12)
    }
}
