import VkdynCore

/// One tensor of a memory-mapped checkpoint: what it is called, how it is stored, and where its bytes are.
///
/// A view keeps its file mapped, so it may outlive the checkpoint that it was read from.
public struct TensorView: Sendable {
    /// The key in the checkpoint.
    public let name: String
    /// How one element is stored.
    public let elementType: ElementType
    /// Number of elements along each dimension, slowest first; empty for a scalar.
    public let shape: [Int]
    /// The file that holds the bytes.
    public let file: MappedFile
    /// Where the bytes are in the file.
    let range: Range<Int>
    /// Of an fp8 matrix.
    var scales: BlockScales?

    /// Product of the shape.
    public var elementCount: Int { range.count / elementType.byteCount }
    /// Bytes that the tensor takes in its file, those of its scales included.
    public var byteCount: Int { range.count + (scales?.byteCount ?? 0) }
    /// The type in which a device stores it where nobody asks for another: its own, or bf16 for fp8.
    public var storageType: ElementType { elementType == .f8e4m3 ? .bf16 : elementType }

    /// The elements, little-endian, in row-major order; valid only while something keeps this view's file alive
    /// (the checkpoint does). The format promises no alignment: read elements with `loadUnaligned`.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.bytes[range]) }

    /// Calls `body` with `bytes`, which stay mapped until it returns.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(file) {} }
        return try body(bytes)
    }

    /// An error about this tensor, naming its file.
    public func error(_ problem: String) -> FormatError {
        FormatError(file: file.path, field: plainForMessage(name), problem: problem)
    }

    /// The same elements in another shape of as many, as a convolution's windows in one dimension.
    public func reshaped(_ shape: [Int]) throws(FormatError) -> TensorView {
        guard shape.reduce(1, *) == elementCount, scales == nil else {
            throw error("has shape \(self.shape), which cannot become \(shape)")
        }
        return TensorView(name: name, elementType: elementType, shape: shape, file: file, range: range)
    }

    /// Throws unless the tensor has exactly this shape.
    public func requireShape(_ expected: [Int]) throws(FormatError) {
        if shape != expected { throw error("has shape \(shape), expected \(expected)") }
    }

    /// Throws unless the elements are stored as one of `types`.
    public func requireElementType(_ types: [ElementType]) throws(FormatError) {
        if types.contains(elementType) { return }
        let expected = types.map(\.rawValue).joined(separator: " or ")
        throw error("is stored as \(elementType.rawValue), expected \(expected)")
    }
}

extension TensorView {
    /// The elements widened to f32, exactly: every f16, bf16 and f32 value (denormals, infinities and NaN
    /// payloads included) keeps its value. An fp8 number is multiplied by its block's scale, rounded once.
    /// Throws when they are not floating-point numbers.
    public func floats() throws(FormatError) -> [Float] {
        try requireElementType([.f32, .f16, .bf16, .f8e4m3])
        if elementType == .f8e4m3, scales == nil { throw error("is stored as fp8 and was read without its scales") }
        return [Float](unsafeUninitializedCapacity: elementCount) { buffer, count in
            withUnsafeBytes { widen($0, into: buffer) }
            count = elementCount
        }
    }

    /// Widens floating-point elements into `destination`, which must have room for them.
    private func widen(_ source: UnsafeRawBufferPointer, into destination: UnsafeMutableBufferPointer<Float>) {
        switch elementType {
        case .f16:
            for index in 0..<elementCount {
                let bits = source.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)
                destination[index] = Float(bitPattern: widenedFloat16Bits(UInt16(littleEndian: bits)))
            }
        case .bf16:
            for index in 0..<elementCount {
                let bits = source.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)
                destination[index] = Float(bitPattern: UInt32(UInt16(littleEndian: bits)) << 16)
            }
        case .f8e4m3:
            scales?.widen(source, width: shape[1], into: destination)
        default:
            for index in 0..<elementCount {
                let bits = source.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)
                destination[index] = Float(bitPattern: UInt32(littleEndian: bits))
            }
        }
    }

    /// Throws when an element is NaN or infinite, naming file, tensor and the first such element.
    ///
    /// Reads the whole tensor once, at memory speed; integer tensors pass unread.
    public func requireFinite() throws(FormatError) {
        guard let index = firstNonFiniteIndex() else { return }
        // fp8 has no infinity.
        let value = elementType == .f8e4m3 ? .nan : (try? floatValue(at: index)) ?? .nan
        let kind = value.isNaN ? "NaN" : "infinity"
        throw error("element \(index) is \(kind); the checkpoint is damaged, download or convert it again")
    }

    /// The row-major index of the first NaN or infinity, or nil.
    func firstNonFiniteIndex() -> Int? {
        withUnsafeBytes { bytes in
            switch elementType {
            case .f32: firstIndex(in: bytes, of: UInt32.self, mask: 0x7F80_0000)
            case .f16: firstIndex(in: bytes, of: UInt16.self, mask: 0x7C00)
            case .bf16: firstIndex(in: bytes, of: UInt16.self, mask: 0x7F80)
            case .f8e4m3: firstIndex(in: bytes, of: UInt8.self, mask: 0x7F)
            default: nil
            }
        }
    }

    /// The first element whose bits of the mask are all set: the exponent's, or in fp8 all but the sign. Blocks are
    /// tested without branches, so that the loop is vectorised; a block that fails is searched.
    private func firstIndex<Bits: FixedWidthInteger & UnsignedInteger>(
        in source: UnsafeRawBufferPointer, of _: Bits.Type, mask: Bits
    ) -> Int? {
        let size = MemoryLayout<Bits>.size
        let blockSize = 1024
        var start = 0
        while start < elementCount {
            let end = min(start + blockSize, elementCount)
            var found = false
            for index in start..<end {
                let bits = source.loadUnaligned(fromByteOffset: index &* size, as: Bits.self)
                found = (Bits(littleEndian: bits) & mask == mask) || found
            }
            if found {
                return (start..<end).first {
                    let bits = source.loadUnaligned(fromByteOffset: $0 &* size, as: Bits.self)
                    return Bits(littleEndian: bits) & mask == mask
                }
            }
            start = end
        }
        return nil
    }

    private func floatValue(at index: Int) throws(FormatError) -> Float {
        let start = range.lowerBound + index * elementType.byteCount
        let element = TensorView(
            name: name, elementType: elementType, shape: [], file: file, range: start..<start + elementType.byteCount)
        return try element.floats()[0]
    }
}

/// The bits of the f32 that has the value of an f16's bits; a NaN keeps its payload.
func widenedFloat16Bits(_ half: UInt16) -> UInt32 {
    let sign = UInt32(half & 0x8000) << 16
    let exponent = UInt32(half >> 10 & 0x1F)
    let fraction = UInt32(half & 0x3FF)
    switch exponent {
    case 0 where fraction == 0: return sign
    case 0:
        // A denormal: shift the leading one into the hidden place.
        let shift = UInt32(fraction.leadingZeroBitCount) - 21
        return sign | (113 - shift) << 23 | (fraction << shift & 0x3FF) << 13
    case 31: return sign | 0x7F80_0000 | fraction << 13
    default: return sign | (exponent + 112) << 23 | fraction << 13
    }
}
