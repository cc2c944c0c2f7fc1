// Elementary functions from exactly rounded operations alone, so that every device gives the same bits.
// The Swift mirror is Functions.swift; the bounds below are measured there over all or many inputs by the tests.
// Polynomials are weighted minimax fits made for this file; range reductions follow Cody and Waite.

bool is_nan(float x) { return (floatBitsToUint(x) & 0x7FFFFFFFu) > 0x7F800000u; }

const uint QUIET_NAN = 0x7FC00000u;
const uint INFINITY_BITS = 0x7F800000u;

// x · 2^n for n in -252...254, rounded once.
float scale_by_power(float x, int n) {
    int half_n = n >> 1;
    float first = uintBitsToFloat(uint(half_n + 127) << 23);
    float second = uintBitsToFloat(uint(n - half_n + 127) << 23);
    return (x * first) * second;
}

// 1 / x. At most 1.25 ulp. This and the exponential select instead of branching: CPU drivers run both sides of a
// branch, and mask what they store there.
float reciprocal(float x) {
    uint bits = floatBitsToUint(x);
    uint sign = bits & 0x80000000u;
    uint magnitude = bits & 0x7FFFFFFFu;
    bool is_denormal = magnitude < 0x00800000u;
    uint raised = floatBitsToUint(uintBitsToFloat(magnitude) * 8388608.0);
    uint number = is_denormal ? raised : magnitude;
    int lift = is_denormal ? 23 : 0;
    int exponent = int(number >> 23) - lift;
    float m = uintBitsToFloat((number & 0x007FFFFFu) | 0x3F800000u);
    float r = uintBitsToFloat(0x7EF311C7u - floatBitsToUint(m));
    r = r * (2.0 - m * r);
    r = r * (2.0 - m * r);
    r = r * (2.0 - m * r);
    r = r + r * (1.0 - m * r);
    uint found = floatBitsToUint(scale_by_power(r, 127 - exponent));
    found = magnitude == 0u ? INFINITY_BITS : found;
    found = magnitude == INFINITY_BITS ? 0u : found;
    found |= sign;
    found = magnitude > INFINITY_BITS ? QUIET_NAN : found;
    return uintBitsToFloat(found);
}

// 1 / √x. At most 1.25 ulp.
float inverse_square_root(float x) {
    uint bits = floatBitsToUint(x);
    if ((bits & 0x7FFFFFFFu) == 0u) return uintBitsToFloat((bits & 0x80000000u) | INFINITY_BITS);
    if (bits > INFINITY_BITS) return uintBitsToFloat(QUIET_NAN);
    if (bits == INFINITY_BITS) return 0.0;
    float scale = 1.0;
    if (bits < 0x01000000u) {
        x = x * 16777216.0;
        scale = 4096.0;
    }
    float half_x = 0.5 * x;
    float y = uintBitsToFloat(0x5F375A86u - (floatBitsToUint(x) >> 1));
    y = y * (1.5 - (half_x * y) * y);
    y = y * (1.5 - (half_x * y) * y);
    y = y * (1.5 - (half_x * y) * y);
    y = y + y * (0.5 - (half_x * y) * y);
    return y * scale;
}

// eˣ. At most 1.02 ulp.
float exponential(float x) {
    bool is_above = x > 88.72284;
    bool is_below = x < -103.97208;
    bool is_number = !is_nan(x);
    // What lies outside the range is not converted to an integer.
    float inside = is_number ? x : 0.0;
    inside = is_above ? 0.0 : inside;
    inside = is_below ? 0.0 : inside;
    float k = roundEven(inside * 1.442695);
    float r = (inside - k * 0.693359375) - k * -0.00021219444;
    float p = 0.00139504916;
    p = p * r + 0.0083688898;
    p = p * r + 0.041666206;
    p = p * r + 0.16666518;
    p = p * r + 0.5;
    float y = ((r * r) * p + r) + 1.0;
    uint found = floatBitsToUint(scale_by_power(y, int(k)));
    found = is_above ? INFINITY_BITS : found;
    found = is_below ? 0u : found;
    found = is_number ? found : QUIET_NAN;
    return uintBitsToFloat(found);
}

