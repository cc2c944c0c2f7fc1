public import VkdynCore
public import VkdynFormats
import VkdynKernels
public import VkdynSchedule

/// Moves a checkpoint's tensors to a device, in the layouts that kernels read.
public struct WeightLoader {
    public let checkpoint: any WeightSource
    public let device: any Device
    /// The storage type of matrices; nil keeps the checkpoint's own, or bf16 where that is fp8. Tables of positions
    /// stay as they are under int8.
    public let weightType: ElementType?
    /// Called with the bytes loaded so far and in all; what it throws ends the loading.
    private let progress: (Int, Int) throws -> Void
    private let totalBytes: Int
    private var loadedBytes = 0
    /// Memory for experts that come from the checkpoint as they are needed; nil where all lie on the device.
    public var expertCacheBytes: Int?
    /// Of all layers, once one has been loaded.
    var expertCache: ExpertCache?
    /// Elements of every tensor loaded so far: the model's parameters.
    public private(set) var parameterCount = 0

    public init(
        checkpoint: any WeightSource, device: any Device, weightType: ElementType?,
        progress: @escaping (Int, Int) throws -> Void = { _, _ in }
    ) {
        self.checkpoint = checkpoint
        self.device = device
        self.weightType = weightType
        self.progress = progress
        totalBytes = checkpoint.byteCount
    }

    /// A matrix of a linear layer, [outputs, inputs].
    /// - Parameter name: the tensor without its `.weight`.
    public func matrix(_ name: String, outputs: Int, inputs: Int) throws -> TensorView {
        try checkpoint.tensor(name + ".weight", shape: [outputs, inputs])
    }

    /// A linear layer, or several over one input side by side.
    /// - Parameters:
    ///   - names: tensors without their `.weight` and `.bias`.
    ///   - outputs: outputs of each.
    ///   - hasBias: whether each has a bias.
    ///   - keepsType: stores the checkpoint's own type, whatever the others are stored as.
    public mutating func linear(
        _ names: [String], inputs: Int, outputs: [Int], hasBias: Bool, keepsType: Bool = false, label: String
    ) throws -> Linear {
        var matrices: [TensorView] = []
        var bias: [Float] = []
        for (name, count) in zip(names, outputs) {
            matrices.append(try matrix(name, outputs: count, inputs: inputs))
            if hasBias { bias += try floats(name + ".bias", shape: [count]) }
        }
        return try linear(matrices, bias: bias, keepsType: keepsType, label: label)
    }

    /// A convolution whose windows neither overlap nor leave gaps, as a linear layer over windows in the order of
    /// [channels, height, width].
    public mutating func windows(
        _ name: String, channels: Int, height: Int, width: Int, outputs: Int, hasBias: Bool, label: String
    ) throws -> Linear {
        let kernel = try checkpoint.tensor(name + ".weight", shape: [outputs, channels, height, width])
        let bias = hasBias ? try floats(name + ".bias", shape: [outputs]) : []
        return try linear([try kernel.reshaped([outputs, channels * height * width])], bias: bias, label: label)
    }

    /// A matrix of tokens, [vocabulary, width], packed so that it serves as embedding and as output projection.
    public mutating func tokenTable(
        _ name: String, vocabulary: Int, width: Int, label: String
    ) throws -> Linear {
        try linear([try checkpoint.tensor(name, shape: [vocabulary, width])], bias: [], label: label)
    }

    /// The token table and the output projection, `lm_head`, which is the table again where the two are tied.
    /// - Parameter root: what is before `embed_tokens`, with its dot.
    mutating func tokenTableAndHead(
        _ root: String, vocabulary: Int, width: Int, isTied: Bool
    ) throws -> (table: Linear, head: Linear) {
        let table = try tokenTable(
            root + "embed_tokens.weight", vocabulary: vocabulary, width: width, label: "embed_tokens")
        if isTied { return (table, table) }
        return (
            table, try linear(["lm_head"], inputs: width, outputs: [vocabulary], hasBias: false, label: "lm_head")
        )
    }

    /// - Parameters:
    ///   - name: the tensor without its `.weight`.
    ///   - scale: of all that the norm gives, multiplied into its weight.
    mutating func rmsNorm(_ name: String, width: Int, epsilon: Float, scale: Float = 1) throws -> RMSNormLayer {
        let weight = try floats(name + ".weight", shape: [width]).map { $0 * scale }
        return RMSNormLayer(weight: try device.makeBuffer(.floats(weight), label: name), epsilon: epsilon)
    }

    /// A vector as f32.
    public mutating func vector(_ name: String, count: Int, label: String) throws -> Buffer {
        try device.makeBuffer(.floats(try floats(name, shape: [count])), label: label)
    }

    /// A tensor on the host, widened to f32.
    public mutating func floats(_ name: String, shape: [Int]) throws -> [Float] {
        let tensor = try checkpoint.tensor(name, shape: shape)
        try tally(tensor)
        try tensor.requireFinite()
        return try tensor.floats()
    }

    /// Rows of a table from `firstRow` on, [rows, width], in the storage type.
    public mutating func table(
        _ name: String, rows: Int, width: Int, droppingFirst firstRow: Int, label: String
    ) throws -> Buffer {
        let tensor = try checkpoint.tensor(name, shape: [rows, width])
        try tally(tensor)
        try tensor.requireFinite()
        let values = try tensor.floats()
        return try device.makeBuffer(
            .floats(Array(values[(firstRow * width)...]), as: tableType ?? tensor.storageType), label: label)
    }

