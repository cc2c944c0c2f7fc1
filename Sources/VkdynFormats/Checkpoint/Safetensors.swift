public import VkdynCore

/// One memory-mapped safetensors file.
///
/// Opening it checks the whole header: lengths, offsets, shapes and types agree with each other and with the
/// file, without gaps or overlaps. The tensors' bytes are not read (see `TensorView.requireFinite()`).
public struct Safetensors: Sendable {
    /// Path of the file as given.
    public var path: String { file.path }
    /// Bytes of the whole file.
    public var byteCount: Int { file.byteCount }
    /// The names of all tensors, by ascending offset in the file.
    public var names: [String] { header.entries.map(\.name) }
    /// The file's `__metadata__`.
    public var metadata: [String: String] { header.metadata }

    let file: MappedFile
    private let header: SafetensorsHeader
    private let indices: [ByteExactString: Int]

    /// Maps the file and checks its header.
    public init(path: String) throws(FormatError) {
        let file = try MappedFile(path: path)
        header = try file.withUnsafeBytes { (bytes) throws(FormatError) in
            try SafetensorsHeader(file: bytes, path: path)
        }
        self.file = file
        indices = Dictionary(
            uniqueKeysWithValues: header.entries.enumerated().map { (ByteExactString($1.name), $0) })
    }

    /// Whether the file holds a tensor of this name.
    public func contains(_ name: String) -> Bool { indices[ByteExactString(name)] != nil }

    /// The tensor of this name; throws when there is none, or when its type is not one of `ElementType`.
    public func tensor(_ name: String) throws(FormatError) -> TensorView {
        guard let index = indices[ByteExactString(name)] else {
            throw FormatError(file: path, field: plainForMessage(name), problem: "no such tensor")
        }
        let entry = header.entries[index]
        guard let type = entry.storedType.elementType else {
            throw FormatError(
                file: path, field: plainForMessage(name),
                problem: "is stored as \(entry.storedType.rawValue), which vkdyn does not read")
        }
        return TensorView(name: entry.name, elementType: type, shape: entry.shape, file: file, range: entry.range)
    }
}

/// All weights of a model folder: one safetensors file, or the shards that an index names.
public struct SafetensorsCheckpoint: WeightSource {
    /// The folder or file as given.
    public let path: String
    /// The names of all tensors: by file, then by offset.
    public let names: [String]
    /// The mapped files, in the order of their names.
    public let files: [Safetensors]

    /// What the model's configuration says about fp8 matrices.
    public private(set) var weightBlock: WeightBlock?

    private let fileIndices: [ByteExactString: Int]
    private let indexPath: String?

    /// Opens `folder/NAME.safetensors`, or the shards that `folder/NAME.safetensors.index.json` names.
    ///
    /// `names` are tried in order; diffusers' folders use `diffusion_pytorch_model` and, in half precision,
    /// `diffusion_pytorch_model.fp16`. `folder` may also be the path of one `.safetensors` file. Throws when nothing is found or a header is wrong.
    public init(folder: String, names candidates: [String] = ["model"]) throws(FormatError) {
        switch PathKind(folder) {
        case .absent: throw FormatError(file: folder, problem: "no such folder")
        case .file:
            try self.init(path: folder, files: [Safetensors(path: folder)])
            return
        case .folder: break
        }
        for candidate in candidates {
            let single = joinPath(folder, candidate + ".safetensors")
            if PathKind(single) != .absent {
                try self.init(path: folder, files: [Safetensors(path: single)])
                return
            }
            for index in Self.indexNames(candidate).map({ joinPath(folder, $0) }) where PathKind(index) != .absent {
                try self.init(folder: folder, index: index)
                return
            }
        }
        for candidate in candidates.map({ $0 == "model" ? "pytorch_model" : $0 }) {
            for suffix in [".bin", ".bin.index.json"]
            where PathKind(joinPath(folder, candidate + suffix)) == .file {
                throw FormatError(
                    file: joinPath(folder, candidate + suffix),
                    problem: "is a PyTorch checkpoint; run tools/convert-pytorch on its folder first")
            }
        }
        let expected = candidates.map { "\($0).safetensors" }.joined(separator: " or ")
        throw FormatError(file: folder, problem: "holds no weights; expected \(expected), or its index")
    }

