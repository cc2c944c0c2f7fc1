public import VkdynFormats
import VkdynKernels

/// What timm's names of vision transformers stand for: the arguments that its functions of those names pass on
/// (pytorch-image-models, `vision_transformer.py` and `deit.py`).
extension VisionTransformer.Configuration {
    /// `vit_SIZE_patchP_[gap_|clip_]IMAGE[_miil]`, `deit_SIZE_[distilled_]patchP_IMAGE` and `deit3_SIZE_patchP_IMAGE`,
    /// with a tag such as `.augreg_in1k` or without.
    /// - Returns: nil for every other name.
    public init?(architecture name: String) {
        self.init()
        var parts = name.prefix { $0 != "." }.split(separator: "_").map(String.init)
        guard parts.count >= 4, let size = Size(rawValue: parts[1]) else { return nil }
        let family = parts[0]
        parts.removeFirst(2)
        (width, layerCount, headCount) = size.shape
        var kinds: Set<String> = []
        var numbers: [Int] = []
        for part in parts {
            if part.hasPrefix("patch"), let patch = Int(part.dropFirst(5)), patch > 0, kinds.insert("patch").inserted {
                (patchHeight, patchWidth) = (patch, patch)
            } else if let number = Int(part), number > 0 {
                numbers.append(number)
            } else {
                guard kinds.insert(part).inserted else { return nil }
            }
        }
        guard kinds.remove("patch") != nil, numbers.count == 1 else { return nil }
        (imageHeight, imageWidth) = (numbers[0], numbers[0])
        feedForwardWidth = 4 * width
        switch (family, kinds) {
        case ("vit", []), ("deit", []): break
        case ("vit", ["miil"]): hasQueryBias = false
        case ("vit", ["clip"]):
            normsBeforeLayers = true
            normEpsilon = 1e-5
        case ("vit", ["gap"]):
            hasClassToken = false
            pooling = .average
            switch size {
            case .medium, .betwixt:
                hasQueryBias = false
                hasLayerScale = true
            case .base: headCount = 16
            default: break
            }
        case ("deit", ["distilled"]): hasDistillationToken = true
        case ("deit3", []):
            embedsPrefix = false
            hasLayerScale = true
        default: return nil
        }
    }

    private enum Size: String {
        case tiny, xsmall, small, medium, betwixt, base, large, huge

        /// Width, layers, heads.
        var shape: (Int, Int, Int) {
            switch self {
            case .tiny: (192, 12, 3)
            case .xsmall: (256, 10, 4)
            case .small: (384, 12, 6)
            case .medium: (512, 12, 8)
            case .betwixt: (640, 12, 10)
            case .base: (768, 12, 12)
            case .large: (1024, 24, 16)
            case .huge: (1280, 32, 16)
            }
        }
    }
}

/// Configurations as timm publishes them.
extension VisionTransformer.Configuration {
    /// Arguments that change training alone, or how timm computes what it computes.
    private static let idleArguments: Set<String> = [
        "drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_path_rate",
        "weight_init", "fix_init", "dynamic_img_size", "dynamic_img_pad", "strict_img_size",
    ]

    /// What `config.json` says: `architecture`, `model_args` and `pretrained_cfg`. Older files have the fields of
    /// `pretrained_cfg` beside `architecture`.
    public init(timm config: ConfigObject) throws(FormatError) {
        let name = try config.string("architecture")
        guard let known = Self(architecture: name) else {
            throw config.error(
                "architecture",
                "\"\(name)\" is not one that vkdyn knows; it knows vit_SIZE_patchP_IMAGE (also with gap, "
                    + "clip or miil), deit_SIZE_[distilled_]patchP_IMAGE and deit3_SIZE_patchP_IMAGE")
        }
        self = known
        let pretrained = try config.optionalObject("pretrained_cfg") ?? config
        let arguments = try config.optionalObject("model_args")
        try readInput(pretrained, config)
        if let arguments { try readArguments(arguments) }
        // Average pooling moves the norm behind it, except in the gap models, which say that theirs stays.
        normsAfterPooling =
            try arguments?.optionalBoolean("fc_norm") ?? (pooling == .average && known.pooling != .average)
        try check(arguments ?? config, width: "embed_dim", image: "img_size", classToken: "class_token")
    }

    private mutating func readInput(_ pretrained: ConfigObject, _ config: ConfigObject) throws(FormatError) {
        if let input = try pretrained.optionalIntegers("input_size") {
            guard input.count == 3 else {
                throw pretrained.error("input_size", "has \(input.count) numbers, expected [channels, height, width]")
            }
            (channelCount, imageHeight, imageWidth) = (input[0], input[1], input[2])
        }
        let own = try pretrained.optionalInteger("num_classes", in: 0...Int(Int32.max))
        classCount = try config.optionalInteger("num_classes", in: 0...Int(Int32.max)) ?? own ?? classCount
        try readPooling(pretrained)
        guard classCount > 0 else {
            throw config.error("num_classes", "is 0: the checkpoint has no classifier")
        }
    }

    private mutating func readPooling(_ object: ConfigObject) throws(FormatError) {
        switch try object.optionalString("global_pool") {
        case nil: break
        case "token": pooling = .classToken
        case "avg": pooling = .average
        case let other?: throw object.error("global_pool", "\"\(other)\" is not supported; token and avg are")
        }
    }

