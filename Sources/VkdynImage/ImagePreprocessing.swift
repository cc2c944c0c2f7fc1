public import VkdynFormats

/// What a checkpoint does to a picture before its first layer sees it: resize, crop, scale, normalise.
///
/// `VkdynModels` reads one from a checkpoint's files.
public struct ImagePreprocessing: Sendable, Equatable {
    /// The size that a picture gets first.
    public enum Resizing: Sendable, Equatable {
        /// As it is.
        case none
        /// This size, whatever its proportions.
        case exact(width: Int, height: Int)
        /// The shorter side gets this length; the longer one keeps the proportions, rounded down.
        case shorterSide(Int)
        /// The smallest size of the same proportions that covers this one, sides rounded (halves to even).
        case covering(width: Int, height: Int)
        /// The largest size of the same proportions that fits into this one, sides rounded (halves to even).
        case fitting(width: Int, height: Int)

        /// The size that a picture of width × height pixels gets; no side is below 1.
        func size(width: Int, height: Int) -> (width: Int, height: Int) {
            switch self {
            case .none: return (width, height)
            case .exact(let width, let height): return (width, height)
            case .shorterSide(let side):
                return width <= height ? (side, side * height / width) : (side * width / height, side)
            case .covering(let newWidth, let newHeight):
                return Self.divided(
                    width, height, by: min(Double(width) / Double(newWidth), Double(height) / Double(newHeight)))
            case .fitting(let newWidth, let newHeight):
                return Self.divided(
                    width, height, by: max(Double(width) / Double(newWidth), Double(height) / Double(newHeight)))
            }
        }

        private static func divided(_ width: Int, _ height: Int, by ratio: Double) -> (width: Int, height: Int) {
            let side = { (length: Int) in max(1, Int((Double(length) / ratio).rounded(.toNearestOrEven))) }
            return (side(width), side(height))
        }
    }

    /// The part in the middle that is kept, and what lies around a picture that is smaller.
    public struct Crop: Sendable, Equatable {
        /// Where an odd difference goes.
        public enum Centering: Sendable, Equatable {
            /// Half of what is cut off is rounded to the even number, half of what is added down: torchvision, timm.
            case nearestEven
            /// Half the difference, rounded towards the top left: Hugging Face's image processors.
            case down

            /// Where the crop starts in a side of `length` pixels; negative where pixels are added.
            func start(_ length: Int, _ cropped: Int) -> Int {
                let difference = length - cropped
                switch self {
                case .nearestEven where difference >= 0:
                    return Int((Double(difference) / 2).rounded(.toNearestOrEven))
                case .nearestEven: return -(-difference / 2)
                case .down: return difference >> 1
                }
            }
        }

        public var width, height: Int
        public var centering: Centering
        /// The colour around a picture that is smaller.
        public var fill: Color

        public init(width: Int, height: Int, centering: Centering, fill: Color = .black) {
            self.width = width
            self.height = height
            self.centering = centering
            self.fill = fill
        }
    }

    public var resizing: Resizing
    public var filter: ResamplingFilter
    /// Nil keeps what resizing made.
    public var crop: Crop?
    /// What a pixel's 0 to 255 is multiplied by.
    public var rescaleFactor: Double
    /// Subtracted after that, one a channel.
    public var mean: [Double]
    /// Divided by at last, one a channel; positive.
    public var standardDeviation: [Double]

    public init(
        resizing: Resizing, filter: ResamplingFilter, crop: Crop? = nil, rescaleFactor: Double = 1 / 255,
        mean: [Double] = [0, 0, 0], standardDeviation: [Double] = [1, 1, 1]
    ) {
        precondition(mean.count == 3 && standardDeviation.count == 3, "expected three channels")
        self.resizing = resizing
        self.filter = filter
        self.crop = crop
        self.rescaleFactor = rescaleFactor
        self.mean = mean
        self.standardDeviation = standardDeviation
    }

    /// Reads the file at `path` and prepares it; see `picture(path:)`.
    public func tensor(path: String) throws(FormatError) -> ImageTensor { tensor(of: try Self.picture(path: path)) }

    /// Reads the file at `path`. Throws when it cannot be read as a picture (see `Image.init(path:)`), and when it has a
    /// single pixel: that decodes, and shows nothing.
    public static func picture(path: String) throws(FormatError) -> Image {
        let image = try Image(path: path)
        if image.width == 1 && image.height == 1 {
            throw FormatError(file: path, problem: "is 1×1 pixels; expected a picture with something to see")
        }
        return image
    }

    /// The picture as the model takes it. Without a crop, the size that resizing gives may not exceed
    /// `Image.sideLimit`.
    public func tensor(of image: Image) -> ImageTensor { normalized(cropped(image)) }

    /// The picture resized and cropped, in 8 bits still: what of the picture the model sees.
    public func cropped(_ image: Image) -> Image {
        let size = resizing.size(width: image.width, height: image.height)
        guard let crop else { return image.resized(width: size.width, height: size.height, filter: filter) }
        let left = crop.centering.start(size.width, crop.width)
        let top = crop.centering.start(size.height, crop.height)
        // What the crop shows of the picture, in the resized picture's pixels.
        let window = Rectangle(
            x: max(0, left)..<min(size.width, left + crop.width), y: max(0, top)..<min(size.height, top + crop.height))
        let seen = image.resized(width: size.width, height: size.height, filter: filter, window: window)
        if seen.width == crop.width && seen.height == crop.height { return seen }
        var padded = Image(width: crop.width, height: crop.height, color: crop.fill)
        padded.draw(seen, x: max(0, -left), y: max(0, -top))
        return padded
    }

    /// Pixels to values: scaled, less the mean, by the deviation, each step rounded to f32.
    public func normalized(_ image: Image) -> ImageTensor {
        let plane = image.width * image.height
        let values = [Float](unsafeUninitializedCapacity: 3 * plane) { target, count in
            for channel in 0..<3 {
                let (mean, deviation) = (Float(mean[channel]), Float(standardDeviation[channel]))
                let table = (0..<256).map { (Float(Double($0) * rescaleFactor) - mean) / deviation }
                for index in 0..<plane {
                    target[channel * plane + index] = table[Int(image.pixels[3 * index + channel])]
                }
            }
            count = 3 * plane
        }
        return ImageTensor(width: image.width, height: image.height, values: values)
    }
}

/// A picture as a model takes it.
public struct ImageTensor: Sendable, Equatable {
    public let width: Int
    public let height: Int
    /// [3, height, width]: red, green, blue.
    public let values: [Float]
}
