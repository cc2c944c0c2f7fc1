import Foundation
import VkdynKernels

/// The normally distributed values that `torch.randn` gives on a CUDA device, so that a seed known from there gives the
/// picture known from there. Within 1e-5 of them: the device takes its sine, cosine and logarithm with less care.
///
/// torch starts min(⌈count/256⌉·256, the most the GPU runs) threads. Thread i draws from Philox4x32-10 with the seed as
/// key, i as the upper and the generator's offset/4 as the lower half of the counter. A draw is four values, by Box and
/// Muller's transform from two pairs of words; with T threads, the draw numbered d of thread i gives the values i +
/// (4·d + j)·T, j from 0 to 3. So as long as a value has a thread to itself, no value depends on the GPU or on the count;
/// beyond that they differ from GPU to GPU, as they do in torch.
///
/// Sources: ATen's `DistributionTemplates.h` (PyTorch 2.13) for the threads and the offset, cuRAND's
/// `curand_philox4x32_x.h` and `curand_normal.h` for counter and transform.
public struct CUDANoise: Sendable {
    /// How many threads a GPU runs at once: its multiprocessors times the threads of one.
    public enum GPU: String, Sendable, CaseIterable {
        case t4 = "T4"
        case v100 = "V100"
        case a100 = "A100"
        case h100 = "H100"
        case rtx3090 = "RTX 3090"
        case rtx4090 = "RTX 4090"
        case rtxA6000 = "RTX A6000"

        public var threadCount: Int {
            switch self {
            case .t4: 40 * 1024
            case .v100: 80 * 2048
            case .a100: 108 * 2048
            case .h100: 132 * 2048
            case .rtx3090: 82 * 1536
            case .rtx4090: 128 * 1536
            case .rtxA6000: 84 * 1536
            }
        }
    }

    public let seed: UInt64
    /// Whose values are given where a call asks for more than one a thread: above 221,184 values on an A100, which is
    /// a picture of 1,880 by 1,880 pixels, or thirteen of 512 by 512.
    public let gpu: GPU
    /// How far the generator has been advanced: four for each draw of a thread.
    public private(set) var offset: UInt64 = 0

    public init(seed: UInt64, gpu: GPU = .a100) {
        self.seed = seed
        self.gpu = gpu
    }

    /// The next `count` values, as one call of `torch.randn` gives them.
    public mutating func normals(count: Int) -> [Float] {
        precondition(count >= 0, "\(count) values were asked for")
        if count == 0 { return [] }
        let threadCount = min((count + 255) / 256 * 256, gpu.threadCount / 256 * 256)
        let drawCount = (count - 1) / (threadCount * 4) + 1
        var values = [Float](repeating: 0, count: count)
        for draw in 0..<drawCount {
            for thread in 0..<threadCount {
                let first = draw * 4 * threadCount + thread
                if first >= count { break }
                let words = words(thread: UInt64(thread), draw: offset / 4 + UInt64(draw))
                let (a, b) = Self.pair(words.x, words.y)
                values[first] = a
                if first + threadCount >= count { continue }
                let (c, d) = Self.pair(words.z, words.w)
                for (index, value) in [b, c, d].enumerated() where first + (index + 1) * threadCount < count {
                    values[first + (index + 1) * threadCount] = value
                }
            }
        }
        offset += UInt64(drawCount) * 4
        return values
    }

    private func words(thread: UInt64, draw: UInt64) -> SIMD4<UInt32> {
        func halves(_ word: UInt64) -> SIMD2<UInt32> {
            SIMD2(UInt32(truncatingIfNeeded: word), UInt32(truncatingIfNeeded: word >> 32))
        }
        return Philox.words(
            key: halves(seed), counter: SIMD4(lowHalf: halves(draw), highHalf: halves(thread)))
    }

    /// Two normally distributed values from two words: with u and v from them, uniform in (0, 1] and in (0, 2π],
    /// √(−2·log u)·sin v and √(−2·log u)·cos v. u and v are rounded to f32 as there, which near u = 1 is seen.
    static func pair(_ x: UInt32, _ y: UInt32) -> (Float, Float) {
        let unit: Float = 0x1p-32
        let angleUnit = unit * 6.2831855
        let u = (unit / 2).addingProduct(Float(x), unit)
        let v = (angleUnit / 2).addingProduct(Float(y), angleUnit)
        let radius = (-2 * log(Double(u))).squareRoot()
        return (Float(radius * sin(Double(v))), Float(radius * cos(Double(v))))
    }
}
