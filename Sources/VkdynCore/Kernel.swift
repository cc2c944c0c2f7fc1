/// A compute kernel: one folder with its shader and its Swift file.
///
/// The shader compiler writes everything up to `interface` from the GLSL; the Swift file adds the work extent, the
/// cost, the twin and the cases. The twin is the kernel's definition: for every variant and every input the shader
/// gives the twin's bits, where every NaN equals every NaN.
public protocol Kernel: Sendable {
    associatedtype Parameters: KernelParameters
    associatedtype Constants: KernelConstants
    associatedtype Buffers: KernelBindings where Buffers.Value == Buffer
    associatedtype Contents: KernelBindings where Contents.Value == BufferContents
    associatedtype Elements: KernelBindings where Elements.Value == ElementType
    associatedtype Views: KernelViews

    static var interface: KernelInterface { get }

    /// The work items along each axis; a variant's tile divides them into workgroups.
    static func work(_ parameters: Parameters) -> WorkExtent

    /// Operations and bytes of one call with its full row capacity.
    static func cost(_ call: KernelCall<Self>) -> Cost

    /// The variants that may run a call, the best for the device first. All of them give the same bits.
    static func variants(_ call: KernelCall<Self>, _ traits: DeviceTraits) -> [String]

    /// The kernel's definition in plain Swift.
    static func twin(_ buffers: Views, _ call: KernelCall<Self>)

    /// Inputs that tests and `verify` run: the edges that a random shape would seldom meet.
    static var cases: [KernelCase] { get }

    /// The shapes that it takes; random ones for `verify --random`, given ones for `bench`.
    static var shapes: ShapeSpace { get }

    /// A call of a shape on random inputs. What nobody may read holds NaN.
    static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase
}

extension Kernel {
    public static func variants(_ call: KernelCall<Self>, _ traits: DeviceTraits) -> [String] {
        interface.variants.map(\.name)
    }
}

/// One call of a kernel without its memory.
public struct KernelCall<K: Kernel>: Sendable {
    public let parameters: K.Parameters
    public let constants: K.Constants
    /// Element types of the bound buffers.
    public let elements: K.Elements
    public let flavour: Flavour

    public init(parameters: K.Parameters, constants: K.Constants, elements: K.Elements, flavour: Flavour) {
        self.parameters = parameters
        self.constants = constants
        self.elements = elements
        self.flavour = flavour
    }
}

/// How products enter sums in the dot products of matmul and attention.
public enum Flavour: String, Sendable, CaseIterable, Codable {
    /// Multiply, round, add, round: the same bits on every device. The default.
    case separate
    /// Fused multiply-add with one rounding, where the device truly fuses.
    case fused
}

/// Push constants as 32-bit words in the shader's order.
public protocol KernelParameters: Sendable {
    var words: [UInt32] { get }
    init(words: [UInt32])
}

/// Specialization constants that a call chooses, as 32-bit words in ascending id.
public protocol KernelConstants: Sendable {
    /// The shader's defaults.
    init()
    var words: [UInt32] { get }
    init(words: [UInt32])
}

/// One value a binding, in binding order; nil where an optional binding is absent.
public protocol KernelBindings: Sendable {
    associatedtype Value: Sendable
    var values: [Value?] { get }
    init(values: [Value?])
}

/// Typed pointers to the memory of a call.
public protocol KernelViews {
    init(_ memory: [TwinMemory?])
}

/// Extents along x, y and z, in work items or in workgroups.
public struct WorkExtent: Sendable, Hashable {
    /// The axis along which a `Counted` number of rows runs.
    public enum Axis: Int, Sendable { case x, y, z }

    public var x: Int
    public var y: Int
    public var z: Int
    /// Set by kernels whose rows may be counted on the device.
    public var rowAxis: Axis?

    public init(_ x: Int, _ y: Int = 1, _ z: Int = 1, rowAxis: Axis? = nil) {
        self.x = x
        self.y = y
        self.z = z
        self.rowAxis = rowAxis
    }

    /// Workgroups when one covers `tile` work items.
    public func divided(by tile: WorkExtent) -> WorkExtent {
        func groups(_ items: Int, _ tile: Int) -> Int { (items + tile - 1) / tile }
        return WorkExtent(groups(x, tile.x), groups(y, tile.y), groups(z, tile.z), rowAxis: rowAxis)
    }

