// Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
// Philox.swift is its mirror.

uvec4 philox(uvec2 key, uvec4 counter) {
    for (uint i = 0u; i < 10u; i++) {
        uint high_0, low_0, high_1, low_1;
        umulExtended(0xD2511F53u, counter.x, high_0, low_0);
        umulExtended(0xCD9E8D57u, counter.z, high_1, low_1);
        counter = uvec4(high_1 ^ counter.y ^ key.x, low_1, high_0 ^ counter.w ^ key.y, low_0);
        key += uvec2(0x9E3779B9u, 0xBB67AE85u);
    }
    return counter;
}
