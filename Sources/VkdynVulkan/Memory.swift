import CVulkan
import Synchronization
import VkdynCore
import VkdynSchedule

/// Divides a range of memory into pieces: first fit over a list of free ranges, neighbours joined on release.
struct SubAllocator: Sendable {
    let capacity: Int
    private var free: [Range<Int>]

    init(capacity: Int) {
        self.capacity = capacity
        free = capacity > 0 ? [0..<capacity] : []
    }

    var freeByteCount: Int { free.reduce(0) { $0 + $1.count } }
    var isUnused: Bool { freeByteCount == capacity }

    /// The offset of `byteCount` bytes, or nil when no free range holds them.
    mutating func allocate(byteCount: Int, alignment: Int) -> Int? {
        precondition(byteCount > 0 && alignment > 0)
        for (index, range) in free.enumerated() {
            let start = (range.lowerBound + alignment - 1) / alignment * alignment
            guard start + byteCount <= range.upperBound else { continue }
            let rest = [range.lowerBound..<start, start + byteCount..<range.upperBound].filter { !$0.isEmpty }
            free.replaceSubrange(index...index, with: rest)
            return start
        }
        return nil
    }

    mutating func release(offset: Int, byteCount: Int) {
        let index = free.firstIndex { $0.lowerBound > offset } ?? free.count
        precondition(index == free.count || free[index].lowerBound >= offset + byteCount, "released twice")
        precondition(index == 0 || free[index - 1].upperBound <= offset, "released twice")
        free.insert(offset..<offset + byteCount, at: index)
        if index + 1 < free.count, free[index].upperBound == free[index + 1].lowerBound {
            free[index] = free[index].lowerBound..<free[index + 1].upperBound
            free.remove(at: index + 1)
        }
        if index > 0, free[index - 1].upperBound == free[index].lowerBound {
            free[index - 1] = free[index - 1].lowerBound..<free[index].upperBound
            free.remove(at: index)
        }
    }
}

/// A Vulkan buffer with its memory.
final class VulkanBuffer: BufferStorage, @unchecked Sendable {
    // Sendable: handles that never change; the host's reads and writes are ordered by the device's waits.
    let handle: VkBuffer
    let byteCount: Int
    /// The host's view, where the memory is mapped.
    let mapped: UnsafeMutableRawPointer?
    private let piece: MemoryPool.Piece
    private let pool: MemoryPool
    private let device: DeviceHandle

    init(
        device: DeviceHandle, pool: MemoryPool, byteCount: Int, placement: BufferPlacement, label: String
    ) throws(DeviceError) {
        self.device = device
        self.byteCount = max((byteCount + 15) / 16 * 16, 16)
        var info = VkBufferCreateInfo()
        info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO
        info.size = VkDeviceSize(self.byteCount)
        let usage = [
            VK_BUFFER_USAGE_STORAGE_BUFFER_BIT, VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT,
            VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT, VK_BUFFER_USAGE_TRANSFER_SRC_BIT, VK_BUFFER_USAGE_TRANSFER_DST_BIT,
        ]
        info.usage = usage.reduce(0) { $0 | VkBufferUsageFlags($1.rawValue) }
        info.sharingMode = VK_SHARING_MODE_EXCLUSIVE
        var created: VkBuffer?
        try check(
            device.functions.vkCreateBuffer(device.handle, &info, nil, &created), "vkCreateBuffer",
            device: device.physical.name, what: label, byteCount: byteCount)
        guard let created else { throw .failed(call: "vkCreateBuffer", code: 0) }
        var requirements = VkMemoryRequirements()
        device.functions.vkGetBufferMemoryRequirements(device.handle, created, &requirements)
        let piece: MemoryPool.Piece
        do throws(DeviceError) {
            piece = try pool.allocate(requirements, placement: placement, label: label)
        } catch {
            device.functions.vkDestroyBuffer(device.handle, created, nil)
            throw error
        }
        self.piece = piece
        handle = created
        mapped = piece.block.mapped.map { $0 + piece.offset }
        self.pool = pool
        // From here on `deinit` gives everything back.
        try check(
            device.functions.vkBindBufferMemory(
                device.handle, created, piece.block.memory, VkDeviceSize(piece.offset)),
            "vkBindBufferMemory", device: device.physical.name)
    }

    deinit {
        device.functions.vkDestroyBuffer(device.handle, handle, nil)
        pool.release(piece)
    }
}

/// Device memory in blocks, divided by a `SubAllocator` each.
final class MemoryPool: Sendable {
    /// A driver allows some 4,096 allocations; larger requests than this get a block of their own.
    static let blockByteCount = 64 << 20

    final class Block: @unchecked Sendable {
        // Sendable: the allocator is only touched under the pool's lock.
        let memory: VkDeviceMemory
        let type: UInt32
        let mapped: UnsafeMutableRawPointer?
        var allocator: SubAllocator

