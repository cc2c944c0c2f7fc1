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
    /// every axis at most twice as long as the step before, and refused before a step that would take too much.
    static func makeCase(
        _ shape: Shape, of kernel: any Kernel.Type, random: inout CaseGenerator, limitBytes: Int = largestCallBytes
    ) throws(BenchmarkError) -> KernelCase {
        let axes = kernel.shapes.axes
        var factor = 1
        while true {
            var values: [String: Int] = [:]
            var growth = 1.0
            for axis in axes {
                let target = shape[axis.name]
                let largest = max(axis.range.upperBound / axis.multiple * axis.multiple, axis.multiple)
                let value = min(target, largest * factor)
                values[axis.name] = value
                growth *= min(Double(target) / Double(max(value, 1)), 2)
            }
            let made = kernel.makeCase(Shape(values, storage: shape.storage), &random)
            guard axes.contains(where: { values[$0.name] != shape[$0.name] }) else { return made }
            if Double(made.byteCount) * growth > Double(limitBytes) {
                throw .tooLarge(
                    kernel: kernel.interface.name, shape: shape.description, limitBytes: limitBytes)
            }
            factor *= 2
        }
    }
}

extension KernelCase {
    /// Bytes of all buffers.
    var byteCount: Int { contents.reduce(0) { $0 + ($1?.bytes.count ?? 0) } }
}