    /// A linear layer of matrices side by side.
    /// - Parameters:
    ///   - matrices: [outputs, inputs] each, of the same inputs.
    ///   - bias: of all outputs, or empty.
    ///   - keepsType: stores the matrices' own type, whatever the others are stored as.
    mutating func linear(
        _ matrices: [TensorView], bias: [Float], keepsType: Bool = false, label: String
    ) throws -> Linear {
        let columns = matrices.reduce(0) { $0 + $1.shape[0] }
        let pieces = try pack(count: 1, bias: bias, keepsType: keepsType, label: label) { _, _ in matrices }
        for matrix in matrices { try tally(matrix) }
        return Linear(pieces: pieces, depth: matrices[0].shape[1], columns: columns)
    }

    /// Layers of one shape, packed one after the other.
    /// - Parameters:
    ///   - keepsType: stores the matrices' own type, whatever the others are stored as.
    ///   - isCopy: whether the weights were loaded before, in another layout, and so count no more.
    ///   - matrices: those of a layer, side by side; one layer after the other is asked for.
    mutating func stack(
        count: Int, keepsType: Bool = false, isCopy: Bool = false, label: String,
        matrices: (inout WeightLoader, Int) throws -> [TensorView]
    ) throws -> LinearStack {
        var shape = (depth: 0, columns: 0)
        let pieces = try pack(count: count, bias: [], keepsType: keepsType, label: label) { loader, index in
            let layer = try matrices(&loader, index)
            shape = (layer[0].shape[1], layer.reduce(0) { $0 + $1.shape[0] })
            if !isCopy {
                for matrix in layer { try loader.tally(matrix) }
            }
            return layer
        }
        return LinearStack(pieces: pieces, count: count, depth: shape.depth, columns: shape.columns)
    }

    /// Packs layers one after the other, in as many pieces of their columns as the device's largest view asks for. The
    /// first layer's shape and type are those of all; only one layer at a time is held on the host.
    private mutating func pack(
        count: Int, bias: [Float], keepsType: Bool, label: String,
        matrices: (inout WeightLoader, Int) throws -> [TensorView]
    ) throws -> [Linear.Piece] {
        var layer = try matrices(&self, 0)
        let columns = layer.reduce(0) { $0 + $1.shape[0] }
        let type = keepsType ? layer[0].storageType : weightType ?? layer[0].storageType
        let ranges = try pieceRanges(layer[0], count: count, columns: columns, type: type)
        var buffers: [Buffer] = []
        var scales = [[Float]](repeating: [], count: ranges.count)
        for index in 0..<count {
            if index > 0 { layer = try matrices(&self, index) }
            for matrix in layer { try matrix.requireFinite() }
            for (piece, range) in ranges.enumerated() {
                let packed = try PackedWeights(layer, outputs: range, as: type)
                if index == 0 {
                    buffers.append(
                        try device.makeBuffer(
                            type, count: count * packed.layout.elementCount, placement: .device,
                            label: ranges.count == 1 ? label : "\(label).\(range.lowerBound)"))
                }
                try device.write(bytes: packed.bytes, to: buffers[piece], byteOffset: index * packed.bytes.count)
                scales[piece] += packed.scales
            }
        }
        var pieces: [Linear.Piece] = []
        for (piece, range) in ranges.enumerated() {
            let name = buffers[piece].label
            pieces.append(
                Linear.Piece(
                    weights: buffers[piece],
                    scales: scales[piece].isEmpty
                        ? nil : try device.makeBuffer(.floats(scales[piece]), label: name + ".scales"),
                    bias: bias.isEmpty
                        ? nil : try device.makeBuffer(.floats(Array(bias[range])), label: name + ".bias"),
                    columns: range))
        }
        return pieces
    }

    /// Memory for layers of one shape, with no content yet.
    /// - Parameter matrices: of one layer, side by side.
    func slots(count: Int, like matrices: [TensorView], type: ElementType, label: String) throws -> LinearStack {
        let columns = matrices.reduce(0) { $0 + $1.shape[0] }
        let depth = matrices[0].shape[1]
        let ranges = try pieceRanges(matrices[0], count: count, columns: columns, type: type)
        let pieces = try ranges.map { range in
            let layout = PackedLayout(depth: depth, columns: range.count, elementType: type)
            return Linear.Piece(
                weights: try device.makeBuffer(
                    type, count: count * layout.elementCount, placement: .device, label: "\(label).\(range.lowerBound)"),
                scales: type != .i8
                    ? nil
                    : try device.makeBuffer(
                        .f32, count: count * PackedWeights.scaleCount(layout), placement: .device,
                        label: "\(label).\(range.lowerBound).scales"),
                bias: nil, columns: range)
        }
        return LinearStack(pieces: pieces, count: count, depth: depth, columns: columns)
    }

    /// The columns of each piece: every piece but the last is whole quads.
    private func pieceRanges(
        _ matrix: TensorView, count: Int, columns: Int, type: ElementType
    ) throws -> [Range<Int>] {
        let quad = PackedLayout(depth: matrix.shape[1], columns: 4, elementType: type)
        // Quads of columns that one view can hold.
        let largest = device.traits.maximumTexels / max(count * quad.texelCount, 1)
        guard largest > 0 else {
            throw matrix.error(
                "has \(matrix.shape[1]) inputs" + (count > 1 ? " in each of \(count) layers" : "")
                    + ", more than the \(device.traits.maximumTexels) texels that \(device.description.name) reads "
                    + "through one view")
        }
        let pieceColumns = largest > columns / 4 ? columns : largest * 4
        return Swift.stride(from: 0, to: columns, by: pieceColumns).map { $0..<min($0 + pieceColumns, columns) }
    }

    private var tableType: ElementType? { weightType == .i8 ? nil : weightType }

    mutating func tally(_ tensor: TensorView) throws {
        parameterCount += tensor.elementCount
        loadedBytes += tensor.byteCount
        try progress(loadedBytes, totalBytes)
    }
}
