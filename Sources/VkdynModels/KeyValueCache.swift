public import VkdynCore
import VkdynKernels
public import VkdynSchedule

/// What a model keeps of one sequence: keys and values, or latents, of every layer, what its encoder made of the
/// prompt, and which experts its tokens went to.
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

        var keysAndValues: (keys: Buffer, values: Buffer) {
            guard case .keysAndValues(let keys, let values) = self else { preconditionFailure("a layer of latents") }
            return (keys, values)
        }
    }

    public let layers: [Layer]
    /// Slots: a multiple of 64.
    public let capacity: Int
    /// nil where the model has no experts.
    public let experts: ExpertLog?
    /// nil where the model has no encoder.
    public let prompt: EncodedPrompt?

    /// Keys and values of each head.
    /// - Parameters:
    ///   - capacity: tokens; rounded up to whole blocks.
    ///   - encodesPrompt: whether every layer also has keys and values of a prompt that an encoder reads, of up to as
    ///     many tokens.
    ///   - experts: the model's, whose choices are to be kept.
    public init(
        device: any Device, layerCount: Int, headCount: Int, headSize: Int, capacity: Int,
        encodesPrompt: Bool = false, experts: ExpertConfiguration? = nil, label: String
    ) throws(DeviceError) {
        let slots = Self.slots(capacity)
        func layers(_ label: String) throws(DeviceError) -> [Layer] {
            var layers: [Layer] = []
            for layer in 0..<layerCount {
                let name = "\(label).layer\(layer)"
                let count = headCount * slots * headSize
                layers.append(
                    .keysAndValues(
                        keys: try device.makeBuffer(
                            .f32, count: count, placement: .device, label: name + ".keys"),
                        values: try device.makeBuffer(
                            .f32, count: count, placement: .device, label: name + ".values")))
            }
            return layers
        }
        try self.init(
            try layers(label), slots: slots,
            prompt: encodesPrompt
                ? try EncodedPrompt(
                    layers: try layers(label + ".prompt"), capacity: slots, device: device, label: label + ".prompt")
                : nil, experts: experts, device: device, label: label)
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
        _ layers: [Layer], slots: Int, prompt: EncodedPrompt? = nil, experts: ExpertConfiguration?,
        device: any Device, label: String
    ) throws(DeviceError) {
        self.layers = layers
        self.prompt = prompt
        capacity = slots
        guard let experts else {
            self.experts = nil
            return
        }
        self.experts = try ExpertLog(
            device: device, layerCount: experts.layerCount, encoderLayerCount: experts.encoderLayers?.count ?? 0,
            chosenCount: experts.chosenCount, capacity: slots, label: label)
    }

    static func slots(_ capacity: Int) -> Int { (max(capacity, 1) + 63) / 64 * 64 }

    public var byteCount: Int {
        (layers + (prompt?.layers ?? [])).flatMap(\.buffers).reduce(0) { $0 + $1.byteCount }
    }

    func keysAndValues(layer: Int) -> (keys: Buffer, values: Buffer) { layers[layer].keysAndValues }

    func latents(layer: Int) -> Buffer {
        guard case .latents(let latents) = layers[layer] else {
            preconditionFailure("layer \(layer) keeps keys and values")
        }
        return latents
    }
}

/// A prompt that a model's encoder reads as a whole, and what the decoder's layers see of it.
public struct EncodedPrompt: Sendable {
    /// The prompt's tokens; the host writes their number.
    public let rows: Counted
    /// Token ids, [capacity], which the host writes too.
    public let tokens: Buffer
    /// 0, 1 and so on, [capacity].
    let positions: Buffer
    /// Keys and values of the prompt for every layer of the decoder.
    let layers: [KeyValueCache.Layer]
    /// Tokens: a multiple of 64.
    public var capacity: Int { rows.capacity }

    init(
        layers: [KeyValueCache.Layer], capacity: Int, device: any Device, label: String
    ) throws(DeviceError) {
        self.layers = layers
        rows = Counted(
            buffer: try device.makeBuffer(
                .u32, count: RowCount.wordCount, placement: .shared, label: label + ".rows"),
            capacity: capacity, isIndirect: true)
        tokens = try device.makeBuffer(.u32, count: capacity, placement: .shared, label: label + ".tokens")
        positions = try device.makeBuffer(.words((0..<UInt32(capacity)).map { $0 }), label: label + ".positions")
        try device.write(RowCount(count: 0, capacity: UInt32(capacity)), to: rows.buffer)
    }

    /// Puts a prompt where the encoder reads it.
    /// - Parameter prompt: token ids, at most `capacity`.
    public func write(_ prompt: [Int], on device: any Device) throws(DeviceError) {
        precondition(prompt.count <= capacity, "a prompt longer than its cache")
        try device.write(prompt.map(UInt32.init), to: tokens)
        try device.write(RowCount(count: UInt32(prompt.count), capacity: UInt32(capacity)), to: rows.buffer)
    }

    /// The pass of an encoder over the prompt.
    /// - Parameter expertCapacity: the most tokens that an expert takes; nil leaves it to the configuration.
    public func pass(expertCapacity: Int?) -> DecoderPass {
        DecoderPass(
            rows: rows, tokens: tokens, positions: positions, isPrefill: true, expertCapacity: expertCapacity)
    }
}
