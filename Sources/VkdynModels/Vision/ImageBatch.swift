public import VkdynCore
import VkdynKernels
public import VkdynSchedule

/// Tokens of a batch of images between two layers.
public struct ImageTokens: Sendable {
    /// [images, count, width].
    public var hidden: Buffer
    /// Tokens of one image.
    public var count: Int
    /// Patches that each token stands for, [images, count]; nil while every token stands for one.
    public var sizes: Buffer?
    /// What is added to every score of a key, [images, count]; nil for nothing.
    public var keyBias: Buffer?
    /// The token that each of the image's first tokens is part of, [images, first tokens]; nil while each is itself,
    /// and when nobody asked.
    public var sourceMap: Buffer?

    public init(hidden: Buffer, count: Int) {
        self.hidden = hidden
        self.count = count
    }
}

/// A layer's keys, as its attention has them: heads side by side from `offset` on in rows `stride` apart.
public struct TokenKeys: Sendable {
    public let source: Buffer
    public let stride: Int
    public let offset: Int
    public let headCount: Int
    public let headSize: Int
}

/// What makes fewer tokens of a layer's, between its attention's residual and its feed-forward.
public protocol TokenReduction: Sendable {
    /// Appends the reduction after `layer`'s attention.
    /// - Returns: the tokens that the rest of the model works on; those given, and nothing appended, when none leave.
    func reduce(
        _ tokens: ImageTokens, keys: TokenKeys, layer: Int, batch: ImageBatch, into recording: inout Recording
    ) -> ImageTokens
}

/// The counts of a batch, on the device: of its images, and of their rows for every number of tokens that an image has
/// on its way through a model.
public struct ImageBatch: Sendable {
    public let images: Counted
    /// By tokens of an image.
    private let counts: [Int: Counted]
    /// [images]: 0, and 1.
    private let tokenIndices: [Buffer]
    /// The one row that all tokens but the prefix go to: [images, 2] and [images, tokens].
    private let meanOffsets: Buffer
    private let meanMembers: Buffer

    /// - Parameters:
    ///   - capacity: the largest number of images.
    ///   - tokensPerLayer: tokens of an image after each layer.
    public init(
        device: any Device, capacity: Int, configuration: VisionTransformer.Configuration, tokensPerLayer: [Int]
    ) throws(DeviceError) {
        func counted(_ count: Int, _ label: String) throws(DeviceError) -> Counted {
            Counted(
                buffer: try device.makeBuffer(
                    .structure(RowCount(count: UInt32(count), capacity: UInt32(count))), placement: .shared,
                    label: label), capacity: count, isIndirect: false)
        }
        images = try counted(capacity, "images")
        var counts: [Int: Counted] = [:]
        for tokens in [configuration.patchCount, configuration.tokenCount] + tokensPerLayer where counts[tokens] == nil
        {
            counts[tokens] = try counted(capacity * tokens, "rows\(tokens)")
        }
        self.counts = counts
        var indices: [Buffer] = []
        for token in 0..<2 {
            indices.append(
                try device.makeBuffer(
                    .words([UInt32](repeating: UInt32(token), count: capacity)), label: "token\(token)"))
        }
        tokenIndices = indices
        let (last, prefix) = (tokensPerLayer.last ?? configuration.tokenCount, configuration.prefixCount)
        meanOffsets = try device.makeBuffer(
            .words((0..<capacity).flatMap { _ in [0, UInt32(last - prefix)] }), label: "mean_offsets")
        // Places beyond the members are never read.
        let members = (0..<last).map { UInt32(min($0 + prefix, last - 1)) }
        meanMembers = try device.makeBuffer(
            .words((0..<capacity).flatMap { _ in members }), label: "mean_members")
    }

    /// Rows of all images when each has so many tokens.
    public func rows(_ tokensPerImage: Int) -> Counted {
        guard let counted = counts[tokensPerImage] else {
            preconditionFailure("no layer has \(tokensPerImage) tokens of an image")
        }
        return counted
    }

    /// Says how many images the next pass has, at most the capacity.
    public func write(imageCount: Int, to device: any Device) throws(DeviceError) {
        precondition(imageCount <= images.capacity)
        try device.write(RowCount(count: UInt32(imageCount), capacity: UInt32(images.capacity)), to: images.buffer)
        for (tokens, counted) in counts {
            try device.write(
                RowCount(count: UInt32(imageCount * tokens), capacity: UInt32(counted.capacity)), to: counted.buffer)
        }
    }

    /// One token of every image, [images, width].
    func recordToken(
        _ token: Int, into recording: inout Recording, _ tokens: ImageTokens, width: Int
    ) -> Buffer {
        let result = recording.transient(.f32, count: images.capacity * width, "token\(token)")
        recording.dispatch(
            GatherRows.self, "token\(token)",
            .init(rows: images.buffer, indices: tokenIndices[token], source: tokens.hidden, result: result),
            .init(
                rowCapacity: UInt32(images.capacity), width: UInt32(width),
                sourceRows: UInt32(rows(tokens.count).capacity), divisor: 1, rowsPerGroup: 1,
                groupStride: UInt32(tokens.count)), rows: images)
        return result
    }

    /// The mean of the tokens after the prefix, each as often as it stands for patches, [images, width].
    func recordMean(into recording: inout Recording, _ tokens: ImageTokens, width: Int) -> Buffer {
        let result = recording.transient(.f32, count: images.capacity * width, "mean")
        recording.dispatch(
            MergeTokens.self, "mean",
            .init(
                images: images.buffer, source: tokens.hidden, sizes: tokens.sizes, offsets: meanOffsets,
                members: meanMembers, result: result),
            .init(
                imageCapacity: UInt32(images.capacity), tokenCount: UInt32(tokens.count), rowCount: 1,
                width: UInt32(width)), rows: images)
        return result
    }
}
