import Foundation
import Synchronization
import VkdynCore
import VkdynReference
import VkdynSchedule

/// The reference device behind a gate that lets a number of submits through and holds the next one until it is opened.
final class GateDevice: Device {
    private let inner = ReferenceDevice()
    private let condition = NSCondition()
    private let state: Mutex<State>

    private struct State {
        var remaining: Int
        var running = 0
        var mostRunning = 0
    }

    init(letsThrough count: Int) { state = Mutex(State(remaining: count)) }

    /// The most submits that ran at the same time.
    var mostRunning: Int { state.withLock { $0.mostRunning } }

    func open() {
        condition.lock()
        state.withLock { $0.remaining = .max }
        condition.broadcast()
        condition.unlock()
    }

    private func enter() {
        condition.lock()
        while state.withLock({ $0.remaining == 0 }) { condition.wait() }
        condition.unlock()
        state.withLock {
            $0.remaining -= 1
            $0.running += 1
            $0.mostRunning = max($0.mostRunning, $0.running)
        }
    }

    private func leave() { state.withLock { $0.running -= 1 } }

    // MARK: Device

    var description: DeviceDescription { inner.description }
    var traits: DeviceTraits { inner.traits }
    var counters: DeviceCounters { inner.counters }

    func makeBuffer(
        _ elementType: ElementType, count: Int, placement: BufferPlacement, label: String
    ) throws(DeviceError) -> Buffer {
        try inner.makeBuffer(elementType, count: count, placement: placement, label: label)
    }

    func write(_ bytes: UnsafeRawBufferPointer, to buffer: Buffer, byteOffset: Int) throws(DeviceError) {
        try inner.write(bytes, to: buffer, byteOffset: byteOffset)
    }

    func read(_ parts: [BufferPart]) throws(DeviceError) -> [[UInt8]] { try inner.read(parts) }

    func prepare(_ plan: Plan) throws(DeviceError) -> any PreparedPlan {
        GatedPlan(plan: try inner.prepare(plan), device: self)
    }

    private final class GatedPlan: PreparedPlan {
        let plan: any PreparedPlan
        let device: GateDevice

        init(plan: any PreparedPlan, device: GateDevice) {
            self.plan = plan
            self.device = device
        }

        func run() throws(DeviceError) {
            device.enter()
            defer { device.leave() }
            try plan.run()
        }
    }
}
