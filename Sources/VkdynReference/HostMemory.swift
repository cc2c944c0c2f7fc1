import VkdynCore

/// Zero-initialised, aligned host memory.
final class HostMemory: BufferStorage, @unchecked Sendable {
    // Sendable: a device runs one plan at a time, and callers order their reads and writes after it.
    let bytes: UnsafeMutableRawBufferPointer

    init(byteCount: Int) {
        bytes = .allocate(byteCount: max(byteCount, 16), alignment: 256)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { bytes.deallocate() }

    /// The pattern of memory that nobody wrote: NaN as f32, f16 and bf16.
    func fillUnwritten() {
        let words = bytes.bindMemory(to: UInt32.self)
        words.update(repeating: 0x7FFA_7FFA)
    }
}
