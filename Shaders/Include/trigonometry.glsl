// Sine and cosine from exactly rounded operations alone; Trigonometry.swift is the mirror, which the tests measure.

#include "functions.glsl"

// 1/(2π) = 0.00101000… in words of 32 bits, as far as f32 needs it.
const uint TURN_WORDS[6] =
    uint[](0x28BE60DBu, 0x9391054Au, 0x7F09D5F4u, 0x7D4D3770u, 0x36D8A566u, 0x4F10E410u);

// What is left of |x| after the nearest quarter turn, −π/4 … π/4, and that quarter modulo 4. For finite x: the product
// with 1/(2π) is made of the 96 bits that reach a fraction of a turn, after Payne and Hanek, SIGNUM Newsletter 18
// (1983).
float reduce_turns(float x, out uint quarter) {
    uint bits = floatBitsToUint(x) & 0x7FFFFFFFu;
    quarter = 0u;
    // Up to π/4 nothing is taken away.
    if (bits <= 0x3F490FDAu) return uintBitsToFloat(bits);
    uint shift = (bits >> 23) - 126u;
    uint word = shift >> 5;
    shift = shift & 31u;
    uint w0 = word > 0u ? TURN_WORDS[word - 1u] : 0u;
    uint w1 = TURN_WORDS[word];
    uint w2 = TURN_WORDS[word + 1u];
    uint w3 = TURN_WORDS[min(word + 2u, 5u)];
    uint mantissa = (bits << 8) | 0x80000000u;
    uint unused_high, middle_high, low_high, first, middle, low;
    umulExtended(mantissa, w0 << shift | (w1 >> 1) >> (31u - shift), unused_high, first);
    umulExtended(mantissa, w1 << shift | (w2 >> 1) >> (31u - shift), middle_high, middle);
    umulExtended(mantissa, w2 << shift | (w3 >> 1) >> (31u - shift), low_high, low);
    // The fraction of a turn in 64 bits.
    uint fraction_low = middle + low_high;
    uint fraction = first + middle_high + (fraction_low < middle ? 1u : 0u);
    quarter = (fraction + 0x20000000u) >> 30;
    fraction -= quarter << 30;
    quarter = quarter & 3u;
    bool is_negative = (fraction & 0x80000000u) != 0u;
    if (is_negative) {
        fraction_low = ~fraction_low + 1u;
        fraction = ~fraction + (fraction_low == 0u ? 1u : 0u);
    }
    // Its first 32 bits, which no f32 leaves all zero, times π/2, rounded to 24 bits.
    uint lost = 0u;
    if (fraction == 0u) {
        fraction = fraction_low;
        fraction_low = 0u;
        lost = 32u;
    }
    uint zeros = 31u - uint(findMSB(fraction));
    fraction = fraction << zeros | (fraction_low >> 1) >> (31u - zeros);
    lost += zeros;
    uint product, rest;
    umulExtended(fraction, 0xC90FDAA2u, product, rest);
    if ((product & 0x80000000u) == 0u) {
        product = product << 1 | rest >> 31;
        lost += 1u;
    }
    float magnitude = float((product >> 8) + ((product >> 7) & 1u));
    float scale = uintBitsToFloat((106u - lost) << 23);
    return uintBitsToFloat(floatBitsToUint(magnitude * scale) | (is_negative ? 0x80000000u : 0u));
}

// sin r for −π/4 … π/4; the sign of zero is kept.
float quarter_sine(float r) {
    float s = r * r;
    float p = -0.00019518286;
    p = p * s + 0.0083321892;
    p = p * s + -0.16666655;
    uint sign = floatBitsToUint(r) & 0x80000000u;
    return uintBitsToFloat(floatBitsToUint(r + r * (s * p)) | sign);
}

// cos r for −π/4 … π/4.
float quarter_cosine(float r) {
    float s = r * r;
    float p = 0.000024432564;
    p = p * s + -0.0013887311;
    p = p * s + 0.041666646;
    float h = 0.5 * s;
    float w = 1.0 - h;
    return w + (((1.0 - w) - h) + (s * s) * p);
}

// sin x. At most 1.5 ulp.
float sine(float x) {
    uint bits = floatBitsToUint(x);
    if ((bits & 0x7FFFFFFFu) >= INFINITY_BITS) return uintBitsToFloat(QUIET_NAN);
    uint quarter;
    float r = reduce_turns(x, quarter);
    float y = (quarter & 1u) != 0u ? quarter_cosine(r) : quarter_sine(r);
    return uintBitsToFloat(floatBitsToUint(y) ^ (quarter & 2u) << 30 ^ (bits & 0x80000000u));
}

// cos x. At most 1.5 ulp.
float cosine(float x) {
    if ((floatBitsToUint(x) & 0x7FFFFFFFu) >= INFINITY_BITS) return uintBitsToFloat(QUIET_NAN);
    uint quarter;
    float r = reduce_turns(x, quarter);
    float y = (quarter & 1u) != 0u ? quarter_sine(r) : quarter_cosine(r);
    return uintBitsToFloat(floatBitsToUint(y) ^ ((quarter + 1u) & 2u) << 30);
}
