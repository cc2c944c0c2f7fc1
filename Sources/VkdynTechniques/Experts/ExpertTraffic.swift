public import VkdynModels

/// The bytes of weights that decoding reads: what every token needs, and the experts that a pass has rows for.
public struct ExpertTraffic: Sendable, Equatable {
    /// Passes over the target, and the tokens that they gave.
    public let passes: Int
    public let tokens: Int
    /// Experts whose weights were read, over all passes and layers.
    public let touchedExperts: Int
    /// Rows that a capacity has left without an expert.
    public let droppedAssignments: Int
    private let expertByteCount: Int
    private let everyTokenByteCount: Int
    private let expertsOfAllLayers: Int

    /// - Parameters:
    ///   - tallies: of the rounds, by expert layer.
    ///   - tokens: that the rounds gave.
    public init(_ tallies: [LayerTally], tokens: Int, model: any DecoderModel) {
        passes = tallies.map(\.passes).max() ?? 0
        self.tokens = tokens
        touchedExperts = tallies.reduce(0) { $0 + $1.touchedExperts }
        let chosenCount = model.experts?.chosenCount ?? 0
        droppedAssignments = tallies.reduce(0) { $0 + $1.rows * chosenCount - $1.assignments }
        expertByteCount = model.expertByteCount
        everyTokenByteCount = model.everyTokenByteCount
        expertsOfAllLayers = (model.experts?.count ?? 0) * (model.experts?.layers.count ?? 0)
    }

    /// Experts that a pass read, over all layers.
    public var touchedPerPass: Double { Double(touchedExperts) / Double(max(passes, 1)) }

    /// Bytes of weights over all passes.
    public var byteCount: Int { passes * everyTokenByteCount + touchedExperts * expertByteCount }
    public var bytesPerToken: Double { Double(byteCount) / Double(max(tokens, 1)) }

    /// What a pass reads when all experts are computed.
    public var denseBytesPerPass: Int { everyTokenByteCount + expertsOfAllLayers * expertByteCount }

    /// How many times as much a run of all experts reads in as many passes.
    public var saving: Double { byteCount == 0 ? 1 : Double(passes * denseBytesPerPass) / Double(byteCount) }
}
