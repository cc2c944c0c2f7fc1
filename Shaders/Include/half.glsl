// f16 as storage; Narrow.swift is the mirror. Widening is the device's own, which the probe asks for all 65,536 values;
// narrowing goes by integer operations alone, as packHalf2x16 may round in any direction and flush denormals.

// Widens four elements, two a word.
vec4 widen_halves(uvec2 words) { return vec4(unpackHalf2x16(words.x), unpackHalf2x16(words.y)); }

// Nearest even, denormals kept, overflow to infinity, every NaN to 0x7E00.
uint narrow_half(float value) {
    uint bits = floatBitsToUint(value);
    uint sign = (bits >> 16) & 0x8000u;
    uint magnitude = bits & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) return 0x7E00u;
    // 65520, from which on rounding gives infinity.
    if (magnitude >= 0x477FF000u) return sign | 0x7C00u;
    if (magnitude >= 0x38800000u) return sign | (magnitude + 0xFFFu + ((magnitude >> 13) & 1u) - 0x38000000u) >> 13;
    // Denormals: the mantissa with its hidden bit, shifted right with rounding to even.
    uint shift = 126u - (magnitude >> 23);
    if (shift > 24u) return sign;
    uint mantissa = (magnitude & 0x7FFFFFu) | 0x800000u;
    return sign | (mantissa + (1u << (shift - 1u)) - 1u + ((mantissa >> shift) & 1u)) >> shift;
}

// Narrows four elements, two a word.
uvec2 narrow_halves(vec4 values) {
    return uvec2(narrow_half(values.x) | narrow_half(values.y) << 16,
                 narrow_half(values.z) | narrow_half(values.w) << 16);
}
