public import VkdynCore

/// How many tokens each layer merges away, as ToMe takes it: "r". A pure value; the clamp to what a layer's tokens
/// allow is `TokenSets.mergedCount`.
public enum MergeSchedule: Sendable, Equatable {
    /// The same number in every layer.
    case constant(Int)
    /// A number for each layer; layers beyond the list merge nothing.
    case perLayer([Int])
    /// From r · (1 − inflection) in the first layer to r · (1 + inflection) in the last, in equal steps, truncated.
    case inflected(Int, inflection: Double)

    /// One number a layer.
    /// - Throws: for negative numbers, inflections beyond −1…1, and a list of more layers than there are.
    public func counts(layerCount: Int) throws(MergeScheduleError) -> [Int] {
        switch self {
        case .constant(let count):
            if count < 0 { throw .negative(count) }
            return Array(repeating: count, count: layerCount)
        case .perLayer(let counts):
            if let negative = counts.first(where: { $0 < 0 }) { throw .negative(negative) }
            if counts.count > layerCount { throw .tooLong(listed: counts.count, layers: layerCount) }
            return counts + Array(repeating: 0, count: layerCount - counts.count)
        case .inflected(let count, let inflection):
            if count < 0 { throw .negative(count) }
            guard (-1...1).contains(inflection) else { throw .inflection(inflection) }
            let first = Int(Double(count) * (1 - inflection))
            let last = 2 * count - first
            // One layer alone has no slope.
            let step = layerCount > 1 ? Double(last - first) / Double(layerCount - 1) : 0
            return (0..<layerCount).map { Int(Double(first) + step * Double($0)) }
        }
    }
}

extension MergeSchedule: CustomStringConvertible {
    /// `8`, `10/0/7/3` or `8@-1.0`.
    public var description: String {
        switch self {
        case .constant(let count): "\(count)"
        case .perLayer(let counts): counts.map { "\($0)" }.joined(separator: "/")
        case .inflected(let count, let inflection): "\(count)@\(inflection)"
        }
    }
}

public enum MergeScheduleError: UserFacingError, Equatable {
    case negative(Int)
    case tooLong(listed: Int, layers: Int)
    case inflection(Double)

    public var description: String {
        switch self {
        case .negative(let count): "r is \(count), expected the number of tokens to merge away, 0 or more"
        case .tooLong(let listed, let layers):
            "r lists \(listed) layers, but the model has \(layers); list at most so many, later ones merge nothing"
        case .inflection(let value): "r has the inflection \(value), expected -1 to 1"
        }
    }
}
