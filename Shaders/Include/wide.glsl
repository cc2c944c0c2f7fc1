// 64-bit unsigned integers as (low, high) words.

uvec2 wide_add(uvec2 a, uvec2 b) {
    uint low = a.x + b.x;
    return uvec2(low, a.y + b.y + (low < a.x ? 1u : 0u));
}

uvec2 wide_subtract(uvec2 a, uvec2 b) { return uvec2(a.x - b.x, a.y - b.y - (a.x < b.x ? 1u : 0u)); }

bool wide_less(uvec2 a, uvec2 b) { return a.y < b.y || (a.y == b.y && a.x < b.x); }

// floor(total · fraction / 2^24), for totals below 2^62.
uvec2 wide_scale(uvec2 total, uint fraction) {
    uint high_0, low_0, high_1, low_1;
    umulExtended(total.x, fraction, high_0, low_0);
    umulExtended(total.y, fraction, high_1, low_1);
    uint middle = high_0 + low_1;
    uint top = high_1 + (middle < low_1 ? 1u : 0u);
    return uvec2((low_0 >> 24) | (middle << 8), (middle >> 24) | (top << 8));
}
