// How a row's largest magnitude, as bits, decides its scale and its numbers.

float scale_of(uint maximum) {
    if (maximum >= 0x7F800000u) return uintBitsToFloat(0x7FC00000u);
    return maximum < 0x0D800000u ? 0.0 : uintBitsToFloat(maximum) * uintBitsToFloat(0x3C010204u);
}

// What values are multiplied by; 0 makes numbers of 0.
float factor_of(uint maximum) {
    bool is_zero = maximum < 0x0D800000u || maximum >= 0x7F800000u;
    // 1 stands in for what reciprocal need not see.
    float factor = 127.0 * reciprocal(is_zero ? 1.0 : uintBitsToFloat(maximum));
    return is_zero ? 0.0 : factor;
}

// The eight bits of a value's number; magnitudes stay below 128.
uint number(float value, float factor) {
    // NaN and infinity meet a factor of 0.
    float scaled = factor == 0.0 ? 0.0 : roundEven(value * factor);
    return uint(int(scaled)) & 0xFFu;
}
