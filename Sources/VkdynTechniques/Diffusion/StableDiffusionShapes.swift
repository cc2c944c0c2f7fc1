public import VkdynFormats
import VkdynModels

/// The shapes of published pipelines, so that they can be timed with no checkpoint.
extension DiffusionModels.Configuration {
    /// A published architecture: what its folder's configurations say where they differ from diffusers' defaults.
    private struct Architecture {
        let name: String
        let text: String
        let unet: String
        let parameterCount: Int
    }

    /// Of the autoencoder, which both have.
    private static let decoder = """
        {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "latent_channels": 4}
        """

    private static let known = [
        Architecture(
            name: "stable-diffusion-1.5",
            text: """
                {"vocab_size": 49408, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
                 "num_attention_heads": 12, "max_position_embeddings": 77, "hidden_act": "quick_gelu"}
                """,
            unet: """
                {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8,
                 "block_out_channels": [320, 640, 1280, 1280]}
                """, parameterCount: 1_032_071_643),
        Architecture(
            name: "stable-diffusion-2.1",
            text: """
                {"vocab_size": 49408, "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23,
                 "num_attention_heads": 16, "max_position_embeddings": 77, "hidden_act": "gelu"}
                """,
            unet: """
                {"sample_size": 96, "cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20],
                 "block_out_channels": [320, 640, 1280, 1280], "use_linear_projection": true}
                """, parameterCount: 1_255_788_763),
    ]

    /// Names that `init(architecture:)` knows.
    public static var architectures: [String] { known.map(\.name) }

    /// The shapes of a published pipeline, or nil.
    public init?(architecture name: String) {
        guard let architecture = Self.known.first(where: { $0.name == name }),
            let made = try? Self(
                text: architecture.text, unet: architecture.unet, decoder: Self.decoder, file: name)
        else { return nil }
        self = made
    }

    /// Of a published pipeline.
    public static func parameterCount(architecture name: String) -> Int? {
        known.first { $0.name == name }?.parameterCount
    }

    /// Shapes from the text of each part's `config.json`; `file` appears in messages only.
    public init(text: String, unet: String, decoder: String, file: String) throws(FormatError) {
        self.init(
            text: try CLIPTextModel.Configuration(ConfigFile(path: file, text: text).root),
            unet: try UNet.Configuration(ConfigFile(path: file, text: unet).root),
            decoder: try VAEDecoder.Configuration(ConfigFile(path: file, text: decoder).root))
    }
}

extension DiffusionModels.Weights {
    /// Weights that follow from a seed, for the shapes of a published pipeline or others.
    /// - Parameter parameterCount: of all parts, for progress.
    public static func seeded(_ seed: UInt64, parameterCount: Int = 0) -> Self {
        func part(_ number: UInt64, _ byteCount: Int = 0) -> SeededWeights {
            SeededWeights(seed: seed &* 3 &+ number, byteCount: byteCount)
        }
        return Self(text: part(0), unet: part(1, parameterCount * 4), decoder: part(2))
    }
}
