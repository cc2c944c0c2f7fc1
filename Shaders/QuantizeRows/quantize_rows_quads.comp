#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup of 8 invocations a row, through texel views; widths divisible by 4.

#define REDUCTION_QUADS
#include "rows.glsl"
#include "functions.glsl"
#include "reduction.glsl"
#include "quantize.glsl"

#pragma vkdyn variant(quads, tile = 1x1x1)

layout(local_size_x = 8) in;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(binding = 1) uniform textureBuffer source;
layout(std430, binding = 2) writeonly buffer Result { uint result[]; };
layout(std430, binding = 3) writeonly buffer Scales { float scales[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
};

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint lane = gl_LocalInvocationID.x;
    uint word_count = width / 4u;
    uint start = row * word_count;
    uint own = 0u;
    for (uint i = lane; i < word_count; i += 8u) {
        uvec4 bits = floatBitsToUint(texelFetch(source, int(start + i))) & 0x7FFFFFFFu;
        own = max(own, max(max(bits.x, bits.y), max(bits.z, bits.w)));
    }
    uint maximum = reduce_maximum(own);
    float factor = factor_of(maximum);
    for (uint i = lane; i < word_count; i += 8u) {
        vec4 value = texelFetch(source, int(start + i));
        result[start + i] = number(value.x, factor) | number(value.y, factor) << 8 | number(value.z, factor) << 16
            | number(value.w, factor) << 24;
    }
    if (lane == 0u) scales[row] = scale_of(maximum);
}
