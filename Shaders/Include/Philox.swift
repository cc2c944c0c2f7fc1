/// Philox4x32-10, the mirror of `philox.glsl`: 128 random bits from a 128-bit counter and a 64-bit key.
///
/// Counter based, so a draw depends on what it is for and never on how many draws came before it.
/// Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
public enum Philox {
    public static func words(
        key: SIMD2<UInt32>, counter: SIMD4<UInt32>
    ) -> SIMD4<UInt32> {
        var (key, counter) = (key, counter)
        for _ in 0..<10 {
            let product0 = UInt64(counter.x) * 0xD251_1F53
            let product1 = UInt64(counter.z) * 0xCD9E_8D57
            counter = SIMD4(
                UInt32(product1 >> 32) ^ counter.y ^ key.x, UInt32(truncatingIfNeeded: product1),
                UInt32(product0 >> 32) ^ counter.w ^ key.y, UInt32(truncatingIfNeeded: product0))
            key &+= SIMD2(0x9E37_79B9, 0xBB67_AE85)
        }
        return counter
    }
}
