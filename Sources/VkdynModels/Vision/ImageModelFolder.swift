public import VkdynCore
public import VkdynFormats
public import VkdynSchedule

/// An image classifier's folder as timm or Hugging Face publishes it, read and checked, before any weight is loaded.
public struct ImageModelFolder: Sendable {
    public let path: String
    public let config: ConfigFile
    public let checkpoint: SafetensorsCheckpoint
    public let configuration: VisionTransformer.Configuration

    public init(_ path: String) throws(FormatError) {
        self.path = path
        config = try HostSpans.measure(.load, path) { () throws(FormatError) in
            try ConfigFile(path: path + "/config.json")
        }
        let root = config.root
        if root.contains("architecture") {
            configuration = try VisionTransformer.Configuration(timm: root)
        } else {
            let type = try root.optionalString("model_type")
            guard type == "vit" else {
                throw root.error(
                    type == nil ? "architecture" : "model_type",
                    type.map { "\"\($0)\" is not an image classifier that vkdyn knows; it knows vit" }
                        ?? "is missing; expected one of timm's vision transformers, or a model_type of vit")
            }
            configuration = try VisionTransformer.Configuration(huggingFace: root)
        }
        checkpoint = try HostSpans.measure(.load, path) { () throws(FormatError) in
            try SafetensorsCheckpoint(folder: path, config: root)
        }
    }

    /// - Parameters:
    ///   - weightType: storage of matrices on the device; nil keeps the checkpoint's own.
    ///   - progress: called with the bytes loaded so far and in all; what it throws ends the loading.
    public func load(
        on device: any Device, weightType: ElementType? = nil,
        progress: @escaping (Int, Int) throws -> Void = { _, _ in }
    ) throws -> VisionTransformer {
        let loader = WeightLoader(checkpoint: checkpoint, device: device, weightType: weightType, progress: progress)
        return try HostSpans.measure(.load, path) {
            try VisionTransformer(configuration: configuration, loader: loader)
        }
    }

    /// What the checkpoint calls a class: the description where there is one, else the name.
    /// - Returns: nil where it names no classes.
    public func label(_ index: Int) throws(FormatError) -> String? {
        let root = config.root
        if let labels = try root.optionalObject("id2label") { return try labels.optionalString("\(index)") }
        var holder = root
        if !root.contains("label_names"), let pretrained = try root.optionalObject("pretrained_cfg") {
            holder = pretrained
        }
        guard holder.contains("label_names") else { return nil }
        let name: String?
        if holder.isObject("label_names") {
            name = try holder.object("label_names").optionalString("\(index)")
        } else {
            let names = try holder.optionalStrings("label_names") ?? []
            name = names.indices.contains(index) ? names[index] : nil
        }
        guard let name else { return nil }
        return try holder.optionalObject("label_descriptions")?.optionalString(name) ?? name
    }
}
