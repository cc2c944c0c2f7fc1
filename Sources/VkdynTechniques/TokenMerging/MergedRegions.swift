/// The patches of an image by what became of them: those that ended in one token are one region.
public struct MergedRegions: Sendable, Equatable {
    public let columns: Int
    public let rows: Int
    /// [rows, columns]: the token that each patch is part of.
    public let regions: [Int]

    /// - Parameters:
    ///   - sourceMap: the token of each first token, as `Classification` has it.
    ///   - prefixCount: first tokens that are no patches.
    public init(sourceMap: [UInt32], prefixCount: Int, columns: Int, rows: Int) {
        precondition(sourceMap.count == prefixCount + columns * rows, "the map is of another grid")
        self.columns = columns
        self.rows = rows
        regions = sourceMap.dropFirst(prefixCount).map(Int.init)
    }

    public subscript(column: Int, row: Int) -> Int { regions[row * columns + column] }

    /// How many regions there are.
    public var count: Int { Set(regions).count }

    /// The sides of a patch beyond which another region, or the image's edge, lies.
    public struct Edges: OptionSet, Sendable {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }

        public static let left = Edges(rawValue: 1)
        public static let right = Edges(rawValue: 2)
        public static let top = Edges(rawValue: 4)
        public static let bottom = Edges(rawValue: 8)
    }

    public func edges(_ column: Int, _ row: Int) -> Edges {
        let own = self[column, row]
        var edges: Edges = []
        if column == 0 || self[column - 1, row] != own { edges.insert(.left) }
        if column == columns - 1 || self[column + 1, row] != own { edges.insert(.right) }
        if row == 0 || self[column, row - 1] != own { edges.insert(.top) }
        if row == rows - 1 || self[column, row + 1] != own { edges.insert(.bottom) }
        return edges
    }
}
