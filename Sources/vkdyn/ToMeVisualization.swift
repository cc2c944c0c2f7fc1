import VkdynFormats
import VkdynImage
import VkdynModels
import VkdynTechniques

/// Draws which patches became one: beside each image, for every r, the regions in their mean colours, with outlines.
struct ToMeVisualization {
    let configuration: VisionTransformer.Configuration

    private static let gap = 8
    /// Small images are shown larger, by whole pixels.
    private static let smallestSide = 192

    /// - Parameters:
    ///   - runs: an r, the tokens that it leaves, and what it gave, in the order of the images.
    func write(
        _ images: [ToMeImage], _ runs: [(rate: MergeRate, tokens: Int, results: [Classification])], to path: String
    ) throws(FormatError) {
        let zoom = max(1, (Self.smallestSide - 1) / max(configuration.imageWidth, configuration.imageHeight) + 1)
        var rows: [Image] = []
        for (index, image) in images.enumerated() {
            guard let picture = image.picture else { continue }
            let large = picture.enlarged(zoom)
            var cells = [rows.isEmpty ? titled(large, "image") : large]
            for run in runs {
                guard let map = run.results[index].sourceMap else { continue }
                let drawn = regions(picture, map, zoom)
                cells.append(rows.isEmpty ? titled(drawn, "r \(run.rate): \(run.tokens) tokens") : drawn)
            }
            rows.append(Image.row(cells, gap: Self.gap))
        }
        guard !rows.isEmpty else { return }
        try Image.column(rows, gap: Self.gap).writePNG(to: path)
    }

    private func titled(_ image: Image, _ title: String) -> Image {
        let scale = Image.textSize(title, scale: 2).width <= image.width ? 2 : 1
        let height = Image.textSize(title, scale: 2).height + Self.gap
        var heading = Image(width: image.width, height: height, color: .white)
        heading.draw(title, x: 0, y: 0, scale: scale, color: .black)
        return Image.column([heading, image])
    }

    /// Every region in its mean colour, outlined.
    private func regions(_ picture: Image, _ map: [UInt32], _ zoom: Int) -> Image {
        let c = configuration
        let merged = MergedRegions(
            sourceMap: map, prefixCount: c.prefixCount, columns: c.gridWidth, rows: c.gridHeight)
        let colors = meanColors(picture, merged)
        let (width, height) = (c.patchWidth * zoom, c.patchHeight * zoom)
        var drawn = Image(width: c.gridWidth * width, height: c.gridHeight * height, color: .black)
        for row in 0..<merged.rows {
            for column in 0..<merged.columns {
                guard let color = colors[merged[column, row]] else { continue }
                let (x, y) = (column * width, row * height)
                drawn.fill(Rectangle(x: x, y: y, width: width, height: height), with: color)
                let line = outline(of: color)
                let edges = merged.edges(column, row)
                // A border between two regions is drawn once, by the one right of it or below.
                if edges.contains(.left) { drawn.fill(Rectangle(x: x, y: y, width: 1, height: height), with: line) }
                if edges.contains(.top) { drawn.fill(Rectangle(x: x, y: y, width: width, height: 1), with: line) }
                if column == merged.columns - 1 {
                    drawn.fill(Rectangle(x: x + width - 1, y: y, width: 1, height: height), with: line)
                }
                if row == merged.rows - 1 {
                    drawn.fill(Rectangle(x: x, y: y + height - 1, width: width, height: 1), with: line)
                }
            }
        }
        return drawn
    }

    /// Darker than a light region, lighter than a dark one.
    private func outline(of color: Color) -> Color {
        let isLight = 3 * Int(color.red) + 6 * Int(color.green) + Int(color.blue) > 1100
        func shifted(_ channel: UInt8) -> UInt8 { isLight ? channel / 3 : 255 - (255 - channel) / 2 }
        return Color(red: shifted(color.red), green: shifted(color.green), blue: shifted(color.blue))
    }

    private func meanColors(_ picture: Image, _ merged: MergedRegions) -> [Int: Color] {
        var sums: [Int: (red: Int, green: Int, blue: Int, count: Int)] = [:]
        for y in 0..<merged.rows * configuration.patchHeight {
            for x in 0..<merged.columns * configuration.patchWidth {
                let color = picture[x, y]
                let region = merged[x / configuration.patchWidth, y / configuration.patchHeight]
                var sum = sums[region] ?? (0, 0, 0, 0)
                sum.red += Int(color.red)
                sum.green += Int(color.green)
                sum.blue += Int(color.blue)
                sum.count += 1
                sums[region] = sum
            }
        }
        return sums.mapValues { sum in
            func mean(_ total: Int) -> UInt8 { UInt8((total + sum.count / 2) / sum.count) }
            return Color(red: mean(sum.red), green: mean(sum.green), blue: mean(sum.blue))
        }
    }
}
