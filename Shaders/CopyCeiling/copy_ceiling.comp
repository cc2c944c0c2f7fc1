#version 450
#extension GL_GOOGLE_include_directive : require

// A workgroup a segment: its lanes copy neighbouring quads, and the segment is one piece of memory.

#pragma vkdyn variant(storage_lanes8, tile = 1x1x1, LANES = 8)
#pragma vkdyn variant(storage_lanes64, tile = 1x1x1, LANES = 64)
#pragma vkdyn variant(texels_lanes8, tile = 1x1x1, LANES = 8, TEXELS = 1)
#pragma vkdyn variant(texels_lanes64, tile = 1x1x1, LANES = 64, TEXELS = 1)

layout(local_size_x = LANES) in;

#ifdef TEXELS
layout(binding = 0) uniform utextureBuffer source;
uvec4 quad(uint index) { return texelFetch(source, int(index)); }
#else
layout(std430, binding = 0) readonly buffer Source { uvec4 source[]; };
uvec4 quad(uint index) { return source[index]; }
#endif
layout(std430, binding = 1) writeonly buffer Result { uvec4 result[]; };

layout(push_constant) uniform Parameters {
    uint quad_count;
};

const uint SEGMENT = 4096u;
// Loads of an invocation that wait for nothing.
const uint BLOCK = 4u;

void main() {
    uint segment = gl_WorkGroupID.x;
    uint end = min((segment + 1u) * SEGMENT, quad_count);
    uint index = segment * SEGMENT + gl_LocalInvocationID.x;
    for (; index + (BLOCK - 1u) * LANES < end; index += BLOCK * LANES) {
        uvec4 bits[BLOCK];
        for (uint i = 0u; i < BLOCK; i++) bits[i] = quad(index + i * LANES);
        for (uint i = 0u; i < BLOCK; i++) result[index + i * LANES] = bits[i];
    }
    for (; index < end; index += LANES) result[index] = quad(index);
}
