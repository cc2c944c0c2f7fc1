public import VkdynCore
public import VkdynSchedule
import Synchronization

/// Runs plans with the Swift twins: the definition of every result, on any machine, without a Vulkan loader.
public final class ReferenceDevice: Device {
    private let state = Mutex(DeviceCounters())

    public init() {}

    public var description: DeviceDescription {
        DeviceDescription(name: "reference", driver: "Swift twins", apiVersion: "none")
    }

    public var traits: DeviceTraits { .reference }
    public var counters: DeviceCounters { state.withLock { $0 } }

    public func makeBuffer(
        _ elementType: ElementType, count: Int, placement: BufferPlacement, label: String
    ) throws(DeviceError) -> Buffer {
        Buffer(
            elementType: elementType, count: count, label: label,
            storage: HostMemory(byteCount: count * elementType.byteCount))
    }

    public func write(
        _ bytes: UnsafeRawBufferPointer, to buffer: Buffer, byteOffset: Int
    ) throws(DeviceError) {
        guard !bytes.isEmpty else { return }
        memory(buffer).copyBytes(to: byteOffset, from: bytes)
    }

    public func read(_ parts: [BufferPart]) throws(DeviceError) -> [[UInt8]] {
        state.withLock { $0.readbacks += 1 }
        return parts.map { Array(memory($0.buffer).bytes[$0.byteRange]) }
    }

    public func prepare(_ plan: Plan) throws(DeviceError) -> any PreparedPlan {
        ReferencePlan(plan: plan, memory: PlanMemory(plan, persistent: memory), device: self)
    }

    private func memory(_ buffer: Buffer) -> HostMemory {
        guard let memory = buffer.storage as? HostMemory else {
            preconditionFailure("\(buffer.label) belongs to another device")
        }
        return memory
    }

    fileprivate func count(dispatches: Int) {
        state.withLock {
            $0.submits += 1
            $0.dispatches += dispatches
        }
    }
}

extension HostMemory {
    func copyBytes(to byteOffset: Int, from source: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(rebasing: bytes[byteOffset...]).copyMemory(from: source)
    }
}

private final class ReferencePlan: PreparedPlan {
    private let plan: Plan
    private let memory: PlanMemory
    private let device: ReferenceDevice

    init(plan: Plan, memory: PlanMemory, device: ReferenceDevice) {
        self.plan = plan
        self.memory = memory
        self.device = device
    }

    func run() throws(DeviceError) {
        for (index, segment) in plan.segments.enumerated() {
            if index > 0 { try plan.pauses[index - 1].work() }
            device.count(dispatches: segment.count)
            for step in plan.steps[segment] { memory.run(step) }
        }
    }
}

/// Where a plan's buffers lie on the host, arena included, so that a wrong placement shows here too.
final class PlanMemory: @unchecked Sendable {
    // Sendable for the reason that HostMemory is.
    private let plan: Plan
    private let arena: HostMemory
    private var tables: [Int: HostMemory] = [:]
    private let persistent: (Buffer) -> HostMemory

    init(_ plan: Plan, persistent: @escaping @Sendable (Buffer) -> HostMemory) {
        self.plan = plan
        self.persistent = persistent
        arena = plan.arenaMemory.map(persistent) ?? HostMemory(byteCount: plan.arenaByteCount)
        arena.fillUnwritten()
        for table in plan.tables {
            let memory = HostMemory(byteCount: table.buffer.byteCount)
            table.words.withUnsafeBytes { memory.copyBytes(to: 0, from: $0) }
            tables[table.buffer.id] = memory
        }
    }

    func bytes(of buffer: Buffer) -> UnsafeMutableRawBufferPointer {
        let memory: UnsafeMutableRawBufferPointer
        var offset = 0
        if let placement = plan.arena[buffer.id] {
            memory = arena.bytes
            offset = placement.byteOffset
        } else if let table = tables[buffer.id] {
            memory = table.bytes
        } else {
            memory = persistent(buffer).bytes
        }
        return UnsafeMutableRawBufferPointer(rebasing: memory[offset..<offset + buffer.byteCount])
    }

    func run(_ step: Plan.Step) {
        let dispatch = step.dispatch
        let memory = dispatch.buffers.map { buffer in
            buffer.map {
                let bytes = bytes(of: $0)
                return TwinMemory(base: bytes.baseAddress!, byteCount: bytes.count, elementType: $0.elementType)
            }
        }
        dispatch.kernel.runTwin(
            memory: memory, parameters: dispatch.parameters, constants: dispatch.constants, flavour: plan.flavour)
    }
}
