#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_spirv_intrinsics : require

// As arithmetic_ceiling.comp: CHAINS independent chains an invocation, of four components each, and BLOCK steps of all
// of them one behind the other in the program. Benchmarks take the best.

#pragma vkdyn variant(lanes8_chains2_block16, tile = 16x1x1, CHAINS = 2, BLOCK = 16, LANES = 8)
#pragma vkdyn variant(lanes8_chains4_block8, tile = 32x1x1, CHAINS = 4, BLOCK = 8, LANES = 8)
#pragma vkdyn variant(lanes8_chains8_block4, tile = 64x1x1, CHAINS = 8, BLOCK = 4, LANES = 8)
#pragma vkdyn variant(lanes64_chains2_block16, tile = 128x1x1, CHAINS = 2, BLOCK = 16, LANES = 64)
#pragma vkdyn variant(lanes64_chains4_block8, tile = 256x1x1, CHAINS = 4, BLOCK = 8, LANES = 64)
#pragma vkdyn variant(lanes64_chains8_block8, tile = 512x1x1, CHAINS = 8, BLOCK = 8, LANES = 64)
#pragma vkdyn variant(dot8_chains4_block8, tile = 32x1x1, CHAINS = 4, BLOCK = 8, LANES = 8, DOT = 1)
#pragma vkdyn variant(dot64_chains2_block16, tile = 128x1x1, CHAINS = 2, BLOCK = 16, LANES = 64, DOT = 1)
#pragma vkdyn variant(dot64_chains4_block8, tile = 256x1x1, CHAINS = 4, BLOCK = 8, LANES = 64, DOT = 1)
#pragma vkdyn variant(dot64_chains8_block8, tile = 512x1x1, CHAINS = 8, BLOCK = 8, LANES = 64, DOT = 1)

layout(local_size_x = LANES) in;

layout(constant_id = 0) const bool PACKED = false;
layout(constant_id = 10) const uint CHAINS = 4u;
layout(constant_id = 11) const uint BLOCK = 4u;

layout(std430, binding = 0) writeonly buffer Result { uvec4 result[]; };

layout(push_constant) uniform Parameters {
    uint chain_count;
    uint step_count;
    int factor;
    int addend;
};

#ifdef DOT
// OpSDotKHR, which Debian 12's compiler does not name; format 0 is four packed int8.
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6019, 6018], id = 4450)
int packed_dot(int a, int b, spirv_literal int format);

ivec4 products(ivec4 x) {
    return ivec4(packed_dot(x.x, factor, 0), packed_dot(x.y, factor, 0), packed_dot(x.z, factor, 0),
                 packed_dot(x.w, factor, 0));
}
#else
ivec4 products(ivec4 x) {
    return (x << 24 >> 24) * (factor << 24 >> 24) + (x << 16 >> 24) * (factor << 16 >> 24)
        + (x << 8 >> 24) * (factor << 8 >> 24) + (x >> 24) * (factor >> 24);
}
#endif

ivec4 advance(ivec4 x) { return (PACKED ? products(x) : x * factor) + addend; }

void main() {
    uint first = gl_WorkGroupID.x * LANES * CHAINS + gl_LocalInvocationID.x;
    ivec4 x[CHAINS];
    // 2^32 divided by the golden ratio: neighbours differ in all bytes.
    [[unroll]] for (uint c = 0u; c < CHAINS; c++) {
        x[c] = ivec4((uvec4(0u, 1u, 2u, 3u) + 4u * (first + c * LANES)) * 0x9E3779B9u);
    }
    for (uint block = 0u; block < step_count / BLOCK; block++) {
        [[unroll]] for (uint i = 0u; i < BLOCK; i++) {
            [[unroll]] for (uint c = 0u; c < CHAINS; c++) x[c] = advance(x[c]);
        }
    }
    for (uint i = 0u; i < step_count % BLOCK; i++) {
        [[unroll]] for (uint c = 0u; c < CHAINS; c++) x[c] = advance(x[c]);
    }
    [[unroll]] for (uint c = 0u; c < CHAINS; c++) {
        uint chain = first + c * LANES;
        if (chain < chain_count) result[chain] = uvec4(x[c]);
    }
}
