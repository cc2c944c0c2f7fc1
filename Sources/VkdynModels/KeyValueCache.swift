public import VkdynCore
public import VkdynSchedule

/// What a model keeps of one sequence: keys and values, or latents, of every layer, and which experts its tokens went
/// to.
public struct KeyValueCache: Sendable {
    /// What one layer keeps of every token.
    public enum Layer: Sendable {
        /// In the layout that `KVAppend` states.
        case keysAndValues(keys: Buffer, values: Buffer)
        /// The normed latent and the rotated key that all heads share, in the layout that `LatentAppend` states.
        case latents(Buffer)

        public var buffers: [Buffer] {
            switch self {
            case .keysAndValues(let keys, let values): [keys, values]
            case .latents(let latents): [latents]
            }
        }
    }

    public let layers: [Layer]
    /// Slots: a multiple of 64.
    public let capacity: Int
    /// nil where the model has no experts.
    public let experts: ExpertLog?

    /// Keys and values of each head.
    /// - Parameters:
    ///   - capacity: tokens; rounded up to whole blocks.
    ///   - experts: the model's, whose choices are to be kept.
    public init(
        device: any Device, layerCount: Int, headCount: Int, headSize: Int, capacity: Int,
        experts: ExpertConfiguration? = nil, label: String
    ) throws(DeviceError) {
        let slots = Self.slots(capacity)
        let count = headCount * slots * headSize
        var layers: [Layer] = []
        for layer in 0..<layerCount {
            layers.append(
                .keysAndValues(
                    keys: try device.makeBuffer(
                        .f32, count: count, placement: .device, label: "\(label).layer\(layer).keys"),
                    values: try device.makeBuffer(
                        .f32, count: count, placement: .device, label: "\(label).layer\(layer).values")))
        }
        try self.init(layers, slots: slots, experts: experts, device: device, label: label)
    }

    /// Latents, of `width` elements a token.
    /// - Parameters:
    ///   - capacity: tokens; rounded up to whole blocks.
    ///   - experts: the model's, whose choices are to be kept.
    public init(
        device: any Device, layerCount: Int, latentWidth width: Int, capacity: Int,
        experts: ExpertConfiguration? = nil, label: String
    ) throws(DeviceError) {
        let slots = Self.slots(capacity)
        var layers: [Layer] = []
        for layer in 0..<layerCount {
            layers.append(
                .latents(
                    try device.makeBuffer(
                        .f32, count: slots * width, placement: .device, label: "\(label).layer\(layer).latents")))
        }
        try self.init(layers, slots: slots, experts: experts, device: device, label: label)
    }

    private init(
        _ layers: [Layer], slots: Int, experts: ExpertConfiguration?, device: any Device, label: String
    ) throws(DeviceError) {
        self.layers = layers
        capacity = slots
        guard let experts else {
            self.experts = nil
            return
        }
        self.experts = try ExpertLog(
            device: device, layerCount: experts.layers.count, chosenCount: experts.chosenCount, capacity: slots,
            label: label)
    }

    private static func slots(_ capacity: Int) -> Int { (max(capacity, 1) + 63) / 64 * 64 }

    public var byteCount: Int { layers.flatMap(\.buffers).reduce(0) { $0 + $1.byteCount } }

    func keysAndValues(layer: Int) -> (keys: Buffer, values: Buffer) {
        guard case .keysAndValues(let keys, let values) = layers[layer] else {
            preconditionFailure("layer \(layer) keeps latents")
        }
        return (keys, values)
    }

    func latents(layer: Int) -> Buffer {
        guard case .latents(let latents) = layers[layer] else {
            preconditionFailure("layer \(layer) keeps keys and values")
        }
        return latents
    }
}
