// f16 as storage, by integer operations alone; Narrow.swift is the mirror. The device's own conversions are not used:
// packHalf2x16 may round in any direction and flush denormals.

// Widens the lower 16 bits, exactly.
float widen_half(uint bits) {
    uint magnitude = bits & 0x7FFFu;
    // Exponents of 1 to 30 are rebiased by 112, infinity and NaN by 224; denormals are multiples of 2^-24.
    uint wide = (magnitude << 13) + (magnitude < 0x7C00u ? 0x38000000u : 0x70000000u);
    if (magnitude < 0x400u) wide = floatBitsToUint(float(magnitude) * 5.9604645e-8);
    return uintBitsToFloat((bits & 0x8000u) << 16 | wide);
}

// Widens four elements, two a word.
vec4 widen_halves(uvec2 words) {
    return vec4(widen_half(words.x), widen_half(words.x >> 16), widen_half(words.y), widen_half(words.y >> 16));
}

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
