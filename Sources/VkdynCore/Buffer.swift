import Synchronization

/// The memory behind a persistent buffer; freed by its device when the last `Buffer` over it goes away.
public protocol BufferStorage: AnyObject, Sendable {}

/// A name for memory that kernels read and write: a proxy in a recording, or memory of a device.
///
/// Elements lie without gaps, in row-major order of whatever shape the kernel that reads them states.
public struct Buffer: Sendable {
    /// Process-wide identity.
    public let id: Int
    public let elementType: ElementType
    /// Elements, not bytes.
    public let count: Int
    /// The model's path to it, as in `layer3.attention.key`.
    public let label: String
    /// nil for a transient buffer, which lives in a plan's arena between its first and last use.
    public let storage: (any BufferStorage)?

    public var byteCount: Int { count * elementType.byteCount }
    public var isTransient: Bool { storage == nil }

    public init(elementType: ElementType, count: Int, label: String, storage: (any BufferStorage)? = nil) {
        id = Self.nextID.wrappingAdd(1, ordering: .relaxed).newValue
        self.elementType = elementType
        self.count = count
        self.label = label
        self.storage = storage
    }

    private static let nextID = Atomic<Int>(0)
}

/// A number of rows that the device decides, in a device buffer: count, capacity, overflow.
///
/// Whoever lets the device decide a count reads `overflow`, or what follows from it, with the step's result, and runs
/// the step again with a larger capacity or fails; kernels do not stop for it.
///
/// A dispatch over `Counted` rows is launched for just that many rows; zero skips it. `count` may exceed
/// `capacity` by then only together with a set overflow flag, and rows beyond the capacity are never touched.
public struct Counted: Sendable {
    /// One `RowCount` structure: count, capacity, overflow.
    public let buffer: Buffer
    /// The largest count for which memory is provided.
    public let capacity: Int
    /// Launch what the count asks for and no more. Where the count is nearly always the capacity, launching for
    /// the capacity costs less than asking; the kernels skip absent rows either way.
    public let isIndirect: Bool

    public init(buffer: Buffer, capacity: Int, isIndirect: Bool) {
        self.buffer = buffer
        self.capacity = capacity
        self.isIndirect = isIndirect
    }
}

/// A structure that kernels share with the host: 32-bit words without gaps.
public protocol DeviceStructure: Sendable, BitwiseCopyable {
    static var wordCount: Int { get }
}
