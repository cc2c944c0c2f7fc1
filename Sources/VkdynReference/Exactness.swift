public import VkdynCore
import VkdynKernels
public import VkdynSchedule

/// What the probe found out about a device's arithmetic.
public struct Exactness: Sendable {
    /// Why the device's bits are not the twins', or nil.
    public let reason: String?
    /// Whether `fma` rounds once, so that the fused flavour runs natively.
    public let isFused: Bool
}

extension Device {
    /// Runs the probe in both flavours and compares it with its twin. A device opened with `emulatesFused` seems to fuse.
    public func probe() throws(DeviceError) -> Exactness {
        let separate = try KernelVerifier(device: self, flavour: .separate).verify(ArithmeticProbe.self)
        let fused = try KernelVerifier(device: self, flavour: .fused).verify(ArithmeticProbe.self)
        return Exactness(
            reason: separate.lazy.compactMap(\.firstDifference).first.map {
                "its arithmetic differs from the twins': \($0)"
            },
            isFused: fused.allSatisfy { $0.differenceCount == 0 })
    }
}
