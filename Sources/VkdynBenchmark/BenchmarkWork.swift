public import VkdynCore
import VkdynKernels
public import VkdynSchedule

/// A call that vkdyn is compared by: what `vkdyn bench --suite` and the package in `Benchmarks` measure.
public struct BenchmarkWork: Sendable {
    public let title: String
    public let kernel: String
    /// As `ShapeText` reads it.
    public let shape: String
    public let storage: ElementType
    /// What ggml's Vulkan backend took on lavapipe (Mesa 22.3.6, two cores, quiet), nil where it was not measured, and
    /// what vkdyn is to reach there; of no meaning on other devices.
    public let peerMilliseconds: Double?
    public let goalMilliseconds: Double

    private init(
        _ title: String, _ kernel: String, _ shape: String, _ storage: ElementType = .f32, peer: Double? = nil,
        goal: Double
    ) {
        self.title = title
        self.kernel = kernel
        self.shape = shape
        self.storage = storage
        peerMilliseconds = peer
        goalMilliseconds = goal
    }

    /// The kernel, if it takes its shape in this storage type.
    public var kernelType: (any Kernel.Type)? {
        KernelRegistry.all.first {
            $0.interface.name == kernel && !$0.shapes.axes.isEmpty && $0.shapes.storage.contains(storage)
        }
    }

    /// The call, by the device's first choice of a variant; none where there is no such kernel.
    public func calls(traits: DeviceTraits, tuning: Tuning = Tuning()) throws(BenchmarkError) -> [BenchmarkCall] {
        guard let kernelType else { return [] }
        return try BenchmarkCall.make(
            kernelType, try ShapeText.shape(shape, of: kernelType, storage: storage), traits: traits, tuning: tuning)
    }

    public static let suite: [BenchmarkWork] = [
        .init("f32 512×3072×768", "matmul", "512,3072,768", peer: 245, goal: 55),
        .init("f32 1024×1024×1024", "matmul", "1024,1024,1024", peer: 210, goal: 48),
        .init("f16 512×3072×768", "matmul", "512,3072,768", .f16, peer: 384, goal: 58),
        .init("int8 512×3072×768", "matmul", "512,3072,768,group=32", .i8, peer: 368, goal: 58),
        .init("f32 4096×4096, 1 row", "matmul", "1,4096,4096", peer: 17.9, goal: 6),
        .init("f16 4096×4096, 1 row", "matmul", "1,4096,4096", .f16, peer: 13.7, goal: 5),
        .init("int8 4096×4096, 1 row", "matmul", "1,4096,4096,group=32", .i8, peer: 14.5, goal: 3.5),
        .init("f32 4096×4096, 8 rows", "matmul", "8,4096,4096", peer: 73, goal: 16),
        .init("f16 4096×4096, 8 rows", "matmul", "8,4096,4096", .f16, peer: 49, goal: 13),
        .init("int8 4096×4096, 8 rows", "matmul", "8,4096,4096,group=32", .i8, peer: 69, goal: 10),
        .init("experts, 2 of 8, 3072×768 f32: 1 row", "grouped_matmul", "1,3072,768", peer: 9.7, goal: 2.5),
        .init("experts, 2 of 8, 3072×768 f32: 8 rows", "grouped_matmul", "8,3072,768", peer: 84, goal: 12),
        .init("experts, 2 of 8, 3072×768 f32: 32 rows", "grouped_matmul", "32,3072,768", peer: 268, goal: 30),
        .init("experts, 2 of 8, 3072×768 f32: 512 rows", "grouped_matmul", "512,3072,768", peer: 688, goal: 130),
        .init("attention, 12 heads of 64, 197×197", "attention", "rows=197,keys=197", peer: 83, goal: 10),
        .init("attention, 12 heads of 64, 1024×1024", "attention", "rows=1024,keys=1024", peer: 1745, goal: 220),
        .init("decode attention, 1 row over 1024", "attention", "rows=1,keys=1024,causal=1", peer: 3.0, goal: 1.2),
        .init("decode attention, 8 rows over 1024", "attention", "rows=8,keys=1024,causal=1", peer: 15.7, goal: 4),
        .init("softmax, 12×197 rows of 197", "softmax", "rows=2364,width=197", peer: 8.9, goal: 2.5),
        .init("top-8 of 128 for 512 rows", "top_k", "rows=512,width=128,k=8", peer: 12.4, goal: 2),
        .init("convolution 3×3, 64×64, 320 to 320", "convolution", "1,64,64,320,320", goal: 180),
        .init("convolution 3×3, 16×16, 1280 to 1280", "convolution", "1,16,16,1280,1280", goal: 180),
        .init("f16 convolution 3×3, 64×64, 320 to 320", "convolution", "1,64,64,320,320", .f16, goal: 190),
        .init("group norm's moments, 64×64×320", "group_moments", "1,4096,32,10", goal: 1.3),
        .init("group norm and SiLU, 64×64×320", "group_norm", "1,4096,32,10", goal: 5),
    ]
}
