// Sums of a row: 64 strided lanes, then a fixed binary tree. Reduction.swift is the mirror.
//
// Lane l adds elements l, l + 64, l + 128 … in ascending order from +0. The tree adds lane l + 32 to lane l for l < 32,
// then l + 16 for l < 16, and so on down to l + 1. An invocation may hold one lane (a workgroup of 64) or eight (a
// workgroup of 8, for widths divisible by 4): the pairs and their order are the same.

const uint REDUCTION_LANES = 64u;

#ifdef REDUCTION_QUADS

// Invocation i of 8 holds lanes 4i … 4i+3 in `low` and lanes 32+4i … 35+4i in `high`.
shared vec4 reduction_quads[8];
shared uint reduction_keys[8];

float reduce_sum(vec4 low, vec4 high) {
    reduction_quads[gl_LocalInvocationID.x] = low + high;
    barrier();
    vec4 sum0 = reduction_quads[0] + reduction_quads[4];
    vec4 sum1 = reduction_quads[1] + reduction_quads[5];
    vec4 sum2 = reduction_quads[2] + reduction_quads[6];
    vec4 sum3 = reduction_quads[3] + reduction_quads[7];
    vec4 sum = (sum0 + sum2) + (sum1 + sum3);
    barrier();
    return (sum.x + sum.z) + (sum.y + sum.w);
}

// The largest order key; exact in any order.
uint reduce_maximum(uint key) {
    reduction_keys[gl_LocalInvocationID.x] = key;
    barrier();
    uint maximum = 0u;
    for (uint i = 0u; i < 8u; i++) maximum = max(maximum, reduction_keys[i]);
    barrier();
    return maximum;
}

#else

shared float reduction_lanes[REDUCTION_LANES];
shared uint reduction_keys[REDUCTION_LANES];

float reduce_sum(float value) {
    uint lane = gl_LocalInvocationID.x;
    reduction_lanes[lane] = value;
    barrier();
    for (uint distance = 32u; distance > 0u; distance >>= 1) {
        if (lane < distance) reduction_lanes[lane] += reduction_lanes[lane + distance];
        barrier();
    }
    float sum = reduction_lanes[0];
    barrier();
    return sum;
}

// The largest order key; exact in any order.
uint reduce_maximum(uint key) {
    uint lane = gl_LocalInvocationID.x;
    reduction_keys[lane] = key;
    barrier();
    for (uint distance = 32u; distance > 0u; distance >>= 1) {
        if (lane < distance) reduction_keys[lane] = max(reduction_keys[lane], reduction_keys[lane + distance]);
        barrier();
    }
    uint maximum = reduction_keys[0];
    barrier();
    return maximum;
}

#endif
