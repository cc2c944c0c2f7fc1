import VkdynCore

/// The order in which the register tiles of `product.glsl` and of convolution suit a device: names like
/// `lanes8_rows4_quads2`, or `shared8_rows16_quads2` where the lanes share what they load of the rows.
enum RegisterTile {
    private struct Tile {
        let name: String
        let lanes: Int
        let rows: Int
        let quads: Int
        /// Lanes that load one row's texel.
        let rowLanes: Int

        init?(_ name: String) {
            let parts = name.split(separator: "_")
            func number(_ prefix: String) -> Int? {
                parts.first { $0.hasPrefix(prefix) }.flatMap { Int($0.dropFirst(prefix.count)) }
            }
            let shared = number("shared")
            guard let lanes = shared ?? number("lanes"), let rows = number("rows"), let quads = number("quads") else {
                return nil
            }
            (self.name, self.lanes, self.rows, self.quads) = (name, lanes, rows, quads)
            rowLanes = shared == nil ? lanes : 1
        }

        /// The time of one quad of columns, in vector operations: a load takes 34 of lavapipe's, a multiply-add 2, and
        /// to hand round a texel 4.
        func cost(rows total: Int, quads totalQuads: Int) -> Int {
            let passes = (total + rows - 1) / rows
            let loads = (rows * rowLanes / lanes + 4 * quads) * 34 + (rowLanes == lanes ? 0 : 4 * rows)
            let columnPasses = (totalQuads + lanes * quads - 1) / (lanes * quads)
            return passes * columnPasses * (loads + 32 * rows * quads)
        }

        func workgroups(rows total: Int, quads totalQuads: Int) -> Int {
            (total + rows - 1) / rows * ((totalQuads + lanes * quads - 1) / (lanes * quads))
        }
    }

    /// Tile heights in ascending order: the smallest that holds all rows first, those that hold them before the others,
    /// and of the others the largest first.
    static func smallestFirst(_ heights: [Int], holding rows: Int) -> [Int] {
        heights.filter { $0 >= rows } + heights.filter { $0 < rows }.reversed()
    }

    /// - Parameters:
    ///   - rows: the most rows of one matrix.
    ///   - quads: quads of columns.
    ///   - batches: matrices.
    static func ordered(
        rows: Int, quads: Int, batches: Int, names: [String], kind: DeviceTraits.Kind
    ) -> [String] {
        let tiles = names.compactMap(Tile.init)
        let isCPU = kind == .cpu
        // A CPU driver has a few threads to feed, each with a workgroup at a time.
        func penalty(_ tile: Tile) -> Int {
            let groups = tile.workgroups(rows: rows, quads: quads) * batches
            return isCPU && groups < 8 ? 8 / max(groups, 1) : 1
        }
        return tiles.enumerated()
            .map { offset, tile in
                let isForeign = (tile.lanes == 8) != isCPU
                return (isForeign ? 1 : 0, tile.cost(rows: rows, quads: quads) * penalty(tile), offset, tile.name)
            }
            .sorted { ($0.0, $0.1, $0.2) < ($1.0, $1.1, $1.2) }
            .map(\.3)
    }
}
