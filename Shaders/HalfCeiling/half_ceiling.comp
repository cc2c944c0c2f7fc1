#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require

// CHAINS sums of four components an invocation, BLOCK steps one behind the other in the program; see
// arithmetic_ceiling.comp. Both halves of a word step by one addition, the only work that is not counted.

#include "arithmetic.glsl"
#include "half.glsl"

#pragma vkdyn variant(lanes8_chains2_block8, tile = 16x1x1, CHAINS = 2, BLOCK = 8, LANES = 8)
#pragma vkdyn variant(lanes8_chains4_block4, tile = 32x1x1, CHAINS = 4, BLOCK = 4, LANES = 8)
#pragma vkdyn variant(lanes8_chains8_block2, tile = 64x1x1, CHAINS = 8, BLOCK = 2, LANES = 8)
#pragma vkdyn variant(lanes64_chains2_block16, tile = 128x1x1, CHAINS = 2, BLOCK = 16, LANES = 64)
#pragma vkdyn variant(lanes64_chains4_block8, tile = 256x1x1, CHAINS = 4, BLOCK = 8, LANES = 64)
#pragma vkdyn variant(lanes64_chains8_block4, tile = 512x1x1, CHAINS = 8, BLOCK = 4, LANES = 64)

layout(local_size_x = LANES) in;

layout(constant_id = 10) const uint CHAINS = 4u;
layout(constant_id = 11) const uint BLOCK = 4u;

layout(std430, binding = 0) writeonly buffer Result { vec4 result[]; };

layout(push_constant) uniform Parameters {
    uint chain_count;
    uint step_count;
    float factor;
    uint start;
};

// The first four halves of a chain.
uvec2 start_of(uint chain) {
    uvec4 number = (uvec4(0u, 1u, 2u, 3u) + 4u * chain) & 0x3FFu;
    return start * 0x00010001u + uvec2(number.x | number.y << 16, number.z | number.w << 16);
}

void main() {
    uint first = gl_WorkGroupID.x * LANES * CHAINS + gl_LocalInvocationID.x;
    vec4 sum[CHAINS];
    uvec2 halves[CHAINS];
    UNROLL for (uint c = 0u; c < unrolled(CHAINS); c++) {
        sum[c] = vec4(0.0);
        halves[c] = start_of(first + c * LANES);
    }
    for (uint block = 0u; block < step_count / BLOCK; block++) {
        UNROLL for (uint i = 0u; i < unrolled(BLOCK); i++) {
            UNROLL for (uint c = 0u; c < unrolled(CHAINS); c++) {
                sum[c] = multiply_add(widen_halves(halves[c]), factor, sum[c]);
                halves[c] += 0x00010001u;
            }
        }
    }
    for (uint i = 0u; i < step_count % BLOCK; i++) {
        UNROLL for (uint c = 0u; c < unrolled(CHAINS); c++) {
            sum[c] = multiply_add(widen_halves(halves[c]), factor, sum[c]);
            halves[c] += 0x00010001u;
        }
    }
    UNROLL for (uint c = 0u; c < unrolled(CHAINS); c++) {
        uint chain = first + c * LANES;
        if (chain < chain_count) result[chain] = sum[c];
    }
}