        init(memory: VkDeviceMemory, type: UInt32, mapped: UnsafeMutableRawPointer?, capacity: Int) {
            self.memory = memory
            self.type = type
            self.mapped = mapped
            allocator = SubAllocator(capacity: capacity)
        }
    }

    struct Piece: Sendable {
        let block: Block
        let offset: Int
        let byteCount: Int
    }

    private let device: DeviceHandle
    private let blocks = Mutex<[Block]>([])
    private let uses = Mutex(MemoryUse())

    /// Of the pieces that are in use, not of the blocks that they lie in.
    var use: MemoryUse { uses.withLock { $0 } }

    init(device: DeviceHandle) { self.device = device }

    deinit {
        blocks.withLock { blocks in
            for block in blocks { device.functions.vkFreeMemory(device.handle, block.memory, nil) }
        }
    }

    func allocate(
        _ requirements: VkMemoryRequirements, placement: BufferPlacement, label: String
    ) throws(DeviceError) -> Piece {
        let byteCount = Int(requirements.size)
        let alignment = Int(requirements.alignment)
        let type = try memoryType(requirements.memoryTypeBits, placement)
        let result = blocks.withLock { blocks -> Result<Piece, DeviceError> in
            for block in blocks where block.type == type {
                if let offset = block.allocator.allocate(byteCount: byteCount, alignment: alignment) {
                    return .success(Piece(block: block, offset: offset, byteCount: byteCount))
                }
            }
            return Result { () throws(DeviceError) in
                let block = try makeBlock(type: type, byteCount: max(byteCount, Self.blockByteCount), minimum: byteCount, label: label)
                blocks.append(block)
                guard let offset = block.allocator.allocate(byteCount: byteCount, alignment: alignment) else {
                    throw DeviceError.outOfMemory(what: label, byteCount: byteCount, device: device.physical.name)
                }
                return Piece(block: block, offset: offset, byteCount: byteCount)
            }
        }
        let piece = try result.get()
        uses.withLock { $0.add(byteCount) }
        return piece
    }

    func release(_ piece: Piece) {
        uses.withLock { $0.add(-piece.byteCount) }
        blocks.withLock { blocks in
            piece.block.allocator.release(offset: piece.offset, byteCount: piece.byteCount)
            if piece.block.allocator.isUnused, let index = blocks.firstIndex(where: { $0 === piece.block }) {
                blocks.remove(at: index)
                device.functions.vkFreeMemory(device.handle, piece.block.memory, nil)
            }
        }
    }

    private func memoryType(_ allowed: UInt32, _ placement: BufferPlacement) throws(DeviceError) -> UInt32 {
        let physical = device.physical
        let type: UInt32?
        switch placement {
        case .device:
            type = physical.memoryType(allowed: allowed, required: VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT)
        case .shared:
            let coherent = VkMemoryPropertyFlagBits(
                rawValue: VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT.rawValue | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT.rawValue)
            type = physical.memoryType(
                allowed: allowed, required: coherent,
                preferred: VkMemoryPropertyFlags(VK_MEMORY_PROPERTY_HOST_CACHED_BIT.rawValue))
        }
        guard let type else {
            throw .unsupported(device: physical.name, reason: "it has no memory of the kind that vkdyn needs")
        }
        return type
    }

    private func makeBlock(
        type: UInt32, byteCount: Int, minimum: Int, label: String
    ) throws(DeviceError) -> Block {
        var info = VkMemoryAllocateInfo()
        info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO
        info.memoryTypeIndex = type
        var memory: VkDeviceMemory?
        var capacity = byteCount
        info.allocationSize = VkDeviceSize(capacity)
        var result = device.functions.vkAllocateMemory(device.handle, &info, nil, &memory)
        if result != VK_SUCCESS, minimum < byteCount {
            capacity = minimum
            info.allocationSize = VkDeviceSize(capacity)
            result = device.functions.vkAllocateMemory(device.handle, &info, nil, &memory)
        }
        try check(
            result, "vkAllocateMemory", device: device.physical.name, what: label, byteCount: minimum)
        guard let memory else { throw .failed(call: "vkAllocateMemory", code: 0) }
        var mapped: UnsafeMutableRawPointer?
        let flags = device.physical.memoryFlags(type)
        let coherent = VkMemoryPropertyFlags(
            VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT.rawValue | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT.rawValue)
        if flags & coherent == coherent {
            let result = device.functions.vkMapMemory(device.handle, memory, 0, VkDeviceSize(capacity), 0, &mapped)
            if result != VK_SUCCESS {
                device.functions.vkFreeMemory(device.handle, memory, nil)
                try check(result, "vkMapMemory", device: device.physical.name, what: label, byteCount: minimum)
            }
        }
        return Block(memory: memory, type: type, mapped: mapped, capacity: capacity)
    }
}