    private mutating func readArguments(_ arguments: ConfigObject) throws(FormatError) {
        func size(_ field: String, _ height: inout Int, _ width: inout Int) throws(FormatError) {
            guard let size = try arguments.optionalIntegers(field) else { return }
            guard (1...2).contains(size.count) else {
                throw arguments.error(field, "has \(size.count) numbers, expected one or [height, width]")
            }
            (height, width) = (size[0], size[size.count - 1])
        }
        let ratio = Double(feedForwardWidth) / Double(width)
        try size("img_size", &imageHeight, &imageWidth)
        try size("patch_size", &patchHeight, &patchWidth)
        channelCount = try arguments.integer("in_chans", default: channelCount)
        classCount = try arguments.integer("num_classes", default: classCount)
        width = try arguments.integer("embed_dim", default: width)
        layerCount = try arguments.integer("depth", default: layerCount)
        headCount = try arguments.integer("num_heads", default: headCount)
        feedForwardWidth = Int(
            Double(width) * (try arguments.number("mlp_ratio", in: 0.01...1000, default: ratio)))
        hasQueryBias = try arguments.boolean("qkv_bias", default: hasQueryBias)
        if arguments.contains("init_values") { hasLayerScale = try arguments.number("init_values") != 0 }
        hasClassToken = try arguments.boolean("class_token", default: hasClassToken)
        embedsPrefix = !(try arguments.boolean("no_embed_class", default: !embedsPrefix))
        normsBeforeLayers = try arguments.boolean("pre_norm", default: normsBeforeLayers)
        hasFinalNorm = try arguments.boolean("final_norm", default: true)
        try readPooling(arguments)
        switch try arguments.optionalString("act_layer") {
        case nil: break
        case "gelu": activation = .geluErf
        case "gelu_tanh": activation = .geluTanh
        case "relu": activation = .relu
        case "silu", "swish": activation = .silu
        case let other?: throw arguments.error("act_layer", "\"\(other)\" is not an activation that vkdyn has")
        }
        switch try arguments.optionalString("norm_layer") {
        case nil: break
        case "layernorm": normEpsilon = 1e-6
        case let other?: throw arguments.error("norm_layer", "\"\(other)\" is not a norm that vkdyn has here")
        }
        try refuseOthers(arguments)
    }

    /// Arguments that would make another model of it, unless they have the value that does not.
    private func refuseOthers(_ arguments: ConfigObject) throws(FormatError) {
        for field in ["qk_norm", "scale_attn_norm", "scale_mlp_norm", "pool_include_prefix"]
        where try arguments.boolean(field, default: false) {
            throw arguments.error(field, "true is not supported")
        }
        guard try arguments.boolean("proj_bias", default: true) else {
            throw arguments.error("proj_bias", "false is not supported")
        }
        guard try arguments.integer("reg_tokens", in: 0...1_000_000, default: 0) == 0 else {
            throw arguments.error("reg_tokens", "register tokens are not supported")
        }
        guard try arguments.string("pos_embed", default: "learn") == "learn" else {
            throw arguments.error("pos_embed", "only learn is supported")
        }
        let read: Set<String> = [
            "img_size", "patch_size", "in_chans", "num_classes", "embed_dim", "depth", "num_heads", "mlp_ratio",
            "qkv_bias",
            "init_values", "class_token", "no_embed_class", "pre_norm", "final_norm", "global_pool", "fc_norm",
            "act_layer", "norm_layer", "qk_norm", "scale_attn_norm", "scale_mlp_norm", "pool_include_prefix",
            "proj_bias", "reg_tokens", "pos_embed",
        ]
        for field in arguments.keys where arguments.contains(field) {
            guard read.contains(field) || Self.idleArguments.contains(field) else {
                throw arguments.error(field, "is not an argument that vkdyn knows")
            }
        }
    }
}

/// Configurations as Hugging Face publishes `ViTForImageClassification`.
extension VisionTransformer.Configuration {
    public init(huggingFace config: ConfigObject) throws(FormatError) {
        self.init()
        publisher = .huggingFace
        func size(_ field: String, _ fallback: Int) throws(FormatError) -> (Int, Int) {
            guard let size = try config.optionalIntegers(field) else { return (fallback, fallback) }
            guard (1...2).contains(size.count) else {
                throw config.error(field, "has \(size.count) numbers, expected one or [height, width]")
            }
            return (size[0], size[size.count - 1])
        }
        (imageHeight, imageWidth) = try size("image_size", 224)
        (patchHeight, patchWidth) = try size("patch_size", 16)
        channelCount = try config.integer("num_channels", default: 3)
        width = try config.integer("hidden_size", default: 768)
        layerCount = try config.integer("num_hidden_layers", default: 12)
        headCount = try config.integer("num_attention_heads", default: 12)
        feedForwardWidth = try config.integer("intermediate_size", default: 3072)
        hasQueryBias = try config.boolean("qkv_bias", default: true)
        normEpsilon = Float(try config.number("layer_norm_eps", in: 0...1, default: 1e-12))
        activation = try Activation(config, "hidden_act", default: "gelu")
        let named = try config.optionalObject("id2label")?.keys.count
        classCount = try config.integer("num_labels", default: named ?? 2)
        try check(config, width: "hidden_size", image: "image_size", classToken: "hidden_size")
    }
}
