// Multiply-add in the two flavours of the arithmetic contract.
//
// separate: multiply, round, add, round; the same bits on every device.
// fused: one rounding. Devices that do not fuse run it only in tests, through an exact emulation: the product is
// exact in f64, the sum is rounded to odd there, so that narrowing it to f32 rounds once (Boldo and Melquiond,
// "Emulation of a FMA and correctly rounded sums", IEEE Trans. Computers 57, 2008).

layout(constant_id = 100) const bool FUSED = false;

#ifdef VKDYN_FUSED_EMULATION
float fused_multiply_add(float a, float b, float c) {
    double product = double(a) * double(b);
    double addend = double(c);
    double sum = product + addend;
    double part = sum - product;
    double error = (product - (sum - part)) + (addend - part);
    uvec2 bits = unpackDouble2x32(sum);
    // The comparisons are false for NaN, which infinities give here. Without a branch: it stands in programs many times.
    bool is_odded = (error > 0.0 || error < 0.0) && (bits.x & 1u) == 0u;
    bool is_away = (error > 0.0) == ((bits.y >> 31) == 0u);
    bits.y -= is_odded && !is_away && bits.x == 0u ? 1u : 0u;
    bits.x += is_odded ? (is_away ? 1u : 0xFFFFFFFFu) : 0u;
    // Drivers drop the rounding of a number that is widened again at once (Mesa 25 does). They cannot know that this
    // exclusive or is with 0.
    return uintBitsToFloat(floatBitsToUint(float(packDouble2x32(bits))) ^ (gl_NumWorkGroups.x >> 31));
}

// The bound n of a loop over several accumulators, in a form that the driver cannot unroll: inlined hundreds of times,
// the emulation takes drivers minutes to compile.
uint unrolled(uint n) { return min(n, gl_NumWorkGroups.x + 65536u); }
#define UNROLL [[dont_unroll]]
#else
float fused_multiply_add(float a, float b, float c) { return fma(a, b, c); }

// The bound n of a loop over several accumulators, which the driver unrolls into registers.
#define unrolled(n) (n)
// Before such a loop, after the extension GL_EXT_control_flow_attributes: drivers leave large bodies rolled up otherwise,
// and the accumulators in memory.
#define UNROLL [[unroll]]
#endif

float multiply_add(float a, float b, float c) {
    if (FUSED) return fused_multiply_add(a, b, c);
    return a * b + c;
}

vec4 fused_multiply_add(vec4 a, vec4 b, vec4 c) {
    return vec4(fused_multiply_add(a.x, b.x, c.x), fused_multiply_add(a.y, b.y, c.y),
                fused_multiply_add(a.z, b.z, c.z), fused_multiply_add(a.w, b.w, c.w));
}

vec4 multiply_add(vec4 a, vec4 b, vec4 c) {
    if (FUSED) return fused_multiply_add(a, b, c);
    return a * b + c;
}

vec4 multiply_add(vec4 a, float b, vec4 c) {
    if (FUSED) return fused_multiply_add(a, vec4(b), c);
    return a * b + c;
}

// Products of a dot product are added in ascending index inside chunks of this length, chunk sums in ascending order.
const uint CHUNK = 256u;
