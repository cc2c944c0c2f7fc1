import VkdynCore

/// Inputs of the three kernels of group normalisation.
struct PictureCase {
    let images: Int
    let capacity: Int
    let pixels: Int
    let channels: Int
    /// Divides the channels.
    let groups: Int
    var isSpecial = false

    /// Nothing, one, odd and whole texels, about a block of pixels and a workgroup's channels, several, groups of one
    /// channel, of all, of odd numbers; counts below and above the capacity.
    static let all: [PictureCase] =
        [
            (0, 0, 9, 8, 2), (1, 1, 1, 1, 1), (1, 1, 1, 4, 4), (2, 2, 63, 12, 3), (1, 1, 64, 32, 8), (1, 1, 65, 36, 4),
            (2, 2, 130, 20, 2), (1, 1, 200, 7, 7), (1, 1, 77, 33, 11), (3, 3, 16, 320, 32), (1, 1, 300, 64, 1),
            (1, 1, 1, 260, 26), (1, 3, 70, 24, 6), (3, 2, 9, 16, 4), (0, 2, 5, 8, 2), (1, 1, 4100, 4, 2),
        ].map { PictureCase(images: $0.0, capacity: $0.1, pixels: $0.2, channels: $0.3, groups: $0.4) }
        + [16, 14].map { channels in
            PictureCase(images: 2, capacity: 2, pixels: 100, channels: channels, groups: 2, isSpecial: true)
        }

    static let axes = [
        ShapeAxis("images", 0...4, standard: 2), ShapeAxis("pixels", 1...700, standard: 4096),
        ShapeAxis("groups", 1...40, standard: 32), ShapeAxis("groupChannels", 1...24, standard: 10),
    ]

    init(images: Int, capacity: Int, pixels: Int, channels: Int, groups: Int, isSpecial: Bool = false) {
        precondition(channels % groups == 0)
        (self.images, self.capacity, self.pixels) = (images, capacity, pixels)
        (self.channels, self.groups, self.isSpecial) = (channels, groups, isSpecial)
    }

    init(_ shape: Shape, _ random: inout CaseGenerator) {
        self.init(
            images: shape["images"], capacity: random.capacity(for: shape["images"]), pixels: shape["pixels"],
            channels: shape["groups"] * shape["groupChannels"], groups: shape["groups"])
    }

    var label: String {
        "images \(images) of \(capacity), \(pixels)×\(channels), groups \(groups)"
            + (isSpecial ? ", special values" : "")
    }

    var rowContents: BufferContents {
        .structure(RowCount(count: UInt32(images), capacity: UInt32(capacity)))
    }

    /// [capacity, pixels, channels]; images beyond the count hold NaN. Half of the channels have a mean that is large
    /// beside their spread.
    func source(_ random: inout CaseGenerator) -> [Float] {
        let size = pixels * channels
        var values = random.floats(capacity * size)
        for i in values.indices where i % channels >= channels / 2 { values[i] += 40 }
        for i in min(images, capacity) * size..<capacity * size { values[i] = .nan }
        if isSpecial {
            // A NaN, an infinity, an overflow and denormals, each in a group or an image of its own.
            values[3] = .nan
            values[size + channels - 1] = .infinity
            for pixel in 0..<pixels {
                values[size + pixel * channels] = pixel % 2 == 0 ? -0.0 : 0x1p-140
                values[pixel * channels + channels - 1] *= 1e35
            }
        }
        return values
    }
}
