#version 450
#extension GL_GOOGLE_include_directive : require

// CHAINS independent chains an invocation, of four components each, and BLOCK steps of all of them one behind the other
// in the program. Few chains wait for their own results where nothing else runs meanwhile, many do not fit in the
// registers, and what a driver's compiler makes of a long block differs by half for no reason that shows here: lavapipe
// had 51 GFLOP/s with 3 chains and 32 steps, 112 with 2 and 32, 121 with 16 and 4. Benchmarks take the best.

#include "arithmetic.glsl"

#pragma vkdyn variant(lanes8_chains2_block16, tile = 16x1x1, CHAINS = 2, BLOCK = 16, LANES = 8)
#pragma vkdyn variant(lanes8_chains2_block32, tile = 16x1x1, CHAINS = 2, BLOCK = 32, LANES = 8)
#pragma vkdyn variant(lanes8_chains4_block16, tile = 32x1x1, CHAINS = 4, BLOCK = 16, LANES = 8)
#pragma vkdyn variant(lanes8_chains8_block4, tile = 64x1x1, CHAINS = 8, BLOCK = 4, LANES = 8)
#pragma vkdyn variant(lanes8_chains16_block2, tile = 128x1x1, CHAINS = 16, BLOCK = 2, LANES = 8)
#pragma vkdyn variant(lanes8_chains16_block4, tile = 128x1x1, CHAINS = 16, BLOCK = 4, LANES = 8)
#pragma vkdyn variant(lanes8_chains32_block1, tile = 256x1x1, CHAINS = 32, BLOCK = 1, LANES = 8)
#pragma vkdyn variant(lanes8_chains32_block2, tile = 256x1x1, CHAINS = 32, BLOCK = 2, LANES = 8)
#pragma vkdyn variant(lanes64_chains1_block64, tile = 64x1x1, CHAINS = 1, BLOCK = 64, LANES = 64)
#pragma vkdyn variant(lanes64_chains2_block32, tile = 128x1x1, CHAINS = 2, BLOCK = 32, LANES = 64)
#pragma vkdyn variant(lanes64_chains4_block16, tile = 256x1x1, CHAINS = 4, BLOCK = 16, LANES = 64)
#pragma vkdyn variant(lanes64_chains8_block8, tile = 512x1x1, CHAINS = 8, BLOCK = 8, LANES = 64)
#pragma vkdyn variant(lanes64_chains16_block4, tile = 1024x1x1, CHAINS = 16, BLOCK = 4, LANES = 64)

layout(local_size_x = LANES) in;

layout(constant_id = 10) const uint CHAINS = 4u;
layout(constant_id = 11) const uint BLOCK = 4u;

layout(std430, binding = 0) writeonly buffer Result { vec4 result[]; };

layout(push_constant) uniform Parameters {
    uint chain_count;
    uint step_count;
    float factor;
    float addend;
};

vec4 start_of(uint chain) {
    uvec4 number = (uvec4(0u, 1u, 2u, 3u) + 4u * chain) & 0xFFFFu;
    // 2^-16
    return vec4(1.0) + vec4(number) * 0.0000152587890625;
}

void main() {
    uint first = gl_WorkGroupID.x * LANES * CHAINS + gl_LocalInvocationID.x;
    vec4 x[CHAINS];
    for (uint c = 0u; c < unrolled(CHAINS); c++) x[c] = start_of(first + c * LANES);
    vec4 addends = vec4(addend);
    for (uint block = 0u; block < step_count / BLOCK; block++) {
        for (uint i = 0u; i < unrolled(BLOCK); i++) {
            for (uint c = 0u; c < unrolled(CHAINS); c++) x[c] = multiply_add(x[c], factor, addends);
        }
    }
    for (uint i = 0u; i < step_count % BLOCK; i++) {
        for (uint c = 0u; c < unrolled(CHAINS); c++) x[c] = multiply_add(x[c], factor, addends);
    }
    for (uint c = 0u; c < unrolled(CHAINS); c++) {
        uint chain = first + c * LANES;
        if (chain < chain_count) result[chain] = x[c];
    }
}
