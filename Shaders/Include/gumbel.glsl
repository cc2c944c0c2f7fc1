// Standard Gumbel noise, -ln(-ln u), of one random word; after functions.glsl. Gumbel.swift is its mirror.
//
// The largest noise decides, which comes from u near 1, so the word is v = 1 - u. Small v keep all 32 bits, where a
// series replaces the logarithm of a number near 1; the others are multiples of 2^-23 plus a half, so that u is exact.
float gumbel(uint word) {
    float exponential_variate;
    if (word < 0x00800000u) {
        float v = (float(word) + 0.5) * 2.3283064365386963e-10;
        exponential_variate = v + (v * v) * (0.5 + v * 0.33333334);
    } else {
        float u = (float(0x007FFFFFu - (word >> 9)) + 0.5) * 1.1920928955078125e-07;
        exponential_variate = -logarithm(u);
    }
    return -logarithm(exponential_variate);
}
