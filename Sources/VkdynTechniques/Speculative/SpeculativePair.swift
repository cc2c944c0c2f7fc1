public import VkdynCore
public import VkdynFormats
public import VkdynModels
public import VkdynSchedule

/// Where a target model comes from.
public enum ModelSource: Sendable, Equatable {
    /// The small model that comes with vkdyn.
    case shipped
    /// A model's folder as Hugging Face publishes it.
    case folder(String)
}

/// Where drafts come from.
public enum DraftChoice: Sendable, Equatable {
    /// The shipped target's own draft.
    case shipped
    /// The folder of a smaller model with the target's tokenizer.
    case folder(String)
    /// What followed an earlier occurrence of the last one or two tokens.
    case promptLookup
}

/// How far the loading of a pair is.
public struct LoadProgress: Sendable, Equatable {
    /// Bytes of the checkpoints that are on the device, and in all, target and draft together.
    public let loadedBytes: Int
    public let totalBytes: Int

    /// 0 to 1.
    public var fraction: Double { totalBytes == 0 ? 1 : min(1, Double(loadedBytes) / Double(totalBytes)) }
}

/// A target and its draft as folders: found, readable and of one vocabulary, with no weight loaded yet. What is wrong
/// with the draft is thus said before the target, which may take minutes to load, is touched.
public struct SpeculativeFolders: Sendable {
    public let target: ModelFolder
    /// Nil for prompt lookup, and when nothing is drafted.
    public let draft: ModelFolder?
    /// The target's; a draft's is the same.
    public let tokenizer: Tokenizer
    private let usesPromptLookup: Bool

    /// - Parameter draft: nil drafts nothing.
    /// - Throws: `ShippedModelMissing`; `FormatError` naming a file that is missing or damaged, or a draft whose
    ///   `vocab_size` differs; `VocabularyMismatch`.
    public init(target source: ModelSource, draft choice: DraftChoice?) throws {
        target = try ModelFolder(Self.path(source, shipped: "prose-target"))
        let targetPath = target.path
        tokenizer = try HostSpans.measure(.load, "tokenizer") { try Tokenizer(folder: targetPath) }
        let draftPath: String? =
            switch choice {
            case .shipped: try Self.path(.shipped, shipped: "prose-draft")
            case .folder(let path): path
            case .promptLookup, nil: nil
            }
        draft = try draftPath.map { try ModelFolder($0) }
        usesPromptLookup = choice == .promptLookup
        guard let draft else { return }
        let tokenizer = tokenizer
        try HostSpans.measure(.load, "draft's tokenizer") {
            try VocabularyCheck.requireEqual(target: tokenizer, draft: try Tokenizer(folder: draft.path))
        }
        let sizes = try [target, draft].map { try $0.config.root.integer("vocab_size") }
        // A draft goes on with the target's text, which an encoder's decoder does not.
        guard try draft.config.root.string("model_type") != "switch_transformers" else {
            throw draft.config.root.error("model_type", "is of an encoder and a decoder, which cannot draft")
        }
        guard sizes[0] == sizes[1] else {
            throw draft.config.root.error("vocab_size", "is \(sizes[1]), expected the target's \(sizes[0])")
        }
    }

    private static func path(_ source: ModelSource, shipped name: String) throws(ShippedModelMissing) -> String {
        switch source {
        case .folder(let path): return path
        case .shipped:
            guard let path = ShippedModels.folder(name) else { throw ShippedModelMissing(name: name) }
            return path
        }
    }

    /// Loads both models.
    /// - Parameters:
    ///   - weightType: storage of matrices on the device; nil keeps each checkpoint's own.
    ///   - contextLimit: positions to provide for, when fewer than a model allows.
    ///   - expertCapacity: how many rows an expert of the target takes; nil for the configuration's rule.
    ///   - expertCacheBytes: memory for the target's experts, which then come as they are needed; nil for all.
    ///   - progress: called after every tensor; what it throws ends the loading.
    /// - Throws: `FormatError` naming file and tensor, `DeviceError`, and what `progress` throws.
    public func load(
        on device: any Device, weightType: ElementType? = nil, contextLimit: Int? = nil,
        expertCapacity: ExpertCapacity? = nil, expertCacheBytes: Int? = nil,
        progress: @escaping (LoadProgress) throws -> Void = { _ in }
    ) throws -> SpeculativePair {
        let targetBytes = Self.byteCount(target)
        let totalBytes = targetBytes + (draft.map(Self.byteCount) ?? 0)
        func load(_ folder: ModelFolder, after loadedBytes: Int, isTarget: Bool) throws -> any DecoderModel {
            try folder.load(
                on: device, weightType: weightType, contextLimit: contextLimit,
                expertCapacity: isTarget ? expertCapacity : nil,
                expertCacheBytes: isTarget ? expertCacheBytes : nil
            ) { bytes, _ in
                try progress(LoadProgress(loadedBytes: loadedBytes + bytes, totalBytes: totalBytes))
            }
        }
        let targetModel = try load(target, after: 0, isTarget: true)
        let draftModel = try draft.map { try load($0, after: targetBytes, isTarget: false) }
        return SpeculativePair(
            folders: self, target: targetModel,
            draft: draftModel.map { .model($0) } ?? (usesPromptLookup ? .promptLookup(maximumLength: 2) : nil),
            draftParameterCount: draftModel?.parameterCount ?? 0)
    }

    private static func byteCount(_ folder: ModelFolder) -> Int {
        folder.checkpoint.byteCount
    }
}

/// A target and its drafts on a device, checked to belong together.
public struct SpeculativePair: Sendable {
    public let folders: SpeculativeFolders
    public let target: any DecoderModel
    /// Nil when nothing is drafted.
    public let draft: DraftSource?
    /// 0 without a draft model.
    public let draftParameterCount: Int

    public var tokenizer: Tokenizer { folders.tokenizer }
    /// The ids that end a text, as the target's folder names them.
    public var stopTokens: Set<Int> { Set(folders.target.generation.eosTokenIDs) }
    public var targetPath: String { folders.target.path }
    public var draftPath: String? { folders.draft?.path }
}

/// The shipped models are not where this program looks for them.
public struct ShippedModelMissing: UserFacingError, Equatable {
    public let name: String

    public var description: String {
        "the shipped model \(name) is not beside this program; set VKDYN_MODELS to the folder that holds it, "
            + "or give the folders of a target and a draft"
    }
}
