public import VkdynCore

/// Shapes as the command line writes them, `512,3072,768` or `rows=1,columns=4096`, checked against a kernel's axes.
public enum ShapeText {
    /// No axis of a benchmark is longer.
    public static let largestValue = 1 << 24
    /// The buffers of one call take no more; then every index fits in 32 bits, too.
    public static let largestCallBytes = 4 << 30

    /// - Parameters:
    ///   - text: numbers in the order of the axes, then or instead `axis=number`; axes that it leaves out have their
    ///     standard values.
    ///   - storage: the type of weights, cache or table; nil for the kernel's first.
    public static func shape(
        _ text: String, of kernel: any Kernel.Type, storage: ElementType? = nil
    ) throws(BenchmarkError) -> Shape {
        let name = kernel.interface.name
        let space = kernel.shapes
        let axes = space.axes.map(\.name)
        guard !axes.isEmpty else { throw .noShapes(kernel: name) }
        if let storage, !space.storage.contains(storage) {
            throw .unknownStorage(kernel: name, type: storage, known: space.storage)
        }
        var values: [String: Int] = [:]
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() where !text.isEmpty {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let number = sides.last, let value = Int(number) else {
                throw .notANumber(text: text, part: sides.last ?? "")
            }
            if sides.count == 1, parts[..<index].contains(where: { $0.contains("=") }) {
                throw .numberAfterName(text: text, part: number)
            }
            if sides.count == 1, index >= axes.count { throw .tooManyNumbers(kernel: name, text: text, axes: axes) }
            let axis = sides.count == 1 ? axes[index] : sides[0]
            guard axes.contains(axis) else { throw .unknownAxis(kernel: name, axis: axis, known: axes) }
            guard values.updateValue(value, forKey: axis) == nil else { throw .repeatedAxis(text: text, axis: axis) }
        }
        for axis in space.axes {
            guard let value = values[axis.name] else { continue }
            let maximum = axis.maximum ?? largestValue
            guard value >= axis.range.lowerBound, value <= maximum else {
                throw .outOfRange(
                    kernel: name, axis: axis.name, value: value, minimum: axis.range.lowerBound, maximum: maximum)
            }
            guard value % axis.multiple == 0 else {
                throw .notAMultiple(kernel: name, axis: axis.name, value: value, of: axis.multiple)
            }
        }
        return space.shape(values, storage: storage)
    }

    /// A call of a shape on random inputs.
    ///
    /// What a shape takes is known to its kernel alone. So the call is made in steps, from the size of random cases on,
    /// each axis twice as long as the step before until it is long enough. Bytes are sums of products of axes, so that
    /// they never grow by less than before while the same axes grow; a shape that would take too much is refused early.
    static func makeCase(
        _ shape: Shape, of kernel: any Kernel.Type, random: inout CaseGenerator, limitBytes: Int = largestCallBytes
    ) throws(BenchmarkError) -> KernelCase {
        var lengths = kernel.shapes.axes.map { axis in
            min(shape[axis.name], max(axis.range.upperBound / axis.multiple * axis.multiple, axis.multiple))
        }
        let targets = kernel.shapes.axes.map { shape[$0.name] }
        var last: (byteCount: Double, doubled: [Int])?
        while true {
            let values = zip(kernel.shapes.axes, lengths).map { ($0.name, $1) }
            let made = kernel.makeCase(
                Shape(Dictionary(uniqueKeysWithValues: values), storage: shape.storage), &random)
            let growing = targets.indices.filter { lengths[$0] < targets[$0] }
            guard !growing.isEmpty else { return made }
            let byteCount = Double(max(made.byteCount, 1))
            var least = byteCount
            if let last, last.doubled == growing {
                // Steps in which all of them double once more.
                let ratio = growing.map { targets[$0] / lengths[$0] }.min() ?? 1
                for _ in 0..<(Int.bitWidth - 1 - ratio.leadingZeroBitCount) { least *= byteCount / last.byteCount }
            }
            let next = growing.reduce(byteCount) { $0 * min(Double(targets[$1]) / Double(lengths[$1]), 2) }
            if least > Double(limitBytes) || next > 2 * Double(limitBytes) {
                throw .tooLarge(kernel: kernel.interface.name, shape: shape.description, limitBytes: limitBytes)
            }
            last = (byteCount, growing.filter { 2 * lengths[$0] <= targets[$0] })
            for axis in growing { lengths[axis] = min(2 * lengths[axis], targets[axis]) }
        }
    }
}

extension KernelCase {
    /// Bytes of all buffers.
    var byteCount: Int { contents.reduce(0) { $0 + ($1?.bytes.count ?? 0) } }
}
