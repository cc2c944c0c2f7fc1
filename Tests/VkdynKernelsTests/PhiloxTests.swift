import Foundation
import Testing
import VkdynCore

@testable import VkdynKernels

@Suite struct PhiloxTests {
    /// Random123's published vectors for philox4x32 with 10 rounds (`tests/kat_vectors`).
    @Test(arguments: [
        (
            SIMD4<UInt32>(0, 0, 0, 0), SIMD2<UInt32>(0, 0),
            SIMD4<UInt32>(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8)
        ),
        (
            SIMD4<UInt32>(repeating: .max), SIMD2<UInt32>(repeating: .max),
            SIMD4<UInt32>(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD)
        ),
        (
            SIMD4<UInt32>(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344),
            SIMD2<UInt32>(0xA409_3822, 0x299F_31D0),
            SIMD4<UInt32>(0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1)
        ),
    ])
    func givesThePublishedVectors(counter: SIMD4<UInt32>, key: SIMD2<UInt32>, expected: SIMD4<UInt32>) {
        #expect(Philox.words(key: key, counter: counter) == expected)
    }

    /// The error bound that `Gumbel.noise` states, over both of its branches and their seam.
    @Test func gumbelNoiseIsAccurate() {
        var random = CaseGenerator(seed: 1)
        var words: [UInt32] = [0, 1, 2, 0x7F_FFFE, 0x7F_FFFF, 0x80_0000, 0x80_01FF, 0x80_0200, .max - 1, .max]
        for shift in 0..<32 {
            for _ in 0..<20_000 { words.append(UInt32(truncatingIfNeeded: random.next()) >> UInt32(shift)) }
        }
        var (worst, isFinite) = (0.0, true)
        for word in words {
            let v =
                word < 0x80_0000
                ? (Double(word) + 0.5) * 0x1p-32 : (Double(word >> 9) + 0.5) * 0x1p-23
            let exact = -log(-log1p(-v))
            let noise = Gumbel.noise(word)
            isFinite = isFinite && noise.isFinite
            let unit = max(Double(Float(exact).ulp), 0x1p-24)
            worst = max(worst, abs(Double(noise) - exact) / unit)
        }
        #expect(worst <= 2 && isFinite)
        #expect(Gumbel.noise(0) > 22.8 && Gumbel.noise(.max) > -2.82)
    }

    /// Larger words mean smaller noise, so ties in noise come from ties in words alone.
    @Test func gumbelNoiseFallsWithTheWord() {
        let noise = stride(from: UInt32(0), through: .max - 4096, by: 2048).map(Gumbel.noise)
        #expect(zip(noise, noise.dropFirst()).allSatisfy { $0 >= $1 })
    }
}
