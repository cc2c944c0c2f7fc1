#version 450
#extension GL_EXT_control_flow_attributes : require

// A workgroup a segment: its lanes read neighbouring quads, and the segment is one piece of memory. Texel views of floats
// widen what they read; views of raw words and storage buffers are read as they are, four words at once.

#pragma vkdyn variant(storage_lanes8, tile = 1x1x1, LANES = 8)
#pragma vkdyn variant(storage_lanes64, tile = 1x1x1, LANES = 64)
#pragma vkdyn variant(texels_lanes8, tile = 1x1x1, LANES = 8, TEXELS = 1)
#pragma vkdyn variant(texels_lanes64, tile = 1x1x1, LANES = 64, TEXELS = 1)
#pragma vkdyn variant(bits_lanes8, tile = 1x1x1, LANES = 8, TEXEL_BITS = 1)
#pragma vkdyn variant(bits_lanes64, tile = 1x1x1, LANES = 64, TEXEL_BITS = 1)

layout(local_size_x = LANES) in;

#if defined(TEXELS)
layout(binding = 0) uniform textureBuffer source;
uvec4 quad(uint index) { return floatBitsToUint(texelFetch(source, int(index))); }
#elif defined(TEXEL_BITS)
layout(binding = 0) uniform utextureBuffer source;
uvec4 quad(uint index) { return texelFetch(source, int(index)); }
#else
layout(std430, binding = 0) readonly buffer Source { uvec4 source[]; };
uvec4 quad(uint index) { return source[index]; }
#endif
layout(std430, binding = 1) buffer Result { uint result[]; };

layout(push_constant) uniform Parameters {
    uint quad_count;
};

const uint SEGMENT = 8192u;
// Loads of an invocation that wait for nothing.
const uint BLOCK = 8u;

void main() {
    uint segment = gl_WorkGroupID.x;
    uint end = min((segment + 1u) * SEGMENT, quad_count);
    uint index = segment * SEGMENT + gl_LocalInvocationID.x;
    uvec4 bits = uvec4(0u);
    for (; index + (BLOCK - 1u) * LANES < end; index += BLOCK * LANES) {
        [[unroll]] for (uint i = 0u; i < BLOCK; i++) bits ^= quad(index + i * LANES);
    }
    for (; index < end; index += LANES) bits ^= quad(index);
    atomicXor(result[segment], bits.x ^ bits.y ^ bits.z ^ bits.w);
}
