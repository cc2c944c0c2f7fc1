public import VkdynCore

/// Something that holds buffers and runs plans: a Vulkan device, the Swift twins, or both in lockstep.
public protocol Device: AnyObject, Sendable {
    var description: DeviceDescription { get }
    var traits: DeviceTraits { get }
    /// What was measured on this device; plans choose variants by it.
    var tuning: Tuning { get }
    /// What this device has done since it was made.
    var counters: DeviceCounters { get }
    /// The memory of its buffers and arenas; nil where nobody counts.
    var memory: MemoryUse? { get }

    /// Persistent memory with undefined content.
    func makeBuffer(
        _ elementType: ElementType, count: Int, placement: BufferPlacement, label: String
    ) throws(DeviceError) -> Buffer

    /// Copies `bytes` to a persistent buffer, from `byteOffset` on.
    func write(_ bytes: UnsafeRawBufferPointer, to buffer: Buffer, byteOffset: Int) throws(DeviceError)

    /// Copies parts of persistent buffers to the host: one readback, however many parts.
    func read(_ parts: [BufferPart]) throws(DeviceError) -> [[UInt8]]

    /// Provides the arena, pipelines and command buffers of a plan, once.
    func prepare(_ plan: Plan) throws(DeviceError) -> any PreparedPlan
}

/// A plan that can be replayed without allocating or recording anything.
public protocol PreparedPlan: AnyObject, Sendable {
    /// Runs the plan to its end: one submit.
    func run() throws(DeviceError)
}

/// A device that can run one step of a plan at a time and show any buffer of it.
public protocol SteppableDevice: Device {
    func prepareStepping(_ plan: Plan) throws(DeviceError) -> any SteppablePlan
}

public protocol SteppablePlan: PreparedPlan {
    func run(step: Int) throws(DeviceError)
    /// The bytes of a persistent or transient buffer.
    func read(_ buffer: Buffer) throws(DeviceError) -> [UInt8]
}

/// Bytes of a buffer.
public struct BufferPart: Sendable {
    public let buffer: Buffer
    public let byteRange: Range<Int>

    public init(_ buffer: Buffer, byteRange: Range<Int>) {
        precondition(byteRange.upperBound <= buffer.byteCount, "beyond the end of \(buffer.label)")
        self.buffer = buffer
        self.byteRange = byteRange
    }
}

public enum BufferPlacement: Sendable {
    /// Fastest for kernels; the host reaches it through copies.
    case device
    /// Mapped on the host: control structures and tokens, read after a step without a further submit.
    case shared
}

/// Bytes of buffers and arenas on a device.
public struct MemoryUse: Sendable, Hashable, Codable {
    /// Now.
    public var bytes = 0
    /// The most at one time since the device was made.
    public var peakBytes = 0

    public init() {}

    package mutating func add(_ count: Int) {
        bytes += count
        peakBytes = max(peakBytes, bytes)
    }
}

/// What the host did for a device, counted where it happens.
public struct DeviceCounters: Sendable, Hashable, Codable {
    public var submits = 0
    public var readbacks = 0
    public var dispatches = 0

    public init() {}

    public static func += (a: inout DeviceCounters, b: DeviceCounters) {
        a.submits += b.submits
        a.readbacks += b.readbacks
        a.dispatches += b.dispatches
    }

    public static func - (a: DeviceCounters, b: DeviceCounters) -> DeviceCounters {
        var result = DeviceCounters()
        result.submits = a.submits - b.submits
        result.readbacks = a.readbacks - b.readbacks
        result.dispatches = a.dispatches - b.dispatches
        return result
    }
}

public struct DeviceDescription: Sendable, Hashable, Codable {
    public var name: String
    public var driver: String
    public var apiVersion: String

    public init(name: String, driver: String, apiVersion: String) {
        self.name = name
        self.driver = driver
        self.apiVersion = apiVersion
    }
}

extension Device {
    /// A device that nobody measures.
    public var tuning: Tuning { Tuning() }
    public var memory: MemoryUse? { nil }
}

// MARK: Typed access

extension Device {
    /// A persistent buffer with content.
    public func makeBuffer(
        _ contents: BufferContents, placement: BufferPlacement = .device, label: String
    ) throws(DeviceError) -> Buffer {
        let buffer = try makeBuffer(
            contents.elementType, count: contents.count, placement: placement, label: label)
        try write(bytes: contents.bytes, to: buffer)
        return buffer
    }

    public func write(bytes: [UInt8], to buffer: Buffer, byteOffset: Int = 0) throws(DeviceError) {
        try write(bytes, to: buffer, at: byteOffset)
    }

    public func write<T: BitwiseCopyable>(
        _ values: [T], to buffer: Buffer, at index: Int = 0
    ) throws(DeviceError) {
        // Array's own `withUnsafeBytes` does not keep the error's type.
        try values.withUnsafeBytes { raw in
            Result { () throws(DeviceError) in
                try write(raw, to: buffer, byteOffset: index * MemoryLayout<T>.stride)
            }
        }.get()
    }

    public func write<S: DeviceStructure>(_ value: S, to buffer: Buffer) throws(DeviceError) {
        try write([value], to: buffer)
    }

    /// - Parameter index: the first element to read, in elements of `T`.
    public func read<T: BitwiseCopyable>(
        _ type: T.Type, from buffer: Buffer, at index: Int = 0, count: Int
    ) throws(DeviceError) -> [T] {
        let stride = MemoryLayout<T>.stride
        let parts = try read([BufferPart(buffer, byteRange: index * stride..<(index + count) * stride)])
        return parts[0].withUnsafeBytes { bytes in
            (0..<count).map { bytes.loadUnaligned(fromByteOffset: $0 * stride, as: T.self) }
        }
    }
}
