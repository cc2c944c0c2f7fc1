/// One number of a kernel's shape: what it is called, which values a random shape takes, and what a benchmark uses when
/// it is not given.
public struct ShapeAxis: Sendable {
    public let name: String
    /// Values of random shapes, at equal chances in their logarithm so that small ones are frequent.
    public let range: ClosedRange<Int>
    /// Random values are multiples of this (zero included, where the range has it).
    public let multiple: Int
    /// The value of a benchmark that does not name the axis.
    public let standard: Int
    /// The largest value that the kernel takes at all; nil where only memory bounds it.
    public let maximum: Int?

    public init(
        _ name: String, _ range: ClosedRange<Int>, multiple: Int = 1, standard: Int, maximum: Int? = nil
    ) {
        self.name = name
        self.range = range
        self.multiple = multiple
        self.standard = standard
        self.maximum = maximum
    }

    /// A switch of the call, such as whether there is a bias.
    public static func flag(_ name: String) -> ShapeAxis { ShapeAxis(name, 0...1, standard: 0, maximum: 1) }

    func draw(_ random: inout CaseGenerator) -> Int {
        let (low, high) = (range.lowerBound / multiple, range.upperBound / multiple)
        // An eighth of all draws is an end of the range: zero, one, or the largest.
        let ends = [low, min(low + 1, high), high]
        if high > low, Int.random(in: 0..<8, using: &random) == 0 {
            return multiple * ends[Int.random(in: 0..<ends.count, using: &random)]
        }
        var width = 0
        while (high - low + 1) >> width > 1 { width += 1 }
        let span = min((high - low + 1) >> Int.random(in: 0...width, using: &random), high - low + 1)
        return multiple * (low + Int.random(in: 0..<max(span, 1), using: &random))
    }
}

/// The shapes that a kernel takes: its axes, and the types that its weights, cache or table may be stored in.
public struct ShapeSpace: Sendable {
    /// In the order in which `vkdyn bench --shape` takes them; the last ones may be left out there.
    public let axes: [ShapeAxis]
    public let storage: [ElementType]

    public init(_ axes: [ShapeAxis], storage: [ElementType] = [.f32]) {
        precondition(!storage.isEmpty)
        self.axes = axes
        self.storage = storage
    }

    public func draw(_ random: inout CaseGenerator) -> Shape {
        var values: [String: Int] = [:]
        for axis in axes { values[axis.name] = axis.draw(&random) }
        return Shape(values, storage: storage[Int.random(in: 0..<storage.count, using: &random)])
    }

    /// A shape for a benchmark: named values over the axes' standard ones.
    public func shape(_ named: [String: Int] = [:], storage: ElementType? = nil) -> Shape {
        var values: [String: Int] = [:]
        for axis in axes { values[axis.name] = named[axis.name] ?? axis.standard }
        return Shape(values, storage: storage ?? self.storage[0])
    }
}

/// A point of a `ShapeSpace`.
public struct Shape: Sendable, CustomStringConvertible {
    private let values: [String: Int]
    /// The type in which weights, caches or tables are stored.
    public let storage: ElementType

    public init(_ values: [String: Int], storage: ElementType = .f32) {
        self.values = values
        self.storage = storage
    }

    public subscript(name: String) -> Int {
        guard let value = values[name] else { preconditionFailure("a shape without \(name)") }
        return value
    }

    public func has(_ name: String) -> Bool { self[name] != 0 }

    /// Every axis by name.
    public var named: [String: Int] { values }

    public var description: String {
        values.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            + ", \(storage.rawValue)"
    }
}
