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

    /// A linear layer, or several over one input side by side.
    /// - Parameters:
    ///   - names: tensors without their `.weight` and `.bias`.
    ///   - outputs: outputs of each.
    ///   - hasBias: whether each has a bias.
    public mutating func linear(
        _ names: [String], inputs: Int, outputs: [Int], hasBias: Bool, label: String
    ) throws -> Linear {
        var matrices: [TensorView] = []
        var bias: [Float] = []
        for (name, count) in zip(names, outputs) {
            matrices.append(try checkpoint.tensor(name + ".weight", shape: [count, inputs]))
            if hasBias { bias += try floats(name + ".bias", shape: [count]) }
        }
        return try linear(matrices, bias: bias, label: label)
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

    /// Packs matrices, in as many pieces as the device's largest view asks for.
    private mutating func linear(_ matrices: [TensorView], bias: [Float], label: String) throws -> Linear {
        for matrix in matrices { try matrix.requireFinite() }
        let depth = matrices[0].shape[1]
        let columns = matrices.reduce(0) { $0 + $1.shape[0] }
        let type = weightType ?? matrices[0].storageType
        // Quads of columns that one view can hold.
        let largest = device.traits.maximumTexels / max(PackedLayout(depth: depth, columns: 4, elementType: type).texelCount, 1)
        guard largest > 0 else {
            throw matrices[0].error(
                "has \(depth) inputs, more than the \(device.traits.maximumTexels) texels that "
                    + "\(device.description.name) reads through one view")
        }
        // Every piece but the last is whole quads.
        let pieceColumns = largest > columns / 4 ? columns : largest * 4
        var pieces: [Linear.Piece] = []
        for start in Swift.stride(from: 0, to: columns, by: pieceColumns) {
            let range = start..<min(start + pieceColumns, columns)
            let packed = try PackedWeights(matrices, outputs: range, as: type)
            let name = pieceColumns == columns ? label : "\(label).\(start)"
            pieces.append(
                Linear.Piece(
                    weights: try device.makeBuffer(
                        BufferContents(elementType: type, bytes: packed.bytes), label: name),
                    scales: packed.scales.isEmpty
                        ? nil : try device.makeBuffer(.floats(packed.scales), label: name + ".scales"),
                    bias: bias.isEmpty ? nil : try device.makeBuffer(.floats(Array(bias[range])), label: name + ".bias"),
                    columns: range))
        }
        for matrix in matrices { try tally(matrix) }
        return Linear(pieces: pieces, depth: depth, columns: columns)
    }

    private var tableType: ElementType? { weightType == .i8 ? nil : weightType }

    private mutating func tally(_ tensor: TensorView) throws {
        parameterCount += tensor.elementCount
        loadedBytes += tensor.byteCount
        try progress(loadedBytes, totalBytes)
    }
}