// ln x. At most 0.81 ulp.
float logarithm(float x) {
    uint bits = floatBitsToUint(x);
    if ((bits & 0x7FFFFFFFu) == 0u) return uintBitsToFloat(0xFF800000u);
    if (bits > INFINITY_BITS) return uintBitsToFloat(QUIET_NAN);
    if (bits == INFINITY_BITS) return x;
    int exponent = int(bits >> 23) - 127;
    if (exponent == -127) {
        bits = floatBitsToUint(x * 8388608.0);
        exponent = int(bits >> 23) - 150;
    }
    float m = uintBitsToFloat((bits & 0x007FFFFFu) | 0x3F800000u);
    if (m > 1.4142135) {
        m = m * 0.5;
        exponent += 1;
    }
    float t = m - 1.0;
    float e = float(exponent);
    float p = 0.06915425;
    p = p * t + -0.11789835;
    p = p * t + 0.11872966;
    p = p * t + -0.12384343;
    p = p * t + 0.14218658;
    p = p * t + -0.16669251;
    p = p * t + 0.20002227;
    p = p * t + -0.24999987;
    p = p * t + 0.3333331;
    float square = t * t;
    float y = (t * square) * p;
    y = y + e * -0.00021219444;
    y = y - 0.5 * square;
    return (t + y) + e * 0.693359375;
}

// tanh x. At most 1.6 ulp.
float hyperbolic_tangent(float x) {
    uint bits = floatBitsToUint(x);
    uint sign = bits & 0x80000000u;
    float a = uintBitsToFloat(bits & 0x7FFFFFFFu);
    if (is_nan(x)) return uintBitsToFloat(QUIET_NAN);
    if (a < 0.625) {
        float s = x * x;
        float p = -0.005717045;
        p = p * s + 0.020650586;
        p = p * s + -0.053743497;
        p = p * s + 0.13331491;
        p = p * s + -0.33333284;
        // −0 would give +0.
        return uintBitsToFloat(floatBitsToUint(x + x * (s * p)) | sign);
    }
    float value = 1.0;
    if (a < 9.5) value = 1.0 - 2.0 * reciprocal(exponential(2.0 * a) + 1.0);
    return uintBitsToFloat(floatBitsToUint(value) | sign);
}

// erf x. At most 1.3 ulp.
float error_function(float x) {
    uint bits = floatBitsToUint(x);
    uint sign = bits & 0x80000000u;
    float a = uintBitsToFloat(bits & 0x7FFFFFFFu);
    if (is_nan(x)) return uintBitsToFloat(QUIET_NAN);
    if (a < 0.925) {
        float s = x * x;
        float p = -0.0005986786;
        p = p * s + 0.0049928953;
        p = p * s + -0.026766848;
        p = p * s + 0.11281837;
        p = p * s + -0.37612498;
        p = p * s + 0.12837915;
        return x + x * p;
    }
    float value = 1.0;
    if (a < 4.0) {
        float p = -0.00019718165;
        p = p * a + 0.0030556067;
        p = p * a + -0.022277085;
        p = p * a + 0.10403735;
        p = p * a + 0.63705975;
        p = p * a + 0.12774956;
        p = p * a + 0.0001774955;
        value = 1.0 - exponential(-(a + p));
    }
    return uintBitsToFloat(floatBitsToUint(value) | sign);
}

// An order-preserving key: NaN lowest, then −∞ … −0, +0 … +∞. Maxima of keys are exact in any order.
uint order_key(float x) {
    uint bits = floatBitsToUint(x);
    if ((bits & 0x7FFFFFFFu) > INFINITY_BITS) return 0u;
    return (bits & 0x80000000u) != 0u ? ~bits : bits | 0x80000000u;
}

// order_key with -0 equal to +0: how floats rank where ties go to the lowest index.
uint choice_key(float x) {
    uint key = order_key(x);
    return key == 0x7FFFFFFFu ? 0x80000000u : key;
}

float from_order_key(uint key) {
    if (key == 0u) return uintBitsToFloat(QUIET_NAN);
    return uintBitsToFloat((key & 0x80000000u) != 0u ? key & 0x7FFFFFFFu : ~key);
}
