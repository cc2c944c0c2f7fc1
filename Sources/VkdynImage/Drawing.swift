/// A rectangle of pixels: columns x and rows y.
public struct Rectangle: Sendable, Equatable {
    public var x, y: Range<Int>

    public init(x: Range<Int>, y: Range<Int>) {
        self.x = x
        self.y = y
    }

    /// The rectangle whose top left pixel is (x, y).
    public init(x: Int, y: Int, width: Int, height: Int) {
        self.init(x: x..<x + width, y: y..<y + height)
    }
}

/// What is drawn outside of the picture is not seen.
extension Image {
    /// Gives all pixels of the rectangle one colour.
    public mutating func fill(_ rectangle: Rectangle, with color: Color) {
        let columns = rectangle.x.clamped(to: 0..<width)
        for y in rectangle.y.clamped(to: 0..<height) {
            for x in columns { self[x, y] = color }
        }
    }

    /// Draws the rectangle's edge, on its inner side.
    public mutating func outline(_ rectangle: Rectangle, thickness: Int = 1, with color: Color) {
        let (x, y) = (rectangle.x, rectangle.y)
        fill(Rectangle(x: x, y: y.prefix(thickness)), with: color)
        fill(Rectangle(x: x, y: y.suffix(thickness)), with: color)
        fill(Rectangle(x: x.prefix(thickness), y: y), with: color)
        fill(Rectangle(x: x.suffix(thickness), y: y), with: color)
    }

    /// Copies an image in, its top left pixel to (x, y).
    public mutating func draw(_ image: Image, x: Int, y: Int) {
        let columns = (x..<x + image.width).clamped(to: 0..<width)
        for row in (y..<y + image.height).clamped(to: 0..<height) {
            let source = ((row - y) * image.width + columns.lowerBound - x) * 3
            let target = (row * width + columns.lowerBound) * 3
            pixels.replaceSubrange(
                target..<target + columns.count * 3, with: image.pixels[source..<source + columns.count * 3])
        }
    }

    /// Writes text, the first letter's top left pixel at (x, y), with `scale` pixels to a dot. Letters outside of ASCII
    /// are boxes; a line feed starts a line.
    public mutating func draw(_ text: String, x: Int, y: Int, scale: Int = 1, color: Color) {
        for (line, letters) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            for (column, letter) in letters.enumerated() {
                for (row, bits) in PixelFont.rows(of: letter).enumerated() {
                    for dot in 0..<PixelFont.width where bits >> (PixelFont.width - 1 - dot) & 1 == 1 {
                        fill(
                            Rectangle(
                                x: x + (column * PixelFont.advance + dot) * scale,
                                y: y + (line * PixelFont.lineHeight + row) * scale, width: scale, height: scale),
                            with: color)
                    }
                }
            }
        }
    }

    /// The room that `draw(text)` fills, in pixels.
    public static func textSize(_ text: String, scale: Int = 1) -> (width: Int, height: Int) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let columns = lines.map(\.count).max() ?? 0
        let width = max(0, columns * PixelFont.advance - (PixelFont.advance - PixelFont.width))
        return (width * scale, ((lines.count - 1) * PixelFont.lineHeight + PixelFont.height) * scale)
    }

    /// The picture with `zoom` × `zoom` pixels for each of its own.
    public func enlarged(_ zoom: Int) -> Image {
        var large = Image(width: width * zoom, height: height * zoom, color: .black)
        for y in 0..<height {
            for x in 0..<width {
                large.fill(Rectangle(x: x * zoom, y: y * zoom, width: zoom, height: zoom), with: self[x, y])
            }
        }
        return large
    }

    /// The images from left to right, their tops in line.
    public static func row(_ images: [Image], gap: Int = 0, background: Color = .white) -> Image {
        precondition(!images.isEmpty, "expected an image")
        var sheet = Image(
            width: images.map(\.width).reduce(gap * (images.count - 1), +), height: images.map(\.height).max() ?? 1,
            color: background)
        var x = 0
        for image in images {
            sheet.draw(image, x: x, y: 0)
            x += image.width + gap
        }
        return sheet
    }

    /// The images from top to bottom, their left edges in line.
    public static func column(_ images: [Image], gap: Int = 0, background: Color = .white) -> Image {
        precondition(!images.isEmpty, "expected an image")
        var sheet = Image(
            width: images.map(\.width).max() ?? 1, height: images.map(\.height).reduce(gap * (images.count - 1), +),
            color: background)
        var y = 0
        for image in images {
            sheet.draw(image, x: 0, y: y)
            y += image.height + gap
        }
        return sheet
    }
}
