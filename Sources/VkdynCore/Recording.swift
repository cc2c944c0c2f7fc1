/// One typed kernel call, erased: what to run, never how.
public struct Dispatch: Sendable {
    public let kernel: any Kernel.Type
    /// In binding order; nil for an absent optional buffer.
    public let buffers: [Buffer?]
    public let parameters: [UInt32]
    public let constants: [UInt32]
    /// Rows that the device counts; nil when the call's work is known before the run.
    public let rows: Counted?
    /// The model's path to the call, as in `layer3.attention.query_key_value`.
    public let label: String

    public init(
        kernel: any Kernel.Type, buffers: [Buffer?], parameters: [UInt32], constants: [UInt32], rows: Counted?,
        label: String
    ) {
        precondition(buffers.count == kernel.interface.bindings.count, "\(label): wrong number of buffers")
        self.kernel = kernel
        self.buffers = buffers
        self.parameters = parameters
        self.constants = constants
        self.rows = rows
        self.label = label
    }
}

/// Work of the host in the middle of a run.
public struct HostPause: Sendable {
    public let label: String
    /// How many of the recording's calls, or of the plan's steps, are before it.
    public let position: Int
    public let work: @Sendable () throws(DeviceError) -> Void

    public init(label: String, position: Int, work: @escaping @Sendable () throws(DeviceError) -> Void) {
        self.label = label
        self.position = position
        self.work = work
    }
}

/// Kernel calls in order, over buffers that need no memory yet.
///
/// Plain data: models and techniques append to it without naming a device, passes turn it into a `Plan`.
public struct Recording: Sendable {
    public private(set) var dispatches: [Dispatch] = []
    /// In order.
    public private(set) var pauses: [HostPause] = []
    private var path: [String] = []

    public init() {}

    /// A buffer that lives only between its first and its last use in this recording.
    public func transient(_ elementType: ElementType, count: Int, _ label: String) -> Buffer {
        Buffer(elementType: elementType, count: count, label: qualified(label))
    }

    /// Appends one call.
    /// - Parameter rows: the count behind the kernel's `rows` buffer, if the device decides it.
    public mutating func dispatch<K: Kernel>(
        _ kernel: K.Type, _ label: String, _ buffers: K.Buffers, _ parameters: K.Parameters,
        constants: K.Constants = K.Constants(), rows: Counted? = nil
    ) {
        dispatches.append(
            Dispatch(
                kernel: kernel, buffers: buffers.values, parameters: parameters.words, constants: constants.words,
                rows: rows, label: qualified(label)))
    }

    /// Appends an erased call, as `verify` makes them from cases.
    public mutating func dispatch(
        _ kernel: any Kernel.Type, _ label: String, buffers: [Buffer?], parameters: [UInt32], constants: [UInt32]
    ) {
        dispatches.append(
            Dispatch(
                kernel: kernel, buffers: buffers, parameters: parameters, constants: constants, rows: nil,
                label: qualified(label)))
    }

    /// Lets the host work between two calls, which takes a submit more.
    /// - Parameter work: runs when the device has finished the calls before, and before it starts those after. It reaches
    ///   persistent buffers alone; those after a pause see what it wrote.
    public mutating func pause(_ label: String, _ work: @escaping @Sendable () throws(DeviceError) -> Void) {
        pauses.append(HostPause(label: qualified(label), position: dispatches.count, work: work))
    }

    /// Runs `body` with `name` in front of every label.
    public mutating func scope<Result, Failure: Error>(
        _ name: String, _ body: (inout Recording) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        path.append(name)
        defer { path.removeLast() }
        return try body(&self)
    }

    private func qualified(_ label: String) -> String { (path + [label]).joined(separator: ".") }
}

// MARK: Erased kernel calls

extension Kernel {
    private static func call(
        parameters: [UInt32], constants: [UInt32], elements: [ElementType?], flavour: Flavour
    ) -> KernelCall<Self> {
        KernelCall(
            parameters: Parameters(words: parameters), constants: Constants(words: constants),
            elements: Elements(values: elements), flavour: flavour)
    }

    /// Runs the twin on raw memory.
    public static func runTwin(
        memory: [TwinMemory?], parameters: [UInt32], constants: [UInt32], flavour: Flavour
    ) {
        twin(
            Views(memory),
            call(
                parameters: parameters, constants: constants, elements: memory.map { $0?.elementType },
                flavour: flavour))
    }

    public static func work(parameters: [UInt32]) -> WorkExtent { work(Parameters(words: parameters)) }

    public static func cost(parameters: [UInt32], constants: [UInt32], elements: [ElementType?]) -> Cost {
        cost(call(parameters: parameters, constants: constants, elements: elements, flavour: .separate))
    }

    /// The legal variants, the best for the device first.
    public static func variants(
        parameters: [UInt32], constants: [UInt32], elements: [ElementType?], traits: DeviceTraits
    ) -> [VariantInterface] {
        variants(
            call(parameters: parameters, constants: constants, elements: elements, flavour: .separate), traits
        ).map { name in
            guard let variant = interface.variant(named: name) else {
                preconditionFailure("\(interface.name) has no variant \(name)")
            }
            return variant
        }
    }
}
