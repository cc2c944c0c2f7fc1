/// A picture in memory: 8-bit red, green and blue, in rows from the top.
///
/// Colours are as the file stores them; no gamma and no profile is applied, as in what vision models were trained on.
public struct Image: Sendable, Equatable {
    /// The longest side that is read or made, in pixels.
    public static let sideLimit = 16_384

    /// Pixels in a row.
    public let width: Int
    /// Rows.
    public let height: Int
    /// [height, width, 3], without padding.
    public internal(set) var pixels: [UInt8]

    /// An image from its pixels [height, width, 3]. Both sides are from 1 to `sideLimit`.
    public init(width: Int, height: Int, pixels: [UInt8]) {
        let sides = 1...Self.sideLimit
        precondition(sides.contains(width) && sides.contains(height), "a side is off limits")
        precondition(pixels.count == width * height * 3, "pixels and sides disagree")
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// An image of one colour.
    public init(width: Int, height: Int, color: Color) {
        var pixels = [UInt8](repeating: color.red, count: width * height * 3)
        if color.green != color.red || color.blue != color.red {
            for index in stride(from: 0, to: pixels.count, by: 3) {
                pixels[index + 1] = color.green
                pixels[index + 2] = color.blue
            }
        }
        self.init(width: width, height: height, pixels: pixels)
    }

    /// The pixel in column x of row y.
    public subscript(x: Int, y: Int) -> Color {
        get {
            let index = self.index(x, y)
            return Color(red: pixels[index], green: pixels[index + 1], blue: pixels[index + 2])
        }
        set {
            let index = self.index(x, y)
            pixels[index] = newValue.red
            pixels[index + 1] = newValue.green
            pixels[index + 2] = newValue.blue
        }
    }

    private func index(_ x: Int, _ y: Int) -> Int {
        precondition(x >= 0 && x < width && y >= 0 && y < height, "outside of the image")
        return (y * width + x) * 3
    }
}

/// A colour, 8 bits a channel.
public struct Color: Sendable, Hashable {
    public var red, green, blue: UInt8

    public init(red: UInt8, green: UInt8, blue: UInt8) {
        self.red = red
        self.green = green
        self.blue = blue
    }

    /// A shade of grey, 0 black and 255 white.
    public init(gray: UInt8) { self.init(red: gray, green: gray, blue: gray) }

    public static let black = Color(gray: 0)
    public static let white = Color(gray: 255)
}