    public var isEmpty: Bool { x == 0 || y == 0 || z == 0 }

    public subscript(axis: Axis) -> Int {
        switch axis {
        case .x: x
        case .y: y
        case .z: z
        }
    }
}

/// What a call takes at least: arithmetic operations (a multiply and an add count as two), bytes moved.
public struct Cost: Sendable, Hashable {
    public var operations: Int
    public var bytes: Int

    public init(operations: Int, bytes: Int) {
        self.operations = operations
        self.bytes = bytes
    }
}

/// What a kernel may ask of the device to choose a variant. Bits never depend on it.
public struct DeviceTraits: Sendable, Hashable {
    public enum Kind: String, Sendable, Codable { case discrete, integrated, virtual, cpu, reference }

    public var kind: Kind
    public var subgroupSize: Int
    public var maximumWorkgroupInvocations: Int
    public var sharedMemoryBytes: Int
    /// Texels that one buffer view may hold.
    public var maximumTexels: Int
    /// Bytes that one storage-buffer binding may hold.
    public var maximumStorageBytes: Int
    /// Whether shaders have dot products of packed int8.
    public var hasIntegerDotProduct: Bool
    /// The products of int8 matrices that shaders have.
    public var integerMatrices: Set<IntegerMatrix>

    public init(
        kind: Kind, subgroupSize: Int, maximumWorkgroupInvocations: Int, sharedMemoryBytes: Int, maximumTexels: Int,
        maximumStorageBytes: Int, hasIntegerDotProduct: Bool = false, integerMatrices: Set<IntegerMatrix> = []
    ) {
        self.kind = kind
        self.subgroupSize = subgroupSize
        self.maximumWorkgroupInvocations = maximumWorkgroupInvocations
        self.sharedMemoryBytes = sharedMemoryBytes
        self.maximumTexels = maximumTexels
        self.maximumStorageBytes = maximumStorageBytes
        self.hasIntegerDotProduct = hasIntegerDotProduct
        self.integerMatrices = integerMatrices
    }

    /// Traits of the Swift twins: no limits that matter.
    public static let reference = DeviceTraits(
        kind: .reference, subgroupSize: 1, maximumWorkgroupInvocations: .max, sharedMemoryBytes: .max,
        maximumTexels: .max, maximumStorageBytes: .max, hasIntegerDotProduct: true,
        integerMatrices: Set(IntegerMatrix.known))

    /// Each thing that may keep a variant from a device, with the traits of a device that has it. `verify` says by these
    /// why a variant is absent, so every trait that `variants` may ask for has a line here.
    public var alternatives: [(missing: String, traits: DeviceTraits)] {
        func with(_ change: (inout DeviceTraits) -> Void) -> DeviceTraits {
            var traits = self
            change(&traits)
            return traits
        }
        let unlimited = Self.reference
        return [Kind.discrete, .integrated, .virtual, .cpu].filter { $0 != kind }.map { other in
            ("it is for \(other) devices", with { $0.kind = other })
        } + [4, 8, 16, 32, 64, 128].filter { $0 != subgroupSize }.map { size in
            ("it needs subgroups of \(size)", with { $0.subgroupSize = size })
        } + [
            (
                "it needs workgroups of more than \(maximumWorkgroupInvocations) invocations",
                with { $0.maximumWorkgroupInvocations = unlimited.maximumWorkgroupInvocations }
            ),
            (
                "it needs more than \(sharedMemoryBytes) bytes of shared memory",
                with { $0.sharedMemoryBytes = unlimited.sharedMemoryBytes }
            ),
            (
                "it needs buffer views of more than \(maximumTexels) texels",
                with { $0.maximumTexels = unlimited.maximumTexels }
            ),
            (
                "it needs storage bindings of more than \(maximumStorageBytes) bytes",
                with { $0.maximumStorageBytes = unlimited.maximumStorageBytes }
            ),
            ("it needs dot products of packed int8", with { $0.hasIntegerDotProduct = true }),
        ] + IntegerMatrix.known.filter { !integerMatrices.contains($0) }.map { matrix in
            ("it needs \(matrix)", with { $0.integerMatrices.insert(matrix) })
        }
    }
}
