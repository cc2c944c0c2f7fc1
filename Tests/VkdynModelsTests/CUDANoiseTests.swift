import Testing

@testable import VkdynModels

/// Values that people printed from `torch.randn` on CUDA devices, and the transform by a second way.
@Suite struct CUDANoiseTests {
    /// Within half a unit of the last printed digit, and what the device's own functions may be off.
    private func expect(_ values: [Float], _ printed: [Float], digits: Int) {
        var unit: Float = 1
        for _ in 0..<digits { unit /= 10 }
        #expect(values.count == printed.count)
        for (index, (value, expected)) in zip(values, printed).enumerated() {
            #expect(abs(value - expected) <= unit / 2 + 1e-5, "value \(index): \(value), printed \(expected)")
        }
    }

    /// The docstring of stable-diffusion-webui's `rng_philox.py`.
    @Test func seed0GivesThePublishedValues() {
        var noise = CUDANoise(seed: 0)
        expect(
            noise.normals(count: 12),
            [
                -0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564, -0.62285122, -0.32838709,
                -1.07454231, -0.36314407, -1.67105067, 2.26550497,
            ], digits: 6)
        #expect(noise.offset == 4)
    }

    /// Printed from `torch.manual_seed(42)` and `torch.randn(19, device="cuda")`.
    @Test func seed42GivesThePublishedValues() {
        var noise = CUDANoise(seed: 42)
        expect(
            noise.normals(count: 19),
            [
                0.1940, 2.1614, -0.1721, 0.8491, -1.9244, 0.6530, -0.6494, -0.8175, 0.5280, -1.2753, -1.6621, -0.3033,
                -0.0926, 0.1992, -1.1204, 1.8577, -0.7145, 0.6881, 0.7968,
            ], digits: 4)
    }

    /// Three calls of `torch.randn(4, device="cuda")` after `torch.manual_seed(42)`.
    @Test func successiveCallsGoOn() {
        var noise = CUDANoise(seed: 42)
        expect(noise.normals(count: 4), [0.1940, 2.1614, -0.1721, 0.8491], digits: 4)
        expect(noise.normals(count: 4), [0.1391, -0.1082, -0.7174, 0.7566], digits: 4)
        expect(noise.normals(count: 4), [-0.5187, 1.2268, 0.6255, -0.9117], digits: 4)
        #expect(noise.offset == 12)
    }

    /// pytorch/pytorch#143086: `torch.randn(1, 49 * 12 * 112 * 144)` with seed 1, whose ends differ between GPUs.
    @Test(arguments: [
        (CUDANoise.GPU.a100, [0.1549, -0.6797, -0.1656] as [Float]), (.h100, [-0.6970, -0.7780, 0.3267]),
    ])
    func largeTensorsFollowTheGPU(gpu: CUDANoise.GPU, end: [Float]) {
        var noise = CUDANoise(seed: 1, gpu: gpu)
        let values = noise.normals(count: 49 * 12 * 112 * 144)
        expect(Array(values.prefix(3)), [-0.2963, 2.6764, -0.1408], digits: 4)
        expect(values.suffix(3), end, digits: 4)
    }

    /// pytorch/pytorch#62467: [1, 3, 128, 128] with seed 43, the first value of each channel.
    @Test func anA6000GivesThePublishedValues() {
        var noise = CUDANoise(seed: 43, gpu: .rtxA6000)
        let values = noise.normals(count: 3 * 128 * 128)
        expect([values[0], values[128 * 128], values[2 * 128 * 128]], [1.9983, 0.8704, 2.1127], digits: 4)
    }

    /// Up to the smallest GPU's threads, 40,960 on a T4, a value depends on its index alone.
    @Test func valuesOfOneThreadEachAreTheSameEverywhere() {
        let values = CUDANoise.GPU.allCases.map { gpu in
            var noise = CUDANoise(seed: 7, gpu: gpu)
            return noise.normals(count: 40_960)
        }
        #expect(values.count == 7 && values.allSatisfy { $0 == values[0] })
        var short = CUDANoise(seed: 7)
        #expect(short.normals(count: 1000) == Array(values[0].prefix(1000)))
        var wide = CUDANoise(seed: 7, gpu: .t4)
        #expect(wide.normals(count: 40_961).prefix(40_960) == values[0][...])
    }

    /// Sine and radius back from the pair, and a word of all ones, which f32 rounds to u = 1.
    @Test func theTransformIsBoxAndMullers() {
        let (a, b) = CUDANoise.pair(0x4000_0000, 0x2000_0000)
        // u = 1/4, v = π/4.
        let expected = Float((2 * 1.3862943611198906 / 2).squareRoot())
        #expect(abs(a - expected) < 1e-6 && abs(b - expected) < 1e-6)
        #expect(CUDANoise.pair(.max, 5) == (0, 0))
        let (lowest, _) = CUDANoise.pair(0, 0x4000_0000)
        #expect(abs(lowest - 6.7637) < 1e-3)
    }

    @Test func meanAndVarianceAreThoseOfANormalDistribution() {
        var noise = CUDANoise(seed: 3)
        let values = noise.normals(count: 1_000_000).map(Double.init)
        let mean = values.reduce(0, +) / 1e6
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 1e6
        #expect(abs(mean) < 0.005 && abs(variance - 1) < 0.01)
    }

    @Test func seedsAbove32BitsCount() {
        var (low, high) = (CUDANoise(seed: 5), CUDANoise(seed: 5 | 1 << 40))
        #expect(low.normals(count: 8) != high.normals(count: 8))
        var none = CUDANoise(seed: 5)
        #expect(none.normals(count: 0) == [] && none.offset == 0)
    }
}
