// f32 to f16 by integer operations alone: nearest even, denormals kept, overflow to infinity, every NaN to 0x7E00.
// Narrow.toF16 is its mirror.

uint narrow_f16(float value) {
    uint bits = floatBitsToUint(value);
    uint sign = (bits >> 16) & 0x8000u;
    uint magnitude = bits & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) return 0x7E00u;
    // 65520, from which on rounding gives infinity.
    if (magnitude >= 0x477FF000u) return sign | 0x7C00u;
    if (magnitude >= 0x38800000u) {
        uint rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u);
        return sign | ((rounded - 0x38000000u) >> 13);
    }
    // Denormals: the mantissa with its hidden bit, shifted right with rounding to even.
    uint shift = 126u - (magnitude >> 23);
    if (shift > 24u) return sign;
    uint mantissa = (magnitude & 0x7FFFFFu) | 0x800000u;
    uint odd = (mantissa >> shift) & 1u;
    return sign | ((mantissa + (1u << (shift - 1u)) - 1u + odd) >> shift);
}

// Two values in one word, the first in its lower half.
uint narrow_f16_pair(float first, float second) { return narrow_f16(first) | (narrow_f16(second) << 16); }