    /// What the index of a sharded checkpoint is called; for `NAME.VARIANT` diffusers puts the variant near the end.
    private static func indexNames(_ candidate: String) -> [String] {
        var names = [candidate + ".safetensors.index.json"]
        if let dot = candidate.lastIndex(of: ".") {
            names.append(
                "\(candidate[..<dot]).safetensors.index.\(candidate[candidate.index(after: dot)...]).json")
        }
        return names
    }

    /// The weights of a model folder that its configuration describes.
    public init(folder: String, config: ConfigObject) throws(FormatError) {
        try self.init(folder: folder)
        weightBlock = try WeightBlock(config)
    }

    /// Bytes of all its files.
    public var byteCount: Int { files.reduce(0) { $0 + $1.byteCount } }

    /// Whether the checkpoint holds a tensor of this name.
    public func contains(_ name: String) -> Bool { fileIndices[ByteExactString(name)] != nil }

    /// The tensor of this name, in the shard that the index assigns it to; throws when there is none, or when
    /// its type is not one of `ElementType`.
    public func tensor(_ name: String) throws(FormatError) -> TensorView {
        guard let index = fileIndices[ByteExactString(name)] else {
            let file = indexPath ?? files.first?.path ?? path
            throw FormatError(file: file, field: plainForMessage(name), problem: "no such tensor")
        }
        return try files[index].tensor(name)
    }

    /// The tensor of this name; throws also when it does not have exactly this shape, or when its elements are
    /// stored as none of `types`.
    public func tensor(
        _ name: String, shape: [Int], types: [ElementType]
    ) throws(FormatError) -> TensorView {
        let view = try tensor(name)
        try view.requireElementType(types)
        try view.requireShape(shape)
        return view
    }

    private init(path: String, files: [Safetensors]) throws(FormatError) {
        self.path = path
        self.files = files
        indexPath = nil
        names = files.flatMap(\.names)
        fileIndices = Dictionary(
            files.enumerated().flatMap { index, file in file.names.map { (ByteExactString($0), index) } },
            uniquingKeysWith: { first, _ in first })
    }

    private init(folder: String, index path: String) throws(FormatError) {
        let config = try ConfigFile(path: path)
        let map = try config.root.object("weight_map")
        var shardOfName: [ByteExactString: String] = [:]
        var shards: Set<String> = []
        for member in map.object.members {
            guard case .string(let shard) = member.value else {
                throw map.error(member.key, "expected a file name, found \(member.value.summary)")
            }
            guard !shard.isEmpty, shard != ".", shard != "..", !shard.utf8.contains(UInt8(ascii: "/")),
                !shard.utf8.contains(0)
            else {
                throw map.error(
                    member.key, "expected the name of a file in the same folder, found \(quotedForMessage(shard))"
                )
            }
            shardOfName[ByteExactString(member.key)] = shard
            shards.insert(shard)
        }
        if shards.isEmpty { throw config.root.error("weight_map", "names no tensor") }
        var files: [Safetensors] = []
        var indexOfShard: [String: Int] = [:]
        for shard in shards.sorted() {
            indexOfShard[shard] = files.count
            files.append(try Safetensors(path: joinPath(folder, shard)))
        }
        var fileIndices: [ByteExactString: Int] = [:]
        for (name, shard) in shardOfName {
            guard let index = indexOfShard[shard] else { continue }
            guard files[index].contains(name.string) else {
                throw map.error(name.string, "the shard \(plainForMessage(shard)) does not hold this tensor")
            }
            fileIndices[name] = index
        }
        self.path = folder
        self.files = files
        self.fileIndices = fileIndices
        indexPath = path
        names = files.enumerated().flatMap { index, file in
            file.names.filter { fileIndices[ByteExactString($0)] == index }
        }
    }
}
