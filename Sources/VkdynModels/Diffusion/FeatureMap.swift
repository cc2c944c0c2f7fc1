public import VkdynCore
import VkdynKernels
public import VkdynSchedule
import Synchronization

/// Feature maps of a batch of pictures, [images, height · width, channels]: a row is a pixel.
public struct FeatureMap: Sendable {
    public let buffer: Buffer
    public let height: Int
    public let width: Int
    public let channels: Int

    public init(buffer: Buffer, height: Int, width: Int, channels: Int) {
        self.buffer = buffer
        self.height = height
        self.width = width
        self.channels = channels
    }

    /// Pixels of one picture.
    public var pixelCount: Int { height * width }

    /// The same pixels with other channels.
    func with(_ buffer: Buffer, channels: Int) -> FeatureMap {
        FeatureMap(buffer: buffer, height: height, width: width, channels: channels)
    }
}

/// The counts of a batch of pictures, on the device: of the pictures themselves, and of their rows at each size that
/// their maps have in a model.
public final class PictureBatch: Sendable {
    public let images: Counted
    /// One row, whatever the pictures.
    public let single: Counted
    private let device: any Device
    /// By rows of one picture.
    private let counts = Mutex<[Int: Counted]>([:])

    public init(device: any Device, images: Int) throws(DeviceError) {
        self.device = device
        self.images = try Self.counted(images, "images", device)
        single = try Self.counted(1, "single", device)
    }

    private static func counted(_ count: Int, _ label: String, _ device: any Device) throws(DeviceError) -> Counted {
        Counted(
            buffer: try device.makeBuffer(
                .structure(RowCount(count: UInt32(count), capacity: UInt32(count))), label: label), capacity: count,
            isIndirect: false)
    }

    /// Rows of all pictures when each has so many.
    public func rows(_ rowsPerImage: Int) throws(DeviceError) -> Counted {
        if let known = counts.withLock({ $0[rowsPerImage] }) { return known }
        let made = try Self.counted(images.capacity * rowsPerImage, "rows\(rowsPerImage)", device)
        counts.withLock { $0[rowsPerImage] = made }
        return made
    }

    func rows(_ map: FeatureMap) throws(DeviceError) -> Counted { try rows(map.pixelCount) }
}
